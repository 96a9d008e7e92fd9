"""Columns that an author lined up stay lined up: `=` signs of neighbouring fields, and comments behind them.

Fields are a group when no blank line is between them and their signs stood in one column, in one of them behind more
than one blank. A neighbour whose name is shorter joins; one whose name is longer does not, and was left out on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence

from .layout import Line
from .tokens import Piece


def align_fields(lines: Sequence[Line], made: Sequence[Piece], text: str) -> None:
    """Put blanks before `=` where fields were aligned."""
    block: list[Line] = []
    for line in lines:
        if line.first < 0 and not line.raw and not line.blank:
            continue  # a comment
        fits = _is_field(line, made)
        if block and not (fits and not line.blank and line.indent == block[-1].indent):
            _align_block(block, made, text)
            block = []
        if fits:
            block.append(line)
    _align_block(block, made, text)


def _is_field(line: Line, made: Sequence[Piece]) -> bool:
    """Whether a line begins with one field, `=` included, and no other field begins on it."""
    if line.first < 0 or line.tail or line.raw:
        return False
    first = made[line.first]
    if not first.item or not line.first < first.equals <= line.last:
        return False
    return not any(made[i].item and made[i].inside == first.inside for i in range(line.first + 1, line.last + 1))


def _align_block(block: list[Line], made: Sequence[Piece], text: str) -> None:
    """Align the groups among fields that follow each other."""
    at = 0
    while at < len(block):
        column, end = _column(block[at], made, text), at + 1
        while end < len(block) and column and _column(block[end], made, text) == column:
            end += 1
        group = block[at:end]
        if len(group) > 1 and any(_padded(line, made, text) for line in group):
            while end < len(block) and _joins(block[end], column, made, text):
                group.append(block[end])
                end += 1
            _align(group, made)
        at = end


def _column(line: Line, made: Sequence[Piece], text: str) -> int:
    """Where the sign stood, counted from the field's beginning; 0 if it was on another line."""
    first = made[line.first]
    sign = made[first.equals].start
    return 0 if "\n" in text[first.start : sign] else sign - first.start


def _padded(line: Line, made: Sequence[Piece], text: str) -> bool:
    equals = made[line.first].equals
    return made[equals].start - made[equals - 1].end > 1


def _joins(line: Line, column: int, made: Sequence[Piece], text: str) -> bool:
    """Whether a field below a group gets its sign into the group's column."""
    short = line.columns[made[line.first].equals] < column
    return short and made[line.last].role != "open" and not _padded(line, made, text)


def _align(group: list[Line], made: Sequence[Piece]) -> None:
    widths = [line.columns[made[line.first].equals] for line in group]
    for line, width in zip(group, widths, strict=True):
        pad = max(widths) - width
        line.text = line.text[:width] + " " * pad + line.text[width:]
        equals = made[line.first].equals
        line.columns = {i: column + pad if i >= equals else column for i, column in line.columns.items()}


def align_comments(lines: Sequence[Line], made: Sequence[Piece], text: str) -> dict[int, int]:
    """The column of each line's comment, for lines whose comments were aligned with a neighbour's."""
    found: dict[int, int] = {}
    group: list[int] = []
    for i in range(len(lines) + 1):
        goes_on = i < len(lines) and bool(lines[i].comment) and lines[i].last >= 0
        if group and (not goes_on or lines[i].blank):
            _align_comment_group(group, lines, made, text, found)
            group = []
        if goes_on:
            group.append(i)
    return found


def _align_comment_group(
    group: list[int], lines: Sequence[Line], made: Sequence[Piece], text: str, found: dict[int, int]
) -> None:
    was: dict[int, list[bool]] = {}
    for i in group:
        end = made[lines[i].last].end
        begin = text.rfind("\n", 0, end) + 1
        sign = text.find("#", end)
        if sign >= 0 and "\n" not in text[end:sign]:
            was.setdefault(sign - begin, []).append(sign - end > 1)
    if any(len(padded) > 1 and any(padded) for padded in was.values()):
        column = max(lines[i].width for i in group) + 1
        found.update((i, column) for i in group)
