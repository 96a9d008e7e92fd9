"""Collect the names of a source text: the bindings, their uses and their scopes, without evaluation.

The scopes are those of the compiler: the fields of a record, and the names of a `let`, see each other; the default of a
parameter sees the other parameters; a clause of a comprehension sees the clauses before it. HiddenNames tells which of
several bindings of one name a use refers to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fpack.lang.compiler.hidden_names import HiddenNames
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import Node, children, flat_params


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

    def find(self, name: str, skipped: int = 0) -> Binding | None:
        """Return the binding of a name. skipped: the number of inner bindings to pass over."""
        scope: NameScope | None = self
        while scope is not None:
            found = scope.names.get(name)
            if found is not None:
                if not skipped:
                    return found
                skipped -= 1
            scope = scope.parent
        return None


class NameTable:
    """All names of one source text.

    bindings: in the order of the text. free: the uses of names that nothing in the text binds. top: the scope of the
    whole text. calls, selections, branches: the nodes of these kinds. records: the entries of each file, record and
    `let`, and which of the three it is. hidden: the uses of hidden names.
    """

    def __init__(self, source: Source, tree: list[Node] | Node, hidden: HiddenNames) -> None:
        self.source = source
        self.hidden = hidden
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

    def binding(self, node: Node, scope: NameScope) -> Binding | None:
        """Return the binding that the node of a name refers to in a scope."""
        use = self.hidden.uses.get(id(node))
        return scope.find(node.name, use.skipped if use is not None else 0)

    def _use(self, name: str, start: int, end: int, scope: NameScope, skipped: int = 0) -> None:
        found = scope.find(name, skipped)
        if found is not None:
            found.uses.append((start, end))
        else:
            self.free.append((name, start, end))

    def _bind(self, entries: list[Node], scope: NameScope, kind: str) -> None:
        for entry in entries:
            if entry.kind == "set" and not entry.quoted:
                self._add(scope, entry.name, kind, entry.start, entry.end, entry.value)

    def _entries(self, entries: list[Node], scope: NameScope, outer: NameScope | None) -> None:
        """Note the uses of names in entries. outer: the scope around a record, which `{ name }` refers to."""
        for entry in entries:
            kind = entry.kind
            if kind == "inherit" and outer is not None:
                self._use(entry.name, entry.start, entry.end, outer)
                if id(entry) in self.hidden.ambiguous:
                    self._use(entry.name, entry.start, entry.end, outer, self.hidden.ambiguous[id(entry)])
            for node in children(entry) if kind != "typed" else ():
                self._node(node, scope)

    def _node(self, node: Node, scope: NameScope) -> None:
        """Note the bindings and uses of names in a node."""
        kind = node.kind
        use = self.hidden.uses.get(id(node))
        if id(node) in self.hidden.unknown:
            return
        if use is not None:
            self._use(use.name, use.start, use.end, scope, use.skipped)
        elif kind == "var":
            self._use(node.name, node.start, node.end, scope)
            if id(node) in self.hidden.ambiguous:
                self._use(node.name, node.start, node.end, scope, self.hidden.ambiguous[id(node)])
        elif kind in ("rec", "let"):
            inner = self._scope(node.start, node.end, scope)
            self._bind(node.entries, inner, "field" if kind == "rec" else "let")
            self.records.append((node.entries, "record" if kind == "rec" else "let"))
            self._entries(node.entries, inner, scope)
            if kind == "let":
                self._node(node.body, inner)
        elif kind == "fn":
            self._function(node, scope)
        elif kind in ("listcomp", "reccomp"):
            self._comprehension(node, scope)
        else:
            if kind in ("sel", "call", "rcall"):
                self._scopes[id(node)] = scope
                (self.selections if kind == "sel" else self.calls).append(node)
            elif kind in ("if", "assert") or (kind == "bin" and node.operator in ("&&", "||")):
                self.branches.append(node)
            elif kind == "or":
                selection = node.selection
                while selection.kind == "sel":
                    self.defaults.add(id(selection))
                    selection = selection.base
            for inner_node in children(node):
                self._node(inner_node, scope)

    def _function(self, node: Node, scope: NameScope) -> None:
        """Note the parameters of a function, and the uses in its defaults and its body."""
        inner = self._scope(node.start, node.end, scope)
        own = "function" if node.name else "parameter"
        for p in node.params:
            if p.kind == "pattern" and p.rest is not None:
                self._add(inner, p.rest, "rest", p.start, p.end)
        for p in node.params:
            for q in p.params if p.kind == "pattern" else [p]:
                self._add(inner, q.name, own if q is p else "function", q.start, q.start + len(q.name))
        for q in flat_params(node.params):
            if q.default is not None:
                self._node(q.default, inner)
        self._node(node.body, inner)

    def _comprehension(self, node: Node, scope: NameScope) -> None:
        """Note the names of a comprehension. Each clause has a scope, which the later ones see."""
        results = [node.result] if node.kind == "listcomp" else [node.key, node.result]
        at = scope
        for clause in node.clauses:
            if clause.kind == "if":
                self._node(clause.condition, at)
                continue
            self._node(clause.sequence, at)
            at = self._scope(node.start, node.end, at)
            position = clause.start + len("for")
            for name in clause.names:
                position = self.source.text.find(name, position)
                self._add(at, name, "element" if len(clause.names) == 1 else "pair", position, position + len(name))
                position += len(name)
        for result in results:
            self._node(result, at)
