"""Compile calls with a record, `f { ... }`, without thunks where the function certainly evaluates the fields.

The callee is known only at run time, so the code of a call has two branches: one for a callee that evaluates the
wanted fields, and one for any other callee. functions.py describes how the evaluated fields are encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fpack.lang.abi import CHANGE_FIELD, DEEP, EXTEND_FIELD
from fpack.lang.syntax.tree import LITERALS, Node, entry_value, layer, unwrapped

from . import python_ast as py
from .bindings import Bindings
from .calls import Calls
from .emitter import Emitter
from .entry_errors import check_entries
from .functions import PLAIN
from .python_ast import Block, Expr, Position
from .record_literals import METHODS, RecordLiterals
from .scope import Scope
from .strictness import Names, after_spreads, bound

_NOTHING: Mapping[str, Node] = {}


class RecordCalls:
    """The compiler of calls with a record, and of `let`s, which often stand around such a call."""

    def __init__(self, emitter: Emitter, calls: Calls, bindings: Bindings, literals: RecordLiterals) -> None:
        self.emitter = emitter
        self.calls = calls
        self.bindings = bindings
        self.literals = literals
        self._in_branches = False  # inside a branch of a call that was generated twice; inner calls are generated once

    # ---- the fields that a function should evaluate

    def _wanted(self, node: Node, scope: Scope, just_bound: Mapping[str, Node] = _NOTHING) -> str:
        """Return the fields that a function must evaluate so that its record argument needs no thunks.

        "" means that the record needs no thunks anyway, or that it is not compiled this way. just_bound: names whose
        values would need thunks too, with their values.
        """
        emitter, literals, record = self.emitter, self.literals, node.record
        if self._in_branches or not emitter.free_names.is_literal(record) or emitter.derives(node.callee, scope):
            return ""
        words = []
        for entry in record.entries[after_spreads(record.entries) :]:
            value = unwrapped(entry_value(entry))
            if literals.saves_thunk(value, just_bound.keys()):
                field = just_bound.get(value.name, value) if value.kind == "var" else value
                words.append(f"{entry.name}{DEEP}" if literals.may_hold_thunks(field, scope) else entry.name)
        return " ".join([*sorted(words), *_known_keys(record.entries)]) if words else ""

    # ---- a call as an expression, and as the result of a function

    def record_call(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Compile `f { ... }`: a change, a derivation, or a call."""
        emitter, record = self.emitter, node.record
        at = emitter.at(node)
        if _changes_nested(node):
            function = emitter.strict(node.callee, scope, block)
            mode = EXTEND_FIELD if node.callee.key == "extend" else CHANGE_FIELD
            change = emitter.strict(layer(record, mode), scope, block)
            return py.call(function, [change], at)
        if emitter.derives(node.callee, scope) and emitter.free_names.is_literal(record):
            check_entries(emitter.source, record.entries)
            leaf = self.literals.derivation_leaf(scope, block)
            value = self.literals.display(record.entries, scope, block, emitter.at(record), leaf)
            return py.call(".derive", [value], at)
        callee, argument = emitter.fresh(".callee"), emitter.fresh(".given")
        function = py.walrus(callee, self.calls.callee(node.callee, scope, block), at)
        value = py.walrus(argument, emitter.strict(record, scope, block), emitter.at(record))
        return py.call(".opened", [py.call(function, [value], at), py.name(callee, at), py.name(argument, at)], at)

    def tail_record_call(self, node: Node, scope: Scope, block: Block) -> None:
        """Add statements to `block` that return the result of a call with a record."""
        emitter, literals, record = self.emitter, self.literals, node.record
        wanted = "" if _changes_nested(node) else self._wanted(node, scope)
        at = emitter.at(node)
        if not wanted and self._is_overridable_derivation(node, scope):
            self._tail_derivation(node, scope, block)
            return
        if not wanted:
            block.append(py.return_(self.record_call(node, scope, block), at))
            return
        callee, argument = emitter.fresh(".callee"), emitter.fresh(".given")
        check_entries(emitter.source, record.entries)
        block.append(py.assign(callee, self.calls.callee(node.callee, scope, block), at))
        position = emitter.at(record)
        if emitter.repeated:
            deep = _deep_fields(wanted)

            def value(branch: Block, eager: bool) -> Expr:
                leaf = literals.evaluated_leaf(scope, branch, deep) if eager else literals.thunk_leaf(scope, branch)
                return literals.display(record.entries, scope, branch, position, leaf)

            self._branches(_is_eager(callee, wanted, at), argument, value, block, position)
        else:

            def maker(function: str, at: Position) -> Expr:
                return py.call(".make", [py.name(callee, at), py.const(wanted, at), py.name(function, at)], at)

            block.append(py.assign(argument, literals.in_parts(record, scope, block, maker), position))
        block.append(_return_call(callee, argument, at))

    def _is_overridable_derivation(self, node: Node, scope: Scope) -> bool:
        """Return whether a node makes a derivation whose spreads may override fields that would then need thunks."""
        emitter, record = self.emitter, node.record
        if not emitter.repeated or self._in_branches or not emitter.derives(node.callee, scope):
            return False
        if not emitter.free_names.is_literal(record):
            return False
        before = record.entries[: after_spreads(record.entries)]
        return any(e.kind == "set" and self.literals.saves_thunk(e.value, ()) for e in before)

    def _tail_derivation(self, node: Node, scope: Scope, block: Block) -> None:
        """Add statements that return such a derivation, without thunks if the spreads override nothing."""
        emitter, literals, entries = self.emitter, self.literals, node.record.entries
        at, position = emitter.at(node), emitter.at(node.record)
        argument = emitter.fresh(".given")
        check_entries(emitter.source, entries)
        spreads = {}
        for entry in entries:
            if entry.kind == "spread":
                variable = spreads[id(entry)] = emitter.fresh(".spread")
                where = emitter.at(entry)
                spread = py.guarded(emitter.strict(entry.inner, scope, block), ".dict", ".fields", where)
                block.append(py.assign(variable, spread, where))
        keys = frozenset(e.name for e in entries[: after_spreads(entries)] if e.kind != "spread")

        def value(branch: Block, apart: bool) -> Expr:
            leaf = literals.derivation_leaf(scope, branch)
            return literals.display(entries, scope, branch, position, leaf, spreads, overridden=not apart)

        test = py.call(".apart", [py.const(keys, at), *[py.name(variable, at) for variable in spreads.values()]], at)
        self._branches(test, argument, value, block, position)
        block.append(py.return_(py.call(".derive", [py.name(argument, at)], at), at))

    def tail_let(self, node: Node, scope: Scope, block: Block) -> None:
        """Add statements to `block` that return the result of a `let`."""
        emitter, entries, body = self.emitter, node.entries, node.body
        if emitter.repeated and body.kind == "rcall" and not emitter.free_names.of(body.callee) & bound(entries):
            changes = _changes_nested(body)
            wanted = "" if changes else self._wanted(body, scope, {e.name: e.value for e in entries})
            if wanted:
                self._tail_let_call(node, wanted, scope, block)
                return
        inner = self.bindings.bind(entries, scope, block, lambda inner: emitter.strictness(inner).of(body))
        emitter.tail(body, inner, block)

    def _tail_let_call(self, node: Node, wanted: str, scope: Scope, block: Block) -> None:
        """Add statements for a `let` around a call with a record.

        If the function evaluates the fields, the bindings that the fields use are evaluated early as well.
        """
        emitter, literals, body = self.emitter, self.literals, node.body
        record = body.record
        at, position = emitter.at(body), emitter.at(record)
        callee, argument = emitter.fresh(".callee"), emitter.fresh(".given")
        block.append(py.assign(callee, self.calls.callee(body.callee, scope, block), emitter.at(body.callee)))
        deep = _deep_fields(wanted)

        def value(branch: Block, eager: bool) -> Expr:
            def needed(inner: Scope) -> Names:
                strictness = emitter.strictness(inner)
                return strictness.fields(record.entries, deep) if eager else strictness.of(record)

            inner = self.bindings.bind(node.entries, scope, branch, needed)
            check_entries(emitter.source, record.entries)
            leaf = literals.evaluated_leaf(inner, branch, deep) if eager else literals.thunk_leaf(inner, branch)
            return literals.display(record.entries, inner, branch, position, leaf)

        self._branches(_is_eager(callee, wanted, at), argument, value, block, position)
        block.append(_return_call(callee, argument, at))

    def _branches(
        self, test: Expr, name: str, value: Callable[[Block, bool], Expr], block: Block, at: Position
    ) -> None:
        """Add an `if` that assigns a value to `name`: `value` compiles it in each branch, and gets the result."""
        before, self._in_branches = self._in_branches, True
        branches: list[Block] = [[], []]
        for branch, holds in zip(branches, (True, False), strict=True):
            branch.append(py.assign(name, value(branch, holds), at))
        self._in_branches = before
        block.append(py.when(test, branches[0], branches[1], at))


