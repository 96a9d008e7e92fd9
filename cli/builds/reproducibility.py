"""`fpack build --check` and `--rounds`: build again under other conditions, and show what differs."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.store import processes
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.builders.protocol import Builder
    from fpack.builders.scheduler.rebuild import Compared
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.derivation import Output

_SHOWN = 20
_DIFFOSCOPE_SECONDS = 120


class NotReproducible(FpackError):
    """Something came out in two ways."""


def again(workspace: Workspace, output: Output, rounds: int) -> None:
    """Build an output `rounds` times more, each time with another number of cores, place, time and build user."""
    from fpack.builders.rootfs.view import assemble
    from fpack.builders.scheduler.rebuild import Again
    from fpack.cli.ui.progress import reporter
    from fpack.cli.ui.render import note

    shown = reporter(workspace.options.verbose, logs=workspace.options.build_logs)
    try:
        with Again(workspace.store, output.derivation, shown, assemble) as builds:
            for number in range(1, rounds + 1):
                cores = number if number != len(os.sched_getaffinity(0)) else rounds + 1
                compared = builds.run(_builder(workspace, builds.drv.kind, cores))
                different = [each for each in compared if not each.same]
                if different:
                    raise _difference(workspace, builds.drv.name, different[0], number)
                count = "1 core" if cores == 1 else f"{cores} cores"
                note(f"{builds.drv.name} came out the same, in round {number} of {rounds}, with {count}")
    finally:
        shown.close()


def _builder(workspace: Workspace, kind: str, cores: int) -> Builder:
    if kind != "exec":
        return workspace.builders[kind]
    from fpack.builders.kinds.exec import ExecBuilder, ExecOptions
    from fpack.builders.sandbox.local_executor import LocalExecutor

    return ExecBuilder(LocalExecutor(), ExecOptions(cores=cores))


def _difference(workspace: Workspace, name: str, compared: Compared, number: int) -> NotReproducible:
    from fpack.builders.scheduler.tree_diff import compare
    from fpack.cli.ui.render import note

    before = workspace.store.disk(compared.path)
    lines = []
    found = list(islice(compare(before, compared.again), _SHOWN + 1))
    for each in found[:_SHOWN]:
        cause = f" ({each.cause})" if each.cause else ""
        lines.append(f"{each.path or name} {each.what}{cause}")
    if len(found) > _SHOWN:
        lines.append("and more")
    if not found:
        lines.append("its files are the same; what they are linked with is not")
    if processes.find("diffoscope"):
        for line in _diffoscope(before, compared.again):
            note(line)
        hint = ""
    else:
        hint = "with diffoscope installed, the differences themselves are shown"
    return NotReproducible(
        f"{name} is not reproducible: the output {compared.output} came out otherwise in round {number}",
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
        return ["diffoscope did not come to an end"]
    return done.output.decode("utf-8", "replace").splitlines()
