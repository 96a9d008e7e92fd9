"""Preserve columns that an author aligned: the `=` signs of adjacent fields, and trailing comments.

Fields form a group if there is no blank line between them, their signs were in one column, and at least one sign had
extra spaces before it. A following field with a shorter name joins the group; a field with a longer name does not.
"""

from __future__ import annotations

from collections.abc import Sequence

from .layout import Line
from .tokens import Piece


def align_fields(lines: Sequence[Line], made: Sequence[Piece], text: str) -> None:
    """Insert spaces before the `=` of fields that were aligned."""
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
    """Return True if a line begins with a field, contains its `=`, and begins no other field."""
    if line.first < 0 or line.tail or line.raw:
        return False
    first = made[line.first]
    if not first.item or not line.first < first.equals <= line.last:
        return False
    return not any(made[i].item and made[i].inside == first.inside for i in range(line.first + 1, line.last + 1))


def _align_block(block: list[Line], made: Sequence[Piece], text: str) -> None:
    """Align the groups in a block of consecutive fields."""
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
    """Return the offset of the sign from the start of the field; 0 if it was on another line."""
    first = made[line.first]
    sign = made[first.equals].start
    return 0 if "\n" in text[first.start : sign] else sign - first.start


def _padded(line: Line, made: Sequence[Piece], text: str) -> bool:
    equals = made[line.first].equals
    return made[equals].start - made[equals - 1].end > 1


def _joins(line: Line, column: int, made: Sequence[Piece], text: str) -> bool:
    """Return True if the sign of the field below a group moves to the group's column."""
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
    """Return the column of each line's comment, for lines whose comments were aligned with those of adjacent lines."""
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
