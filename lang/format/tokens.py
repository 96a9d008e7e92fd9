"""Convert the tokens of a text to pieces for the formatter, with the comments and line breaks before each piece.

A whole string is one piece. A line break is an attribute of the piece that follows it, so a text keeps the line breaks
of its author unless the formatter moves one. `structure` gives each piece its role in the grammar.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fpack.lang.syntax.lexer import Token
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import walk

OPENERS = frozenset(["LPAR", "CALL_PAREN", "[", "LBRACE", "CALL_BRACE", "INTERP"])
CLOSERS = frozenset([")", "]", "}", "INTERP_END"])
BRACES = frozenset(["LBRACE", "CALL_BRACE"])
ENDS = frozenset(
    ["NAME", "INT", "FLOAT", "PATH", "STRING", "INTERP_END", "TRUE", "FALSE", "NULL", ")", "]", "}"]
)  # the tokens that can end a value
_TIGHT_AFTER = frozenset(["LPAR", "CALL_PAREN", "[", "INTERP", "...", "!", ".", "unary"])
_TIGHT_BEFORE = frozenset([")", "]", "INTERP_END", ",", ".", ":", "CALL_PAREN"])


@dataclass(slots=True)
class Piece:
    """One token, or one whole string.

    kind: the kind of the token, `unary` for a sign before its operand, or `END` after the last token. text: the text to
    write. start, end: the offsets of the token. breaks: 0 if the piece is on the same line as the one before, 1 if on a
    new line, 2 if after a blank line. trailing: a comment at the end of the line before. comments: comments on lines
    of their own before the piece, each with a flag for a blank line before it. block: the piece is a string of several
    lines, which may be indented again.
    """

    kind: str
    text: str
    start: int
    end: int
    breaks: int = 0
    trailing: str = ""
    comments: list[tuple[bool, str]] = field(default_factory=list)
    block: bool = False
    separated: bool = False  # the line break before it separates two entries
    # Set by `structure`.
    role: str = ""
    partner: int = -1  # the other bracket, or the `if`, `let` or `assert` that a part belongs to
    item: bool = False  # the piece begins an entry, an element or an argument
    inside: int = -1  # the enclosing bracket or `let`, -1 for the file
    equals: int = -1  # for the first piece of an item: the `=` after its name

    @property
    def begins_line(self) -> bool:
        """True if the piece is the first on its line."""
        return self.breaks > 0 or bool(self.comments) or bool(self.trailing)


class TreeFacts:
    """The offsets of patterns and of clauses of comprehensions, which only the syntax tree can tell."""

    def __init__(self, tree: Any) -> None:
        self.patterns: set[int] = set()
        self.clauses: set[int] = set()
        for node in walk(tree):
            if node.kind == "pattern":
                self.patterns.add(node.start)
            elif node.kind in ("listcomp", "reccomp"):
                self.clauses.update(c.start for c in node.clauses)


def pieces(source: Source, tokens: list[Token]) -> list[Piece]:
    """Return the pieces of a text, with an END after the last."""
    text = source.text
    made: list[Piece] = []
    at, last, separated = 0, 0, False
    while at < len(tokens):
        kind, _, start, end = tokens[at]
        if kind == "NL":
            at, separated = at + 1, True
            continue
        if kind == "STRING_START":
            at, end, shown, plain = _string(text, tokens, at)
            piece = Piece("STRING", shown, start, end, block=plain and shown.startswith('"""') and "\n" in shown)
        else:
            if kind == "-" and not (made and made[-1].kind in ENDS):
                kind = "unary"
            shown = text[start:end]
            block = kind == "STRING" and shown.startswith('"""') and "\n" in shown
            piece = Piece(kind, shown, start, end, block=block)
            at += 1
        _gap(piece, text[last:start], first=not made)
        piece.separated, separated = separated, False
        made.append(piece)
        last = end
    end_piece = Piece("END", "", len(text), len(text))
    _gap(end_piece, text[last:], first=not made)
    made.append(end_piece)
    return made


def _gap(piece: Piece, gap: str, first: bool) -> None:
    """Set the comments and line breaks of a piece from the text before it."""
    lines = gap.split("\n")
    blank = False
    for i, line in enumerate(lines):
        comment = line.strip(" \t")
        if comment.startswith("#"):
            comment = line[line.index("#") :].rstrip()
            if i == 0 and not first:
                piece.trailing = comment
            else:
                piece.comments.append((blank, comment))
            blank = False
        elif 0 < i < len(lines) - 1 or (i == 0 and first and len(lines) > 1):
            blank = True
    if len(lines) > 1:
        piece.breaks = 2 if blank else 1


def _string(text: str, tokens: list[Token], at: int) -> tuple[int, int, str, bool]:
    """Read a string with interpolations from its first token.

    Return the index after its last token, the end offset, the text to write, and True if no interpolation contains a
    line break.
    """
    parts, plain = [], True
    quotes = str(tokens[at][1])
    last = tokens[at][3]
    parts.append(quotes)
    at += 1
    while True:
        kind, _, start, end = tokens[at]
        if kind == "STRING_END":
            parts.append(text[last:end])
            break
        if kind == "INTERP":
            parts.append(text[last:start])
            at, last, shown = _interpolation(text, tokens, at)
            plain = plain and "\n" not in shown
            parts.append(shown)
            continue
        at += 1
    return at + 1, end, "".join(parts), plain


