"""Hash and copy a source, a directory or file of the user, without the files that git ignores.

`hash` and `copy` select the same entries, so a source is hashed first and copied only if the store does not have it.
Every `.gitignore` from the top of the source downwards applies. `.git` is never part of a source. A
project's `fpack.fp` and its lock are not part of it either, so that changing the build does not change the source, nor
is what fpack writes, such as the result link and images (`filters/own_outputs.py`).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from fpack.light_typing import NamedTuple
from fpack.store.errors import BadTree

from .filters.ignores import MAX_BYTES, Ignores
from .filters.own_outputs import is_own_output, is_result, may_be_own
from .tree import scan, split, tree_digest
from .writer import TreeWriter

# Names that are left out at the top of a source. Former versions kept data of services in `.fpack`.
_OWN = (b"fpack.fp", b"fpack.lock", b".fpack")
_SPECIAL = frozenset((*_OWN, b".git"))


class SourceSelection(NamedTuple):
    """Patterns in the form of `.gitignore`, relative to the top of a source.

    keep: only entries that match, and all below them, are in the source; None: all entries. drop: entries that match
    are not in the source. ignored: `.gitignore` files exclude nothing.
    """

    keep: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    ignored: bool = False


class SourceTree:
    """The sources on this machine's disk. The language takes any object with these methods."""

    def hash(self, path: Path, selection: SourceSelection | None = None) -> bytes:
        """Return the 32-byte digest of the tree that `copy` would write."""
        return tree_digest(scan(os.fspath(path), keep=_keeper(path, selection) if path.is_dir() else None))

    def copy(self, path: Path, writer: TreeWriter, selection: SourceSelection | None = None) -> None:
        """Write the source to `writer`. selection: the entries of a directory to write; None: all."""
        if not path.is_symlink() and path.is_dir():
            writer.mkdir("")
            _copy(path, "", _keeper(path, selection), writer)
        else:
            _copy_one(path, "", writer)


def entries(directory: Path) -> list[tuple[bytes, int]]:
    """Return name and file type of each entry of a directory that is part of it as a source, sorted by name.

    The file type is that of `stat.S_IFMT`, 0 for sockets, devices and the like.
    """
    ignores = SourceIgnores(directory)
    with os.scandir(os.fsencode(directory)) as listed:
        found = sorted((entry.name, _file_type(entry), entry.path) for entry in listed)
    return [(name, kind) for name, kind, path in found if ignores.keeps_at_top(path, name, kind)]


def _file_type(entry: os.DirEntry[bytes]) -> int:
    if entry.is_file(follow_symlinks=False):
        return stat.S_IFREG
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    return stat.S_IFLNK if entry.is_symlink() else 0


def _keeper(top: Path, selection: SourceSelection | None) -> Callable[[bytes, bool], bool]:
    """Return the function from (path, is directory) to whether an entry below `top` is part of the source."""
    ignores = SourceIgnores(top, read=selection is None or not selection.ignored)
    return ignores.keeps if selection is None else SelectedEntries(os.fsencode(top), selection, ignores.keeps).keeps


def _copy(directory: Path, relative: str, keeps: Callable[[bytes, bool], bool], writer: TreeWriter) -> None:
    """Copy the kept entries of a directory. relative: its path in the tree, "" for the top."""
    for name in sorted(os.listdir(directory)):
        below = directory / name
        path = f"{relative}/{name}" if relative else name
        is_directory = not below.is_symlink() and below.is_dir()
        if not keeps(os.fsencode(below), is_directory):
            continue
        split(path)  # raises BadTree for a path that a tree cannot hold
        if is_directory:
            writer.mkdir(path)
            _copy(below, path, keeps, writer)
        else:
            _copy_one(below, path, writer)


def _copy_one(source: Path, path: str, writer: TreeWriter) -> None:
    """Copy a file or symlink. path: its path in the tree."""
    mode = os.lstat(source).st_mode
    if stat.S_ISLNK(mode):
        writer.symlink(path, os.readlink(source))
    elif stat.S_ISREG(mode):
        with open(source, "rb", buffering=0) as file:
            writer.copy(path, file.fileno(), bool(mode & 0o100))
    else:
        raise BadTree("A source can hold only files, directories and symlinks", where=str(source))


