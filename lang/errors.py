"""Define the errors of the language, and render errors as text.

Code that does not know the position of a fault in the source text raises a `Fault`. error_location.py turns a `Fault`
into an `EvalError`, which always has a span.
"""

from __future__ import annotations

from collections.abc import Iterable

from fpack.light_typing import TYPE_CHECKING
from fpack.store.errors import FpackError, one_line, printable, similar
from fpack.store.errors import did_you_mean as did_you_mean

if TYPE_CHECKING:
    from .spans import Call, Other, Span

SHOWN_CALLS = 8
SHOWN_WIDTH = 160


class EvalError(FpackError):
    """An error with a position in a source text.

    others: related spans. calls: the calls in the user's text that led to the error, outermost first.
    """

    exit_code = 3

    def __init__(
        self,
        what: str,
        *,
        span: Span,
        why: str = "",
        hint: str = "",
        others: tuple[Other, ...] = (),
        calls: tuple[Call, ...] = (),
    ) -> None:
        super().__init__(what, where=str(span), why=why, hint=hint)
        self.span = span
        self.others = others
        self.calls = calls

    @property
    def file(self) -> str:
        """The name of the file as the user gave it."""
        return self.span.file

    @property
    def line(self) -> int:
        """The line, from 1."""
        return self.span.line

    @property
    def column(self) -> int:
        """The column, from 1."""
        return self.span.column


class Fault(FpackError):
    """An error without a position, found at run time.

    The other attributes help to find the position. field: the name of the record field or named argument at fault.
    value: the fault is in the value of `field`, not in its name. part: the index of the faulty element, if the value is
    a list. file: the path of the file at fault. caller: the fault is in the call of the function that raised the error.
    twin: the name of a field that is defined twice.
    """

    exit_code = 3

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        hint: str = "",
        field: str | None = None,
        value: bool = False,
        part: int | None = None,
        file: str | None = None,
        caller: bool = False,
        twin: str | None = None,
    ) -> None:
        super().__init__(what, why=why, hint=hint)
        self.field = field
        self.value = value
        self.part = part
        self.file = file
        self.caller = caller
        self.twin = twin


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the one of `known` that resembles `name` most, or ""."""
    return next(iter(similar(name, known)), "")


def quote(name: str) -> str:
    """Quote a name or value for a message; shorten a long one."""
    return f"`{name}`" if len(name) <= 80 else f"`{name[:77]}...`"


def render(error: FpackError, color: bool = False) -> str:
    """Return an error as text: the message, the source line with carets, the reason, the calls, and the hint."""

    def paint(code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if color and text else text

    lines = [paint("1;31", "error: ") + paint("1", printable(error.what).replace("\n", "\n  "))]
    if isinstance(error, EvalError):
        lines += _excerpt(error.span, paint)
        for other in error.others:
            lines += _excerpt(other.span, paint, printable(other.label))
    elif error.where:
        lines.append(f"  {paint('2', 'in')} {one_line(error.where)}")
    if error.why:
        lines += [f"  {line}" for line in printable(error.why).splitlines()]
    if isinstance(error, EvalError) and error.calls:
        calls = error.calls
        shown = calls if len(calls) <= SHOWN_CALLS else (*calls[: SHOWN_CALLS // 2], None, *calls[-SHOWN_CALLS // 2 :])
        for call in shown:
            if call is None:
                lines.append(f"  ... {len(calls) - SHOWN_CALLS // 2 * 2} more")
            else:
                location = one_line(f"{quote(call.name) + ', ' if call.name else ''}{call.span}")
                lines.append(f"  {paint('2', 'in')} {location}")
    if error.hint:
        lines.append(f"  {paint('1;36', 'hint:')} {printable(error.hint)}")
    return "\n".join(lines)


def _excerpt(span: Span, paint: object, label: str = "") -> list[str]:
    """Return the line of a span with a mark below it. paint: colours a text for the terminal. label: after the mark."""
    assert callable(paint)
    number = str(span.line)
    gutter = " " * len(number)
    last = span.end_column if span.end_line == span.line else len(span.text) + 1
    text, column = span.text, span.column
    if len(text) > SHOWN_WIDTH:
        cut = max(0, column - SHOWN_WIDTH // 2)
        text = text[cut : cut + SHOWN_WIDTH]
        column, last = column - cut, min(last - cut, SHOWN_WIDTH + 1)
    # A source text must not send control characters to the terminal.
    text = "".join(c if c == "\t" or c.isprintable() else "?" for c in text)
    before = "".join("\t" if c == "\t" else " " * _width(c) for c in text[: column - 1])
    marked = text[column - 1 : max(last, column + 1) - 1]
    carets = ("-" if label else "^") * max(1, sum(map(_width, marked)))
    bar = paint("34", "|")
    return [
        f" {gutter}{paint('34', '-->')} {one_line(str(span))}",
        f" {paint('34', number)} {bar} {text}",
        f" {gutter} {bar} {before}{paint('1;36' if label else '1;31', f'{carets} {label}'.rstrip())}",
    ]


def _width(char: str) -> int:
    """Return the number of columns that a terminal needs for a character."""
    if char.isascii():
        return 1
    import unicodedata  # only for excerpts that are not ASCII

    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
