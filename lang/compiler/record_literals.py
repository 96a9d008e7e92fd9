"""Compile record literals without thunks, for functions that certainly evaluate the fields, and with shared thunks.

The thunks of a record that is made once share one function: each is a part of it, chosen by its number (`in_parts`).
"""

from __future__ import annotations

import _ast as a
from collections.abc import Callable, Container, Mapping

from fpack.lang.abi import PART, PARTS, FunctionInfo
from fpack.lang.syntax.tree import LITERALS, Node, entry_value, unwrapped

from . import python_ast as py
from .emitter import Emitter
from .entry_errors import check_entries
from .python_ast import Block, Expr, Position
from .scope import Scope
from .strictness import MAX_FIELDS, SHALLOW, Names, after_spreads, is_data

Leaf = Callable[[Node, str], Expr]  # returns the code of a value that is neither a list nor a record

METHODS = ("with", "extend")
_NO_SPREADS: Mapping[int, str] = {}
# Parameters of a function of parts. Runtime functions that its code calls often are parameters, because the read of a
# local variable is less code than the read of a global.
_PARAMETERS: list[tuple[str, bool | str]] = [
    (PART, False),
    (".base", True),
    (".name", True),
    (".field", ".field"),
    (".S", ".S"),
]


class RecordLiterals:
    """The compiler of records that have only constant names and spreads, and no field that mentions another field."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter

    # ---- values that are evaluated early

    def may_hold_thunks(self, node: Node, scope: Scope) -> bool:
        """Return whether a value may be a list or record with thunks, which a deep evaluation makes unnecessary."""
        node = unwrapped(node)
        kind = node.kind
        if kind == "if":
            return self.may_hold_thunks(node.then, scope) or self.may_hold_thunks(node.otherwise, scope)
        if kind == "rec":
            return self.emitter.free_names.is_flat(node.entries) and is_data(node)
        return kind == "list" or self._is_map(node, scope)

    def _is_map(self, node: Node, scope: Scope) -> bool:
        """Return whether a node calls the builtin `map`."""
        if node.kind != "call" or node.callee.kind != "var" or node.callee.name != "map" or len(node.args) != 2:
            return False
        return scope.find("map") is None and all(arg.kind not in ("named", "spread") for arg in node.args)

    def saves_thunk(self, node: Node, just_bound: Container[str]) -> bool:
        """Return whether the early evaluation of a node saves a thunk, of the value or inside it.

        just_bound: names whose values would need thunks too.
        """
        node = unwrapped(node)
        kind = node.kind
        if kind == "var":
            return node.name in just_bound
        if kind == "list" and all(item.kind != "spread" for item in node.items):
            return any(self.saves_thunk(item, just_bound) for item in node.items)
        if kind == "rec" and self.emitter.free_names.is_flat(node.entries):
            return any(self.saves_thunk(entry_value(e), just_bound) for e in node.entries)
        return kind not in LITERALS and kind != "fn"

    def deep(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Return Python code for a node's value, evaluated with all that it contains."""
        emitter, node = self.emitter, unwrapped(node)
        kind = node.kind
        if kind == "if":
            test = emitter.condition(node.condition, scope, block)
            branches = self.deep(node.then, scope, block), self.deep(node.otherwise, scope, block)
            return py.choose(test, *branches, emitter.at(node))
        if self._is_map(node, scope):
            args = [emitter.strict(arg, scope, block) for arg in node.args]
            return py.call(".map-all", args, emitter.at(node))
        if kind in ("list", "rec"):
            return self._value(node, "", scope, block, lambda n, name: self._deep_leaf(n, scope, block))
        return emitter.strict(node, scope, block)

    def _deep_leaf(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Return code as `deep` does, for a node that is not a plain list or record."""
        return (self.emitter.strict if node.kind in ("list", "rec") else self.deep)(node, scope, block)

    # ---- displays and their leaves

    def display(
        self,
        entries: list[Node],
        scope: Scope,
        block: Block,
        at: Position,
        leaf: Leaf,
        spreads: Mapping[int, str] = _NO_SPREADS,
        overridden: bool = True,
    ) -> Expr:
        """Return a record literal as a dict display.

        spreads: the variables of spreads that are evaluated already, by the entry's id. overridden: False if the
        spreads are known to override no field. A field that a spread may override is not evaluated, because an
        overridden value is never used.
        """
        emitter = self.emitter
        made = py.Spreads(emitter.fresh)
        settled = after_spreads(entries) if overridden else 0
        for i, entry in enumerate(entries):
            position = emitter.at(entry)
            if id(entry) in spreads:
                made.spread(py.name(spreads[id(entry)], position), position)
            elif entry.kind == "spread":
                made.spread(emitter.strict(entry.inner, scope, block), position)
            else:
                name = entry.name
                node = entry_value(entry)
                if i < settled:
                    value = emitter.lazy(node, scope, block, name)
                else:
                    value = self._value(node, name, scope, block, leaf)
                made.field(py.const(name, position), value)
        return made.record(at)

    def _value(self, node: Node, name: str, scope: Scope, block: Block, leaf: Leaf) -> Expr:
        """Return the code of a field's value: lists and records as displays, anything else as a leaf."""
        emitter, node = self.emitter, unwrapped(node)
        kind = node.kind
        if kind == "list":
            items: list[Expr] = []
            for item in node.items:
                if item.kind == "spread":
                    return leaf(node, name)
                items.append(self._value(item, "", scope, block, leaf))
            return py.put(a.List(items, py.LOAD), emitter.at(node))  # type: ignore[no-any-return]
        if (
            kind == "rec"
            and len(node.entries) <= MAX_FIELDS
            and emitter.free_names.is_flat(node.entries)
            and is_data(node)
        ):
            check_entries(emitter.source, node.entries)
            return self.display(node.entries, scope, block, emitter.at(node), leaf)
        return leaf(node, name)

    def derivation_leaf(self, scope: Scope, block: Block) -> Leaf:
        """Return the maker of leaves of a derivation, which are evaluated with all that they contain."""
        strict = self.emitter.strict
        return lambda node, name: (strict if name in SHALLOW else self._deep_leaf)(node, scope, block)

    def evaluated_leaf(self, scope: Scope, block: Block, deep: Names) -> Leaf:
        """Return the maker of leaves that are evaluated. deep: fields that are evaluated with all that they contain."""
        emitter = self.emitter

        def leaf(node: Node, name: str) -> Expr:
            if node.kind == "var":
                return emitter.lazy(node, scope, block)
            return self._deep_leaf(node, scope, block) if name in deep else emitter.strict(node, scope, block)

        return leaf

    def thunk_leaf(self, scope: Scope, block: Block) -> Leaf:
        """Return the maker of leaves that are thunks."""
        return lambda node, name: self.emitter.lazy(node, scope, block, name)

    # ---- code that runs once

    def made_once(self, record: Node, scope: Scope, block: Block) -> Expr | None:
        """Return a record with parts, in code that runs once; None if it needs fewer than two thunks."""
        if self.emitter.repeated or not self.emitter.free_names.is_literal(record):
            return None
        if sum(e.kind == "set" and self.saves_thunk(e.value, ()) for e in record.entries) < 2:
            return None
        return self.in_parts(record, scope, block, lambda function, at: py.call(".later", [py.name(function, at)], at))

    def in_parts(self, record: Node, scope: Scope, block: Block, maker: Callable[[str, Position], Expr]) -> Expr:
        """Return a record whose leaves are parts of one function, which loads faster than one function for each leaf.

        maker: returns, for the name of that function, code for a maker of leaves or thunks from the number of a part.
        """
        emitter = self.emitter
        at = emitter.at(record)
        function, make = emitter.fresh(PARTS), emitter.fresh(".make")
        leaves: list[tuple[Node, str]] = []

        def leaf(node: Node, name: str) -> Expr:
            position = emitter.at(node)
            kind = node.kind
            if kind in LITERALS or kind in ("var", "fn") or emitter.free_names.is_plain(node):
                return emitter.lazy(node, scope, block, name)
            if kind == "interp" and not emitter.free_names.of(node):
                constant = emitter.strict(node, scope, [])
                if isinstance(constant, a.Constant):
                    return constant
            args: list[Expr] = [py.const(len(leaves), position)]
            if kind == "sel" and node.base.kind == "var" and isinstance(node.key, str) and node.key not in METHODS:
                args += [emitter.lazy(node.base, scope, block), py.const(node.key, position)]
            leaves.append((node, name))
            return py.call(py.name(make, position), args, position)

        value = self.display(record.entries, scope, block, at, leaf)
        if leaves:
            emitter.infos[function] = FunctionInfo(parts=tuple(name for _, name in leaves))
            emitter.level += 1
            body = self._selected_part(leaves, 0, scope, at)
            emitter.level -= 1
            block.append(py.define(function, _PARAMETERS, body, at))
            block.append(py.assign(make, maker(function, at), at))
        return value

    def _selected_part(self, leaves: list[tuple[Node, str]], first: int, scope: Scope, at: Position) -> Block:
        """Return statements that select the leaf of a number by binary search and return it."""
        block: Block = []
        if len(leaves) == 1:
            self.emitter.tail(leaves[0][0], scope, block)
            return block
        half = len(leaves) // 2
        test = py.compare(py.name(PART, at), a.Lt(), py.const(first + half, at), at)
        then = self._selected_part(leaves[:half], first, scope, at)
        block.append(py.when(test, then, self._selected_part(leaves[half:], first + half, scope, at), at))
        return block
