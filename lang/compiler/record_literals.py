"""Compile records that are arguments of functions, and records that are made once.

A field that the called function certainly evaluates needs no thunk. The thunks of a record that is made once share one
function.
"""

from __future__ import annotations

import _ast as a
import re
from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING

from fpack.lang.abi import DEEP, PART, PARTS, FunctionInfo
from fpack.lang.syntax.tree import Node, entry_value

from . import python_ast as py
from .python_ast import Block, Expr, Position
from .scope import Scope
from .strictness import SHALLOW, Names, after_spreads, is_data, is_plain_record

if TYPE_CHECKING:
    from .strictness import FreeNames

Leaf = Callable[[Node, str], Expr]

MAX_FIELDS = 48  # fields of a record that is compiled this way
_LITERALS = ("int", "float", "str", "const", "fn")
_METHODS = ("with", "extend")
_NOTHING: Mapping[str, Node] = {}
_NO_SPREADS: Mapping[int, str] = {}
PLAIN = re.compile(r"[A-Za-z0-9_-]+")
# Parameters of a function of parts. Runtime functions that its code calls often are parameters, because the read of a
# local variable is less code than the read of a global.
_PARAMETERS: list[tuple[str, bool | str]] = [
    (PART, False),
    (".base", True),
    (".name", True),
    (".field", ".field"),
    (".S", ".S"),
]


