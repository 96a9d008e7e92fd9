"""Compile the constructs that bind names: records, files and `let`.

A record whose fields mention each other becomes a function with an optional parameter for each mentioned field; `.with`
calls the function again with the changed fields. Any other record becomes a plain dict.
"""

from __future__ import annotations

import _ast as a
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from fpack.lang.abi import DEEP
from fpack.lang.syntax.tree import Node, calls_outer, entry_value

from . import python_ast as py
from .functions import checked
from .python_ast import Block, Expr, Position
from .scope import Scope, Variable
from .strictness import NONE, FreeNames, Names, Strictness

if TYPE_CHECKING:
    from fpack.lang.syntax.source import Source

_ROUNDS = 8  # iterations of the strictness analysis of functions that call each other
MAX_PART = 48  # entries of a record that one function makes
MAX_OWN = 4096  # mentioned fields of a record; Python's compiler takes time quadratic in this number
_VALUES = ("int", "float", "str", "const", "fn")


class LaterSpreads(NamedTuple):
    """The spreads that follow fields which other fields mention.

    variables: the variable that holds a spread, by the entry's id. after: the variables of the spreads that follow a
    mentioned field, by the name of the field.
    """

    variables: dict[int, str]
    after: dict[str, list[str]]


class Bindings:
    """A base class of `Compiler`, which defines the attributes and methods that are only declared here."""

    source: Source
    free_names: FreeNames
    functions: set[str]
    level: int
    repeated: int
    outer_calls: dict[str, Variable]

    if TYPE_CHECKING:

        def at(self, node: Node) -> Position: ...
        def position(self, start: int, end: int) -> Position: ...
        def fresh(self, stem: str) -> str: ...
        def flags(self, scope: Scope) -> Strictness: ...
        def tail(self, node: Node, scope: Scope, block: Block) -> None: ...
        def strict(self, node: Node, scope: Scope, block: Block) -> Expr: ...
        def lazy(self, node: Node, scope: Scope, block: Block, name: str = "") -> Expr: ...
        def condition(self, node: Node, scope: Scope, block: Block) -> Expr: ...
        def is_plain(self, node: Node) -> bool: ...
        def whole(self, node: Node, scope: Scope, block: Block) -> Expr: ...
        def once(self, record: Node, scope: Scope, block: Block) -> Expr | None: ...
        def function(self, name: str, node: Node, scope: Scope, block: Block) -> None: ...
        def key(self, key: str | Node, scope: Scope, block: Block, at: Position) -> Expr: ...

    # ---- files and lets

    def file(self, entries: list[Node], block: Block) -> None:
        """Add statements that assign a file's fields to globals of the module and the file's record to `.value`."""
        self.check(entries)
        for entry in entries:
            if entry.kind == "inherit":
                hint = "write NAME = VALUE for a field of a file"
                raise self.source.error(entry.start, entry.end, f"`{entry.name}` has no value", hint=hint)
        scope = Scope(None)
        at = self.position(0, 0)
        named = [e for e in entries if e.kind == "set" and not e.quoted]
        later = self.later(entries, frozenset(e.name for e in named))
        self.declare(named, scope, outer=True)
        self.outer_calls = {e.name: scope.names[e.name] for e in named if calls_outer(e.value)}
        self.assign(named, scope, block, later)
        self.spreads(entries, scope, block, later)
        self.claims(entries, scope, block)
        static = tuple(e.name for e in entries if e.kind == "set")
        block.append(py.assign(".value", self.part(entries, scope, Scope(None), block, at, later, static), at))

    def bind(self, entries: list[Node], scope: Scope, block: Block, needed: Callable[[Scope], Names]) -> Scope:
        """Assign the bindings of a `let` to variables of the current function, and return their scope.

        needed: returns the names that the code after the bindings certainly evaluates.
        """
        self.check(entries)
        known = any(e.value.kind == "fn" or e.name in self.functions for e in entries)
        inner = Scope(scope, None if known else scope.evaluated)
        self.declare(entries, inner, outer=False)
        self.assign(entries, inner, block, LaterSpreads({}, {}), self.sure(entries, inner, needed(inner)))
        return inner

    def sure(self, entries: list[Node], scope: Scope, needed: Names) -> Names:
        """Return the names of a `let` that are certainly evaluated: the needed ones, and those that they evaluate."""
        flags = self.flags(scope)
        values = {e.name: e.value for e in entries}
        found: set[str] = set()
        todo = set(needed)
        while todo:
            name = todo.pop()
            value = values.get(name.removesuffix(DEEP))
            if value is not None and name not in found:
                found.add(name)
                todo |= flags.of(value, deep=name.endswith(DEEP))
        return frozenset(found)

    def declare(self, entries: list[Node], scope: Scope, outer: bool) -> None:
        """Declare a variable for each entry, and analyse the strictness of the functions among the entries."""
        functions = []
        for entry in entries:
            name, node = entry.name, entry.value
            python = name if outer else self.fresh(name)
            found = Variable(python, self.level, node.kind in _VALUES or self.is_plain(node), ready=False)
            scope.names[name] = found
            if node.kind == "fn":
                self.functions.add(name)
                functions.append((found, node))
                found.strict = [p.kind == "param" and p.default is None for p in node.params]
        for _ in range(_ROUNDS):  # find the greatest fixed point for functions that call each other
            stable = True
            for found, node in functions:
                strict = self.strict_params(node, scope)
                stable = stable and strict == found.strict
                found.strict = strict
            if stable:
                return
        for found, _ in functions:
            found.strict = None

    def strict_params(self, node: Node, scope: Scope) -> list[bool]:
        """Return, for each parameter of a function, whether the function certainly evaluates it."""
        inner = Scope(scope)
        for p in node.params:
            for q in p.params if p.kind == "pattern" else [p]:
                inner.names[q.name] = Variable(q.name, 0)
            if p.kind == "pattern" and p.rest:
                inner.names[p.rest] = Variable(p.rest, 0)
        names = self.flags(inner).of(node.body)
        return [p.kind == "pattern" or (p.default is None and (p.name in names or checked(p))) for p in node.params]

    def assign(self, entries: list[Node], scope: Scope, block: Block, later: LaterSpreads, sure: Names = NONE) -> None:
        """Add statements that assign every declared variable: functions first, because other values may refer to them.

        sure: the names to evaluate at once, if all that they use is assigned before them.
        """
        for entry in entries:
            if entry.value.kind == "fn":
                found = scope.names[entry.name]
                self.function(found.python, entry.value, scope, block)
                found.ready = True
        if sure:
            self.assign_sure(entries, scope, block, sure)
        for entry in entries:
            found = scope.names[entry.name]
            if not found.ready:
                value = self.field(entry, scope, block, later)
                if self.level == 0:
                    _keep(value, found.python, block)
                found.value = found.value and not later.after.get(entry.name)
                block.append(py.assign(found.python, value, self.position(entry.start, entry.end)))
                found.ready = True

    def assign_sure(self, entries: list[Node], scope: Scope, block: Block, sure: Names) -> None:
        """Assign the entries that are certainly evaluated, each one evaluated and after those that it mentions."""
        names = frozenset(e.name for e in entries)
        uses = {e.name: self.free_names.of(e.value) & names for e in entries}
        for entry in entries:
            if (
                entry.value.kind == "fn"
            ):  # a function may call itself; another value that mentions itself becomes a thunk
                uses[entry.name] -= {entry.name}
        settled: set[str] = set()
        left = list(entries)
        count = -1
        while len(left) != count:
            count = len(left)
            for entry in left:
                if not uses[entry.name] <= settled:
                    continue
                settled.add(entry.name)
                found = scope.names[entry.name]
                if found.ready:
                    continue
                if entry.name in sure:
                    self.check_itself(entry, scope)
                    make = self.whole if entry.name + DEEP in sure else self.strict
                    value = make(entry.value, scope, block)
                    found.value = True
                else:
                    value = self.field(entry, scope, block, LaterSpreads({}, {}))
                block.append(py.assign(found.python, value, self.position(entry.start, entry.end)))
                found.ready = True
            left = [e for e in left if e.name not in settled]

    # ---- records

    def check(self, entries: list[Node]) -> None:
        """Raise an error for a field given twice, and for a typed field, which is valid in patterns only."""
        seen: dict[str, Node] = {}
        for entry in entries:
            if entry.kind == "typed":
                hint = f"write {entry.token[1]} = VALUE for a field"
                raise self.source.error(entry.start, entry.end, "Only parameters have types", hint=hint)
            if entry.kind not in ("set", "inherit"):
                continue
            name = entry.name
            if name in seen:
                other = (seen[name].start, seen[name].end, "first given here")
                raise self.source.error(entry.start, entry.end, f"`{name}` is given twice", other=other)
            seen[name] = entry

    def check_itself(self, entry: Node, scope: Scope) -> None:
        """Raise an error for a field that certainly evaluates itself."""
        if entry.name in self.flags(scope).of(entry.value):
            self.refuse_itself(entry)

    def refuse_itself(self, entry: Node) -> None:
        """Raise the error for a value that certainly evaluates itself, with a hint at what was probably meant."""
        name, value = entry.name, entry.value
        why = (
            "the fields of a record, and the names of a `let`, see each other, so the name refers to this value itself"
        )
        if value.kind == "var":
            hint = f"write {{ {name} }} to take `{name}` from the enclosing scope"
            raise self.source.error(
                value.start, value.end, f"`{name} = {name}` defines the value by itself", why=why, hint=hint
            )
        hint = f"give the outer value another name, or write {{ {name} }} to take it unchanged"
        before = self.source.text[: entry.start].rpartition("{")[0].rstrip()
        if before.endswith(".with"):
            hint = f"write .with(old => {{ {name} = ... }}), and old.{name} for the value before the change"
        raise self.source.error(entry.start, entry.end, f"`{name}` depends on itself", why=why, hint=hint)

    def is_flat(self, entries: list[Node]) -> bool:
        """Return True if a record can be a dict display that evaluates nothing."""
        if any(e.kind not in ("set", "inherit") for e in entries):
            return False
        return not self.own(entries)

    def own(self, entries: list[Node]) -> Names:
        """Return the fields that other entries of the record mention."""
        names = frozenset(e.name for e in entries if e.kind == "set" and not e.quoted)
        return names & self.free_names.inside(entries) if names else NONE

    def strict_rec(self, node: Node, scope: Scope, block: Block) -> Expr:
        entries, at = node.entries, self.at(node)
        self.check(entries)
        own = self.own(entries)
        if not own and all(e.kind != "claim" for e in entries):
            # A large record, such as a set of packages, is rarely made more than once, so it is compiled as code that
            # runs once.
            before = self.repeated
            self.repeated = 0 if len(entries) > MAX_PART else before
            made = self.once(node, scope, block) or self.display(entries, scope, scope, block, at, LaterSpreads({}, {}))
            self.repeated = before
            return made
        if len(own) > MAX_OWN:
            why = f"{len(own)} of its fields are mentioned, and the limit is {MAX_OWN}"
            raise self.source.error(
                node.start, node.start + 1, "Too many fields of this record mention each other", why=why
            )
        builder = self.fresh(".record")
        body: Block = []
        inner = Scope(scope)
        self.level += 1
        later = self.later(entries, own)
        named = [e for e in entries if e.kind == "set" and not e.quoted and e.name in own]
        for entry in named:
            inner.names[entry.name] = Variable(entry.name, self.level, False, ready=False)
        for entry in named:
            where = self.position(entry.start, entry.end)
            then: Block = []
            value = self.field(entry, inner, then, later)
            then.append(py.assign(entry.name, value, where))
            body.append(py.when(py.missing(entry.name, where), then, [], where))
            inner.names[entry.name].ready = True
        self.spreads(entries, inner, body, later)
        self.claims(entries, inner, body)
        result = self.display(entries, inner, scope, body, at, later)
        body.append(py.return_(result, at))
        self.level -= 1
        block.append(py.define(builder, [(e.name, True) for e in named], body, at))
        names = tuple(e.name for e in named)
        if not names:
            return py.call(py.name(builder, at), [], at)
        return py.call(".record", [py.name(builder, at), py.const(names, at)], at)

    def later(self, entries: list[Node], own: Names) -> LaterSpreads:
        """Return the spreads that may override mentioned fields, and give each spread a variable."""
        found = LaterSpreads({}, {})
        for entry in entries:
            if entry.kind == "set" and entry.name in own:
                found.after[entry.name] = []
            elif entry.kind == "spread" and found.after:
                variable = found.variables[id(entry)] = self.fresh(".spread")
                for spreads in found.after.values():
                    spreads.append(variable)
        return found

    def field(self, entry: Node, scope: Scope, block: Block, later: LaterSpreads) -> Expr:
        """Return lazy code for a field's value; the last spread that has the field overrides it."""
        self.check_itself(entry, scope)
        value = self.lazy(entry.value, scope, block, entry.name)
        spreads = later.after.get(entry.name)
        if not spreads:
            return value
        at = self.position(entry.start, entry.end)
        held: Expr = py.put(a.Tuple([py.name(s, at) for s in spreads], py.LOAD), at)
        return py.call(".T", [py.function(py.call(".final", [held, py.const(entry.name, at), value], at), at)], at)

    def spreads(self, entries: list[Node], scope: Scope, block: Block, later: LaterSpreads) -> None:
        """Add statements that assign the variables of spreads that may override mentioned fields."""
        for entry in entries:
            variable = later.variables.get(id(entry))
            if variable:
                block.append(py.assign(variable, self.lazy(entry.inner, scope, block), self.at(entry)))

    def display(
        self, entries: list[Node], scope: Scope, outer: Scope, block: Block, at: Position, later: LaterSpreads
    ) -> Expr:
        """Return a record as a dict display. scope: for fields; outer: the scope for `{ name }`.

        A large record is divided into parts, each made by a function: Python's compiler takes time quadratic in the
        number of names of one function.
        """
        static = tuple(e.name for e in entries if e.kind in ("set", "inherit"))
        if len(entries) <= MAX_PART:
            return self.part(entries, scope, outer, block, at, later, static)
        parts: list[Expr] = []
        for i in range(0, len(entries), MAX_PART):
            inner: Block = []
            value = self.part(entries[i : i + MAX_PART], scope, outer, inner, at, later, static)
            if inner:
                function = self.fresh(".part")
                inner.append(py.return_(value, at))
                block.append(py.define(function, [], inner, at))
                value = py.call(py.name(function, at), [], at)
            parts.append(value)
        return py.put(a.Dict([None] * len(parts), parts), at)  # type: ignore[no-any-return]

    def part(
        self,
        entries: list[Node],
        scope: Scope,
        outer: Scope,
        block: Block,
        at: Position,
        later: LaterSpreads,
        static: tuple[str, ...],
    ) -> Expr:
        """Return some of a record's entries as a dict display. static: the constant names of all entries."""
        keys: list[Expr | None] = []
        values: list[Expr] = []
        for entry in entries:
            kind = entry.kind
            where = self.position(entry.start, entry.end)
            if kind == "spread":
                variable = later.variables.get(id(entry))
                value = (
                    py.forced(py.name(variable, where), where) if variable else self.strict(entry.inner, scope, block)
                )
                if isinstance(value, a.Dict):
                    keys += value.keys
                    values += value.values
                else:
                    keys.append(None)
                    values.append(py.guarded(value, ".dict", ".fields", where))
            elif kind == "dyn":
                keys.append(py.call(".key", [self.strict(entry.key, scope, block), py.const(static, where)], where))
                values.append(self.lazy(entry.value, scope, block))
            elif kind == "inherit":
                keys.append(py.const(entry.name, where))
                values.append(self.lazy(entry_value(entry), outer, block))
            elif kind == "set":
                keys.append(py.const(entry.name, where))
                found = scope.names.get(entry.name) if not entry.quoted and scope is not outer else None
                values.append(
                    py.name(found.python, where) if found else self.lazy(entry.value, scope, block, entry.name)
                )
        return py.put(a.Dict(keys, values), at)  # type: ignore[no-any-return]

    def claims(self, entries: list[Node], scope: Scope, block: Block) -> None:
        """Add statements for the asserts of a record."""
        for entry in entries:
            if entry.kind == "claim":
                self.claim(entry, scope, block)

    def claim(self, node: Node, scope: Scope, block: Block) -> None:
        """Add statements for one `assert`: (kind, start, end, condition, message, ...)."""
        at = self.at(node.condition)
        fails: Block = []
        test = py.put(a.UnaryOp(a.Not(), self.condition(node.condition, scope, block)), at)
        fails.append(py.run(py.call(".fail", [self.strict(node.message, scope, fails)], at), at))
        block.append(py.when(test, fails, [], at))


def _keep(value: Expr, name: str, block: Block) -> None:
    """Extend the function of a field's thunk to store its value in the global of the field.

    Later reads of the global then find the evaluated value instead of the thunk.
    """
    last = block[-1] if block else None
    if not (isinstance(value, a.Call) and isinstance(value.func, a.Name) and value.func.id == ".T"):
        return
    held = value.args[0]
    if not (isinstance(held, a.Name) and isinstance(last, a.FunctionDef) and last.name == held.id):
        return
    at = (last.lineno, last.col_offset, last.end_lineno or last.lineno, last.end_col_offset or last.col_offset)
    last.body = [py.put(a.Global([name]), at), *py.assigning(last.body, name, and_return=True)]
