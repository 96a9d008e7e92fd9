"""A source text and its name."""

from __future__ import annotations

from .errors import EvalError, Other, Span, at_span


class Source:
    """A text with the name by which errors call it.

    library: it is not the user's own. start: what it holds, a `file` or an `expression`.
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
        """A positioned error for the text from `start` to `end`. other: a second place, and what is there."""
        others = (Other(self.span(other[0], other[1]), other[2]),) if other else ()
        return EvalError(what, why=why, hint=hint, span=self.span(start, end), others=others)

    def span(self, start: int, end: int) -> Span:
        """The place of the text from `start` to `end`."""
        return at_span(self.name, self.text, start, end)