class Literals:
    """A base class of `Compiler`, which defines the attributes and methods that are only declared here."""

    free_names: FreeNames
    level: int
    repeated: int
    infos: dict[str, FunctionInfo]
    in_branches = False  # inside a branch of a call that was generated twice; inner calls are generated once

    if TYPE_CHECKING:

        def at(self, node: Node) -> Position: ...
        def fresh(self, stem: str) -> str: ...
        def derives(self, name: str, scope: Scope) -> bool: ...
        def tail(self, node: Node, scope: Scope, block: Block) -> None: ...
        def strict(self, node: Node, scope: Scope, block: Block) -> Expr: ...
        def lazy(self, node: Node, scope: Scope, block: Block, name: str = "") -> Expr: ...
        def condition(self, node: Node, scope: Scope, block: Block) -> Expr: ...
        def is_plain(self, node: Node) -> bool: ...
        def is_flat(self, entries: list[Node]) -> bool: ...
        def own(self, entries: list[Node]) -> Names: ...
        def check(self, entries: list[Node]) -> None: ...

    def is_literal(self, record: Node) -> bool:
        """Return True if a record has only constant names and spreads, and no field mentions another field."""
        return is_plain_record(record) and len(record.entries) <= MAX_FIELDS and not self.own(record.entries)

    def wanted(self, node: Node, scope: Scope, just_bound: Mapping[str, Node] = _NOTHING) -> str:
        """Return the fields that a function must evaluate so that its record argument needs no thunks.

        The format is described in record_calls.py; "" means that the record needs no thunks anyway. just_bound: names
        whose values would need thunks too, with their values.
        """
        callee, record = node.callee, node.record
        if (
            self.in_branches
            or not self.is_literal(record)
            or (callee.kind == "var" and self.derives(callee.name, scope))
        ):
            return ""
        words = []
        for entry in record.entries[after_spreads(record.entries) :]:
            value = entry_value(entry)
            while value.kind == "paren":
                value = value.inner
            if self.spares(value, just_bound.keys()):
                given = just_bound.get(value.name, value) if value.kind == "var" else value
                words.append(f"{entry.name}{DEEP}" if self.collects(given, scope) else entry.name)
        return " ".join([*sorted(words), *self.known_keys(record.entries)]) if words else ""

    def known_keys(self, entries: list[Node]) -> list[str]:
        """Return the known keys of fields that hold records: `FIELD=NAME,...`, or `FIELD=?` if they are not known.

        A function that spreads such a field uses the keys to test whether the spread overrides fields.
        """
        found = []
        for entry in entries:
            value = entry.value if entry.kind == "set" else entry
            while value.kind == "paren":
                value = value.inner
            known = value.kind == "rec" and all(
                e.kind in ("set", "inherit") and PLAIN.fullmatch(e.name) for e in value.entries
            )
            keys = ",".join(e.name for e in value.entries) if known else "?"
            if entry.kind == "spread":
                found.append("...=?")
            elif value.kind not in _LITERALS and PLAIN.fullmatch(entry.name):
                found.append(f"{entry.name}={keys}")
        return found

    def collects(self, node: Node, scope: Scope) -> bool:
        """Return True if a value may be a list or record with thunks, which a deep evaluation makes unnecessary."""
        kind = node.kind
        if kind == "paren":
            return self.collects(node.inner, scope)
        if kind == "if":
            return self.collects(node.then, scope) or self.collects(node.otherwise, scope)
        if kind == "rec":
            return self.is_flat(node.entries) and is_data(node)
        return kind == "list" or self.maps(node, scope)

    def maps(self, node: Node, scope: Scope) -> bool:
        """Return True if a node calls the builtin `map`."""
        if node.kind != "call" or node.callee.kind != "var" or node.callee.name != "map" or len(node.args) != 2:
            return False
        return scope.find("map") is None and all(arg.kind not in ("named", "spread") for arg in node.args)

    def whole(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Return Python code for a node's value, evaluated with all that it contains."""
        kind = node.kind
        if kind == "paren":
            return self.whole(node.inner, scope, block)
        if kind == "if":
            test = self.condition(node.condition, scope, block)
            ways = self.whole(node.then, scope, block), self.whole(node.otherwise, scope, block)
            return py.choose(test, *ways, self.at(node))
        if self.maps(node, scope):
            args = [self.strict(arg, scope, block) for arg in node.args]
            return py.call(".map-all", args, self.at(node))
        if kind in ("list", "rec"):
            return self.branch(node, "", scope, block, lambda n, name: self.inside(n, scope, block))
        return self.strict(node, scope, block)

    def inside(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Return code as `whole` does, for a node that is not a plain list or record."""
        return self.strict(node, scope, block) if node.kind in ("list", "rec") else self.whole(node, scope, block)

    def spares(self, node: Node, just_bound: Container[str]) -> bool:
        """Return True if the early evaluation of a node saves a thunk, of the value or inside it."""
        kind = node.kind
        if kind == "paren":
            return self.spares(node.inner, just_bound)
        if kind == "var":
            return node.name in just_bound
        if kind == "list" and all(item.kind != "spread" for item in node.items):
            return any(self.spares(item, just_bound) for item in node.items)
        if kind == "rec" and self.is_flat(node.entries):
            return any(
                e.name in just_bound if e.kind == "inherit" else self.spares(e.value, just_bound) for e in node.entries
            )
        return kind not in _LITERALS

    def literal(
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

        leaf: returns the code of a value that is neither a list nor a record. spreads: the variables of spreads that
        are evaluated already, by the entry's id. overridden: False if the spreads are known to override no field. A
        field that a spread may override is not evaluated, because an overridden value is never used.
        """
        keys: list[Expr | None] = []
        values: list[Expr] = []
        settled = after_spreads(entries) if overridden else 0
        for i, entry in enumerate(entries):
            where = self.at(entry)
            if id(entry) in spreads:
                keys.append(None)
                values.append(py.name(spreads[id(entry)], where))
            elif entry.kind == "spread":
                value = self.strict(entry.inner, scope, block)
                keys.append(None)
                values.append(value if isinstance(value, a.Dict) else py.guarded(value, ".dict", ".fields", where))
            else:
                name = entry.name
                keys.append(py.const(name, where))
                node = entry_value(entry)
                if i < settled:
                    values.append(self.lazy(node, scope, block, name))
                else:
                    values.append(self.branch(node, name, scope, block, leaf))
        return py.put(a.Dict(keys, values), at)  # type: ignore[no-any-return]

    def branch(self, node: Node, name: str, scope: Scope, block: Block, leaf: Leaf) -> Expr:
        """Return the code of a field's value: lists and records as displays, anything else as a leaf."""
        kind = node.kind
        if kind == "paren":
            return self.branch(node.inner, name, scope, block, leaf)
        if kind == "list":
            items: list[Expr] = []
            for item in node.items:
                if item.kind == "spread":
                    return leaf(node, name)
                items.append(self.branch(item, "", scope, block, leaf))
            return py.put(a.List(items, py.LOAD), self.at(node))  # type: ignore[no-any-return]
        if kind == "rec" and len(node.entries) <= MAX_FIELDS and self.is_flat(node.entries) and is_data(node):
            self.check(node.entries)
            return self.literal(node.entries, scope, block, self.at(node), leaf)
        return leaf(node, name)

    def evaluate(self, scope: Scope, block: Block) -> Leaf:
        """Return the maker of leaves that are evaluated with all that they contain."""
        return lambda node, name: (self.strict if name in SHALLOW else self.inside)(node, scope, block)

    def spare(self, scope: Scope, block: Block, whole: Names) -> Leaf:
        """Return the maker of leaves that are evaluated instead of held in thunks.

        whole: the fields whose values are evaluated with all that they contain.
        """

        def leaf(node: Node, name: str) -> Expr:
            if node.kind == "var":
                return self.lazy(node, scope, block)
            return self.inside(node, scope, block) if name in whole else self.strict(node, scope, block)

        return leaf

    def postpone(self, scope: Scope, block: Block, whole: Names) -> Leaf:
        """Return the maker of leaves that are thunks. whole: unused."""
        return lambda node, name: self.lazy(node, scope, block, name)

    # ---- code that runs once

    def once(self, record: Node, scope: Scope, block: Block) -> Expr | None:
        """Return a record with parts, in code that runs once; None if it needs fewer than two thunks."""
        if self.repeated or not self.is_literal(record):
            return None
        if sum(e.kind == "set" and self.spares(e.value, ()) for e in record.entries) < 2:
            return None
        return self.parts(record, scope, block, lambda function, at: py.call(".later", [py.name(function, at)], at))

    def parts(self, record: Node, scope: Scope, block: Block, maker: Callable[[str, Position], Expr]) -> Expr:
        """Return a record whose leaves are parts of one function, which loads faster than one function for each leaf.

        maker: returns, for the name of that function, code for a maker of leaves or thunks from the number of a part.
        """
        at = self.at(record)
        function, make = self.fresh(PARTS), self.fresh(".make")
        leaves: list[tuple[Node, str]] = []

        def leaf(node: Node, name: str) -> Expr:
            where = self.at(node)
            inner = node
            while inner.kind == "paren":
                inner = inner.inner
            if inner.kind in ("var", *_LITERALS) or (inner.kind in ("list", "rec") and self.is_plain(inner)):
                return self.lazy(node, scope, block, name)
            if inner.kind == "interp" and not self.free_names.of(inner):
                constant = self.strict(inner, scope, [])
                if isinstance(constant, a.Constant):
                    return constant
            args: list[Expr] = [py.const(len(leaves), where)]
            if (
                inner.kind == "sel"
                and inner.base.kind == "var"
                and inner.key.__class__ is str
                and inner.key not in _METHODS
            ):
                args += [self.lazy(inner.base, scope, block), py.const(inner.key, where)]
            leaves.append((node, name))
            return py.call(py.name(make, where), args, where)

        value = self.literal(record.entries, scope, block, at, leaf)
        if leaves:
            self.infos[function] = FunctionInfo(parts=tuple(name for _, name in leaves))
            self.level += 1
            body = self.choice(leaves, 0, scope, at)
            self.level -= 1
            block.append(py.define(function, _PARAMETERS, body, at))
            block.append(py.assign(make, maker(function, at), at))
        return value

    def choice(self, leaves: list[tuple[Node, str]], first: int, scope: Scope, at: Position) -> Block:
        """Return statements that select the leaf of a number by binary search and return it."""
        block: Block = []
        if len(leaves) == 1:
            self.tail(leaves[0][0], scope, block)
            return block
        half = len(leaves) // 2
        test = py.compare(py.name(PART, at), a.Lt(), py.const(first + half, at), at)
        then = self.choice(leaves[:half], first, scope, at)
        block.append(py.when(test, then, self.choice(leaves[half:], first + half, scope, at), at))
        return block


def whole_fields(wanted: str) -> Names:
    """Return the fields that are wanted with all that they contain, and "" for the values inside them."""
    return frozenset(word.removesuffix(DEEP) for word in wanted.split() if word.endswith(DEEP)) | {""}
