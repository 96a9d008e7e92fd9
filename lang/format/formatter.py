"""Format source texts in one style, without a change of meaning.

The formatter keeps the line breaks and comments of the author. All else follows from the tokens: two spaces per
level, one space between tokens, no comma where a line break separates fields, a comma after the last element of a list
whose bracket is on its own line, at most one blank line, and no line over 120 columns that can be broken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fpack.lang.syntax.lexer import tokenize
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import Node
from fpack.store.errors import FpackError

from . import tokens
from .comment_columns import comment_columns
from .layout import Layout, Line
from .tokens import ENDS, Piece, TreeFacts, structure
from .wrap import wrap

_ROUNDS = 400  # the limit for rounds of line breaks in one pass
_PASSES = 6  # the limit for passes until the text no longer changes


class Unformattable(FpackError):
    """The error for a text whose meaning the formatter would have changed: a bug of the formatter."""


def format_source(source: Source, cache: str | Path | None) -> str:
    """Return the formatted text, which ends in a line feed; raise EvalError for a syntax error."""
    tree = parse(source, cache)
    text = _pass(source, tree)
    for _ in range(_PASSES):
        again = Source(source.name, text, source.library, source.start)
        after = parse(again, cache)
        if meaning(after) != meaning(tree) or comments(again) != comments(source):
            raise _refused(source)
        following = _pass(again, after)
        if following == text:
            return text
        text = following
    raise _refused(source)


def meaning(node: Any) -> Any:
    """Return a syntax tree without positions, as a flat list. Texts with equal lists evaluate to the same value."""
    done: list[Any] = []
    todo: list[Any] = [node]
    while todo:  # not recursive, because a tree can be very deep
        at = todo.pop()
        if isinstance(at, Node):
            done.append((at.kind, len(at)))
            # The end of a selection is the position of its key. A field with a type (an error that the compiler
            # reports later) contains a token.
            inner = at[3:5] if at.kind == "sel" else (at.token[1], *at[4:]) if at.kind == "typed" else at[3:]
            todo.extend(inner)
        elif isinstance(at, (tuple, list)):
            done.append(len(at))
            todo.extend(at)
        else:
            done.append((at.__class__.__name__, at))
    return done


def comments(source: Source) -> list[str]:
    """Return all comments of a text, in order."""
    found = []
    for piece in tokens.pieces(source, tokenize(source)):
        found += [piece.trailing] if piece.trailing else []
        found += [comment for _, comment in piece.comments]
    return found


def _refused(source: Source) -> Unformattable:
    return Unformattable(
        "This text cannot be formatted", where=source.name, why="the result would have another meaning",
        hint="this is a bug of the formatter: report it with the text",
    )  # fmt: skip


def _pass(source: Source, tree: Any) -> str:
    """Format once. Wrapping a long line changes the structure of lines, so both are repeated."""
    facts = TreeFacts(tree)
    made = tokens.pieces(source, tokenize(source))
    lines: list[Line] = []
    for _ in range(_ROUNDS):
        structure(made, facts)
        made = _tidy(made, facts)
        structure(made, facts)
        lines = Layout(made).run()
        if not wrap(lines, made):
            break
    return _written(lines, comment_columns(lines))


def _written(lines: list[Line], columns: dict[int, int]) -> str:
    """Return the text of the lines. columns: of the comments at ends of lines, by the line's index."""
    shown: list[str] = []
    for i, line in enumerate(lines):
        if line.blank and shown:
            shown.append("")
        text = line.text if line.raw else " " * line.indent + line.text
        opens = i + 1 < len(lines) and (lines[i + 1].raw or lines[i + 1].tail)
        if not line.raw and not opens:  # trailing spaces inside a string are part of the string
            text = text.rstrip(" ")
        if line.comment:
            text = f"{text:<{columns.get(i, 1) - 1}} {line.comment}"
        shown.append(text)
    return "".join(f"{line}\n" for line in shown)


def _tidy(made: list[Piece], facts: TreeFacts) -> list[Piece]:
    """Return the pieces with commas and the line breaks before closing brackets normalised."""
    kept: list[Piece] = []
    for i, piece in enumerate(made):
        after = made[i + 1] if i + 1 < len(made) else piece
        if piece.role == "close" and piece.partner < i - 1 and made[piece.partner + 1].begins_line:
            piece.breaks = max(piece.breaks, 1)
        if piece.role == "close" and piece.begins_line and _wants_comma(piece, i, made):
            kept.append(Piece(",", ",", piece.start, piece.start))
        if piece.role == "separator" and _spare(piece, i, made, facts):
            after.separated = after.role not in ("close", "in") and after.kind != "END"
            continue
        kept.append(piece)
    return kept


def _wants_comma(piece: Piece, i: int, made: list[Piece]) -> bool:
    """Return whether a closing bracket that begins a line needs a comma before it, after an element or argument."""
    opener = made[piece.partner]
    if opener.kind not in ("[", "CALL_PAREN") or made[i - 1].kind == "," or piece.partner == i - 1:
        return False
    if opener.kind == "[" and _is_type(piece.partner, made):
        return False
    return not any(made[j].role == "clause" and made[j].inside == piece.partner for j in range(piece.partner + 1, i))


def _is_type(at: int, made: list[Piece]) -> bool:
    """Return whether a `[` begins a type: after a colon or bar, or inside the brackets of another type."""
    while at > 0 and made[at].kind == "[":
        at -= 1
    return made[at].kind in (":", "BAR")


def _spare(piece: Piece, i: int, made: list[Piece], facts: TreeFacts) -> bool:
    """Return whether a comma is redundant: before a closing bracket on its line, or in records before a line break."""
    after = made[i + 1]
    if piece.begins_line:
        return False
    ends = after.role in ("close", "in") or after.kind == "END"
    if ends and not after.begins_line:
        return True
    if piece.inside >= 0:
        container = made[piece.inside]
        if container.kind in ("[", "CALL_PAREN", "LPAR", "INTERP") or container.start in facts.patterns:
            return False
    return after.begins_line and (ends or made[i - 1].kind in ENDS)
