"""Assign the values of bindings to variables: those of files, `let`s and records whose fields mention each other.

Names in the generated code that begin with a dot are functions of the runtime, such as `.T`, which makes a thunk, or
variables of the compiler. A name with the suffix DEEP stands for its value and all that the value contains.
"""

from __future__ import annotations

import _ast as a
from collections.abc import Callable, Mapping
from typing import NamedTuple

from fpack.lang.abi import DEEP
from fpack.lang.syntax.tree import LITERALS, Node, param_names

from . import python_ast as py
from .emitter import Emitter
from .entry_errors import check_entries, refuse_cycle
from .functions import Functions, is_checked
from .python_ast import Block, Expr
from .record_literals import RecordLiterals
from .scope import Scope, Variable
from .strictness import NONE, Names
from .wide_lets import MAX_NAMES, spread_out

# Iterations of the strictness analysis of functions that call each other. If it is not stable then, which takes a chain
# of many functions, nothing is assumed about them.
_ROUNDS = 8


class LaterSpreads(NamedTuple):
    """The spreads that follow fields which other fields mention.

    variables: the variable that holds a spread, by the `id` of the entry's node. after: the variables of the spreads
    that follow a mentioned field, by the name of the field.
    """

    variables: dict[int, str]
    after: dict[str, list[str]]


class Bindings:
    """The compiler of bindings."""

    def __init__(self, emitter: Emitter, functions: Functions, literals: RecordLiterals) -> None:
        self.emitter = emitter
        self.functions = functions
        self.literals = literals

    def bind(self, entries: list[Node], scope: Scope, block: Block, needed: Callable[[Scope], Names]) -> Scope:
        """Assign the bindings of a `let` to variables of the current function, and return their scope.

        needed: returns the names that the code after the bindings certainly evaluates.
        """
        check_entries(self.emitter.source, entries)
        inner = scope.inside()
        self.declare(entries, inner, outer=False)
        certain = self._certain(entries, inner, needed(inner))
        if inner.bindings + len(entries) <= MAX_NAMES:
            inner.bindings += len(entries)
            self.assign(entries, inner, block, LaterSpreads({}, {}), certain)
            return inner
        # Python's compiler takes quadratic time for very many variables, so the values go into a dict, the frame.
        at = self.emitter.at(entries[0])
        if inner.frame is None or inner.frame[1] != self.emitter.level:
            inner.frame = self.emitter.fresh(".frame"), self.emitter.level
            block.append(py.assign(inner.frame[0], py.put(a.Dict([], []), at), at))
        frame = inner.frame[0]
        names = [variable.python for variable in inner.names.values()]
        self.emitter.frames.update(dict.fromkeys(names, frame))
        made: Block = []
        self.assign(entries, inner, made, LaterSpreads({}, {}), certain)
        block += spread_out(made, names, f"{frame}.", at)
        return inner

    def _certain(self, entries: list[Node], scope: Scope, needed: Names) -> Names:
        """Return the names of a `let` that are certainly evaluated: the needed ones, and those that they evaluate."""
        strictness = self.emitter.strictness(scope)
        values = {e.name: e.value for e in entries}
        found: set[str] = set()
        todo = set(needed)
        while todo:
            name = todo.pop()
            value = values.get(name.removesuffix(DEEP))
            if value is not None and name not in found:
                found.add(name)
                todo |= strictness.of(value, deep=name.endswith(DEEP))
        return frozenset(found)

    def declare(self, entries: list[Node], scope: Scope, outer: bool) -> None:
        """Declare a variable for each entry, and find which parameters the functions among the entries always evaluate.

        outer: the entries are the fields of a file, which are globals of the module.
        """
        emitter = self.emitter
        functions = []
        for entry in entries:
            name, node = entry.name, entry.value
            python = name if outer else emitter.fresh(name)
            value = node.kind in LITERALS or node.kind == "fn" or emitter.free_names.is_plain(node)
            given = outer and emitter.fields_given  # the field may have another value, perhaps a thunk
            variable = scope.names[name] = Variable(python, emitter.level, value and not given, ready=False)
            if node.kind == "fn" and not given:
                functions.append((variable, node))
                variable.strict = [p.kind == "param" and p.default is None for p in node.params]
        for _ in range(_ROUNDS):  # find the greatest fixed point for functions that call each other
            stable = True
            for variable, node in functions:
                strict = self._strict_params(node, scope)
                stable = stable and strict == variable.strict
                variable.strict = strict
            if stable:
                return
        for variable, _ in functions:
            variable.strict = None

    def _strict_params(self, node: Node, scope: Scope) -> list[bool]:
        """Return, for each parameter of a function, whether the function certainly evaluates it."""
        inner = Scope(scope)
        inner.names = {name: Variable(name, 0) for name in param_names(node)}
        names = self.emitter.strictness(inner).of(node.body)
        return [p.kind == "pattern" or (p.default is None and (p.name in names or is_checked(p))) for p in node.params]

    def assign(
        self, entries: list[Node], scope: Scope, block: Block, later: LaterSpreads, certain: Names = NONE
    ) -> None:
        """Add statements that assign every declared variable: functions first, because other values may refer to them.

        certain: the names to evaluate at once, if all that they use is assigned before them.
        """
        emitter = self.emitter
        for entry in entries:
            if entry.value.kind == "fn":
                variable = scope.names[entry.name]
                self.functions.define(variable.python, entry.value, scope, block)
                variable.ready = True
        if certain:
            self._assign_certain(entries, scope, block, certain)
        for entry in entries:
            variable = scope.names[entry.name]
            if not variable.ready:
                value = self.field(entry, scope, block, later)
                if emitter.level == 0 and not emitter.fields_given:
                    _store_in_global(value, variable.python, block)
                variable.value = variable.value and not later.after.get(entry.name)
                block.append(py.assign(variable.python, value, emitter.at(entry)))
                variable.ready = True

    def _assign_certain(self, entries: list[Node], scope: Scope, block: Block, certain: Names) -> None:
        """Assign the entries that are certainly evaluated, each one evaluated and after those that it mentions."""
        emitter = self.emitter
        names = frozenset(e.name for e in entries)
        uses = {e.name: emitter.free_names.of(e.value) & names for e in entries}
        for entry in entries:
            # A function may call itself; another value that mentions itself becomes a thunk.
            if entry.value.kind == "fn":
                uses[entry.name] -= {entry.name}
        for entry in _in_order(entries, uses):  # the entries left out stay for `assign`, which makes thunks of them
            variable = scope.names[entry.name]
            if variable.ready:
                continue
            if entry.name in certain:
                self._check_cycle(entry, scope)
                compile_value = self.literals.deep if entry.name + DEEP in certain else emitter.strict
                value = compile_value(entry.value, scope, block)
                variable.value = True
            else:
                value = self.field(entry, scope, block, LaterSpreads({}, {}))
            block.append(py.assign(variable.python, value, emitter.at(entry)))
            variable.ready = True

    def field(self, entry: Node, scope: Scope, block: Block, later: LaterSpreads) -> Expr:
        """Return lazy code for a field's value; the last spread that has the field overrides it."""
        self._check_cycle(entry, scope)
        value = self.emitter.lazy(entry.value, scope, block, entry.name)
        spreads = later.after.get(entry.name)
        if not spreads:
            return value
        # A thunk of `.final((spreads), name, value)`.
        at = self.emitter.at(entry)
        records: Expr = py.put(a.Tuple([py.name(s, at) for s in spreads], py.LOAD), at)
        return py.call(".T", [py.function(py.call(".final", [records, py.const(entry.name, at), value], at), at)], at)

    def _check_cycle(self, entry: Node, scope: Scope) -> None:
        """Raise an error for a field that certainly evaluates itself."""
        if entry.name in self.emitter.strictness(scope).of(entry.value):
            refuse_cycle(self.emitter.source, entry)


