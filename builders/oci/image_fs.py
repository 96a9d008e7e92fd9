"""Compute the file system of an image from the tables of its layers, before the layers are built.

A runtime unpacks layers one over another. A later layer's entry replaces an earlier one at the same path, even a
symlink by a directory, and every directory that a layer lists gets that layer's mode and owner. This module makes sure
that each path other than a directory is in one layer only, that no entry lies below another layer's symlink, and that
directories get the intended mode and owner.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from fpack.builders.payload.meta import DIRECTORY, FILE, SYMLINK, TreeEntry
from fpack.builders.payload.parents import parents
from fpack.builders.protocol import BuildError

from .layer_contents import PLAIN, Attributes

MAX_SYMLINKS = 40  # to follow, as in Linux
PACKAGE_LABEL, BASE_LABEL = "the package ", "the base's "


class FsSource(NamedTuple):
    """The origin of a layer's files. label: its name in error messages. data: its tree on disk."""

    label: str
    data: str


class FsEntry(NamedTuple):
    """An entry of the image.

    target: of a symlink. source: the last source that has the path. digest: BLAKE3 of a file, or b"".
    """

    kind: str
    mode: int
    target: str
    source: FsSource
    digest: bytes = b""


_STORE = FsEntry(DIRECTORY, PLAIN.mode, "", FsSource("the store", ""))


class ImageFs:
    """The file system of an image. All paths are relative to `/`.

    outside: returns the entry at a path below /fpack/store, since store paths have no tables.
    """

    def __init__(self, outside: Callable[[str], FsEntry | None] = lambda path: None) -> None:
        self._outside = outside
        self._found: dict[str, FsEntry] = {}
        self._attributes: dict[str, Attributes] = {}

    def add(
        self, source: FsSource, entries: Iterable[TreeEntry], exclude: Collection[str] = (), last: bool = False
    ) -> None:
        """Add the entries of a table.

        last: this table determines the attributes of its directories. Otherwise the first table with attributes other
        than 0755 root:root does. Raise BuildError if two tables have the same path, unless both have a directory, or
        if a parent of an entry is a file or a symlink.
        """
        found = self._found
        passed: set[str] = set()
        for entry in entries:
            path = entry.path
            if path in exclude:
                continue
            before = found.get(path)
            if before is not None and not before.kind == entry.kind == DIRECTORY:
                raise _clash(path, before, entry.kind, source)
            if entry.kind != DIRECTORY:
                found[path] = FsEntry(entry.kind, entry.mode, entry.target, source, entry.blake3)
            else:
                self._directory(path, Attributes(entry.mode, entry.uid, entry.gid), last)
                if before is None:
                    found[path] = FsEntry(DIRECTORY, entry.mode, "", source)
            for parent in parents(path):
                if parent in passed:
                    break
                passed.add(parent)
                before = found.get(parent)
                if before is None:
                    found[parent] = FsEntry(DIRECTORY, PLAIN.mode, "", source)
                elif before.kind != DIRECTORY:
                    raise _through(path, parent, before, source)

    def _directory(self, path: str, attributes: Attributes, last: bool) -> None:
        if last or (attributes != PLAIN and self._attributes.get(path, PLAIN) == PLAIN):
            self._attributes[path] = attributes

    def get(self, path: str) -> FsEntry | None:
        """Return the entry at a path without following symlinks, or None."""
        if path.startswith("fpack/store/"):
            return self._outside(path)
        return self._found.get(path) or (_STORE if path in ("fpack", "fpack/store") else None)

    def resolve(self, path: str) -> tuple[str, FsEntry] | None:
        """Follow the symlinks of a relative or absolute path. Return the resolved path and its entry, or None."""
        todo = [part for part in path.split("/") if part not in ("", ".")][::-1]
        done: list[str] = []
        links = 0
        entry: FsEntry | None = None
        while todo:
            part = todo.pop()
            if part == "..":
                del done[-1:]
                continue
            done.append(part)
            entry = self.get("/".join(done))
            if entry is None:
                return None
            if entry.kind == SYMLINK:
                links += 1
                if links > MAX_SYMLINKS:
                    return None
                done = [] if entry.target.startswith("/") else done[:-1]
                todo += [part for part in entry.target.split("/") if part not in ("", ".")][::-1]
        if not done:
            return None
        entry = self.get("/".join(done))
        return ("/".join(done), entry) if entry is not None else None

    def restated(self, tables: Iterable[Iterable[TreeEntry]]) -> list[tuple[str, Attributes]]:
        """Return the directories whose attributes a layer of `tables` would change, and their intended attributes."""
        stated: dict[str, set[Attributes]] = {}
        for entries in tables:
            for entry in entries:
                if entry.kind == DIRECTORY:
                    stated.setdefault(entry.path, set()).add(Attributes(entry.mode, entry.uid, entry.gid))
                for parent in parents(entry.path):
                    if parent in stated:
                        break
                    stated[parent] = set()
        wanted = {path: self._attributes.get(path, PLAIN) for path in stated}
        return [(path, wanted[path]) for path in sorted(stated) if (stated[path] or {PLAIN}) != {wanted[path]}]

    def files(self) -> Iterator[tuple[str, bool]]:
        """Yield the relative path of each file and symlink outside the store, and whether no package has it."""
        for path, entry in self._found.items():
            if entry.kind != DIRECTORY:
                yield path, not entry.source.label.startswith(PACKAGE_LABEL)

    def executables(self, directories: Iterable[str]) -> Iterator[str]:
        """Yield the absolute paths of the programs in the relative paths `directories`, sorted."""
        inside = tuple(f"{directory}/" for directory in directories)
        for path in sorted(self._found):
            if path.startswith(inside) and is_executable(self.resolve(path)):
                yield f"/{path}"


