"""What programs and libraries that were built from source load, so that a root can have it.

A built store path is laid at its own place in the root and linked like a slice's files, but is no slice: here it
becomes a table that the linker takes as a seed. Payloads, which a built path references where it was linked with their
files, are left out: of them a root takes slices.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from fpack.builders.payload import elf, meta
from fpack.builders.payload.meta import Entry
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import Task
from fpack.store.files.regular_file import open_regular
from fpack.store.path import STORE, StorePath

from .linker import Linked, Reason


def is_payload(place: Path) -> bool:
    """Whether what lies at `place` on disk is a payload, or a slice of one."""
    return payload(place) is not None


def payload(place: Path) -> str | None:
    """The name of the package whose payload, or a slice of it, lies at `place` on disk."""
    table = place / "meta"
    if not ((place / "data").is_dir() and table.is_file() and not table.is_symlink()):
        return None
    try:
        name = meta.read(place)[1].get("package")
    except (ValueError, KeyError, OSError):
        return None
    return name if isinstance(name, str) else None


def closure(task: Task, paths: Sequence[StorePath]) -> list[StorePath]:
    """The store paths that `paths` need beside them under /fpack/store: their closure less payloads."""
    return [path for path in task.closure(paths) if not is_payload(task.disk(path))] if paths else []


def tables(task: Task, paths: Sequence[StorePath]) -> list[SliceTable]:
    """A table for each of `paths` and of what they need under /fpack/store; its package is the store path itself."""
    found = []
    for path in closure(task, paths):
        place = task.disk(path)
        entries = {entry.path: entry for entry in _entries(place, f"{STORE[1:]}/{path.base}", task.check)}
        found.append(SliceTable(str(path), "", "", str(path), entries))
    return found


def packages(task: Task, paths: Sequence[StorePath]) -> list[str]:
    """The packages whose payloads `paths` were linked with, sorted."""
    names = {payload(task.disk(path)) for path in task.closure(paths)} if paths else set()
    return sorted(name for name in names if name is not None)


def without(found: Linked, built: Collection[SliceTable]) -> Linked:
    """A resolution without the tables that were only its seeds. No package brought in what they brought in."""
    names = {table.package for table in built}
    reasons: Mapping[str, Reason] = {
        package: reason._replace(by=None) if reason.by in names else reason
        for package, reason in found.reasons.items()
        if package not in names
    }
    return Linked([table for table in found.tables if table.package not in names], dict(reasons), found.missing)


def _entries(place: Path, at: str, check: Callable[[], None]) -> Iterator[Entry]:
    """What lies at `place`, with its facts, as entries below `at`."""
    check()
    status = os.lstat(place)
    if stat.S_ISLNK(status.st_mode):
        yield Entry(at, meta.SYMLINK, 0o777, target=os.readlink(place))
    elif stat.S_ISDIR(status.st_mode):
        yield Entry(at, meta.DIRECTORY, 0o755)
        for name in sorted(os.listdir(place)):
            yield from _entries(place / name, f"{at}/{name}", check)
    else:
        mode = 0o755 if status.st_mode & 0o100 else 0o644
        yield Entry(at, meta.FILE, mode, size=status.st_size, facts=_facts(place, status.st_size))


def _facts(place: Path, size: int) -> meta.Facts | None:
    if size < len(elf.ELF_MAGIC):
        return None
    with open_regular(place) as file:
        head = file.read(elf.HEAD)
    known = head.startswith((elf.ELF_MAGIC, elf.SCRIPT_MAGIC))
    return elf.facts(head, os.fspath(place)) if known else None
