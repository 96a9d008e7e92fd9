"""Find the source positions of the frames of a traceback, and of the call, field or argument that an error is about."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from json import dumps as to_json
from os.path import normpath
from pathlib import Path
from types import CellType, CodeType, FrameType
from typing import Any

from fpack.lang.abi import FUNCTIONS, PART, PARTS, SITE
from fpack.lang.errors import Fault
from fpack.lang.runtime.call_sites import CallSite
from fpack.lang.spans import Other, Span
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import NamedArgument, Node, children, walk
from fpack.store.errors import FpackError

from .shared_positions import is_shared, original

_VARIADIC = 0x04  # the flag of a code object that takes `*args`


class TracebackStep:
    """One frame of a traceback that runs code of a source text."""

    __slots__ = ("frame", "instruction", "source")

    def __init__(self, frame: FrameType, instruction: int, source: Source) -> None:
        self.frame = frame
        self.instruction = instruction
        self.source = source

    @property
    def code(self) -> CodeType:
        frame = self.frame
        return original(frame.f_code, frame.f_locals, frame.f_globals) if is_shared(frame.f_code) else frame.f_code

    @property
    def name(self) -> str:
        """The name of the field or function that the frame evaluates; "" if it has no name."""
        code = self.code
        if code.co_name.startswith(PARTS) and not isinstance(self, CallStep):
            named: str = self.frame.f_globals[FUNCTIONS][id(self.frame.f_code)].parts[self.frame.f_locals[PART]]
            if named:
                return named
        for part in reversed(code.co_qualname.split(".<locals>.")):
            name = shown_name(part)
            if name:
                return name
        return ""

    @property
    def entered(self) -> bool:
        """True if the frame has evaluated nothing yet, so that it has no position in the text."""
        from opcode import opmap

        return self.code.co_code[self.instruction] == opmap["RESUME"]

    def position(self) -> tuple[int, int, int, int]:
        """Return line, column, end line and end column; lines count from 1 and columns from 0."""
        code = self.code
        line, end_line, column, end_column = next(
            islice(code.co_positions(), self.instruction // 2, None), (1, 1, 0, 0)
        )
        line = line or code.co_firstlineno
        if column is None or end_column is None:
            return line, 0, line, len(line_of(self.source, line))
        return line, column, end_line or line, end_column

    def span(self) -> Span:
        line, column, end_line, end_column = self.position()
        return Span(self.source.name, line, column + 1, end_line, end_column + 1, line_of(self.source, line))


class CallStep(TracebackStep):
    """The call in the user's text that led to a function of the library, as a step. frame: of that function."""

    __slots__ = ("site",)

    def __init__(self, frame: FrameType, site: CallSite) -> None:
        super().__init__(frame, site.instruction, site.source)
        self.site = site

    @property
    def code(self) -> CodeType:
        return original(self.site.code, self.site.names, self.site.scope) if self.site.names else self.site.code

    @property
    def call(self) -> str:
        """The call in short: the function, and the name that it was given if that is evaluated."""
        given = self.site.given
        name = given.get("name") if isinstance(given, dict) else None
        if name.__class__ is CellType:
            known = name.cell_contents
            name = known[0] if known.__class__ is tuple else None
        function = shown_name(self.site.function)
        return f"{function} {{ name = {to_json(name)} }}" if name.__class__ is str and function else ""


def own_steps(steps: list[TracebackStep]) -> list[TracebackStep]:
    """Return the steps in the user's text. Steps of the library become the calls that led to them, where known."""
    own: list[TracebackStep] = []
    for step in steps:
        if step.source.library:
            site = step.frame.f_locals.get(SITE)
            if site is None:
                continue
            step = CallStep(step.frame, site)
            if own and (own[-1].code, own[-1].instruction) == (step.code, step.instruction):
                continue
        own.append(step)
    return own


def kept_call(steps: list[TracebackStep]) -> CallStep | None:
    """Return the call that led to the innermost steps if these are of the library; None if it is unknown."""
    for step in reversed(steps):
        if not step.source.library:
            return None
        site = step.frame.f_locals.get(SITE)
        if site is not None:
            return CallStep(step.frame, site)
    return None


def shown_name(name: str) -> str:
    """Return a generated function's name without its unique suffix; "" if users do not know the name."""
    if name.startswith((".", "<")):
        return ""
    stem, dot, number = name.rpartition(".")
    return stem if dot and number.isdigit() else name


def line_of(source: Source, line: int) -> str:
    """Return a line of a source text, counted from 1."""
    lines = source.text.split("\n", line)
    return lines[line - 1] if line <= len(lines) else ""


