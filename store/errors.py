"""The one base of every error that a user may see.

An error carries data: what went wrong, where, why, and what to do about it. It becomes text once, in `cli`.
"""

from __future__ import annotations


class FpackError(Exception):
    """Something that the user, or the world, did wrong; never a fault of fpack's own.

    what: one sentence. where: the file, URL, package or path concerned. why: the cause, in detail.
    hint: what to do. exit_code: the process's exit status when the error ends it.
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
    """`text` with a question mark for what a terminal would obey rather than show: all messages hold others' words."""
    return text if text.isprintable() else "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def one_line(text: str) -> str:
    """`text` as one line, with escapes for what a terminal would obey and for line breaks: for the name of a file."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class InvalidName(FpackError):
    """A name that a store path, a tree entry or a derivation cannot have."""


class NotCanonical(FpackError):
    """Bytes that are not the one canonical encoding of a value."""


class StoreError(FpackError):
    """The store cannot do what was asked: damage, no room, no permission."""


class BadTree(FpackError):
    """A tree that the store refuses: an unsafe path, a name or a target that is too long, a clash."""
