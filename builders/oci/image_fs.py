"""An image's file system as a whole: its layers laid over one another, before they are made.

Layers are tars that a runtime unpacks one over the other. What a later layer has at a path takes the place of what an
earlier one has there, a directory that of a symlink, and every directory that a layer passes through gets that layer's
mode and owner. Here each path that is no directory stands in one layer alone, nothing lies below another layer's
symlink, and directories keep what they should be.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from fpack.builders.payload.meta import DIRECTORY, FILE, SYMLINK, TreeEntry
from fpack.builders.protocol import BuildError

from .layer_contents import PLAIN, Attributes

MAX_SYMLINKS = 40


class Source(NamedTuple):
    """What a layer's files come from. label: what a message calls it; data: its tree on disk."""

    label: str
    data: str


class Seen(NamedTuple):
    """What is at a path. target: a symlink's. source: who has it, the last one to."""

    kind: str
    mode: int
    target: str
    source: Source


_STORE = Seen(DIRECTORY, PLAIN.mode, "", Source("the store", ""))


class View:
    """Paths are relative to `/`. Store paths are not in it: `outside` finds what is at a path below /fpack/store."""

    def __init__(self, outside: Callable[[str], Seen | None] = lambda path: None) -> None:
        self._outside = outside
        self._found: dict[str, Seen] = {}
        self._attributes: dict[str, Attributes] = {}

    def add(
        self, source: Source, entries: Iterable[TreeEntry], exclude: Collection[str] = (), last: bool = False
    ) -> None:
        """Lay a table over what is there. last: what it says of a directory counts, whatever others said.

        Of several that are not last, the first that says something else than 0755 root:root counts. BuildError if
        anything but two directories meets at one path, or if a file or a symlink is on the way to an entry.
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
                found[path] = Seen(entry.kind, entry.mode, entry.target, source)
            else:
                self._directory(path, Attributes(entry.mode, entry.uid, entry.gid), last)
                if before is None:
                    found[path] = Seen(DIRECTORY, entry.mode, "", source)
            for parent in parents(path):
                if parent in passed:
                    break
                passed.add(parent)
                before = found.get(parent)
                if before is None:
                    found[parent] = Seen(DIRECTORY, PLAIN.mode, "", source)
                elif before.kind != DIRECTORY:
                    raise _through(path, parent, before, source)

    def _directory(self, path: str, attributes: Attributes, last: bool) -> None:
        if last or (attributes != PLAIN and self._attributes.get(path, PLAIN) == PLAIN):
            self._attributes[path] = attributes

    def get(self, path: str) -> Seen | None:
        """What is at a path, following no symlink."""
        if path.startswith("fpack/store/"):
            return self._outside(path)
        return self._found.get(path) or (_STORE if path in ("fpack", "fpack/store") else None)

    def resolve(self, path: str) -> tuple[str, Seen] | None:
        """What a path (relative or absolute) leads to through symlinks, and where that is; None if to nothing."""
        todo = [part for part in path.split("/") if part not in ("", ".")][::-1]
        done: list[str] = []
        links = 0
        seen: Seen | None = None
        while todo:
            part = todo.pop()
            if part == "..":
                del done[-1:]
                continue
            done.append(part)
            seen = self.get("/".join(done))
            if seen is None:
                return None
            if seen.kind == SYMLINK:
                links += 1
                if links > MAX_SYMLINKS:
                    return None
                done = [] if seen.target.startswith("/") else done[:-1]
                todo += [part for part in seen.target.split("/") if part not in ("", ".")][::-1]
        if not done:
            return None
        seen = self.get("/".join(done))
        return ("/".join(done), seen) if seen is not None else None

    def restated(self, tables: Iterable[Iterable[TreeEntry]]) -> list[tuple[str, Attributes]]:
        """The directories that one layer of `tables` would change, and what they should be."""
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

    def executables(self, folders: Iterable[str]) -> Iterator[str]:
        """The absolute paths of the programs in `folders`, which are relative, sorted."""
        inside = tuple(f"{folder}/" for folder in folders)
        for path in sorted(self._found):
            if path.startswith(inside) and is_executable(self.resolve(path)):
                yield f"/{path}"


def is_executable(found: tuple[str, Seen] | None) -> bool:
    """Whether what `View.resolve` found is a file that can be run."""
    return found is not None and found[1].kind == FILE and bool(found[1].mode & 0o111)


def parents(path: str) -> Iterator[str]:
    """The directories above a relative path, the nearest first."""
    while path := path.rpartition("/")[0]:
        yield path


def on_disk(place: str, source: Source) -> Seen | None:
    """What is at a path of this machine's disk, as an image shows it."""
    try:
        mode = os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    kind = {0o100000: FILE, 0o040000: DIRECTORY, 0o120000: SYMLINK}.get(mode & 0o170000, "")
    if kind == SYMLINK:
        return Seen(kind, 0o777, os.readlink(place), source)
    return Seen(kind, 0o755 if mode & 0o100 else 0o644, "", source) if kind else None


_NOUNS: Mapping[str, str] = {FILE: "a file", DIRECTORY: "a directory", SYMLINK: "a symlink"}


def _clash(path: str, before: Seen, kind: str, source: Source) -> BuildError:
    hint = ""
    if before.kind == SYMLINK and kind == DIRECTORY:
        hint = f"write the path that the symlink leads to, {before.target}"
    return BuildError(
        f"/{path} is {_NOUNS[before.kind]} in {before.source.label} and {_NOUNS[kind]} in {source.label}",
        where=f"/{path}",
        why="one would silently take the place of the other",
        hint=hint,
    )


def _through(path: str, parent: str, before: Seen, source: Source) -> BuildError:
    hint = ""
    if before.kind == SYMLINK:
        base = before.target if before.target.startswith("/") else f"/{parent}/../{before.target}"
        hint = f"write {os.path.normpath(base + path[len(parent) :])}"
    return BuildError(
        f"/{path} of {source.label} leads through {_NOUNS[before.kind]}",
        where=f"/{path}",
        why=f"/{parent} is {_NOUNS[before.kind]} of {before.source.label}, and a directory would take its place",
        hint=hint,
    )
