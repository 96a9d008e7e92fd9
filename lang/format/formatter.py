"""The formatter: one look for every text, and never another meaning.

An author's line breaks are kept, so lists and calls stay as they were arranged; what lies between them is fixed: two
blanks a level, one blank between words, no comma where a new line separates fields, one after the last element of a
list that ends on a line of its own, at most one blank line, and no line over 120 columns that can be broken. Comments
stay where they are, and so do `=` signs that were lined up.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fpack.lang.syntax.lexer import tokenize
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.store.errors import FpackError

from . import tokens
from .align import align_comments, align_fields
from .layout import Layout, Line
from .tokens import ENDS, Facts, Piece, structure
from .wrap import wrap

_ROUNDS = 400  # line breaks that are put in one after the other, deeper and deeper
_PASSES = 6


class Unformattable(FpackError):
    """A text that the formatter would have changed the meaning of: a fault of the formatter, never of the text."""


def format_source(source: Source, cache: str | Path | None) -> str:
    """The text in the language's one style, ending in a line feed. EvalError for what is no text of the language."""
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
    """A syntax tree without places: two texts with equal ones evaluate to the same."""
    done: list[Any] = []
    todo: list[Any] = [node]
    while todo:  # without recursion, for trees are as deep as their texts
        at = todo.pop()
        if at.__class__ is tuple and len(at) > 2 and at[1].__class__ is int and at[2].__class__ is int:
            done.append((at[0], len(at)))
            # A selection's tail is the place of its key; a field with a type, an error yet to be told, holds a token.
            inner = at[3:5] if at[0] == "sel" else (at[3][1], *at[4:]) if at[0] == "typed" else at[3:]
            todo.extend(inner)
        elif at.__class__ is tuple or at.__class__ is list:
            done.append(len(at))
            todo.extend(at)
        else:
            done.append((at.__class__.__name__, at))
    return done


def comments(source: Source) -> list[str]:
    """All comments of a text, in order."""
    found = []
    for piece in tokens.pieces(source, tokenize(source)):
        found += [piece.trailing] if piece.trailing else []
        found += [comment for _, comment in piece.comments]
    return found


def _refused(source: Source) -> Unformattable:
    return Unformattable(
        "This text cannot be formatted", where=source.name, why="the result would not be the same text",
        hint="this is a fault of the formatter: report it with the text",
    )  # fmt: skip


def _pass(source: Source, tree: Any) -> str:
    facts = Facts(tree)
    made = tokens.pieces(source, tokenize(source))
    lines: list[Line] = []
    for _ in range(_ROUNDS):
        structure(made, facts)
        made = _tidy(made, facts)
        structure(made, facts)
        lines = Layout(made).run()
        align_fields(lines, made, source.text)
        if not wrap(lines, made):
            break
    return _written(lines, align_comments(lines, made, source.text))


def _written(lines: list[Line], columns: dict[int, int]) -> str:
    shown: list[str] = []
    for i, line in enumerate(lines):
        if line.blank and shown:
            shown.append("")
        text = line.text if line.raw else " " * line.indent + line.text
        opens = i + 1 < len(lines) and (lines[i + 1].raw or lines[i + 1].tail)
        if not line.raw and not opens:  # blanks before the end of a line in a string are the string's
            text = text.rstrip(" ")
        if line.comment:
            text = f"{text:<{columns.get(i, 1) - 1}} {line.comment}"
        shown.append(text)
    return "".join(f"{line}\n" for line in shown)


def _tidy(made: list[Piece], facts: Facts) -> list[Piece]:
    """The pieces with the commas that the style wants, and brackets that end on a line of their own or do not."""
    kept: list[Piece] = []
    for i, piece in enumerate(made):
        after = made[i + 1] if i + 1 < len(made) else piece
        if piece.role == "close" and piece.partner < i - 1 and made[piece.partner + 1].begins_line:
            piece.breaks = max(piece.breaks, 1)
        if piece.role == "close" and piece.begins_line and _wants_comma(piece, i, made, facts):
            kept.append(Piece(",", ",", piece.start, piece.start))
        if piece.role == "separator" and _spare(piece, i, made, facts):
            after.separated = after.role not in ("close", "in") and after.kind != "END"
            continue
        kept.append(piece)
    return kept


def _wants_comma(piece: Piece, i: int, made: list[Piece], facts: Facts) -> bool:
    """Whether a comma is to stand before a bracket that begins a line: after the last element or argument."""
    opener = made[piece.partner]
    if opener.kind not in ("[", "CALL_PAREN") or made[i - 1].kind == "," or piece.partner == i - 1:
        return False
    if opener.kind == "[" and _is_type(piece.partner, made):
        return False
    return not any(made[j].role == "clause" and made[j].inside == piece.partner for j in range(piece.partner + 1, i))


def _is_type(at: int, made: list[Piece]) -> bool:
    """Whether a `[` begins a type: after the colon or the bar of one, or in such brackets."""
    while at > 0 and made[at].kind == "[":
        at -= 1
    return made[at].kind in (":", "BAR")


def _spare(piece: Piece, i: int, made: list[Piece], facts: Facts) -> bool:
    """Whether a comma says nothing: before an end on its line, and in records before a new line."""
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
