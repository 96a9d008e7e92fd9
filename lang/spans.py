"""Stretches of a source text, for errors to point to. Only what goes wrong needs them."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """A stretch of a source text. Lines and columns count from 1; the end column is the one after the last character.

    text: the line in which the stretch begins, for the excerpt.
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
    """One step of the way to an error: what was evaluated (`redis`, or "" for something without a name), and where."""

    name: str
    span: Span


class Other(NamedTuple):
    """A second place that has to do with an error, and what is there: `first given here`."""

    span: Span
    label: str


def at_span(file: str, text: str, start: int, end: int) -> Span:
    """The span of the characters from `start` up to `end` of a text."""
    end = max(start, min(end, len(text)))
    line = text.count("\n", 0, start) + 1
    begin = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", begin)
    end_line = line + text.count("\n", start, end)
    end_begin = text.rfind("\n", 0, end) + 1
    excerpt = text[begin : stop if stop >= 0 else len(text)]
    return Span(file, line, start - begin + 1, end_line, end - end_begin + 1, excerpt)
