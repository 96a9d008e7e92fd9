"""Find programs and libraries in an image that are for another machine than the image.

Debian's packages are not searched: each is for the image's architecture, and some ship files for others on purpose. Of
what comes from elsewhere, a file for another machine is an error in a directory of programs, and where no file beside
it is for the image's machine. Packages of some languages bring one library for each machine, and load one of them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.builders.machines import MACHINES, elf_machine
from fpack.builders.payload import meta
from fpack.builders.payload.elf import ELF_MAGIC
from fpack.builders.payload.globs import Globs, merged
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BuildError
from fpack.store.path import STORE, StorePath

_HEADER = 20  # bytes, up to e_machine
_EXECUTABLE, _SHARED = 2, 3
# Processors that always run the programs of another machine, too.
_RUNS_TOO = {62: (3,)}
_PROGRAMS = ("usr/local/sbin/", "usr/local/bin/", "usr/sbin/", "usr/bin/", "usr/games/", "usr/local/games/")
_SHOWN = 3  # programs that a message names


class ProgramFile(NamedTuple):
    """An ELF program or library. path: relative to `/`. owner: what it comes from. surely_used: see the module."""

    path: str
    owner: str
    machine: int
    surely_used: bool


def check_programs(files: Iterable[ProgramFile], arch: str, meant: Sequence[str]) -> None:
    """Raise BuildError for files that are for another machine than `arch`, unless globs in `meant` cover them."""
    own = elf_machine(arch)
    if not own:
        return
    fitting = {own, *_RUNS_TOO.get(own, ())}
    known = {machine.elf for machine in MACHINES.values()}  # others are of firmware and of the kernel
    globs = Globs(meant)
    groups: dict[str, list[ProgramFile]] = {}
    for file in files:
        groups.setdefault(_group(file), []).append(file)
    for group in groups.values():
        has_fitting = any(file.machine in fitting for file in group)
        foreign = [
            file
            for file in group
            if file.machine in known - fitting
            and (file.surely_used or not has_fitting)
            and not globs.covers(merged(file.path))
            and not globs.covers(file.path)
        ]
        if foreign:
            raise _error(foreign, arch)


def programs_of_path(path: StorePath, disk: Path, check: Callable[[], None]) -> Iterator[ProgramFile]:
    """Yield the ELF programs and libraries of a store path."""
    prefix = f"{STORE[1:]}/{path.base}"
    todo = [(os.fspath(disk), "")]
    while todo:
        check()
        top, below = todo.pop()
        if below or os.path.isdir(top):
            with os.scandir(top) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    name = f"{below}/{entry.name}"
                    if entry.is_dir(follow_symlinks=False):
                        todo.append((entry.path, name))
                    elif (
                        entry.is_file(follow_symlinks=False)
                        and _may_be(entry.name, entry.stat().st_mode)
                        and (machine := _machine(entry.path))
                    ):
                        yield ProgramFile(prefix + name, path.name, machine, below in ("/bin", "/sbin"))
        elif (machine := _machine(top)) and not os.path.islink(top):
            yield ProgramFile(prefix, path.name, machine, surely_used=True)


def programs_of_files(entries: Iterable[TreeEntry], data: str) -> Iterator[ProgramFile]:
    """Yield the ELF programs and libraries among the files of a container. data: their tree on disk."""
    for entry in entries:
        is_candidate = entry.kind == meta.FILE and _may_be(entry.path, entry.mode)
        if is_candidate and (machine := _machine(f"{data}/{entry.path}")):
            used = merged(entry.path).startswith(_PROGRAMS)
            yield ProgramFile(entry.path, "the container's files", machine, used)


def _group(file: ProgramFile) -> str:
    """Return the directory in which a file for each machine may stand: the store path, /opt/NAME and the like."""
    parts = file.path.split("/")
    return "/".join(parts[: 3 if file.path.startswith(f"{STORE[1:]}/") else 2])


def _may_be(name: str, mode: int) -> bool:
    """Return whether a file may be a program or a library, by its name and mode, so that few files are opened."""
    return bool(mode & stat.S_IXUSR) or ".so" in name or name.endswith(".node")


def _machine(path: str) -> int:
    """Return the ELF machine of a program or a shared library; 0 for any other file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return 0
    try:
        head = os.read(fd, _HEADER)
    except OSError:
        return 0
    finally:
        os.close(fd)
    if len(head) < _HEADER or not head.startswith(ELF_MAGIC) or head[5] not in (1, 2):
        return 0
    order = "little" if head[5] == 1 else "big"
    kind, machine = (int.from_bytes(head[at : at + 2], order) for at in (16, 18))  # type: ignore[arg-type]
    return machine if kind in (_EXECUTABLE, _SHARED) else 0


def _error(foreign: Sequence[ProgramFile], arch: str) -> BuildError:
    first = foreign[0]
    names = [name for name, machine in MACHINES.items() if machine.elf == first.machine]
    more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
    some = ", ".join(f"/{file.path}" for file in foreign[:_SHOWN])
    meant = f"/{first.path}" if not first.path.startswith(f"{STORE[1:]}/") else f"{STORE}/*-{first.owner}"
    return BuildError(
        f"{first.owner}: a program is for {' or '.join(names)}, and the image is for {arch}",
        where=some + more,
        why=f"no machine of {arch} runs it",
        hint=f"use the file for {arch}, which `platform.arch` can select in a URL; "
        f'if the program is meant to be there, write foreign = ["{meant}"] in the container',
    ).with_(field="foreign")
