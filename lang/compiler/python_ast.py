"""Build Python syntax nodes with positions.

Every node has the position of the source expression that it was generated from, so that a Python traceback leads to
the source text. Generated code refers to the runtime by names that begin with a dot, which no name of the language
does. Some of them: `.T` creates a thunk, `.F` forces one, `.E` evaluates a value, `.S` converts a value to text, `.M`
marks a missing argument, `.w` is a temporary variable. The tables of names are in runtime/ and evaluator.py.
"""

from __future__ import annotations

import _ast as a
from collections.abc import Callable, Sequence
from typing import Any

from fpack.lang.abi import SHARED

Position = tuple[int, int, int, int]
Expr = a.expr
Statement = a.stmt
Block = list[Statement]
LOAD, STORE = a.Load(), a.Store()
PLAIN = frozenset({str, int, bool, float, type(None), frozenset})


def put(node: Any, at: Position) -> Any:
    """Set the position of `node` and return `node`."""
    node.lineno, node.col_offset, node.end_lineno, node.end_col_offset = at
    return node


def name(n: str, at: Position) -> Expr:
    """Build the read of a variable."""
    node = a.Name(n, LOAD)  # without a call of `put`: a third of all nodes are names
    node.lineno, node.col_offset, node.end_lineno, node.end_col_offset = at
    return node


def const(value: object, at: Position) -> Expr:
    """Build a constant or a tuple of constants. A hole (shared_code.py) is an element of `.shared`."""
    if value.__class__ not in PLAIN:
        element = getattr(value, "element", None)
        if element is not None:
            return subscript(name(SHARED, at), plain_const(element, at), at)
        if value.__class__ is tuple and any(part.__class__ not in PLAIN for part in value):
            return put(a.Tuple([const(part, at) for part in value], LOAD), at)  # type: ignore
    return plain_const(value, at)


def plain_const(value: object, at: Position) -> Expr:
    """Build a constant without holes."""
    return put(a.Constant(value, None), at)  # type: ignore


def call(function: str | Expr, args: list[Expr], at: Position, keywords: list[a.keyword] | None = None) -> Expr:
    """Build a call. function: an expression, or the name of a runtime function."""
    callee = name(function, at) if isinstance(function, str) else function
    return put(a.Call(callee, args, keywords or []), at)  # type: ignore[no-any-return]


def keyword(arg: str | None, value: Expr, at: Position) -> a.keyword:
    """Build a named argument, or `**value` if `arg` is None."""
    return put(a.keyword(arg, value), at)  # type: ignore[no-any-return]


def starred(value: Expr, at: Position) -> Expr:
    """Build `*value`."""
    return put(a.Starred(value, LOAD), at)  # type: ignore[no-any-return]


def walrus(n: str, value: Expr, at: Position) -> Expr:
    """Build `(n := value)`."""
    return put(a.NamedExpr(put(a.Name(n, STORE), at), value), at)  # type: ignore[no-any-return]


def class_of(value: Expr, at: Position) -> Expr:
    """Build `value.__class__`."""
    return put(a.Attribute(value, "__class__", LOAD), at)  # type: ignore[no-any-return]


def is_class(value: Expr, cls: str, at: Position, negate: bool = False) -> Expr:
    """Build `value.__class__ is cls`, or `is not` with `negate`."""
    return compare(class_of(value, at), a.IsNot() if negate else a.Is(), name(cls, at), at)


def compare(left: Expr, op: a.cmpop, right: Expr, at: Position) -> Expr:
    """Build `left op right`."""
    return put(a.Compare(left, [op], [right]), at)  # type: ignore[no-any-return]


def choose(test: Expr, then: Expr, otherwise: Expr, at: Position) -> Expr:
    """Build `then if test else otherwise`."""
    return put(a.IfExp(test, then, otherwise), at)  # type: ignore[no-any-return]


def subscript(value: Expr, key: Expr, at: Position) -> Expr:
    """Build `value[key]`."""
    return put(a.Subscript(value, key, LOAD), at)  # type: ignore[no-any-return]


def forced(value: Expr, at: Position) -> Expr:
    """Build the evaluated value of an expression that may be a thunk. `.w` holds the value unless it is a variable."""
    if isinstance(value, a.Name):
        return choose(is_class(value, ".T", at, True), value, call(".F", [value], at), at)
    test = is_class(walrus(".w", value, at), ".T", at, True)
    return choose(test, name(".w", at), call(".F", [name(".w", at)], at), at)


def guarded(value: Expr, cls: str, fallback: str, at: Position) -> Expr:
    """Build `value` if its class is the runtime's `cls`, else a call of the runtime's function `fallback` with it."""
    if isinstance(value, a.Name):
        return choose(is_class(value, cls, at), value, call(fallback, [value], at), at)
    test = is_class(walrus(".w", value, at), cls, at)
    return choose(test, name(".w", at), call(fallback, [name(".w", at)], at), at)


def plain_dict(value: Expr) -> bool:
    """Return whether the value of an expression is certainly a dict, and no record that can be changed."""
    if isinstance(value, a.IfExp):
        return plain_dict(value.body) and plain_dict(value.orelse)
    return isinstance(value, a.Dict) and all(
        key is not None or plain_dict(part) for key, part in zip(value.keys, value.values, strict=True)
    )