def given_argument(value: Any, builtin: FrameType, step: TracebackStep, cache: str | Path | None) -> Span | None:
    """Return the span of the argument of a call that a builtin's frame holds as `value`."""
    code = builtin.f_code
    given = [builtin.f_locals.get(name) for name in code.co_varnames[: code.co_argcount]]
    if code.co_flags & _VARIADIC:
        given += builtin.f_locals.get(code.co_varnames[code.co_argcount], ())
    found = [i for i, argument in enumerate(given) if _settled(argument) is value]
    if value is not None or len(found) == 1:
        for i in found:
            node = call_at(step, cache)
            if node is None or node.kind != "call" or any(a.kind == "spread" for a in node.args[: i + 1]):
                return None
            if i < len(node.args):
                return step.source.span(node.args[i].start, node.args[i].end)
    return None


def _settled(argument: Any) -> Any:
    """Return an argument as its builtin has evaluated it; if it is not evaluated, a value that equals nothing else."""
    if argument.__class__ is CellType:
        contents = argument.cell_contents
        return contents[0] if contents.__class__ is tuple else _settled
    return argument


def field_span(step: TracebackStep, fault: Fault, callee: FrameType | None, cache: str | Path | None) -> Span | None:
    """Return the span of the field or named argument that caused a fault, or of its value, in the call of a frame.

    callee: the frame of the called function, which has the names of positional arguments.
    """
    call = call_at(step, cache)
    if call is None:
        record = _node_at(step, cache, ("rec",))
        found = _named([record], fault.field or "") if record is not None else None
        return step.source.span(found.start, found.end) if found is not None else None
    node = _named([call.record] if call.kind == "rcall" else call.args, fault.field or "")
    if node is None and callee is not None and call.kind == "call" and not any(a.kind == "spread" for a in call.args):
        # A positional argument: the code object of the callee has the order of the parameters.
        code, name = callee.f_code, fault.field
        names = code.co_varnames[: code.co_argcount]
        i = names.index(name) if name in names else len(call.args)
        if i < len(call.args):
            arg = call.args[i]
            node = NamedArgument(("named", arg.start, arg.end, name, arg))
    if node is None:
        return None
    if fault.value and node.kind != "inherit":
        node = node.value
        if fault.part is not None and node.kind == "list" and all(item.kind != "spread" for item in node.items):
            node = node.items[fault.part]
    return step.source.span(node.start, node.end)


def first_definition(step: TracebackStep, name: str, cache: str | Path | None) -> tuple[Other, ...]:
    """Return the span of the first field of a name, in the record that a frame is making."""
    begin, end = _offsets(step)
    best: Node | None = None
    for node in _nodes(step, cache):
        if node.kind == "rec" and node.start <= begin and end <= node.end:
            best = next((e for e in node.entries if e.kind in ("set", "inherit") and e.name == name), best)
    return (Other(step.source.span(best.start, best.end), "first given here"),) if best else ()


def path_literal(step: TracebackStep, file: str, cache: str | Path | None) -> Span | None:
    """Return the span of the path in a step's code that leads to a file, or None."""
    for node in _nodes(step, cache):
        if node.kind == "path":
            written = normpath(node.value)
            while written.startswith("../"):
                written = written[3:]
            if file.endswith(f"/{written}"):
                return step.source.span(node.start, node.end)
    return None


def _offsets(step: TracebackStep) -> tuple[int, int]:
    """Return the position of a step as offsets into its text."""
    line, column, end_line, end_column = step.position()
    begins = [0]
    for part in step.source.text.split("\n"):
        begins.append(begins[-1] + len(part) + 1)
    return begins[line - 1] + column, begins[end_line - 1] + end_column


def call_at(step: TracebackStep, cache: str | Path | None) -> Node | None:
    return _node_at(step, cache, ("rcall", "call"))


def _node_at(step: TracebackStep, cache: str | Path | None, kinds: tuple[str, ...]) -> Node | None:
    """Return the node of one of some kinds that a frame is evaluating."""
    begin, end = _offsets(step)
    nodes = (node for node in _nodes(step, cache) if node.kind in kinds)
    try:
        return next((node for node in nodes if (node.start, node.end) == (begin, end)), None)
    except FpackError:
        return None


def _nodes(step: TracebackStep, cache: str | Path | None) -> Iterator[Node]:
    from fpack.lang.syntax import parser

    return walk(parser.parse(step.source, cache))


def _named(level: list[Node], name: str) -> Node | None:
    """Return the outermost field or named argument of a name in some nodes."""
    while level:
        for node in level:
            if node.kind in ("set", "named", "inherit") and node.name == name:
                return node
        level = [inner for node in level for inner in children(node)]
    return None
