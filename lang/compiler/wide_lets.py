"""Keep the names of a `let` with very many names, or of many nested ones, in one record, which functions fill.

Python's compiler takes time for each function that is proportional to the number of variables of the functions around
it, so that 10,000 variables with a thunk each would take many seconds.
"""

from __future__ import annotations

import _ast as a
from collections.abc import Iterable, Mapping

from . import python_ast as py
from .python_ast import Block, Position

MAX_NAMES = 256  # of a `let` and those around it that are variables of Python
_GROUP = 64  # names that one function assigns

Frames = dict[str, str]  # the variable that holds the record of a name's value, by the name in the generated code


def spread_out(made: Block, names: Iterable[str], function: str, at: Position) -> Block:
    """Return statements that assign names in functions. `replace` completes them.

    made: the statements that assign the names. function: the name of each of these functions, one after the other.
    """
    wanted = frozenset(names)
    found: Block = []
    group: Block = []
    assigned = 0
    for statement in made:
        group.append(statement)
        if isinstance(statement, a.FunctionDef) and statement.name in wanted:
            defined = py.name(statement.name, at)
            defined.own = True  # type: ignore[attr-defined]
            group.append(py.assign(statement.name, defined, at))
            assigned += 1
        elif isinstance(statement, a.Assign):
            target = statement.targets[0]
            assigned += isinstance(target, a.Name) and target.id in wanted
        if assigned == _GROUP:
            found += _call(function, group, at)
            group, assigned = [], 0
    return found + _call(function, group, at) if group else found


def _call(name: str, group: Block, at: Position) -> Block:
    return [py.define(name, [], group, at), py.run(py.call(name, [], at), at)]


def replace(block: Block, frames: Mapping[str, str]) -> None:
    """Replace the variables of wide `let`s by fields of their frames, in all statements of a text."""
    todo: list[a.AST] = list(block)
    while todo:
        node = todo.pop()
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                value[:] = [_replaced(v, frames) for v in value]
                todo += [v for v in value if isinstance(v, a.AST)]
            elif isinstance(value, a.Name):
                setattr(node, field, _replaced(value, frames))
            elif isinstance(value, a.AST):
                todo.append(value)


def _replaced(node: object, frames: Mapping[str, str]) -> object:
    if not isinstance(node, a.Name) or node.id not in frames or hasattr(node, "own"):
        return node
    at = (node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0)
    return py.put(a.Subscript(py.name(frames[node.id], at), py.const(node.id, at), node.ctx), at)