def _changes_nested(node: Node) -> bool:
    """Return True for a call of `.with` or `.extend` with nested fields, `.with { a.b = 1 }`, and without spreads."""
    callee, record = node.callee, node.record
    if callee.kind != "sel" or callee.key not in METHODS or record.kind != "rec":
        return False
    return any(e.nested for e in record.entries) and all(e.kind != "spread" for e in record.entries)


def _known_keys(entries: list[Node]) -> list[str]:
    """Return the known keys of fields that hold records: `FIELD=NAME,...`, or `FIELD=?` if they are not known.

    A function that spreads such a field uses the keys to test whether the spread overrides fields.
    """
    found = []
    for entry in entries:
        value = unwrapped(entry.value if entry.kind == "set" else entry)
        known = value.kind == "rec" and all(
            e.kind in ("set", "inherit") and PLAIN.fullmatch(e.name) for e in value.entries
        )
        keys = ",".join(e.name for e in value.entries) if known else "?"
        if entry.kind == "spread":
            found.append("...=?")
        elif value.kind not in LITERALS and value.kind != "fn" and PLAIN.fullmatch(entry.name):
            found.append(f"{entry.name}={keys}")
    return found


def _deep_fields(wanted: str) -> Names:
    """Return the fields that are wanted with all that they contain, and "" for the values inside them."""
    return frozenset(word.removesuffix(DEEP) for word in wanted.split() if word.endswith(DEEP)) | {""}


def _is_eager(callee: str, wanted: str, at: Position) -> Expr:
    """Return code that tests whether the callee evaluates all wanted fields."""
    return py.call(".eager", [py.name(callee, at), py.const(wanted, at)], at)


def _return_call(callee: str, argument: str, at: Position) -> py.Statement:
    """Return the statement that calls the function with the record and returns the result."""
    value = py.call(py.name(callee, at), [py.name(argument, at)], at)
    return py.return_(py.call(".opened", [value, py.name(callee, at), py.name(argument, at)], at), at)
