"""Read source texts, and make positioned errors for them."""

from __future__ import annotations

import os

from fpack.lang.errors import EvalError, Fault, quote
from fpack.light_typing import TYPE_CHECKING
from fpack.store.files.regular_file import read_bytes

if TYPE_CHECKING:
    from fpack.lang.spans import Span

MAX_FILE = 16 << 20


class Source:
    """A source text. name: the name for messages; library: the text is not the user's own.

    start: what the text holds, a `file` or an `expression`.
    """

    __slots__ = ("name", "text", "library", "start")

    def __init__(self, name: str, text: str, library: bool = False, start: str = "file") -> None:
        self.name = name
        self.text = text
        self.library = library
        self.start = start

    def error(
        self,
        start: int,
        end: int,
        what: str,
        *,
        why: str = "",
        hint: str = "",
        other: tuple[int, int, str] | None = None,
    ) -> EvalError:
        """Return a positioned error for the text from `start` to `end`. other: a related span and its label."""
        from fpack.lang.spans import Other

        others = (Other(self.span(other[0], other[1]), other[2]),) if other else ()
        return EvalError(what, why=why, hint=hint, span=self.span(start, end), others=others)

    def span(self, start: int, end: int) -> Span:
        """Return the span of the text from `start` to `end`."""
        from fpack.lang.spans import at_span

        return at_span(self.name, self.text, start, end)


def read_text(path: str | os.PathLike[str], name: str) -> str:
    """Return a file's text unchanged; raise Fault if it is unreadable, EvalError if it is not UTF-8."""
    return decoded(read_content(path, name), name)


def read_content(path: str | os.PathLike[str], name: str) -> bytes:
    """Return the content of a file that may be a text; raise Fault if it is absent, unreadable or too large."""
    try:
        data = read_bytes(path, MAX_FILE + 1)
    except FileNotFoundError:
        full = os.fspath(path)
        why = "" if name == full else f"{full} does not exist"
        raise Fault(f"There is no file {quote(name)}", why=why) from None
    except OSError as error:
        raise Fault(f"{quote(name)} cannot be read", why=error.strerror or str(error)) from None
    if len(data) > MAX_FILE:
        raise Fault(f"{quote(name)} is too large", why=f"the limit is {MAX_FILE >> 20} MB")
    return data


def decoded(data: bytes, name: str) -> str:
    """Decode UTF-8; raise EvalError with a position for invalid bytes."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        source = Source(name, data.decode("utf-8", "replace"))
        raise source.error(error.start, error.start + 1, "This is not UTF-8 text") from None


def normal(text: str) -> str:
    """Return a text as it is parsed: without a byte order mark, and with line feeds as line ends."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n")
