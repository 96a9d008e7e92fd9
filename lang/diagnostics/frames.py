"""Where things stand in the user's text: the step of a traceback, and the call, field or argument that it is about."""

from __future__ import annotations

from itertools import islice
from os.path import normpath
from pathlib import Path
from types import CellType, FrameType
from typing import Any

from fpack.lang.abi import PART, PARTS
from fpack.lang.errors import Fault
from fpack.lang.spans import Other, Span
from fpack.lang.syntax.source import Source
from fpack.store.errors import FpackError

_VARIADIC = 0x04  # a code object's flag for `*args`


class Step:
    """One frame of the traceback that runs code of a source text."""

    __slots__ = ("frame", "instruction", "source")

    def __init__(self, frame: FrameType, instruction: int, source: Source) -> None:
        self.frame = frame
        self.instruction = instruction
        self.source = source

    @property
    def name(self) -> str:
        """What the frame evaluates, as the user calls it; "" for a part without a name."""
        code = self.frame.f_code
        if code.co_name.startswith(PARTS):
            named: str = code.co_consts[0].split("\n")[self.frame.f_locals[PART]]
            if named:
                return named
        for part in reversed(self.frame.f_code.co_qualname.split(".<locals>.")):
            name = shown_name(part)
            if name:
                return name
        return ""

    @property
    def entered(self) -> bool:
        """Whether the frame has begun, and evaluated nothing yet: it has no place of its own."""
        from opcode import opmap

        return self.frame.f_code.co_code[self.instruction] == opmap["RESUME"]

    def place(self) -> tuple[int, int, int, int]:
        """Line, column, end line and end column, lines from 1 and columns from 0."""
        code = self.frame.f_code
        line, end_line, column, end_column = next(
            islice(code.co_positions(), self.instruction // 2, None), (1, 1, 0, 0)
        )
        line = line or code.co_firstlineno
        if column is None or end_column is None:
            return line, 0, line, len(line_of(self.source, line))
        return line, column, end_line or line, end_column

    def span(self) -> Span:
        """The place as a span."""
        line, column, end_line, end_column = self.place()
        return Span(self.source.name, line, column + 1, end_line, end_column + 1, line_of(self.source, line))


def shown_name(name: str) -> str:
    """A generated function's name without what makes it unique; "" if it has none for the user."""
    if name.startswith((".", "<")):
        return ""
    stem, dot, number = name.rpartition(".")
    return stem if dot and number.isdigit() else name


def line_of(source: Source, line: int) -> str:
    lines = source.text.split("\n", line)
    return lines[line - 1] if line <= len(lines) else ""


def given_argument(value: Any, builtin: FrameType, step: Step, cache: str | Path | None) -> Span | None:
    """Where a call writes the argument that a builtin's frame holds."""
    code = builtin.f_code
    given = [builtin.f_locals.get(name) for name in code.co_varnames[: code.co_argcount]]
    if code.co_flags & _VARIADIC:
        given += builtin.f_locals.get(code.co_varnames[code.co_argcount], ())
    found = [i for i, held in enumerate(given) if _settled(held) is value]
    if value is not None or len(found) == 1:
        for i in found:
            node = call_at(step, cache)
            if node is None or node[0] != "call" or any(a[0] == "spread" for a in node[4][: i + 1]):
                return None
            if i < len(node[4]):
                return step.source.span(node[4][i][1], node[4][i][2])
    return None


def _settled(held: Any) -> Any:
    """An argument as its builtin has evaluated it, or a value that nothing is, if it has not."""
    if held.__class__ is CellType:
        held = held.cell_contents
        return held[0] if held.__class__ is tuple else _settled
    return held


def field_place(step: Step, fault: Fault, callee: FrameType | None, cache: str | Path | None) -> Span | None:
    """The place of the field, or named argument, of the call that a frame is making, or of what is given for it.

    callee: the frame of the function that was called, which knows what is given by position.
    """
    call = call_at(step, cache)
    if call is None:
        return None
    node = _named(call[4], fault.field or "")
    if node is None and callee is not None and call[0] == "call" and not any(a[0] == "spread" for a in call[4]):
        # By position: Python knows the parameters' order.
        code, name = callee.f_code, fault.field
        names = code.co_varnames[: code.co_argcount]
        i = names.index(name) if name in names else len(call[4])
        if i < len(call[4]):
            node = ("named", *call[4][i][1:3], name, call[4][i])
    if node is None:
        return None
    if fault.value and node[0] != "inherit":
        node = node[4]
        if fault.part is not None and node[0] == "list" and all(item[0] != "spread" for item in node[3]):
            node = node[3][fault.part]
    return step.source.span(node[1], node[2])


def twin_place(step: Step, name: str, cache: str | Path | None) -> tuple[Other, ...]:
    """Where the record that a frame is making has a field already."""
    from fpack.lang.syntax import parser

    begin, end = _offsets(step)
    best: tuple[Any, ...] | None = None
    stack: list[Any] = [parser.parse(step.source, cache)]
    while stack:
        node = stack.pop()
        if node.__class__ is tuple and len(node) > 3 and node[0] == "rec" and node[1] <= begin and end <= node[2]:
            best = next((e for e in node[3] if e[0] in ("set", "inherit") and e[3] == name), best)
        if node.__class__ in (tuple, list):
            stack += [n for n in node if n.__class__ in (tuple, list)]
    return (Other(step.source.span(best[1], best[2]), "first given here"),) if best else ()


def literal_place(step: Step, file: str, cache: str | Path | None) -> Span | None:
    """Where a text writes the path of a file."""
    from fpack.lang.syntax import parser

    stack: list[Any] = [parser.parse(step.source, cache)]
    while stack:
        node = stack.pop()
        if node.__class__ is tuple and len(node) == 4 and node[0] == "path":
            written = normpath(node[3])
            while written.startswith("../"):
                written = written[3:]
            if file.endswith(f"/{written}"):
                return step.source.span(node[1], node[2])
        stack += [n for n in reversed(node) if n.__class__ in (tuple, list)]
    return None


def _offsets(step: Step) -> tuple[int, int]:
    """The place of a step as offsets into its text."""
    line, column, end_line, end_column = step.place()
    begins = [0]
    for part in step.source.text.split("\n"):
        begins.append(begins[-1] + len(part) + 1)
    return begins[line - 1] + column, begins[end_line - 1] + end_column


def call_at(step: Step, cache: str | Path | None) -> tuple[Any, ...] | None:
    """The node of the call that a frame is making."""
    from fpack.lang.syntax import parser

    try:
        tree = parser.parse(step.source, cache)
    except FpackError:
        return None
    begin, end = _offsets(step)
    stack: list[Any] = [tree]
    while stack:
        node = stack.pop()
        if node.__class__ is tuple and len(node) > 4 and node[0] in ("rcall", "call") and node[1:3] == (begin, end):
            return node
        if node.__class__ in (tuple, list):
            stack += [n for n in node if n.__class__ in (tuple, list)]
    return None


def _named(tree: Any, name: str) -> tuple[Any, ...] | None:
    """The outermost field or named argument of that name."""
    level = [tree]
    while level:
        for node in level:
            if node.__class__ is tuple and len(node) > 3 and node[0] in ("set", "named", "inherit") and node[3] == name:
                return node
        level = [n for node in level for n in node if n.__class__ in (tuple, list)]
    return None
