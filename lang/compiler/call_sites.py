"""Let the functions of the library that take a record keep the call that led to them, for the positions of errors."""

from __future__ import annotations

import _ast as a

from fpack.lang.abi import SITE

from . import python_ast as py
from .python_ast import Block, Position


def keep(given: str, at: Position) -> py.Statement:
    """Build the statement that keeps the call. given: the parameter that holds the record."""
    return py.assign(SITE, py.call(".call-site", [py.name(given, at)], at), at)


def share(block: Block) -> None:
    """Let the functions that are nested in a function with a kept call refer to the call.

    The reference is in code that never runs: it costs nothing but an entry of the closure.
    """
    for statement in block:
        _share(statement, False)


def _share(node: object, inside: bool) -> None:
    """Visit a node. inside: a function around it has a kept call."""
    if isinstance(node, (a.FunctionDef, a.Lambda)):
        body = node.body if isinstance(node, a.FunctionDef) else [node.body]
        own = isinstance(node, a.FunctionDef) and any(map(_keeps, node.body))
        for inner in body:
            _share(inner, inside or own)
        if inside and not own:
            _refer(node)
    elif isinstance(node, a.AST):
        for name in node._fields:
            value = getattr(node, name, None)
            if value.__class__ is list:
                for inner in value:
                    _share(inner, inside)
            elif isinstance(value, a.AST):
                _share(value, inside)


def _keeps(statement: object) -> bool:
    target = statement.targets[0] if isinstance(statement, a.Assign) else None
    return isinstance(target, a.Name) and target.id == SITE


def _refer(function: a.FunctionDef | a.Lambda) -> None:
    at = (function.lineno, function.col_offset, function.end_lineno or 0, function.end_col_offset or 0)
    if isinstance(function, a.Lambda):
        function.body = py.choose(py.const(True, at), function.body, py.name(SITE, at), at)
    else:
        function.body.append(py.run(py.name(SITE, at), at))
