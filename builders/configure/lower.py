"""Describe the tree that maintainer scripts find: a `root` output with its slices.

The store has every file as 0444 or 0555 of one owner. The tables have the modes and owners that scripts must find, and
that their changes are compared with.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BuildError, Task
from fpack.store.path import StorePath, parse

_ROOT = ""


class LowerTree:
    """The tree before the first script.

    files: the entry of each path that is no directory. directories: the entry of each directory, implied ones too.
    packages: the paths that each package has, sorted. set_id: the modes of files whose set-id bits a slice left out.
    """

    def __init__(self) -> None:
        self.files: dict[str, TreeEntry] = {}
        self.directories: dict[str, TreeEntry] = {}
        self.packages: dict[str, list[str]] = {}
        self.set_id: dict[str, int] = {}

    @cached_property
    def by_content(self) -> dict[bytes, TreeEntry]:
        """An entry of each content, by SHA-256."""
        return {entry.sha256: entry for entry in reversed(self.files.values()) if entry.kind == meta.FILE}

    @property
    def size(self) -> int:
        """The bytes that a copy of the tree takes in memory."""
        return sum(entry.size + 4096 for entry in self.files.values())

    def add(self, package: str, entries: Iterable[TreeEntry], excluded: set[str]) -> None:
        """Add the entries of a slice, or the generated ones, without the excluded paths."""
        paths: set[str] = set()
        for entry in entries:
            if entry.path in excluded:
                continue
            paths.add(entry.path)
            if entry.kind == meta.DIRECTORY:
                known = self.directories.get(entry.path)
                if known is None or known.has_usual_attributes or package == _ROOT:
                    self.directories[entry.path] = entry
            elif package == _ROOT or entry.path not in self.files:
                self.files[entry.path] = entry
            above = entry.path
            while (above := above.rpartition("/")[0]) and above not in paths:
                paths.add(above)
                self.directories.setdefault(above, TreeEntry(above, meta.DIRECTORY, 0o755))
        self.packages[package] = sorted(paths)

    def has(self, path: str) -> bool:
        """Return whether the tree has anything at a path."""
        return path in self.files or path in self.directories

    def differing(self) -> Iterator[tuple[str, int, int, int]]:
        """Yield (absolute path, mode, uid, gid) of entries whose mode or owner on disk is another one."""
        for entry in self.directories.values():
            if not entry.has_usual_attributes:
                yield f"/{entry.path}", entry.mode, entry.uid, entry.gid
        for path, entry in self.files.items():
            mode = self.set_id.get(path, entry.mode)
            usual = (entry.uid, entry.gid) == (0, 0) and mode in (0o444, 0o555, 0o644, 0o755)
            if entry.kind == meta.FILE and not usual:
                yield f"/{path}", mode, entry.uid, entry.gid

    def below(self, path: str) -> Iterator[str]:
        """Yield the files below a directory."""
        prefix = f"{path}/"
        return (other for other in self.files if other.startswith(prefix))


def load(task: Task, root: StorePath) -> LowerTree:
    """Read the tables of a root and its slices."""
    entries, extra = meta.load(task.tree(root))
    tree = LowerTree()
    excluded: dict[str, set[str]] = {}
    for package, path, *_ in extra["excluded"]:
        excluded.setdefault(package, set()).add(os.fsdecode(path))
    for part in extra["slices"]:
        task.check()
        found, more = meta.load(task.tree(parse(part["path"])))
        tree.add(part["package"], found, excluded.get(part["package"], set()))
        for path, mode in more.get("setuid", ()):
            tree.set_id[path.strip("/")] = mode
    tree.add(_ROOT, entries, set())
    return tree


def stanza(task: Task, tree: LowerTree, root: Mapping[str, Any], package: str) -> str:
    """Return the control file of a package, from the entry of dpkg's status that its slice has."""
    path = f"var/lib/dpkg/status.d/{package}"
    entry = tree.files.get(path)
    slice_ = root.get(package)
    if entry is None or slice_ is None:
        raise BuildError(f"The root has no package {package}, whose scripts are to run")
    return meta.read_file(task.disk(slice_) / "data" / path, entry.blake3, 1 << 20).decode("utf-8", "surrogateescape")
