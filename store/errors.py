"""Errors that a user may see.

An error carries data: what went wrong, where, why, and what to do about it. `cli` renders it as text.
"""

from __future__ import annotations


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

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.where and f"({self.where})", self.why) if part)


def printable(text: str) -> str:
    """Replace control characters by question marks, except newline and tab: messages quote text of others."""
    return text if text.isprintable() else "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def one_line(text: str) -> str:
    """Escape control characters and line breaks, so that `text` (a file name, for example) prints on one line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class InvalidName(FpackError):
    """A name that a store path, a tree entry or a derivation cannot have."""


class NotCanonical(FpackError):
    """Bytes that are not the canonical encoding of a value."""


class StoreError(FpackError):
    """The store cannot do an operation: it is damaged, full, or not permitted."""


class BadTree(FpackError):
    """A tree that the store rejects: an unsafe path, a name or target that is too long, or a conflict."""
