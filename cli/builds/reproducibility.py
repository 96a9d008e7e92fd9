"""Rebuild a derivation under other conditions and show the differences (`fpack build --check` and `--rounds`)."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.store import processes
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.builders.protocol import Builder
    from fpack.builders.scheduler.rebuild import RebuiltOutput
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.derivation import Output

_MAX_DIFFERENCES = 20  # entries to name
_DIFFOSCOPE_SECONDS = 120


class NotReproducible(FpackError):
    """A rebuild gave a different output."""


def check_rebuilds(workspace: Workspace, output: Output, rounds: int) -> None:
    """Rebuild an output `rounds` times, each time with another number of cores, directory, time and build user.

    Raise NotReproducible, with the differing files, after the first round that gives another output.
    """
    from fpack.builders.rootfs.view import assemble
    from fpack.builders.scheduler.rebuild import Rebuilder
    from fpack.cli.ui.progress import reporter
    from fpack.cli.ui.render import note

    shown = reporter(workspace.options.verbose, logs=workspace.options.build_logs)
    try:
        with Rebuilder(workspace.store, output.derivation, shown, assemble, workspace.realise) as builds:
            for number in range(1, rounds + 1):
                # The first build used all cores of this machine, so no round does.
                cores = number if number != len(os.sched_getaffinity(0)) else rounds + 1
                compared = builds.run(_builder(workspace, builds.drv.kind, cores))
                different = [output for output in compared if not output.same]
                if different:
                    raise _difference(workspace, builds.drv.name, different[0], number)
                count = "1 core" if cores == 1 else f"{cores} cores"
                note(f"{builds.drv.name} is identical in round {number} of {rounds}, with {count}")
    finally:
        shown.close()


def _builder(workspace: Workspace, kind: str, cores: int) -> Builder:
    """Return the builder of a kind. Only builds by a script (`exec`) can depend on the number of cores."""
    if kind != "exec":
        return workspace.builders[kind]
    from fpack.builders.kinds.exec import ExecBuilder, ExecOptions
    from fpack.builders.sandbox.local_executor import LocalExecutor

    return ExecBuilder(LocalExecutor(), ExecOptions(cores=cores))


def _difference(workspace: Workspace, name: str, compared: RebuiltOutput, number: int) -> NotReproducible:
    from fpack.builders.scheduler.tree_diff import compare
    from fpack.cli.ui.render import note

    before = workspace.store.disk(compared.path)
    lines = []
    found = list(islice(compare(before, compared.rebuilt), _MAX_DIFFERENCES + 1))
    for entry in found[:_MAX_DIFFERENCES]:
        cause = f" ({entry.cause})" if entry.cause else ""
        lines.append(f"{entry.path or name} {entry.what}{cause}")
    if len(found) > _MAX_DIFFERENCES:
        lines.append("and more")
    if not found:
        lines.append("its files are identical, but its references differ")
    if processes.find("diffoscope"):
        for line in _diffoscope(before, compared.rebuilt):
            note(line)
        hint = ""
    else:
        hint = "install diffoscope to see the differences"
    return NotReproducible(
        f"{name} is not reproducible: the output {compared.output} differs in round {number}",
        where=name,
        why="\n".join(lines),
        hint=hint,
    )


def _diffoscope(one: Path, two: Path) -> list[str]:
    words = ["--exclude-directory-metadata=yes", "--max-report-size", "20000"]
    try:
        done = processes.run(
            "diffoscope", [*words, str(one.absolute()), str(two.absolute())], seconds=_DIFFOSCOPE_SECONDS
        )
    except OSError:
        return ["diffoscope did not finish"]
    return done.output.decode("utf-8", "replace").splitlines()