class SelectedEntries:
    """The entries of one source that a selection selects.

    top: the source's directory. not_ignored: returns False for a path that `.gitignore` files exclude.
    """

    def __init__(self, top: bytes, selection: SourceSelection, not_ignored: Callable[[bytes, bool], bool]) -> None:
        self._top = top
        self._keep = None if selection.keep is None else _patterns(selection.keep)
        self._drop = _patterns(selection.drop)
        self._not_ignored = not_ignored
        self._holding: dict[bytes, bool] = {}

    def keeps(self, path: bytes, is_directory: bool) -> bool:
        """Return whether an entry below the top is part of the source, given that its parents are."""
        relative = path[len(self._top) + 1 :]
        if not self._not_ignored(path, is_directory) or self._drop.verdict(relative, is_directory):
            return False
        return self._keep is None or self._is_kept(self._keep, path, relative, is_directory)

    def _is_kept(self, patterns: Ignores, path: bytes, relative: bytes, is_directory: bool) -> bool:
        """Return whether an entry matches `keep`, is below a match, or is a directory that holds a match."""
        at, kind = relative, is_directory
        while at:
            verdict = patterns.verdict(at, kind)
            if verdict is not None:
                if verdict or not is_directory:
                    return verdict
                break
            at, kind = at.rpartition(b"/")[0], True
        return is_directory and self._holds(path)

    def _holds(self, directory: bytes) -> bool:
        """Return whether anything in a directory is part of the source."""
        found = self._holding.get(directory)
        if found is None:
            names = sorted(os.listdir(directory))
            found = self._holding[directory] = any(self.keeps(*_with_kind(directory + b"/" + n)) for n in names)
        return found


def _with_kind(path: bytes) -> tuple[bytes, bool]:
    return path, stat.S_ISDIR(os.lstat(path).st_mode)


def _patterns(texts: tuple[str, ...]) -> Ignores:
    """Return the matcher of patterns. A pattern that begins with `#` is no comment here."""
    lines = (f"\\{text}" if text.startswith("#") else text for text in texts)
    return Ignores(b"\n".join(os.fsencode(line) for line in lines))


class SourceIgnores:
    """The `.gitignore` files below `top`, each read once. read: if it is False, they exclude nothing."""

    def __init__(self, top: Path, *, read: bool = True) -> None:
        self._read = read
        self._top = os.fsencode(top)
        self._files: dict[bytes, Ignores | None] = {}

    def applies(self, directory: bytes) -> bool:
        """Return whether `keeps` may leave out entries of a directory other than `.git` and what fpack wrote."""
        if directory == self._top:
            return True
        while len(directory) >= len(self._top):
            if self._patterns(directory) is not None:
                return True
            directory = directory.rpartition(b"/")[0]
        return False

    def _patterns(self, directory: bytes) -> Ignores | None:
        if directory not in self._files:
            self._files[directory] = _read(directory + b"/.gitignore") if self._read else None
        return self._files[directory]

    def keeps_at_top(self, path: bytes, name: bytes, kind: int) -> bool:
        """Return what `keeps` returns for an entry of the top, sooner if there is no `.gitignore`.

        kind: the file type, as that of `stat.S_IFMT`.
        """
        is_usual = name not in _SPECIAL and kind != stat.S_IFLNK and not may_be_own(name)
        return (is_usual and self._patterns(self._top) is None) or self.keeps(path, kind == stat.S_IFDIR)

    def keeps(self, path: bytes, is_directory: bool) -> bool:
        """Return whether an entry below the top is part of the source, given that its parents are."""
        directory, _, name = path.rpartition(b"/")
        if name == b".git":
            return False
        if directory == self._top and (name in _OWN or (not is_directory and is_result(path, name))):
            return False
        if is_own_output(path, name, is_directory):
            return False
        verdict = None
        # The nearest file with a matching pattern decides.
        while verdict is None and len(directory) >= len(self._top):
            patterns = self._patterns(directory)
            if patterns is not None:
                verdict = patterns.verdict(path[len(directory) + 1 :], is_directory)
            directory = directory.rpartition(b"/")[0]
        return not verdict


def _read(path: bytes) -> Ignores | None:
    """Read the patterns of a file. Return None if there is no file.

    A symlink is ignored, as in git: it may lead anywhere on this machine.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return None
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        text = os.read(fd, MAX_BYTES + 1)
    finally:
        os.close(fd)
    if len(text) > MAX_BYTES:
        raise BadTree("A .gitignore file is too large", where=os.fsdecode(path), why=f"the limit is {MAX_BYTES} bytes")
    return Ignores(text)
