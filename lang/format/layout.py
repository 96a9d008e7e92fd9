"""Lay out pieces in lines: compute the spaces between pieces and the indentation of lines.

A line that begins an item is indented by two spaces relative to its bracket. A line that continues an item is indented
by two spaces relative to the line on which the item began. `then`, `else` and `in` are aligned with their `if` and
`let`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .tokens import Piece, blank_between

STEP = 2


@dataclass(slots=True)
class Line:
    """A line of the formatted text. first, last: the indices of its pieces, or -1. text: without indentation.

    raw: the line is inside a block string. tail: the line begins with the end of a block string, the piece `first`.
    """

    indent: int
    first: int
    last: int = -1
    text: str = ""
    comment: str = ""
    blank: bool = False  # a blank line precedes this line
    columns: dict[int, int] = field(default_factory=dict)  # the offset in `text` of each piece, by index
    raw: bool = False
    tail: bool = False

    @property
    def width(self) -> int:
        """The number of columns of the line without its comment."""
        return self.indent + len(self.text)


@dataclass(slots=True)
class _Frame:
    """The indentation inside one construct.

    kind: file, bracket, let, item, if, assert, for or body. items: the indentation of items, close: of the closing
    bracket, more: of continuation lines, base: of `then`, `else` and `in`. phase: the part of an `if` or body that was
    reached: `condition`, `then`, `else` or `begun`.
    """

    kind: str
    items: int = 0
    close: int = 0
    more: int = 0
    base: int = 0
    phase: str = ""


class Layout:
    """The layout of pieces, given the line breaks between them."""

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        self.lines: list[Line] = []
        self.stack = [_Frame("file", more=STEP)]

    def run(self) -> list[Line]:
        """Return the lines. A comment on its own line is a line without pieces."""
        for i, piece in enumerate(self.pieces):
            self._piece(i, piece)
        return self.lines

    def _piece(self, i: int, piece: Piece) -> None:
        """Add piece `i` to the current line, or begin a new line with it."""
        before = self.pieces[i - 1] if i else None
        inner = self._inner(piece)
        indent = self._indentation(piece)
        if piece.trailing and self.lines:
            self.lines[-1].comment = piece.trailing
        opened = before is None or before.role == "open"
        for blank, comment in piece.comments:
            self.lines.append(Line(inner if inner >= 0 else indent, -1, -1, comment, blank=blank and not opened))
            opened = False
        if piece.kind == "END":
            return
        if before is None or piece.begins_line:
            blank = piece.breaks == 2 and not opened and piece.role not in ("close", "in")
            self.lines.append(Line(indent, i, blank=blank))
        line = self.lines[-1]
        if line.text and before is not None and blank_between(before, piece):
            line.text += " "
        line.columns[i] = len(line.text)
        line.last = i
        self._push(i, piece, line)
        if piece.block:
            self._block(piece, line)
        else:
            line.text += piece.text

    def _inner(self, piece: Piece) -> int:
        """Return the indentation of comments before the end of a bracket or `let`; -1 for other pieces."""
        if piece.role != "close" and not (piece.role == "in" and self.pieces[piece.partner].role == "let"):
            return 0 if piece.kind == "END" else -1
        kind = "bracket" if piece.role == "close" else "let"
        return next(frame.items for frame in reversed(self.stack) if frame.kind == kind)

    def _indentation(self, piece: Piece) -> int:
        """Leave the constructs that end before a piece, and return the indentation of a line that begins with it."""
        role = piece.role
        if piece.kind == "END":
            return 0
        if role == "close":
            frame = self._drop("bracket")
            self.stack.pop()
            return frame.close
        if role == "separator":
            self._drop("file", "bracket", "let")
            return self.stack[-1].items
        if role == "in" or piece.kind == "in":
            frame = self._drop("let", "assert", "for")
            self.stack.pop()
            if role != "in":
                return frame.more
            own_line = piece.begins_line
            self.stack.append(_Frame("body", more=frame.base + STEP if own_line else frame.base, base=frame.base))
            return frame.base
        if role in ("then", "else"):
            wanted = "condition" if role == "then" else "then"
            while self.stack[-1].kind != "if" or self.stack[-1].phase != wanted:
                self.stack.pop()
            self.stack[-1].phase = role
            return self.stack[-1].base
        if role == "clause":
            return self._drop("bracket").items
        if piece.item:
            return self._drop("file", "bracket", "let").items
        return self.stack[-1].more

    def _push(self, i: int, piece: Piece, line: Line) -> None:
        """Enter the constructs that begin with a piece."""
        starts = line.first == i and not line.tail
        if piece.item or piece.role == "clause":
            self.stack.append(_Frame("item", more=line.indent + STEP))
        before = self.pieces[i - 1] if i else None
        top = self.stack[-1]
        if top.kind == "body" and top.phase == "" and piece.role != "in":
            top.phase = "begun"
            if before is not None and before.role == "in" and not starts:
                top.more = top.base + STEP
        role = piece.role
        base = line.indent if starts else top.more
        if role == "open":
            self.stack.append(_Frame("bracket", items=line.indent + STEP, close=line.indent, more=line.indent + STEP))
        elif role == "let":
            self.stack.append(_Frame("let", items=base + STEP, more=base + 2 * STEP, base=base))
        elif role == "assert":
            self.stack.append(_Frame("assert", more=base + STEP, base=base))
        elif role == "if":
            if not starts and before is not None and before.role == "else" and top.kind == "if":
                base = top.base
            self.stack.append(_Frame("if", more=base + STEP, base=base, phase="condition"))
        elif role == "clause" and piece.kind == "for":
            self.stack.append(_Frame("for", more=line.indent + STEP))

    def _drop(self, *kinds: str) -> _Frame:
        """Leave constructs until the innermost one is of one of these kinds, and return it."""
        while self.stack[-1].kind not in kinds:
            self.stack.pop()
        return self.stack[-1]

    def _block(self, piece: Piece, line: Line) -> None:
        """Add the lines of a block string, indented by two spaces, with its closing quotes below its first line."""
        head, *rest = piece.text.split("\n")
        if head.rstrip(" \t") == '"""':
            head = '"""'
        *body, end = rest
        closing = end.strip(" \t") == '"""'
        margin = _margin(rest if not closing else body)
        line.text += head
        if head != '"""' or margin is None:
            # Text after the opening quotes, or tabs: keep the string unchanged.
            shown, column = rest, 0
        elif closing:
            inner = " " * (line.indent + STEP)
            shown, column = [inner + text[margin:] if text.strip(" \t") else "" for text in body], line.indent
            shown.append('"""')
        else:
            inner = " " * (line.indent + STEP)
            shown, column = [inner + text[margin:] if text.strip(" \t") else "" for text in rest], 0
        self.lines += [Line(0, -1, text=text, raw=True) for text in shown[:-1]]
        self.lines.append(Line(column, line.last, line.last, shown[-1], tail=True))


def _margin(lines: list[str]) -> int | None:
    """Return the number of leading spaces that the lines of a block have in common; None if there are tabs."""
    full = [line for line in lines if line.strip(" \t")]
    if not full:
        return 0
    if any("\t" in line[: len(line) - len(line.lstrip(" \t"))] for line in full):
        return None
    return min(len(line) - len(line.lstrip(" ")) for line in full)
