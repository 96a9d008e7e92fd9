"""Turn store paths built from source into tables that the linker accepts as seeds.

A built store path keeps its absolute path in the root and is linked like a slice. It references the payloads whose
files it was linked with; these payloads are excluded, since a root contains slices of them instead.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from fpack.builders.payload import elf, meta
from fpack.builders.payload.extension_modules import interpreter_of
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import Task
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.regular_file import open_regular
from fpack.store.path import STORE, StorePath

from .linker import LinkResult, Reason


def payload(tree: CheckedTree) -> str | None:
    """Return the package name of a store path that is a payload or a slice; None if it is neither."""
    table = tree.disk / "meta"
    if not ((tree.disk / "data").is_dir() and table.is_file() and not table.is_symlink()):
        tree.check()  # a damaged directory may hide a payload
        return None
    try:
        name = meta.load(tree)[1].get("package")
    except (ValueError, KeyError, OSError):
        return None
    return name if isinstance(name, str) else None


def closure(task: Task, paths: Sequence[StorePath]) -> list[StorePath]:
    """Return the store paths that `paths` need in /fpack/store: their closure without payloads.

    The trees of these store paths were then compared with their digests.
    """
    return [path for path in task.closure(paths) if payload(task.tree(path)) is None] if paths else []


def seen(task: Task, paths: Sequence[StorePath]) -> list[StorePath]:
    """Return the store paths that a build sees which mentions `paths`: these, and their closure without payloads.

    A payload that something else was linked with is left out, since the build's root has the files of it.
    """
    named = set(paths)
    return [path for path in task.closure(paths) if path in named or payload(task.tree(path)) is None] if paths else []


def tables(task: Task, paths: Sequence[StorePath]) -> list[SliceTable]:
    """Return a table for each store path of the closure of `paths`, with the store path as its package."""
    found = []
    for path in closure(task, paths):
        entries = {entry.path: entry for entry in _entries(task.disk(path), f"{STORE[1:]}/{path.base}", task.check)}
        found.append(SliceTable(str(path), "", "", str(path), entries))
    return found


def extension_modules(task: Task, paths: Sequence[StorePath]) -> Iterator[tuple[str, meta.LoadFacts]]:
    """Yield the path in the image, and the facts, of each library that an interpreter loads as a module."""
    for path in closure(task, paths):
        disk = os.fspath(task.disk(path))
        for directory, _, names in os.walk(disk):
            task.check()
            for name in names:
                file = f"{directory}/{name}"
                shown = f"{STORE[1:]}/{path.base}{file.removeprefix(disk)}"
                if interpreter_of(f"/{shown}") and not os.path.islink(file):
                    facts = _facts(Path(file), os.lstat(file).st_size)
                    if facts is not None and facts.machine:
                        yield shown, facts


def packages(task: Task, paths: Sequence[StorePath]) -> list[str]:
    """Return the packages whose payloads `paths` were linked with, sorted."""
    names = {payload(task.tree(path)) for path in task.closure(paths)} if paths else set()
    return sorted(name for name in names if name is not None)


def without(found: LinkResult, built: Collection[SliceTable]) -> LinkResult:
    """Remove the seeds `built` from a link result. Slices that they required have no dependent package afterwards."""
    names = {table.package for table in built}
    reasons: Mapping[str, Reason] = {
        package: reason._replace(by=None) if reason.by in names else reason
        for package, reason in found.reasons.items()
        if package not in names
    }
    return LinkResult([table for table in found.tables if table.package not in names], dict(reasons), found.missing)


def _entries(path: Path, prefix: str, check: Callable[[], None]) -> Iterator[TreeEntry]:
    """Yield entries, named below `prefix`, for the tree at `path` on disk."""
    check()
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        yield TreeEntry(prefix, meta.SYMLINK, 0o777, target=os.readlink(path))
    elif stat.S_ISDIR(status.st_mode):
        yield TreeEntry(prefix, meta.DIRECTORY, 0o755)
        for name in sorted(os.listdir(path)):
            yield from _entries(path / name, f"{prefix}/{name}", check)
    else:
        mode = 0o755 if status.st_mode & 0o100 else 0o644
        yield TreeEntry(prefix, meta.FILE, mode, size=status.st_size, facts=_facts(path, status.st_size))


def _facts(path: Path, size: int) -> meta.LoadFacts | None:
    if size < len(elf.ELF_MAGIC):
        return None
    with open_regular(path) as file:
        head = file.read(elf.HEAD)
    known = head.startswith((elf.ELF_MAGIC, elf.SCRIPT_MAGIC))
    return elf.facts(head, os.fspath(path)) if known else None
