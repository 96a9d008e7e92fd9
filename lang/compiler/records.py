"""Compile records and files.

A record whose fields mention each other becomes a function with an optional parameter for each mentioned field: what
the fields see by that name, instead of the record's own definition. The function returns the own definitions. The
runtime calls it again to lay changes over the record (runtime/records/layers.py). Any other record becomes a plain
dict.
"""

from __future__ import annotations

import _ast as a
from collections.abc import Mapping

from fpack.lang.abi import NESTED, NESTED_NAMES
from fpack.lang.syntax.tree import (
    NestedField,
    Node,
    RecordLiteral,
    calls_outer,
    entry_value,
    mark_outer_calls,
    nested_layer,
)

from . import python_ast as py
from .bindings import Bindings, LaterSpreads
from .calls import Calls
from .emitter import Emitter
from .entry_errors import check_entries, inherited_in_file
from .python_ast import Block, Expr, Position
from .record_literals import RecordLiterals
from .scope import Scope, Variable
from .strictness import Names, after_spreads, bound

_NONE: Mapping[str, str] = {}
MAX_PART = 48  # entries of a record that one function makes
MAX_MENTIONED = 4096  # mentioned fields of a record; Python's compiler takes time quadratic in this number


class Records:
    """The compiler of records and files."""

    def __init__(self, emitter: Emitter, bindings: Bindings, literals: RecordLiterals, calls: Calls) -> None:
        self.emitter = emitter
        self.bindings = bindings
        self.literals = literals
        self.calls = calls

    def file(self, entries: list[Node], block: Block) -> None:
        """Add statements that assign a file's fields to globals of the module and the file's record to `.value`."""
        emitter, bindings = self.emitter, self.bindings
        check_entries(emitter.source, entries)
        for error in inherited_in_file(emitter.source, entries):
            raise error
        scope = Scope(None)
        at = emitter.position(0, 0)
        named = [e for e in entries if e.kind == "set" and not e.quoted]
        later = self._later_spreads(entries, bound(entries))
        bindings.declare(named, scope, outer=True)
        self.calls.outer_calls = {e.name: scope.names[e.name] for e in named if calls_outer(e.value)}
        bindings.assign(named, scope, block, later)
        self._spread_variables(entries, scope, block, later)
        keys = self._keys(entries, block, at)
        block.append(
            py.assign(".value", self._part(entries, scope, Scope(None), block, at, later, keys, "", base=".fields"), at)
        )
        if any(e.kind == "assertion" for e in entries):
            self._claims(".claims", entries, scope, block, at)
        nested = _nested_names(entries)
        if nested:
            block.append(py.assign(NESTED_NAMES, py.const(nested, at), at))

    def record(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Compile a record literal, with the names of its nested fields."""
        result = self._record(self._with_outer_calls(node, scope), scope, block)
        nested = _nested_names(node.entries)
        if not nested:
            return result
        at = self.emitter.at(node)
        return py.call(NESTED, [result, py.const(nested, at)], at)

    def _record(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Compile a record literal in the cheapest form that its entries allow."""
        emitter, entries = self.emitter, node.entries
        at = emitter.at(node)
        check_entries(emitter.source, entries)
        mentioned = emitter.free_names.mentioned(entries)
        entries = _changes_below(entries, mentioned)
        claims = any(e.kind == "assertion" for e in entries)
        if not mentioned and not claims:
            # A large record, such as a set of packages, is rarely made more than once, so it is compiled as code that
            # runs once.
            before = emitter.repeated
            emitter.repeated = 0 if len(entries) > MAX_PART else before
            once = self.literals.made_once(node, scope, block)
            result = once or self._display(entries, scope, scope, block, at, LaterSpreads({}, {}))
            emitter.repeated = before
            return result
        if len(mentioned) > MAX_MENTIONED:
            why = f"{len(mentioned)} of its fields are mentioned, and the limit is {MAX_MENTIONED}"
            what = "Too many fields of this record mention each other"
            raise emitter.source.error(node.start, node.start + 1, what, why=why)
        builder = emitter.fresh(".record")
        body: Block = []
        inner = Scope(scope)
        emitter.level += 1
        later = self._later_spreads(entries, mentioned)
        named = [e for e in entries if e.kind == "set" and not e.quoted and e.name in mentioned]
        for entry in named:
            inner.names[entry.name] = Variable(entry.name, emitter.level, False, ready=False)
        own: dict[str, str] = {}
        for entry in named:
            position = emitter.at(entry)
            value = self.bindings.field(entry, inner, body, later)
            variable = own[entry.name] = emitter.fresh(".own")
            body.append(py.assign(variable, value, position))
            then = [py.assign(entry.name, py.name(variable, position), position)]
            body.append(py.when(py.missing(entry.name, position), then, [], position))
            inner.names[entry.name].ready = True
        self._spread_variables(entries, inner, body, later)
        result = self._display(entries, inner, scope, body, at, later, "", own)
        if claims:
            check = emitter.fresh(".claims")
            self._claims(check, entries, inner, body, at)
            result = py.call(".claimed", [result, py.name(check, at)], at)
        body.append(py.return_(result, at))
        emitter.level -= 1
        block.append(py.define(builder, [(e.name, True) for e in named], body, at))
        names = tuple(e.name for e in named)
        return py.call(".asserting" if claims else ".record", [py.name(builder, at), py.const(names, at)], at)

    def _with_outer_calls(self, node: Node, scope: Scope) -> Node:
        """Return a record with each `NAME = NAME(...)` marked to call the builtin of that name, as in a file.

        Such a field could not be computed otherwise. A name that an enclosing scope binds is left alone.
        """
        emitter, outer_calls = self.emitter, self.calls.outer_calls
        names = {
            e.name
            for e in node.entries
            if e.kind == "set" and not e.nested and e.value.kind in ("call", "sel") and e.name in emitter.builtins
        }
        names = {name for name in names if (found := scope.find(name)) is None or found is outer_calls.get(name)}
        if not names:
            return node
        entries = [
            mark_outer_calls([e])[0] if e.kind == "set" and not e.nested and e.name in names else e
            for e in node.entries
        ]
        marked = RecordLiteral((*node[:3], entries))
        emitter.marked.append(marked)
        return marked

    def _later_spreads(self, entries: list[Node], mentioned: Names) -> LaterSpreads:
        """Return the spreads that may override mentioned fields, and give each spread a variable."""
        found = LaterSpreads({}, {})
        for entry in entries:
            if entry.kind == "set" and entry.name in mentioned:
                found.after[entry.name] = []
            elif entry.kind == "spread" and found.after:
                variable = found.variables[id(entry)] = self.emitter.fresh(".spread")
                for spreads in found.after.values():
                    spreads.append(variable)
        return found

    def _spread_variables(self, entries: list[Node], scope: Scope, block: Block, later: LaterSpreads) -> None:
        """Add statements for the variables of spreads that may override mentioned fields."""
        emitter = self.emitter
        for entry in entries:
            variable = later.variables.get(id(entry))
            if variable:
                block.append(py.assign(variable, emitter.lazy(entry.inner, scope, block), emitter.at(entry)))

    def _claims(self, name: str, entries: list[Node], scope: Scope, block: Block, at: Position) -> None:
        """Add the definition of a function that checks the asserts."""
        body: Block = []
        self.emitter.level += 1
        for entry in entries:
            if entry.kind == "assertion":
                self.emitter.assertion(entry, scope, body)
        self.emitter.level -= 1
        block.append(py.define(name, [], body, at))

    def _display(
        self,
        entries: list[Node],
        scope: Scope,
        outer: Scope,
        block: Block,
        at: Position,
        later: LaterSpreads,
        joined: str = ".spread",
        own: Mapping[str, str] = _NONE,
    ) -> Expr:
        """Return a record as a dict display. scope: for fields; outer: the scope for `{ name }`.

        joined: the runtime function that makes a record of parts, if it spreads a record that can be changed; "": the
        value is then a tuple of the parts. own: the variables of the record's own definitions of mentioned fields.

        A large record is divided into parts, each made by a function: Python's compiler takes time quadratic in the
        number of names of one function.
        """
        keys = self._keys(entries, block, at)
        if len(entries) <= MAX_PART:
            return self._part(entries, scope, outer, block, at, later, keys, joined, own)
        parts: list[Expr] = []
        for i in range(0, len(entries), MAX_PART):
            inner: Block = []
            value = self._part(entries[i : i + MAX_PART], scope, outer, inner, at, later, keys, "", own)
            if inner:
                function = self.emitter.fresh(".part")
                inner.append(py.return_(value, at))
                block.append(py.define(function, [], inner, at))
                value = py.call(py.name(function, at), [], at)
            parts.append(value)
        if any(e.kind == "spread" for e in entries):
            every = py.call(".parts", [py.put(a.Tuple(parts, py.LOAD), at)], at)
            return py.call(joined, [every], at) if joined else every
        return py.put(a.Dict([None] * len(parts), parts), at)  # type: ignore[no-any-return]

    def _keys(self, entries: list[Node], block: Block, at: Position) -> tuple[tuple[str, ...], str]:
        """Return the constant names of a record's entries, and the variable that collects the computed names.

        The variable is "" if there are fewer than two computed names.
        """
        computed = ""
        if sum(e.kind == "dyn" for e in entries) > 1:
            computed = self.emitter.fresh(".computed")
            block.append(py.assign(computed, py.put(a.Dict([], []), at), at))
        return tuple(e.name for e in entries if e.kind in ("set", "inherit")), computed

    def _part(
        self,
        entries: list[Node],
        scope: Scope,
        outer: Scope,
        block: Block,
        at: Position,
        later: LaterSpreads,
        all_keys: tuple[tuple[str, ...], str],
        joined: str,
        own: Mapping[str, str] = _NONE,
        base: str = ".base-record",
    ) -> Expr:
        """Return some of a record's entries as a dict display.

        all_keys: the result of `_keys` for all entries. base: see `Spreads`.
        """
        emitter = self.emitter
        made = py.Spreads(emitter.fresh, base)
        for entry in entries:
            kind = entry.kind
            position = emitter.at(entry)
            if kind == "spread":
                variable = later.variables.get(id(entry))
                if variable:
                    value = py.forced(py.name(variable, position), position)
                else:
                    value = emitter.strict(entry.inner, scope, block)
                made.spread(value, position)
            elif kind == "dyn":
                constant, computed = all_keys
                args = [emitter.strict(entry.key, scope, block), py.const(constant, position)]
                args += [py.name(computed, position)] if computed else []
                made.field(py.call(".key", args, position), emitter.lazy(entry.value, scope, block))
            elif kind == "deep":
                made.layer(emitter.strict(nested_layer(entry), scope, block))
            elif kind == "inherit":
                made.field(py.const(entry.name, position), emitter.lazy(entry_value(entry), outer, block))
            elif kind == "set":
                found = scope.names.get(entry.name) if not entry.quoted and scope is not outer else None
                if found:
                    value = py.name(own.get(entry.name, found.python), position)
                else:
                    value = emitter.lazy(entry.value, scope, block, entry.name)
                made.field(py.const(entry.name, position), value)
        return made.record(at, joined)


def _nested_names(entries: list[Node]) -> tuple[str, ...]:
    """Return the fields that a record gives as `a.b = VALUE`, apart from those beside spreads."""
    return tuple(e.name for e in entries[after_spreads(entries) :] if e.nested and e.kind == "set")


def _changes_below(entries: list[Node], mentioned: Names) -> list[Node]:
    """Return entries with the nested fields before a spread as changes of what is below, as those after it are.

    A spread may replace such a field. A mentioned field needs a definition of its own.
    """
    last = after_spreads(entries)
    if not any(e.nested for e in entries[:last]):
        return entries
    return [
        NestedField(("deep", *e[1:])) if i < last and e.nested and e.name not in mentioned else e
        for i, e in enumerate(entries)
    ]