def _interpolation(text: str, tokens: list[Token], at: int) -> tuple[int, int, str]:
    """Read `${ ... }` inside a string; return the index after its last token, the end offset and the text to write.

    An interpolation on one line is formatted. One with line breaks is kept unchanged, because they affect the string.
    """
    begin, depth, inner = tokens[at][2], 1, []
    made = [Piece("INTERP", "${", tokens[at][2], tokens[at][3])]
    at += 1
    while depth:
        kind, _, start, end = tokens[at]
        if kind == "STRING_START":
            at, end, shown, _ = _string(text, tokens, at)
            made.append(Piece("STRING", shown, start, end))
            continue
        depth += (kind == "INTERP") - (kind == "INTERP_END")
        if kind != "NL":
            if kind == "-" and made[-1].kind not in ENDS:
                kind = "unary"
            made.append(Piece(kind, text[start:end], start, end))
        at += 1
    end = made[-1].end
    raw = text[begin:end]
    if "\n" in raw:
        return at, end, raw
    for before, piece in zip([None, *made], made, strict=False):
        if before is not None and blank_between(before, piece):
            inner.append(" ")
        inner.append(piece.text)
    return at, end, "".join(inner)


def blank_between(before: Piece, after: Piece) -> bool:
    """Return whether there is a space between two pieces on one line."""
    if before.kind == "PATH" and after.kind == ".":
        return True  # otherwise the dot would become part of the path
    if before.kind in BRACES and after.kind == "}":
        return False
    return before.kind not in _TIGHT_AFTER and after.kind not in _TIGHT_BEFORE


def structure(made: list[Piece], facts: TreeFacts) -> None:
    """Set the role of each piece in the grammar.

    The roles are open, close, separator (of two items), clause (of a comprehension), if, then, else, let, in, assert,
    comma (of an assert), equals (after the name of an item), and "" for all other pieces.
    """
    stack: list[list[Any]] = [["file", -1, ""]]  # kind, index of the first piece, phase
    fresh = True  # the next piece begins an item
    for i, piece in enumerate(made):
        kind = piece.kind
        piece.role, piece.partner, piece.item, piece.equals = "", -1, False, -1
        if kind in CLOSERS:
            opener = _drop_to(stack, "bracket")[1]
            stack.pop()
            piece.role, piece.partner, made[opener].partner = "close", opener, i
            piece.inside, fresh = _container(stack), False
        elif kind == "END":
            piece.inside = -1
        elif kind == "," and stack[-1][0] == "for":
            piece.inside = _container(stack)  # for k, v in ...
        elif kind == ",":
            frame = stack[-1]
            while frame[0] not in ("file", "bracket", "let") and frame[:3:2] != ["assert", "condition"]:
                stack.pop()
                frame = stack[-1]
            piece.inside = _container(stack)
            if frame[0] == "assert":
                frame[2], piece.role, piece.partner = "message", "comma", frame[1]
            else:
                piece.role, fresh = "separator", True
        elif kind == "in":
            frame = _drop_to(stack, "let", "for", "assert")
            stack.pop()
            piece.inside, piece.partner, fresh = _container(stack), frame[1], False
            piece.role = "" if frame[0] == "for" else "in"
        elif kind in ("then", "else"):
            wanted = "condition" if kind == "then" else "then"
            while stack[-1][0] != "if" or stack[-1][2] != wanted:
                stack.pop()
            stack[-1][2] = piece.role = kind
            piece.partner, piece.inside = stack[-1][1], _container(stack)
        elif kind in ("for", "if") and piece.start in facts.clauses:
            piece.role, fresh = "clause", False
            piece.inside = piece.partner = _drop_to(stack, "bracket")[1]
            if kind == "for":
                stack.append(["for", i, ""])
        else:
            if piece.separated:
                _drop_to(stack, "file", "bracket", "let")
                fresh = True
            piece.inside, piece.item, fresh = _container(stack), fresh, False
            if kind in OPENERS:
                piece.role, fresh = "open", True
                stack.append(["bracket", i, ""])
            elif kind in ("let", "if", "assert"):
                piece.role, fresh = kind, kind == "let"
                stack.append([kind, i, "condition"])
            elif kind == "=":
                start = _item_start(made, i)
                if start >= 0 and made[start].equals < 0:
                    made[start].equals, piece.role = i, "equals"


def _drop_to(stack: list[list[Any]], *kinds: str) -> list[Any]:
    """Drop the frames above the last one of some kinds, and return that one."""
    while stack[-1][0] not in kinds:
        stack.pop()
    return stack[-1]


def _container(stack: list[list[Any]]) -> int:
    return next(int(frame[1]) for frame in reversed(stack) if frame[0] in ("file", "bracket", "let"))


def _item_start(made: list[Piece], equals: int) -> int:
    """Return the first piece of the item that an `=` belongs to; -1 if the `=` belongs to no item of this level."""
    at = equals - 1
    while at >= 0:
        if made[at].role == "close":
            at = made[at].partner
        if made[at].item:
            return at if made[at].inside == made[equals].inside else -1
        at -= 1
    return -1
