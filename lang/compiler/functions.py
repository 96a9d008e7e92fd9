"""Compile functions, their parameters and comprehensions."""

from __future__ import annotations

import _ast as a
from collections.abc import Callable
from typing import TYPE_CHECKING

from fpack.lang.abi import FunctionInfo
from fpack.lang.syntax.tree import Node

from . import python_ast as py
from .python_ast import Block, Expr, Position
from .scope import Scope, Variable
from .strictness import Names, Strictness


class Functions:
    """A base class of `Compiler`, which defines the attributes and methods that are only declared here."""

    level: int
    repeated: int
    infos: dict[str, FunctionInfo]

    if TYPE_CHECKING:

        def at(self, node: Node) -> Position: ...
        def position(self, start: int, end: int) -> Position: ...
        def fresh(self, stem: str) -> str: ...
        def flags(self, scope: Scope) -> Strictness: ...
        def tail(self, node: Node, scope: Scope, block: Block) -> None: ...
        def strict(self, node: Node, scope: Scope, block: Block) -> Expr: ...
        def lazy(self, node: Node, scope: Scope, block: Block, name: str = "") -> Expr: ...
        def condition(self, node: Node, scope: Scope, block: Block) -> Expr: ...
        def key(self, key: str | Node, scope: Scope, block: Block, at: Position) -> Expr: ...
        def describe(self, node: Node, needed: Names, scope: Scope) -> FunctionInfo | None: ...

    def strict_reccomp(self, node: Node, scope: Scope, block: Block) -> Expr:
        def put(out: str, inner: Scope, body: Block) -> Expr:
            at = self.at(node.key)
            key = self.key(node.key, inner, body, at)
            return py.call(".put", [py.name(out, at), key, self.lazy(node.result, inner, body)], at)

        return self.comprehension(node, node.clauses, py.put(a.Dict([], []), self.at(node)), put, scope, block)

    def strict_listcomp(self, node: Node, scope: Scope, block: Block) -> Expr:
        def put(out: str, inner: Scope, body: Block) -> Expr:
            at = self.at(node.result)
            append: Expr = py.put(a.Attribute(py.name(out, at), "append", py.LOAD), at)
            return py.call(append, [self.lazy(node.result, inner, body)], at)

        return self.comprehension(node, node.clauses, py.put(a.List([], py.LOAD), self.at(node)), put, scope, block)

    def comprehension(
        self,
        node: Node,
        clauses: list[Node],
        empty: Expr,
        put: Callable[[str, Scope, Block], Expr],
        scope: Scope,
        block: Block,
    ) -> Expr:
        """Return a call of a new function that fills `empty`.

        Each element is made by a call, so that its thunks capture variables of that element alone.
        """
        at = self.at(node)
        out, maker = self.fresh(".out"), self.fresh(".comprehension")
        body: Block = [py.assign(out, empty, at)]
        self.level += 1

        def clause(i: int, inner: Scope, into: Block) -> None:
            if i == len(clauses):
                into.append(py.run(put(out, inner, into), at))
                return
            this = clauses[i]
            if this.kind == "if":
                then: Block = []
                test = self.condition(this.condition, inner, into)
                clause(i + 1, inner, then)
                into.append(py.when(test, then, [], self.at(this)))
                return
            own = Scope(inner)
            self.level += 1
            for name in this.names:
                own.names[name] = Variable(name, self.level)
            each: Block = []
            self.repeated += 1
            clause(i + 1, own, each)
            self.repeated -= 1
            self.level -= 1
            function = self.fresh(".each")
            into.append(py.define(function, [(name, False) for name in this.names], each, at))
            loop = ".loop" if len(this.names) == 1 else ".loop-pairs"
            where = self.at(this.sequence)
            into.append(
                py.run(py.call(loop, [self.strict(this.sequence, inner, into), py.name(function, where)], where), where)
            )

        clause(0, scope, body)
        body.append(py.return_(py.name(out, at), at))
        self.level -= 1
        block.append(py.define(maker, [], body, at))
        return py.call(py.name(maker, at), [], at)

    # ---- functions

    def function(self, name: str, node: Node, scope: Scope, block: Block) -> None:
        """Define the function `name` in `block`."""
        at = self.at(node)
        inner = Scope(scope)
        body: Block = []
        params: list[tuple[str, bool]] = []
        self.level += 1
        self.repeated += 1
        for p in node.params:
            if p.kind == "pattern":
                held = self.fresh(".given")
                params.append((held, False))
                self.pattern(p, held, node.name, inner, body)
            else:
                own, ready = p.name, p.default is None
                params.append((own, not ready))
                inner.names[own] = Variable(own, self.level, ready=ready)
        every = [q for p in node.params for q in (p.params if p.kind == "pattern" else [p])]
        needed = self.flags(inner).of(node.body)
        if len(node.params) == 1 and node.params[0].kind == "pattern":
            info = self.describe(node, needed, inner)
            if info is not None:
                self.infos[params[0][0]] = info
        for q in every:
            self.param(q, node.name, inner, body)
        for q in every:
            own = q.name
            found = inner.names[own]
            if not found.value and own in needed:
                where = self.at(q)
                read = py.name(own, where)
                force = py.assign(own, py.call(".F", [read], where), where)
                body.append(py.when(py.is_class(read, ".T", where), [force], [], where))
                found.value = True
        self.tail(node.body, inner, body)
        self.level -= 1
        self.repeated -= 1
        block.append(py.define(name, params, body, at))

    def pattern(self, pattern: Node, held: str, function: str, scope: Scope, body: Block) -> None:
        """Assign the fields of a record parameter to variables."""
        at = self.at(pattern)
        names = [p.name for p in pattern.params]
        required = tuple(p.default is None for p in pattern.params)
        spec = py.const((function, tuple(names), required, pattern.rest is not None), at)
        for p in pattern.params:
            scope.names[p.name] = Variable(p.name, self.level, ready=p.default is None)
        if pattern.rest is not None:
            names.append(pattern.rest)
            scope.names[pattern.rest] = Variable(pattern.rest, self.level, value=True)
        taken = py.call(".take", [py.name(held, at), spec], at)
        body.append(py.assign_all(names, taken, at) if names else py.run(taken, at))

    def param(self, p: Node, function: str, scope: Scope, body: Block) -> None:
        """Add statements that apply a parameter's default and check its type."""
        name, types, default = p.name, p.types, p.default
        found = scope.names[name]
        at = self.position(p.start, p.end)
        check: Block = []
        if checked(p):
            args = [py.name(name, at), py.const(types, at), py.const(name, at), py.const(function, at)]
            check.append(py.assign(name, py.call(".check", args, at), at))
        if default is None:
            body += check
            found.value = bool(check)
            return
        then: Block = []
        value = self.lazy(default, scope, then)
        then.append(py.assign(name, value, at))
        body.append(py.when(py.missing(name, at), then, check, at))
        found.ready = True


def checked(param: Node) -> bool:
    """Return True if a parameter's type excludes some values, so that the argument is evaluated for the check."""
    return param.types is not None and "any" not in param.types