def _in_order(entries: list[Node], uses: Mapping[str, Names]) -> list[Node]:
    """Return the entries that can be assigned after all that they use: those of the first round, of the second, ...

    A round goes through the entries in their order. Entries that use themselves, also through others, are left out.
    """
    index = {entry.name: i for i, entry in enumerate(entries)}
    rounds = [0] * len(entries)
    waiting = [len(uses[entry.name]) for entry in entries]
    users: list[list[int]] = [[] for _ in entries]
    for i, entry in enumerate(entries):
        for name in uses[entry.name]:
            users[index[name]].append(i)
    todo = [i for i, count in enumerate(waiting) if not count]
    for i in todo:  # the list grows during the loop
        for user in users[i]:
            rounds[user] = max(rounds[user], rounds[i] + (i > user))
            waiting[user] -= 1
            if not waiting[user]:
                todo.append(user)
    return [entries[i] for i in sorted(todo, key=lambda i: (rounds[i], i))]


def _store_in_global(value: Expr, name: str, block: Block) -> None:
    """Extend the function of a field's thunk to store its value in the global of the field.

    Later reads of the global then find the evaluated value instead of the thunk.
    """
    last = block[-1] if block else None
    if not (isinstance(value, a.Call) and isinstance(value.func, a.Name) and value.func.id == ".T"):
        return
    function = value.args[0]
    if not (isinstance(function, a.Name) and isinstance(last, a.FunctionDef) and last.name == function.id):
        return
    at = (last.lineno, last.col_offset, last.end_lineno or last.lineno, last.end_col_offset or last.col_offset)
    last.body = [py.put(a.Global([name]), at), *py.assigning(last.body, name, and_return=True)]
