"""Errors that a user may see, and the hints in them.

An error carries data: what went wrong, where, why, and what to do about it. `cli` renders it as text.
"""

from __future__ import annotations

from collections.abc import Iterable

from fpack.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Self

_MAX_NAMES = 20_000  # comparing more names takes too long


class FpackError(Exception):
    """A mistake of the user or a failure of the environment, never a bug of fpack.

    what: one sentence. where: the file, URL, package or path concerned. why: the cause, in detail. hint: what to do.
    exit_code: the exit status of the process if the error ends it.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.hint = hint

    def with_(self, **changes: Any) -> Self:
        """Return a copy of the error with some attributes changed, and with the same traceback.

        An error is never modified: a caller that knows more about it raises a completed copy.
        """
        unknown = [name for name in changes if not hasattr(self, name)]
        if unknown:
            raise TypeError(f"{type(self).__name__} has no attribute {unknown[0]!r}")
        made = type(self).__new__(type(self), *self.args)
        made.__dict__.update(self.__dict__, **changes)
        return made.with_traceback(self.__traceback__)

    def __str__(self) -> str:
        what = " ".join(part for part in (self.what, self.where and f"({self.where})") if part)
        return ": ".join(part for part in (what, self.why) if part)


def printable(text: str) -> str:
    """Replace control characters by question marks, except newline and tab: messages quote text of others."""
    return text if text.isprintable() else "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def one_line(text: str) -> str:
    """Escape control characters and line breaks, so that `text` (a file name, for example) prints on one line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def malformation(error: Exception) -> str:
    """Return what is wrong with data whose reader raised `error`. Python's own words say nothing about the data."""
    if isinstance(error, FpackError):
        return error.why or error.what
    if isinstance(error, KeyError):
        return f"{str(error)[:100]} is missing or unknown"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    if isinstance(error, (TypeError, AttributeError, IndexError)):
        return "a value in it has another type than expected"
    return str(error)


def counted(number: float, noun: str, plural: str = "") -> str:
    """Return a number and its noun, as in `1 file` or `2 files`. plural: for a noun that does not take an s."""
    shown = str(number) if number.__class__ is int else f"{number:g}"
    return f"{shown} {noun if number == 1 else plural or noun + 's'}"


def similar(name: str, known: Iterable[str], count: int = 1, cutoff: float = 0.65) -> list[str]:
    """Return at most `count` of `known` that resemble `name`, the most likely first.

    A name that differs only in case and in `_` or `-` comes first, then one with the same letters in another order.
    cutoff: the least similarity, as of difflib.
    """
    names = sorted(set(known))
    same = [other for other in names if _plain(other) == _plain(name)]
    letters = sorted(name)
    swapped = [other for other in names if len(other) == len(name) and sorted(other) == letters]
    found = [*same, *swapped]
    if len(found) < count:
        import difflib  # only for an error message

        found += difflib.get_close_matches(name, names[:_MAX_NAMES], count, cutoff)
    return list(dict.fromkeys(found))[:count]


# Fields by the words of Dockerfiles, Compose files and other package managers.
_OTHER_WORDS = {
    "cmd": "command",
    "expose": "ports",
    "environment": "env",
    "copy": "files",
    "working-dir": "workdir",
    "add": "files",
    "dependencies": "packages",
    "src": "source",
    "build-inputs": "libs",
    "buildinputs": "libs",
    "native-build-inputs": "tools",
    "nativebuildinputs": "tools",
}


def did_you_mean(name: str, known: Iterable[str], count: int = 1, cutoff: float = 0.65) -> str:
    """Return a hint that names similar names, or the one that other tools call so, or an empty string."""
    known = list(known)
    other = _OTHER_WORDS.get(_plain(name), "")
    found = [other] if other in known else similar(name, known, count, cutoff)
    return f"did you mean {' or '.join(f'`{other}`' for other in found)}?" if found else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


class InvalidName(FpackError):
    """A name that a store path, a tree entry or a derivation cannot have."""


class NotCanonical(FpackError):
    """Bytes that are not the canonical encoding of a value."""


class StoreError(FpackError):
    """The store cannot do an operation: it is damaged, full, or not permitted.

    fatal: every other operation of this process would fail in the same way.
    """

    fatal = False


class StoreFull(StoreError):
    """The disk of the store is full, or the user's quota is exhausted."""

    fatal = True


class StoreBusy(StoreError):
    """Another process has locked the store or its database for too long."""


class StoreReadOnly(StoreError):
    """The store cannot be written or opened."""

    fatal = True


class StoreDamaged(StoreError):
    """The store's database is damaged or missing."""

    fatal = True


class DiskError(StoreError):
    """The disk or the system refuses an operation: an input/output error, or a lack of files, locks or threads."""

    fatal = True


class DamagedPath(StoreError):
    """Content of the store that differs from what was registered. `where`: its path on disk."""

    def __init__(self, where: str, why: str = "") -> None:
        super().__init__(
            "A file in the store is damaged",
            where=where,
            why=why or "its content differs from what was registered: the disk or the memory changed it",
            hint="run fpack store repair, and check the disk",
        )


class BadTree(FpackError):
    """A tree that the store rejects: an unsafe path, a name or target that is too long, or a conflict."""
