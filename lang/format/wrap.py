"""Break lines that are too long.

Line breaks are only added, and only where they cannot end the expression: inside brackets, before `else`, before an
operator and after `=`.
"""

from __future__ import annotations

from .layout import STEP, Line
from .tokens import Piece

WIDTH = 120
_LEAST = 16  # minimal columns between two brackets that are broken
_LEVELS = {"|>": 1, "||": 3, "&&": 4, "+": 7, "-": 7, "*": 8, "/": 8}


def wrap(lines: list[Line], made: list[Piece]) -> bool:
    """Break each line that is too long once, in the best way; return True if a line was broken."""
    broken = False
    for line in lines:
        if line.width > WIDTH and line.first >= 0 and not line.raw:
            broken = _wrap(line, made) or broken
    return broken


def _wrap(line: Line, made: list[Piece]) -> bool:
    """Break a line by the first of these rules that can. Return False if none can."""
    first = line.first + 1 if line.tail else line.first
    outer = _outermost(first, line.last, made)
    inside = {i for a, b in outer for i in range(a + 1, b + 1)}
    flat = [i for i in range(first + 1, line.last + 1) if i not in inside]
    return (
        _after_signature(line, made, flat)
        or _before_else(made, flat)
        or _in_brackets(line, made, outer)
        or _after_then(line, made, flat)
        or _before_operators(made, flat)
        or _after_equals(line, made, flat)
    )


def _outermost(first: int, last: int, made: list[Piece]) -> list[tuple[int, int]]:
    """Return the outermost pairs of brackets that open and close on the line."""
    found = []
    i = first
    while i <= last:
        piece = made[i]
        if piece.role == "open" and i < piece.partner <= last:
            if piece.partner > i + 1:
                found.append((i, piece.partner))
            i = piece.partner
        i += 1
    return found


def _break(made: list[Piece], indices: list[int]) -> bool:
    """Begin a line with each of the pieces; return True if this adds a line break."""
    new = [i for i in indices if not made[i].begins_line]
    for i in new:
        made[i].breaks = 1
    return bool(new)


def _after_signature(line: Line, made: list[Piece], flat: list[int]) -> bool:
    """Break NAME(PARAMETERS) = BODY before the body."""
    equals = [i for i in flat if made[i].role == "equals" and made[i - 1].role == "close" and i < line.last]
    return bool(equals) and line.columns[equals[0]] < WIDTH and _break(made, [equals[0] + 1])


def _before_else(made: list[Piece], flat: list[int]) -> bool:
    return _break(made, [i for i in flat if made[i].role == "else"])


def _in_brackets(line: Line, made: list[Piece], outer: list[tuple[int, int]]) -> bool:
    """Break the widest pair of brackets: before each item, each clause of a comprehension, and the closing bracket."""
    pairs = [(line.columns[b] - line.columns[a], a, b) for a, b in outer if made[a].kind != "INTERP"]
    if not pairs:
        return False
    width, a, b = max(pairs)
    if width < _LEAST:
        return False
    while made[a + 1].role == "open" and made[a + 1].partner == b - 1 and b - a > 3:
        a, b = a + 1, b - 1  # break the brackets of an only argument, not those around it
    parts = [i for i in range(a + 1, b) if made[i].inside == a and (made[i].item or made[i].role == "clause")]
    return _break(made, [*parts, b])


def _after_then(line: Line, made: list[Piece], flat: list[int]) -> bool:
    if made[line.first].role not in ("if", "else"):
        return False
    thens = [i + 1 for i in flat if made[i].role == "then" and i < line.last and made[i + 1].role != "if"]
    return bool(thens) and _break(made, thens[:1])


def _before_operators(made: list[Piece], flat: list[int]) -> bool:
    """Break a chain of operators before each operator of the lowest precedence."""
    found = [(_LEVELS[made[i].text], i) for i in flat if made[i].kind in ("OP", "-") and made[i].text in _LEVELS]
    if not found:
        return False
    least = min(level for level, _ in found)
    return _break(made, [i for level, i in found if level == least])


def _after_equals(line: Line, made: list[Piece], flat: list[int]) -> bool:
    """Break after `=`, if the value then fits on its line."""
    for i in flat:
        if made[i].role == "equals" and i < line.last:
            fits = line.indent + STEP + len(line.text) - line.columns[i + 1] <= WIDTH
            return fits and _break(made, [i + 1])
    return False