class Spreads:
    """A record with spreads, as it is built: a dict display if all that it spreads are dicts, else its parts.

    fresh: returns a unique name for a variable. base: the runtime function that checks what is spread first; the first
    record of a literal may be one on demand.
    """

    def __init__(self, fresh: Callable[[str], str], base: str = ".base-record") -> None:
        self.fresh = fresh
        self.base = base
        self.keys: list[Expr | None] = []
        self.values: list[Expr] = []
        self.tests: list[Expr] = []
        self.parts: list[tuple[list[Expr | None], list[Expr]] | Expr] = []
        self.has_layers = False
        self.assignments: list[Expr] = []

    def field(self, key: Expr, value: Expr) -> None:
        """Add a field."""
        self._own([key], [value])

    def _own(self, keys: list[Expr | None], values: list[Expr]) -> None:
        """Add fields to the display, and to the last part if it consists of fields, else as a new part."""
        self.keys += keys
        self.values += values
        if not self.parts or not isinstance(self.parts[-1], tuple):
            self.parts.append(([], []))
        last = self.parts[-1]
        assert isinstance(last, tuple)
        last[0].extend(keys)
        last[1].extend(values)

    def spread(self, value: Expr, at: Position) -> None:
        """Add the fields of a record. value: an evaluated expression."""
        if isinstance(value, a.Dict) and plain_dict(value):
            self._own(list(value.keys), list(value.values))
        elif plain_dict(value):
            self._own([None], [value])
        else:
            if isinstance(value, a.Name):
                self.tests.append(is_class(value, ".dict", at))
            else:
                variable = self.fresh(".spread")
                assigned = walrus(variable, value, at)
                self.tests.append(is_class(assigned, ".dict", at))
                self.assignments.append(assigned)
                value = name(variable, at)
            self.keys.append(None)
            self.values.append(value)
            # Both functions raise the error for what is no record.
            self.parts.append(call(".fields" if self.parts else self.base, [value], at))

    def layer(self, function: Expr) -> None:
        """Add the fields that a function of the record below returns."""
        self.has_layers = True
        self.parts.append(function)

    def record(self, at: Position, function: str = ".spread") -> Expr:
        """Return the code of the record. function: what gets the parts; "": the value is a tuple of them."""
        parts = [put(a.Dict(*p), at) if isinstance(p, tuple) else p for p in self.parts]
        if self.has_layers:
            if not self.assignments:
                return self._of_parts(parts, at, function)
            first: Expr = put(a.Tuple(self.assignments, LOAD), at)
            return subscript(put(a.Tuple([first, self._of_parts(parts, at, function)], LOAD), at), const(1, at), at)
        whole: Expr = put(a.Dict(self.keys, self.values), at)
        if not self.tests:
            return whole
        test = self.tests[0]
        for other in self.tests[1:]:  # not `and`: all the variables must be assigned
            test = put(a.BinOp(test, a.BitAnd(), other), at)
        return choose(test, whole, self._of_parts(parts, at, function), at)

    def _of_parts(self, parts: list[Expr], at: Position, function: str) -> Expr:
        every: Expr = put(a.Tuple(parts, LOAD), at)
        return call(function, [every], at) if function else every


def assign(n: str, value: Expr, at: Position) -> Statement:
    """Build `n = value`."""
    return put(a.Assign([put(a.Name(n, STORE), at)], value, None), at)  # type: ignore[no-any-return]


def assign_all(names: list[str], value: Expr, at: Position) -> Statement:
    """Build `names[0], names[1], ... = value`."""
    target = put(a.Tuple([put(a.Name(n, STORE), at) for n in names], STORE), at)
    return put(a.Assign([target], value, None), at)  # type: ignore[no-any-return]


def when(test: Expr, then: Block, otherwise: Block, at: Position) -> Statement:
    """Build `if test: then else: otherwise`."""
    return put(a.If(test, then, otherwise), at)  # type: ignore[no-any-return]


def for_each(n: str, values: Expr, body: Block, at: Position) -> Statement:
    """Build `for n in values: body`."""
    return put(a.For(put(a.Name(n, STORE), at), values, body, [], None), at)  # type: ignore[no-any-return]


def run(value: Expr, at: Position) -> Statement:
    """Build an expression statement."""
    return put(a.Expr(value), at)  # type: ignore[no-any-return]


def return_(value: Expr, at: Position) -> Statement:
    """Build `return value`."""
    return put(a.Return(value), at)  # type: ignore[no-any-return]


def define(
    n: str, params: Sequence[tuple[str, bool | str]] | Sequence[tuple[str, bool]], body: Block, at: Position
) -> Statement:
    """Build `def n(params): body`.

    params: pairs of a name and True or the name of the default if the parameter is optional; True is `.M`, missing.
    """
    args = [put(a.arg(p, None, None), at) for p, _ in params]
    defaults = [name(".M" if optional is True else str(optional), at) for _, optional in params if optional]
    arguments = a.arguments([], args, None, [], [], None, defaults)
    return put(a.FunctionDef(n, arguments, body, [], None, None), at)  # type: ignore[no-any-return]


def function(body: Expr, at: Position) -> Expr:
    """Build `lambda: body`."""
    return put(a.Lambda(a.arguments([], [], None, [], [], None, []), body), at)  # type: ignore[no-any-return]


def missing(n: str, at: Position) -> Expr:
    """Build `n is .M`: the argument `n` is missing."""
    return compare(name(n, at), a.Is(), name(".M", at), at)


def assigning(block: Block, n: str, and_return: bool = False) -> Block:
    """Replace each `return` in statements by an assignment to `n`, and return the statements.

    block: statements that return on every path; they are modified. and_return: also return the assigned value.
    """
    found: Block = []
    for statement in block:
        if isinstance(statement, a.If):
            statement.body = assigning(statement.body, n, and_return)
            statement.orelse = assigning(statement.orelse, n, and_return)
            found.append(statement)
        elif isinstance(statement, a.Return) and statement.value is not None:
            value = statement.value
            at = (value.lineno, value.col_offset, value.end_lineno or 0, value.end_col_offset or 0)
            found.append(assign(n, value, at))
            if and_return:
                found.append(return_(name(n, at), at))
        else:
            found.append(statement)
    return found
