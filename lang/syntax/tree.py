"""Define the syntax tree that the parser returns.

A node is a tuple (kind, start, end, ...), with offsets into the text. The kinds, with their further items (`interp` is
a string with `${...}`, `rec` a record, `reccomp` and `listcomp` are comprehensions, `sel` is `object.key`, `rcall` is a
call with a record, `fn` a function, `bin` a binary operator):

    int, float, str, path, const   value
    interp    parts: str or node          var      name
    list      items                       spread   node
    rec       entries                     reccomp  key, value, clauses
    listcomp  node, clauses               sel      object, key (str or node), key start, key end
    call      callee, args                rcall    callee, record
    named     name, node                  fn       name, params, body
    let       entries, body               if       condition, then, else
    assert    condition, message, body    bin      operator, left, right
    not, neg  node                        or       selection, default
    paren     node (a call in parentheses: `|>` does not reach into it)

Entries of records, files and lets: (set, start, end, name, node), (dyn, start, end, key node, node),
(inherit, start, end, name), (spread, start, end, node), (claim, start, end, condition, message), which is an `assert`;
for `set`, start and end are the name's. Clauses: (for, start, end, names, node), (if, start, end, node).
Params: (param, start, end, name, types, default) or (pattern, start, end, params, name of the rest or None).
"""

from __future__ import annotations

from typing import Any

from fpack.lang.abi import OUTER

Node = tuple[Any, ...]
Types = tuple[Any, ...]
MAX_DEPTH = 2500
# The precedence of operators; a higher number binds more tightly.
LEVELS = {
    "|>": 1,
    "or": 2,
    "||": 3,
    "&&": 4,
    "==": 5,
    "!=": 5,
    "<": 6,
    "<=": 6,
    ">": 6,
    ">=": 6,
    "+": 7,
    "-": 7,
    "*": 8,
    "/": 8,
}
# A type is one of these names, or a tuple of the types of a list's elements.
TYPES = (
    "null", "bool", "int", "float", "number", "string", "path", "list", "record", "function", "package", "derivation",
    "any",
)  # fmt: skip


def mark_outer_calls(entries: list[Node]) -> list[Node]:
    """Return a file's entries with the callee of each `NAME = NAME { ... }` marked with `OUTER`.

    The marked callee is the `NAME` of the builtins or the prelude: a field cannot be computed by calling itself.
    """
    return [
        (*entry[:4], _mark_outer_call(entry[4], entry[3])) if entry[0] == "set" and len(entry) == 5 else entry
        for entry in entries
    ]


def _mark_outer_call(node: Node, name: str) -> Node:
    """Return a node with its innermost callee marked, if the callee is called `name`."""
    kind = node[0]
    if kind not in ("call", "rcall", "sel"):
        return node
    inner = node[3]
    if kind != "sel" and inner[0] == "var" and inner[3] == name:
        inner = (*inner[:3], name + OUTER)
    else:
        inner = _mark_outer_call(inner, name)
    return node if inner is node[3] else (*node[:3], inner, *node[4:])


def calls_outer(node: Node) -> bool:
    """Return True if `mark_outer_calls` has marked the callee in a field's value."""
    while node[0] in ("call", "rcall", "sel"):
        node = node[3]
    return bool(node[0] == "var" and node[3].endswith(OUTER))
