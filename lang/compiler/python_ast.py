"""Python syntax nodes with places, made short: the compiler's output vocabulary.

Every node gets the span of the expression that it came from, so that a Python traceback leads to the user's text.
Generated code calls the runtime by names that begin with a dot, which no name in the language does.
"""

from __future__ import annotations

import _ast as a
from collections.abc import Sequence
from typing import Any

Place = tuple[int, int, int, int]
Expr = a.expr
Block = list[a.stmt]
Params = Sequence[tuple[str, bool | str]] | Sequence[tuple[str, bool]]
LOAD, STORE = a.Load(), a.Store()


def put(node: Any, at: Place) -> Any:
    """`node` itself, at a place."""
    node.lineno, node.col_offset, node.end_lineno, node.end_col_offset = at
    return node


def name(n: str, at: Place) -> Expr:
    """Read a variable."""
    return put(a.Name(n, LOAD), at)  # type: ignore[no-any-return]


def const(value: object, at: Place) -> Expr:
    """A constant; tuples of constants too."""
    return put(a.Constant(value, None), at)  # type: ignore


def call(function: str | Expr, args: list[Expr], at: Place, keywords: list[a.keyword] | None = None) -> Expr:
    """Call a function, or the runtime's function of that name."""
    callee = name(function, at) if isinstance(function, str) else function
    return put(a.Call(callee, args, keywords or []), at)  # type: ignore[no-any-return]


def keyword(arg: str | None, value: Expr, at: Place) -> a.keyword:
    """A named argument, or `**value` with None."""
    return put(a.keyword(arg, value), at)  # type: ignore[no-any-return]


def starred(value: Expr, at: Place) -> Expr:
    """`*value`."""
    return put(a.Starred(value, LOAD), at)  # type: ignore[no-any-return]


def walrus(n: str, value: Expr, at: Place) -> Expr:
    """`(n := value)`."""
    return put(a.NamedExpr(put(a.Name(n, STORE), at), value), at)  # type: ignore[no-any-return]


def class_of(value: Expr, at: Place) -> Expr:
    """`value.__class__`."""
    return put(a.Attribute(value, "__class__", LOAD), at)  # type: ignore[no-any-return]


def is_class(value: Expr, cls: str, at: Place, negate: bool = False) -> Expr:
    """`value.__class__ is cls`."""
    return compare(class_of(value, at), a.IsNot() if negate else a.Is(), name(cls, at), at)


def compare(left: Expr, op: a.cmpop, right: Expr, at: Place) -> Expr:
    """`left op right`."""
    return put(a.Compare(left, [op], [right]), at)  # type: ignore[no-any-return]


def choose(test: Expr, then: Expr, otherwise: Expr, at: Place) -> Expr:
    """`then if test else otherwise`."""
    return put(a.IfExp(test, then, otherwise), at)  # type: ignore[no-any-return]


def subscript(value: Expr, key: Expr, at: Place) -> Expr:
    """`value[key]`."""
    return put(a.Subscript(value, key, LOAD), at)  # type: ignore[no-any-return]


def forced(value: Expr, at: Place) -> Expr:
    """The evaluated value of what may be a thunk: a variable is tested in place, anything else through `.w`."""
    if isinstance(value, a.Name):
        return choose(is_class(value, ".T", at, True), value, call(".F", [value], at), at)
    test = is_class(walrus(".w", value, at), ".T", at, True)
    return choose(test, name(".w", at), call(".F", [name(".w", at)], at), at)


def guarded(value: Expr, cls: str, fallback: str, at: Place) -> Expr:
    """`value` if it is of the runtime's class `cls`, else what the runtime's function `fallback` makes of it."""
    if isinstance(value, a.Name):
        return choose(is_class(value, cls, at), value, call(fallback, [value], at), at)
    test = is_class(walrus(".w", value, at), cls, at)
    return choose(test, name(".w", at), call(fallback, [name(".w", at)], at), at)


def assign(n: str, value: Expr, at: Place) -> a.stmt:
    """`n = value`."""
    return put(a.Assign([put(a.Name(n, STORE), at)], value, None), at)  # type: ignore[no-any-return]


def assign_all(names: list[str], value: Expr, at: Place) -> a.stmt:
    """`names[0], names[1], ... = value`."""
    target = put(a.Tuple([put(a.Name(n, STORE), at) for n in names], STORE), at)
    return put(a.Assign([target], value, None), at)  # type: ignore[no-any-return]


def when(test: Expr, then: Block, otherwise: Block, at: Place) -> a.stmt:
    """`if test: then else: otherwise`."""
    return put(a.If(test, then, otherwise), at)  # type: ignore[no-any-return]


def each(n: str, values: Expr, body: Block, at: Place) -> a.stmt:
    """`for n in values: body`."""
    return put(a.For(put(a.Name(n, STORE), at), values, body, [], None), at)  # type: ignore[no-any-return]


def run(value: Expr, at: Place) -> a.stmt:
    """An expression as a statement."""
    return put(a.Expr(value), at)  # type: ignore[no-any-return]


def give(value: Expr, at: Place) -> a.stmt:
    """`return value`."""
    return put(a.Return(value), at)  # type: ignore[no-any-return]


def define(
    n: str, params: Sequence[tuple[str, bool | str]] | Sequence[tuple[str, bool]], body: Block, at: Place
) -> a.stmt:
    """`def n(params): body`; a param is (name, optional): what is not given is `.M`, or the name in place of true."""
    args = [put(a.arg(p, None, None), at) for p, _ in params]
    defaults = [name(".M" if optional is True else str(optional), at) for _, optional in params if optional]
    arguments = a.arguments([], args, None, [], [], None, defaults)
    return put(a.FunctionDef(n, arguments, body, [], None, None), at)  # type: ignore[no-any-return]


def function(body: Expr, at: Place) -> Expr:
    """`lambda: body`."""
    return put(a.Lambda(a.arguments([], [], None, [], [], None, []), body), at)  # type: ignore[no-any-return]


def missing(n: str, at: Place) -> Expr:
    """`n is .M`."""
    return compare(name(n, at), a.Is(), name(".M", at), at)


def assigning(block: Block, n: str, and_return: bool = False) -> Block:
    """Statements that assign to `n` what the given ones, which are used up, return: they end in a `return` each way.

    and_return: they return it, too.
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
                found.append(give(name(n, at), at))
        else:
            found.append(statement)
    return found
