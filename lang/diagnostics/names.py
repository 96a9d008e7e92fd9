"""Collect the names of a source text: the bindings, their uses and their scopes, without evaluation.

The scopes are those of the compiler: the fields of a record, and the names of a `let`, see each other; the default of a
parameter sees the other parameters; a clause of a comprehension sees the clauses before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import Node


@dataclass(slots=True)
class Binding:
    """A binding of a name.

    kind: field (of a file or a record), let, parameter (of a function without a name), function (a parameter of a named
    function, or a field of a pattern), element (of a comprehension), pair (one of the two names of a comprehension) or
    rest. start, end: the span of the name. node: the value, if the text contains it. uses: the spans of the uses.
    """

    name: str
    kind: str
    start: int
    end: int
    node: Node | None = None
    uses: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class NameScope:
    """The names that are visible from `start` to `end`, in addition to those of the parent scope."""

    start: int
    end: int
    parent: NameScope | None
    names: dict[str, Binding] = field(default_factory=dict)

    def find(self, name: str) -> Binding | None:
        """Return the innermost binding of a name."""
        scope: NameScope | None = self
        while scope is not None:
            found = scope.names.get(name)
            if found is not None:
                return found
            scope = scope.parent
        return None


class NameTable:
    """All names of one source text.

    bindings: in the order of the text. free: the uses of names that nothing in the text binds. top: the scope of the
    whole text. calls, selections, branches: the nodes of these kinds. records: the entries of each file, record and
    `let`, and which of the three it is.
    """

    def __init__(self, source: Source, tree: list[Node] | Node) -> None:
        self.source = source
        self.bindings: list[Binding] = []
        self.free: list[tuple[str, int, int]] = []
        self.all: list[NameScope] = []
        self.top = NameScope(0, len(source.text), None)
        self.all.append(self.top)
        self._scopes: dict[int, NameScope] = {}
        self.calls: list[Node] = []
        self.selections: list[Node] = []
        self.defaults: set[int] = set()  # the ids of selections that have a default (`or`)
        self.branches: list[Node] = []
        self.records: list[tuple[list[Node], str]] = []
        if isinstance(tree, list):
            self._bind(tree, self.top, "field")
            self._entries(tree, self.top, None)
            self.records.append((tree, "file"))
        else:
            self._node(tree, self.top)

    def scope_of(self, node: Node) -> NameScope:
        """Return the scope of the names in a call or selection."""
        return self._scopes.get(id(node), self.top)

    def at(self, offset: int) -> tuple[Binding | None, tuple[int, int]] | None:
        """Return the binding of the name at an offset (None for a free name), and the span of that use."""
        for binding in self.bindings:
            for start, end in [(binding.start, binding.end), *binding.uses]:
                if start <= offset <= end:
                    return binding, (start, end)
        for _, start, end in self.free:
            if start <= offset <= end:
                return None, (start, end)
        return None

    def visible(self, offset: int) -> Iterator[Binding]:
        """Yield the bindings that are visible at an offset, the innermost first."""
        inside = [s for s in self.all if s is self.top or s.start <= offset <= s.end]
        seen: set[str] = set()
        for scope in sorted(inside, key=lambda s: s.end - s.start):
            for name, binding in scope.names.items():
                if name not in seen:
                    seen.add(name)
                    yield binding

    # ---- walking

    def _scope(self, start: int, end: int, parent: NameScope) -> NameScope:
        made = NameScope(start, end, parent)
        self.all.append(made)
        return made

    def _add(self, scope: NameScope, name: str, kind: str, start: int, end: int, node: Node | None = None) -> None:
        made = Binding(name, kind, start, end, node)
        scope.names.setdefault(name, made)
        self.bindings.append(made)

    def _use(self, name: str, start: int, end: int, scope: NameScope) -> None:
        found = scope.find(name)
        if found is not None:
            found.uses.append((start, end))
        else:
            self.free.append((name, start, end))

    def _bind(self, entries: list[Node], scope: NameScope, kind: str) -> None:
        for entry in entries:
            if entry[0] == "set" and len(entry) == 5:
                self._add(scope, entry[3], kind, entry[1], entry[2], entry[4])

    def _entries(self, entries: list[Node], scope: NameScope, outer: NameScope | None) -> None:
        for entry in entries:
            kind = entry[0]
            if kind == "inherit":
                if outer is not None:
                    self._use(entry[3], entry[1], entry[2], outer)
            elif kind in ("dyn", "claim"):
                self._node(entry[3], scope)
                self._node(entry[4], scope)
            elif kind == "spread":
                self._node(entry[3], scope)
            elif kind == "set":
                self._node(entry[4], scope)

    def _node(self, node: Node, scope: NameScope) -> None:
        kind = node[0]
        if kind == "var":
            self._use(node[3], node[1], node[2], scope)
        elif kind in ("spread", "not", "neg", "paren"):
            self._node(node[3], scope)
        elif kind == "list":
            for item in node[3]:
                self._node(item, scope)
        elif kind == "interp":
            for part in node[3]:
                if part.__class__ is not str:
                    self._node(part, scope)
        elif kind == "sel":
            self._scopes[id(node)] = scope
            self.selections.append(node)
            self._node(node[3], scope)
            if node[4].__class__ is not str:
                self._node(node[4], scope)
        elif kind == "call":
            self._scopes[id(node)] = scope
            self.calls.append(node)
            self._node(node[3], scope)
            for arg in node[4]:
                self._node(arg[4] if arg[0] == "named" else arg, scope)
        elif kind == "rcall":
            self._scopes[id(node)] = scope
            self.calls.append(node)
            self._node(node[3], scope)
            self._node(node[4], scope)
        elif kind == "bin":
            if node[3] in ("&&", "||"):
                self.branches.append(node)
            self._node(node[4], scope)
            self._node(node[5], scope)
        elif kind == "or":
            at = node[3]
            while at[0] == "sel":
                self.defaults.add(id(at))
                at = at[3]
            self._node(node[3], scope)
            self._node(node[4], scope)
        elif kind in ("if", "assert"):
            self.branches.append(node)
            for part in node[3:6]:
                self._node(part, scope)
        elif kind == "rec":
            inner = self._scope(node[1], node[2], scope)
            self._bind(node[3], inner, "field")
            self.records.append((node[3], "record"))
            self._entries(node[3], inner, scope)
        elif kind == "let":
            inner = self._scope(node[1], node[2], scope)
            self._bind(node[3], inner, "let")
            self.records.append((node[3], "let"))
            self._entries(node[3], inner, scope)
            self._node(node[4], inner)
        elif kind == "fn":
            self._function(node, scope)
        elif kind in ("listcomp", "reccomp"):
            self._comprehension(node, scope)

    def _function(self, node: Node, scope: NameScope) -> None:
        inner = self._scope(node[1], node[2], scope)
        own = "function" if node[3] else "parameter"
        every = []
        for p in node[4]:
            if p[0] == "pattern":
                every += [(q, "function") for q in p[3]]
                if p[4] is not None:
                    self._add(inner, p[4], "rest", p[1], p[2])
            else:
                every.append((p, own))
        for p, kind in every:
            self._add(inner, p[3], kind, p[1], p[1] + len(p[3]))
        for p, _ in every:
            if p[5] is not None:
                self._node(p[5], inner)
        self._node(node[5], inner)

    def _comprehension(self, node: Node, scope: NameScope) -> None:
        clauses, results = (node[4], [node[3]]) if node[0] == "listcomp" else (node[5], [node[3], node[4]])
        at = scope
        for clause in clauses:
            if clause[0] == "if":
                self._node(clause[3], at)
                continue
            self._node(clause[4], at)
            at = self._scope(node[1], node[2], at)
            position = clause[1] + len("for")
            for name in clause[3]:
                position = self.source.text.find(name, position)
                self._add(at, name, "element" if len(clause[3]) == 1 else "pair", position, position + len(name))
                position += len(name)
        for result in results:
            self._node(result, at)
