"""Select entries of a source by patterns, beyond what `.gitignore` files exclude."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from .ignores import Ignores


class Selection(NamedTuple):
    """Patterns in the form of `.gitignore`, relative to the top of a source.

    keep: only entries that match, and all below them, are in the source; None: all entries. drop: entries that match
    are not in the source.
    """

    keep: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()


class SelectedEntries:
    """The entries of one source that a selection selects.

    top: the source's directory. not_ignored: returns False for a path
    that `.gitignore` files exclude.
    """

    def __init__(self, top: bytes, selection: Selection, not_ignored: Callable[[bytes, bool], bool]) -> None:
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
