"""Check that an image has the interpreters of the scripts that it is made to run.

These are its program, the executable files of the container, and the programs of the store paths in it. Packages have
scripts for many occasions, whose interpreters they only suggest, so those are not checked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from fpack.builders.payload import elf, meta
from fpack.builders.protocol import BuildError, Task
from fpack.store.path import STORE, StorePath

from .image_contents import PartTable
from .image_fs import BASE_LABEL, FsEntry, ImageFs, is_executable

# The packages of interpreters that scripts name most often.
_PACKAGES: Mapping[str, str] = {
    "sh": "dash",
    "bash": "bash",
    "env": "coreutils",
    "python3": "python3",
    "perl": "perl-base",
    "node": "nodejs",
    "ruby": "ruby",
    "awk": "mawk",
}


def check_scripts(task: Task, view: ImageFs, scripts: Iterable[str], path: str) -> None:
    """Raise BuildError if the image lacks what runs one of the files at these paths. path: the PATH of the image."""
    for name in scripts:
        if what := absent_interpreter(task, view, name, path):
            raise _missing(name, what)


def absent_interpreter(task: Task, view: ImageFs, name: str, path: str) -> str:
    """Return what the image lacks to run the file at this path, "" if it lacks nothing or the file is no script."""
    found = view.resolve(name)
    head = read_head(task, *found, elf.HEAD) if found is not None and is_executable(found) else b""
    facts = elf.script_facts(head) if head.startswith(elf.SCRIPT_MAGIC) else None
    if facts is None:
        return ""
    if not is_executable(view.resolve(facts.interp)):
        return facts.interp
    for program in facts.needed:
        if not any(is_executable(view.resolve(f"{directory}/{program}")) for directory in path.split(":")):
            return program
    return ""


def container_scripts(files: PartTable | None) -> Iterator[str]:
    """Yield the paths of a container's own executable files."""
    for entry in files.entries if files is not None else ():
        if entry.kind == meta.FILE and entry.executable:
            yield f"/{entry.path}"


def built_programs(task: Task, path: StorePath) -> Iterator[str]:
    """Yield the paths of the programs of a store path: its files in bin and sbin, or itself if it is a file."""
    disk = task.disk(path)
    if disk.is_file():
        yield str(path)
    for directory in ("bin", "sbin"):
        if (disk / directory).is_dir():
            yield from (f"{path}/{directory}/{name}" for name in sorted(os.listdir(disk / directory)))


def read_head(task: Task, path: str, entry: FsEntry, most: int) -> bytes:
    """Return the first `most` bytes of a file of the image. Raise DamagedPath if it differs from its digest.

    Nothing is known of the content of a file of the base: it is checked by whoever made the base.
    """
    if entry.source.label.startswith(BASE_LABEL):
        return b""
    if entry.source.data:
        disk = f"{entry.source.data}/{path}"
    else:
        base, _, below = path[len(STORE) :].partition("/")
        disk = os.path.join(task.disk(f"{STORE}/{base}"), below) if below else str(task.disk(f"{STORE}/{base}"))
    if entry.digest:
        return meta.read_file(disk, entry.digest, most)
    with open(disk, "rb") as file:
        return file.read(most)


def _missing(script: str, what: str) -> BuildError:
    package = _PACKAGES.get(what.rpartition("/")[2])
    such = f", such as {package}" if package else ""
    return BuildError(
        f"The image has a script, but not {what}, which runs it",
        where=script,
        why=f"its first line names {what}",
        hint=f"add the package that has it to `packages`{such}; fpack search --file {what} finds packages",
    )
