"""Let a build on one architecture make files for another: choose its linkers and `strip`, and check what it made."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from fpack.builders.machines import MACHINES, elf_machine
from fpack.builders.payload import meta
from fpack.builders.payload.globs import Globs, merged
from fpack.builders.protocol import BuildError, Task
from fpack.builders.sandbox.spec import CONTROL
from fpack.store.path import StorePath

from .outputs import ScannedOutput

_COMPILERS = "usr/lib/gcc-cross"  # a directory for each architecture, with one for each version
_ALL = "all"
_NO_EXEC = "Exec format error"  # of the kernel, for a program of another architecture


def tool_prefix(arch: str) -> str:
    """Return how the names of GNU's tools for an architecture begin."""
    triplet = MACHINES[arch].triplet if arch in MACHINES else arch
    return triplet.replace("i386-", "i686-") + "-"


def strip(target: str | None) -> str:
    """Return the relative path of the program that strips files for an architecture; None is that of the root."""
    return f"usr/bin/{tool_prefix(target) if target is not None else ''}strip"


def linkers(view: Path, target: str | None, control: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield further files for the linker's script: a cross compiler calls `ld` in COMPILER_PATH without its prefix.

    It looks first in a directory there that is named for its architecture and version. view: the root on disk.
    control: the names of the build's files.
    """
    if target is None:
        return
    prefix = tool_prefix(target)
    directory = view / _COMPILERS / prefix[:-1]
    try:
        versions = sorted(os.listdir(directory))
    except OSError:
        return
    for name in control:
        folder, _, program = name.rpartition("/")
        if folder == "bin" and program.startswith(prefix):
            for version in versions:
                path = f"bin/{prefix[:-1]}/{version}/{program.removeprefix(prefix)}"
                yield path, f'#!/bin/bash\nexec {CONTROL}/bin/{program} "$@"\n'


def check_machines(output: ScannedOutput, target: str, foreign: Sequence[str], name: str) -> None:
    """Raise BuildError if an output has a compiled file for another machine than the target's.

    foreign: globs of files that are meant for another one.
    """
    wanted = elf_machine(target)
    meant = Globs(foreign)
    wrong = [
        (path, machine)
        for path, machine in output.machines.items()
        if machine != wanted and not meant.covers(merged(path))
    ]
    if not wrong:
        return
    path, machine = min(wrong)
    own = next((arch for arch, names in MACHINES.items() if names.elf == machine), f"the ELF machine {machine}")
    more = f", as are {len(wrong) - 1} more" if len(wrong) > 1 else ""
    raise BuildError(
        f"The cross build made a file for another architecture than {target}",
        where=f"{name}/{path}" if path else name,
        why=f"it is for {own}{more}: the build called a compiler or linker that is not the one of $CC, $CXX and $LD",
        hint="let it use these variables, by `flags` or a patch; or list the file in `foreign`; or "
        "leave out cross = true, and an emulator runs the build",
    )


def of_target(task: Task, payloads: set[StorePath], target: str) -> set[StorePath]:
    """Return the payloads that a file for `target` can load: those of tools are for the machine of the build."""
    return {path for path in payloads if meta.load(task.tree(path))[1].get("arch") in (target, _ALL)}


def advice(task: Task, log: str) -> str:
    """Return what to do if a cross build could not run a program that it made; "" if the log shows no such failure."""
    if "target" not in task.args or "emulator" in task.args or _NO_EXEC not in log:
        return ""
    return (
        f"the build runs a program that it made for {task.args['target']}: with emulate = true in its package, an "
        "emulator of the lock runs it"
    )
