"""Define the spans of source texts that errors point to. The module is imported only for an error."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """A span of a source text. Lines and columns count from 1; the end column is exclusive.

    text: the line in which the span begins, for the excerpt.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Call(NamedTuple):
    """One call on the way to an error. name: the name of the evaluated field or function, or ""."""

    name: str
    span: Span


class Other(NamedTuple):
    """A span that is related to an error, and its label, such as `first given here`."""

    span: Span
    label: str


def at_span(file: str, text: str, start: int, end: int) -> Span:
    """Return the span of the characters from `start` up to `end` of a text."""
    end = max(start, min(end, len(text)))
    line = text.count("\n", 0, start) + 1
    begin = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", begin)
    end_line = line + text.count("\n", start, end)
    end_begin = text.rfind("\n", 0, end) + 1
    excerpt = text[begin : stop if stop >= 0 else len(text)]
    return Span(file, line, start - begin + 1, end_line, end - end_begin + 1, excerpt)
