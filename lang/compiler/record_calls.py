"""Compile calls with a record, `f { ... }`, without thunks where the function certainly evaluates the fields.

The `FunctionInfo` of a function of one record lists the fields that it evaluates (`describe`): sorted names, with DEEP
after a name whose value is evaluated with all that it contains, then the fields that it evaluates under a condition
(`conditional`). The callee is known only at run time, so the code of a call has two branches: one for a callee that
evaluates the wanted fields, and one for any other callee.
In this module, `held` is the Python name of the callee, `given` that of the record, and `way` a branch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fpack.lang.abi import DEEP, FunctionInfo
from fpack.lang.syntax.tree import Node

from . import python_ast as py
from .python_ast import Block, Expr, Position
from .record_literals import PLAIN, Literals, whole_fields
from .scope import Scope
from .strictness import Names, Strictness, after_spreads, bound


class RecordCalls(Literals):
    """A base class of `Compiler`, which defines the methods that are only declared here."""

    if TYPE_CHECKING:

        def flags(self, scope: Scope) -> Strictness: ...
        def callee(self, node: Node, scope: Scope, block: Block) -> Expr: ...
        def bind(self, entries: list[Node], scope: Scope, block: Block, needed: Callable[[Scope], Names]) -> Scope: ...

    def describe(self, node: Node, needed: Names, scope: Scope) -> FunctionInfo | None:
        """Return the facts about a function of one record that its callers use; None if there are none."""
        names = {p.name for p in node.params[0].params}
        words = sorted(n for n in needed if n.removesuffix(DEEP) in names)
        fresh = _calls_last(node.body)
        words += self.conditional(node, needed, scope)
        return FunctionInfo(" ".join(words), fresh) if words or fresh else None

    def conditional(self, node: Node, needed: Names, scope: Scope) -> list[str]:
        """Encode the fields forced only if the spread records lack certain keys: `NAME?` each, then `RECORD!KEY,...`.

        The spread records are themselves fields of the argument.
        """
        call = node.body
        while call.kind == "paren":
            call = call.inner
        if call.kind != "rcall" or call.callee.kind != "var" or not self.derives(call.callee.name, scope):
            return []
        entries = call.record.entries if self.is_literal(call.record) else []
        params = {p.name: p for p in node.params[0].params}
        conditions = []
        keys = [e.name for e in entries[: after_spreads(entries)] if e.kind != "spread"]
        for entry in entries:
            if entry.kind == "spread":
                param = params.get(entry.inner.name) if entry.inner.kind == "var" else None
                if param is None or (param.default is not None and param.default[3:] != ([],)):
                    return []
                conditions.append(f"{param.name}!{','.join(keys)}")
        if not conditions or not all(map(PLAIN.fullmatch, keys)):
            return []
        more = self.flags(scope).overridable(entries) - needed
        return [f"{n}?" for n in sorted(more) if n.removesuffix(DEEP) in params] + conditions

    # ---- a call as an expression, and as the result of a function

    def strict_rcall(self, node: Node, scope: Scope, block: Block) -> Expr:
        at, callee, record = self.at(node), node.callee, node.record
        if callee.kind == "var" and self.derives(callee.name, scope) and self.is_literal(record):
            self.check(record.entries)
            value = self.literal(record.entries, scope, block, self.at(record), self.evaluate(scope, block))
            return py.call(".derive", [value], at)
        held, given = self.fresh(".callee"), self.fresh(".given")
        function = py.walrus(held, self.callee(callee, scope, block), at)
        value = py.walrus(given, self.strict(record, scope, block), self.at(record))
        return py.call(".opened", [py.call(function, [value], at), py.name(held, at), py.name(given, at)], at)

    def record_call(self, node: Node, scope: Scope, block: Block) -> None:
        """Add statements to `block` that return the result of a call with a record."""
        wanted = self.wanted(node, scope)
        at = self.at(node)
        if not wanted and self.derives_around(node, scope):
            self.derive_around(node, scope, block)
            return
        if not wanted:
            block.append(py.return_(self.strict_rcall(node, scope, block), at))
            return
        held, given, record = self.fresh(".callee"), self.fresh(".given"), node.record
        self.check(record.entries)
        block.append(py.assign(held, self.callee(node.callee, scope, block), at))
        where = self.at(record)
        if self.repeated:
            ways: list[Block] = [[], []]
            for way, leaf in zip(ways, (self.spare, self.postpone), strict=True):
                before, self.in_branches = self.in_branches, True
                value = self.literal(record.entries, scope, way, where, leaf(scope, way, whole_fields(wanted)))
                self.in_branches = before
                way.append(py.assign(given, value, where))
            block.append(py.when(self.test(held, wanted, at), ways[0], ways[1], where))
        else:

            def maker(function: str, at: Position) -> Expr:
                return py.call(".make", [py.name(held, at), py.const(wanted, at), py.name(function, at)], at)

            block.append(py.assign(given, self.parts(record, scope, block, maker), where))
        self.result(held, given, block, at)

    def derives_around(self, node: Node, scope: Scope) -> bool:
        """Return True if a node makes a derivation whose spreads may override fields that would then need thunks."""
        callee, record = node.callee, node.record
        if not self.repeated or self.in_branches or callee.kind != "var" or not self.derives(callee.name, scope):
            return False
        if not self.is_literal(record):
            return False
        before = record.entries[: after_spreads(record.entries)]
        return any(e.kind == "set" and self.spares(e.value, ()) for e in before)

    def derive_around(self, node: Node, scope: Scope, block: Block) -> None:
        """Add statements that return such a derivation, without thunks if the spreads override nothing."""
        at, entries, where = self.at(node), node.record.entries, self.at(node.record)
        given = self.fresh(".given")
        self.check(entries)
        spreads = {}
        for entry in entries:
            if entry.kind == "spread":
                held = spreads[id(entry)] = self.fresh(".spread")
                position = self.at(entry)
                value = py.guarded(self.strict(entry.inner, scope, block), ".dict", ".fields", position)
                block.append(py.assign(held, value, position))
        keys = frozenset(e.name for e in entries[: after_spreads(entries)] if e.kind != "spread")
        ways: list[Block] = [[], []]
        before, self.in_branches = self.in_branches, True
        for way, overridden in zip(ways, (False, True), strict=True):
            value = self.literal(entries, scope, way, where, self.evaluate(scope, way), spreads, overridden)
            way.append(py.assign(given, value, where))
        self.in_branches = before
        test = py.call(".apart", [py.const(keys, at), *[py.name(held, at) for held in spreads.values()]], at)
        block.append(py.when(test, ways[0], ways[1], where))
        block.append(py.return_(py.call(".derive", [py.name(given, at)], at), at))

    def let(self, node: Node, scope: Scope, block: Block) -> None:
        """Add statements to `block` that return the result of a `let`."""
        entries, body = node.entries, node.body
        if self.repeated and body.kind == "rcall" and not (self.free_names.of(body.callee) & bound(entries)):
            wanted = self.wanted(body, scope, {e.name: e.value for e in entries})
            if wanted:
                self.let_call(node, wanted, scope, block)
                return
        inner = self.bind(entries, scope, block, lambda inner: self.flags(inner).of(body))
        self.tail(body, inner, block)

    def let_call(self, node: Node, wanted: str, scope: Scope, block: Block) -> None:
        """Add statements for a `let` around a call with a record.

        If the function evaluates the fields, the bindings that the fields use are evaluated early as well.
        """
        entries, body = node.entries, node.body
        callee, record = body.callee, body.record
        at, where = self.at(body), self.at(record)
        held, given = self.fresh(".callee"), self.fresh(".given")
        block.append(py.assign(held, self.callee(callee, scope, block), self.at(callee)))
        ways: list[Block] = [[], []]
        whole = whole_fields(wanted)
        before, self.in_branches = self.in_branches, True
        for way, leaf, strict in zip(ways, (self.spare, self.postpone), (True, False), strict=True):

            def needed(inner: Scope, strict: bool = strict) -> Names:
                flags = self.flags(inner)
                return flags.fields(record.entries, whole) if strict else flags.of(record)

            inner = self.bind(entries, scope, way, needed)
            self.check(record.entries)
            value = self.literal(record.entries, inner, way, where, leaf(inner, way, whole))
            way.append(py.assign(given, value, where))
        self.in_branches = before
        block.append(py.when(self.test(held, wanted, at), ways[0], ways[1], where))
        self.result(held, given, block, at)

    def test(self, held: str, wanted: str, at: Position) -> Expr:
        """Return code that tests whether the callee evaluates all wanted fields."""
        return py.call(".eager", [py.name(held, at), py.const(wanted, at)], at)

    def result(self, held: str, given: str, block: Block, at: Position) -> None:
        """Add the statement that calls the function with the record and returns the result."""
        value = py.call(py.name(held, at), [py.name(given, at)], at)
        block.append(py.return_(py.call(".opened", [value, py.name(held, at), py.name(given, at)], at), at))


def _calls_last(node: Node) -> bool:
    """Return True if the value of a node is always the result of a call with a record."""
    kind = node.kind
    if kind == "paren":
        return _calls_last(node.inner)
    if kind == "let":
        return _calls_last(node.body)
    if kind == "assert":
        return _calls_last(node.body)
    if kind == "if":
        return _calls_last(node.then) and _calls_last(node.otherwise)
    return bool(kind == "rcall")