def is_executable(found: tuple[str, FsEntry] | None) -> bool:
    """Return whether a result of `ImageFs.resolve` is an executable file."""
    return found is not None and found[1].kind == FILE and bool(found[1].mode & 0o111)


def on_disk(disk_path: str, source: FsSource) -> FsEntry | None:
    """Return the entry for a file on this machine's disk, with the mode that it gets in the image, or None."""
    try:
        mode = os.lstat(disk_path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    kind = {0o100000: FILE, 0o040000: DIRECTORY, 0o120000: SYMLINK}.get(mode & 0o170000, "")
    if kind == SYMLINK:
        return FsEntry(kind, 0o777, os.readlink(disk_path), source)
    return FsEntry(kind, 0o755 if mode & 0o100 else 0o644, "", source) if kind else None


_NOUNS: Mapping[str, str] = {FILE: "a file", DIRECTORY: "a directory", SYMLINK: "a symlink"}


def _clash(path: str, before: FsEntry, kind: str, source: FsSource) -> BuildError:
    hint = ""
    if before.kind == SYMLINK and kind == DIRECTORY:
        hint = f"write the target of the symlink, {before.target}"
    return BuildError(
        f"/{path} is {_NOUNS[before.kind]} in {before.source.label} and {_NOUNS[kind]} in {source.label}",
        where=f"/{path}",
        why="one would silently replace the other",
        hint=hint,
    )


def _through(path: str, parent: str, before: FsEntry, source: FsSource) -> BuildError:
    hint = ""
    if before.kind == SYMLINK:
        base = before.target if before.target.startswith("/") else f"/{parent}/../{before.target}"
        hint = f"write {os.path.normpath(base + path[len(parent) :])}"
    return BuildError(
        f"/{path} of {source.label} lies below {_NOUNS[before.kind]}",
        where=f"/{path}",
        why=f"/{parent} is {_NOUNS[before.kind]} of {before.source.label}, and a directory would replace it",
        hint=hint,
    )
