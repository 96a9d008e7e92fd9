"""Find the columns of comments at the ends of lines: those of adjacent lines of one indentation are in one column.

The columns follow from the lines alone, and not from the blanks that an author wrote, so that a text has one form.
"""

from __future__ import annotations

from collections.abc import Sequence

from .layout import Line

WIDTH = 120


def comment_columns(lines: Sequence[Line]) -> dict[int, int]:
    """Return the column of each line's comment, for lines whose comment is not simply after the line."""
    found: dict[int, int] = {}
    group: list[int] = []
    for i in range(len(lines) + 1):
        goes_on = i < len(lines) and bool(lines[i].comment) and lines[i].last >= 0
        if group and (not goes_on or lines[i].blank or lines[i].indent != lines[group[0]].indent):
            _align(group, lines, found)
            group = []
        if goes_on:
            group.append(i)
    return found


def _align(group: list[int], lines: Sequence[Line], found: dict[int, int]) -> None:
    """Put the comments of a group of lines into one column, if none becomes too long by that."""
    column = max(lines[i].width for i in group) + 1
    if all(column + len(lines[i].comment) <= WIDTH for i in group):
        found.update((i, column) for i in group)
