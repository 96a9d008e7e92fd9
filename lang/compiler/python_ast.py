"""Build Python syntax nodes with positions.

Every node has the position of the source expression that it was generated from, so that a Python traceback leads to
the source text. Generated code refers to the runtime by names that begin with a dot, which no name of the language
does. Some of them: `.T` creates a thunk, `.F` forces one, `.E` evaluates a value, `.S` converts a value to text, `.M`
marks a missing argument, `.w` is a temporary variable. The tables of names are in runtime/ and evaluator.py.
"""

from __future__ import annotations

import _ast as a
from collections.abc import Sequence
from typing import Any

Position = tuple[int, int, int, int]
Expr = a.expr
Statement = a.stmt
Block = list[Statement]
LOAD, STORE = a.Load(), a.Store()


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
    """Build a constant or a tuple of constants."""
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
