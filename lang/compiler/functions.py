"""Compile functions and their parameters, and describe the fields that a function of one record certainly evaluates.

The `FunctionInfo` of such a function lists sorted names, with DEEP after a name whose value is evaluated with all that
it contains, then the fields that the function evaluates under a condition: `NAME?` each, then `RECORD!KEY,...`.
"""

from __future__ import annotations

import re

from fpack.lang.abi import DEEP, FunctionInfo
from fpack.lang.syntax.tree import Node, flat_params, unwrapped

from . import call_sites
from . import python_ast as py
from .default_types import is_settled
from .emitter import Emitter
from .python_ast import Block, Expr
from .scope import Scope, Variable
from .strictness import Names, after_spreads

PLAIN = re.compile(r"[A-Za-z0-9_-]+")  # the keys that a description can contain


class Functions:
    """The compiler of function definitions."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter

    def function(self, node: Node, scope: Scope, block: Block) -> Expr:
        name = self.emitter.fresh(node.name or ".f")
        self.define(name, node, scope, block)
        return py.name(name, self.emitter.at(node))

    def define(self, name: str, node: Node, scope: Scope, block: Block) -> None:
        """Compile a function to a definition in `block`, of a Python function called `name`."""
        emitter = self.emitter
        at = emitter.at(node)
        inner = Scope(scope)
        body: Block = []
        params: list[tuple[str, bool]] = []
        emitter.level += 1
        emitter.repeated += 1
        for p in node.params:
            if p.kind == "pattern":
                record = emitter.fresh(".given")
                params.append((record, False))
                if emitter.source.library:
                    body.append(call_sites.keep(record, at))
                self._pattern(p, record, node.name, inner, body)
            else:
                ready = p.default is None
                params.append((p.name, not ready))
                inner.names[p.name] = Variable(p.name, emitter.level, ready=ready)
        evaluated = emitter.strictness(inner).of(node.body)
        if len(node.params) == 1 and node.params[0].kind == "pattern":
            info = self._describe(node, evaluated, inner)
            if info is not None:
                emitter.infos[params[0][0]] = info
        every = flat_params(node.params)
        for p in node.params:
            for q in p.params if p.kind == "pattern" else [p]:
                self._param(q, node.name, inner, body, p.kind == "pattern")
        for q in every:
            variable = inner.names[q.name]
            if not variable.value and q.name in evaluated:
                position = emitter.at(q)
                read = py.name(q.name, position)
                force = py.assign(q.name, py.call(".F", [read], position), position)
                body.append(py.when(py.is_class(read, ".T", position), [force], [], position))
                variable.value = True
        before = emitter.late_level
        emitter.late_level = emitter.level if [p.kind for p in node.params] == ["pattern"] else -1
        emitter.tail(node.body, inner, body)
        emitter.late_level = before
        emitter.level -= 1
        emitter.repeated -= 1
        block.append(py.define(name, params, body, at))

    def _pattern(self, pattern: Node, record: str, function: str, scope: Scope, body: Block) -> None:
        """Assign the fields of a record parameter to variables."""
        at, level = self.emitter.at(pattern), self.emitter.level
        names = [p.name for p in pattern.params]
        required = tuple(p.default is None for p in pattern.params)
        spec = py.const((function, tuple(names), required, pattern.rest is not None), at)
        for p in pattern.params:
            scope.names[p.name] = Variable(p.name, level, ready=p.default is None)
        if pattern.rest is not None:
            names.append(pattern.rest)
            scope.names[pattern.rest] = Variable(pattern.rest, level, value=True)
        taken = py.call(".take", [py.name(record, at), spec], at)
        body.append(py.assign_all(names, taken, at) if names else py.run(taken, at))

    def _param(self, p: Node, function: str, scope: Scope, body: Block, in_pattern: bool) -> None:
        """Add statements that apply a parameter's default and check its type.

        A field of a pattern may be a thunk after the check: a call for defaults alone evaluates no field for its type.
        """
        name, types, default = p.name, p.types, p.default
        variable = scope.names[name]
        at = self.emitter.at(p)
        check: Block = []
        if is_checked(p):
            args = [py.name(name, at), py.const(types, at), py.const(name, at), py.const(function, at)]
            check.append(py.assign(name, py.call(".check-field" if in_pattern else ".check", args, at), at))
        if default is None:
            body += check
            variable.value = bool(check) and not in_pattern
            return
        then: Block = []
        if check and not is_settled(self.emitter.source, p, function):
            value = self._checked_default(p, default, function, scope, then)
        else:
            value = self.emitter.lazy(default, scope, then)
        then.append(py.assign(name, value, at))
        body.append(py.when(py.missing(name, at), then, check, at))
        variable.ready = True

    def _checked_default(self, p: Node, default: Node, function: str, scope: Scope, block: Block) -> Expr:
        """Return a thunk of a default that checks its type."""
        emitter, at = self.emitter, self.emitter.at(default)
        inner: Block = []
        emitter.level += 1
        args = [emitter.strict(default, scope, inner), py.const(p.types, at), py.const(p.name, at)]
        checked = py.call(".check-default", [*args, py.const(function, at)], at)
        emitter.level -= 1
        if not inner:
            return py.call(".T", [py.function(checked, at)], at)
        name = emitter.fresh(p.name)
        block.append(py.define(name, [], [*inner, py.return_(checked, at)], at))
        return py.call(".T", [py.name(name, at)], at)

    def _describe(self, node: Node, evaluated: Names, scope: Scope) -> FunctionInfo | None:
        """Return the facts about a function of one record that its callers use; None if there are none.

        evaluated: the names that the function's body certainly evaluates. scope: the body's.
        """
        names = {p.name for p in node.params[0].params}
        words = sorted(n for n in evaluated if n.removesuffix(DEEP) in names)
        fresh = _ends_in_record_call(node.body)
        words += self._conditional(node, evaluated, scope)
        return FunctionInfo(" ".join(words), fresh) if words or fresh else None

    def _conditional(self, node: Node, evaluated: Names, scope: Scope) -> list[str]:
        """Encode the fields that are evaluated only if the spread records lack certain keys.

        The spread records are themselves fields of the argument.
        """
        emitter, call = self.emitter, unwrapped(node.body)
        if call.kind != "rcall" or not emitter.derives(call.callee, scope):
            return []
        entries = call.record.entries if emitter.free_names.is_literal(call.record) else []
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
        more = emitter.strictness(scope).overridable(entries) - evaluated
        return [f"{n}?" for n in sorted(more) if n.removesuffix(DEEP) in params] + conditions


def is_checked(param: Node) -> bool:
    """Return whether a parameter's type excludes some values, so that the argument is evaluated for the check."""
    return param.types is not None and "any" not in param.types


def _ends_in_record_call(node: Node) -> bool:
    """Return whether the value of a node is always the result of a call with a record."""
    kind = node.kind
    if kind == "paren":
        return _ends_in_record_call(node.inner)
    if kind in ("let", "assert"):
        return _ends_in_record_call(node.body)
    if kind == "if":
        return _ends_in_record_call(node.then) and _ends_in_record_call(node.otherwise)
    return bool(kind == "rcall")
