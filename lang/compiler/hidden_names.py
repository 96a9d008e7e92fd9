"""Find the uses of names that two enclosing scopes bind, and make the meaning of each use explicit.

A record literal, a `let`, a function and a comprehension bind names, and an inner binding hides an outer one:

- `outer.NAME` is the binding that the innermost one hides, and `this.NAME` the field of the innermost enclosing record
  that has it;
- in the value of a field or of a name of a `let`, the name itself is the outer one, since a value cannot be computed
  from itself. Inside a function, an element or a field of a nested record, it may be a reference to the value;
- a name that only `a.b = VALUE` after a spread gives is no name of the record;
- any other use of a record's field that hides a name of a function, `let` or comprehension is an error.

The compiler needs no second rule of scopes: a use of a hidden binding becomes a use of a new name, which a `let` around
the hiding construct binds to the hidden one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fpack.lang.abi import OUTER
from fpack.lang.errors import EvalError
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import LITERALS, Field, Let, Name, Node, children, flat_params, param_names

_EXPLICIT = ("this", "outer")
_KINDS = {"function": "function", "let": "`let`", "loop": "comprehension"}


class _Block:
    """A construct that binds names. node: what a `let` for hidden names encloses, None for a file.

    field: the name whose value is being visited. depth: the number of lazy values around that value.
    """

    __slots__ = ("kind", "node", "field", "depth")

    def __init__(self, kind: str, node: Node | None) -> None:
        self.kind = kind
        self.node = node
        self.field = ""
        self.depth = 0


class _Bound(NamedTuple):
    """A binding: its block, the span of the name, and True for a field `NAME = NAME`."""

    block: _Block
    start: int
    end: int
    same: bool = False


class Use(NamedTuple):
    """The meaning of a name, `this.NAME` or `outer.NAME`. skipped: how many bindings of the name are passed over."""

    name: str
    start: int
    end: int
    skipped: int


class HiddenNames:
    """The uses of hidden names in one tree.

    uses: by the `id` of the node. errors: for uses that may mean two things, and for wrong `this` and `outer`.
    ambiguous: the number of bindings that the other meaning passes over, by the `id` of the node. unknown: the ids of
    nodes `this.NAME` that refer to nothing.
    """

    def __init__(self, source: Source, tree: list[Node] | Node) -> None:
        self.source = source
        self.uses: dict[int, Use] = {}
        self.errors: list[EvalError] = []
        self.ambiguous: dict[int, int] = {}
        self.unknown: set[int] = set()
        self._bound: dict[str, list[_Bound]] = {}
        self._depth = 0  # the number of lazy values around the visited node
        self._aliases: dict[int, dict[str, str]] = {}  # the new names that a block's `let` binds, by id of its node
        self._names: dict[int, str] = {}  # the new name of a use, by id of its node
        if isinstance(tree, list):
            self._fields(tree, _Block("file", None), lazy=False)
        else:
            self._visit(tree)

    # ---- blocks

    def _fields(self, entries: list[Node], block: _Block, lazy: bool) -> None:
        """Visit the entries of a file or record, or of a `let` with its body. lazy: the values are evaluated later."""
        # A name that is given twice is another error.
        fields = {e.name: e for e in reversed(entries) if e.kind == "set" and not e.quoted}
        for e in fields.values():
            value = e.value
            same = value.kind == "var" and value.name == e.name
            self._bound.setdefault(e.name, []).append(_Bound(block, e.start, e.end, same))
        self._depth += lazy
        nested = self._nested(entries, fields, block.node)
        for e in entries:
            kind = e.kind
            if kind in ("deep", "spread") and nested:
                continue
            if kind == "set":
                if e.quoted:
                    self._visit(e.value)
                    continue
                block.field, block.depth = e.name, self._depth
                if block.kind != "file" and e.value.kind in ("call", "rcall", "sel"):
                    self._callee(e.value, e.name)
                self._visit(e.value)
                block.field = ""
            elif kind == "inherit":
                self._use(e, e.name)
            elif kind == "dyn":
                self._depth -= lazy
                self._visit(e.key)
                self._depth += lazy
                self._visit(e.value)
            elif kind != "typed":
                self._depth -= lazy
                for inner in children(e):
                    self._visit(inner)
                self._depth += lazy
        self._depth -= lazy
        if block.kind == "let":
            assert block.node is not None
            self._visit(block.node.body)
        for name in [*fields, *nested]:
            self._bound[name].pop()

    def _nested(self, entries: list[Node], fields: Mapping[str, Node], node: Node | None) -> list[str]:
        """Bind the names that only `a.b = VALUE` after a spread gives, and visit these entries and the spreads.

        In VALUE, the name is the changed field.
        """
        nested = {e.name: e for e in entries if e.kind == "deep" and e.name not in fields}
        if nested:
            for e in entries:
                if e.kind == "deep":
                    own = self._bound.setdefault(e.name, [])
                    own.append(_Bound(_Block("record", node), e.start, e.end))
                    self._visit(e.value)
                    own.pop()
                elif e.kind == "spread":
                    self._visit(e.inner)
        for name, e in nested.items():
            self._bound.setdefault(name, []).append(_Bound(_Block("nested", node), e.start, e.end))
        return list(nested)

    def _function(self, node: Node) -> None:
        """Visit a function. Defaults and the body see all its parameters."""
        block = _Block("function", node)
        spans = {p.name: p for p in flat_params(node.params)}
        names = dict.fromkeys(param_names(node))
        for name in names:
            at = spans.get(name, node.params[-1])
            self._bound.setdefault(name, []).append(_Bound(block, at.start, at.start + len(name)))
        self._depth += 1
        for p in spans.values():
            if p.default is not None:
                self._visit(p.default)
        self._visit(node.body)
        self._depth -= 1
        for name in names:
            self._bound[name].pop()

    def _comprehension(self, node: Node) -> None:
        """Visit a comprehension. Each clause sees the names of those before it."""
        block = _Block("loop", node)
        names: list[str] = []
        for clause in node.clauses:
            if clause.kind == "if":
                self._visit(clause.condition)
                continue
            self._visit(clause.sequence)
            position = clause.start + len("for")
            for name in clause.names:
                position = self.source.text.find(name, position)
                bound = self._bound.setdefault(name, [])
                if name not in names:
                    names.append(name)
                    bound.append(_Bound(block, position, position + len(name)))
                position += len(name)
        self._depth += 1
        for result in [node.result] if node.kind == "listcomp" else [node.key, node.result]:
            self._visit(result)
        self._depth -= 1
        for name in names:
            self._bound[name].pop()

    # ---- nodes

    def _visit(self, node: Node, around: Node | None = None) -> None:
        """Visit a node. around: the call of which a record literal is the argument."""
        kind = node.kind
        if kind == "var":
            if node.name in self._bound:
                self._use(node, node.name)
        elif kind in LITERALS or kind == "path":
            return
        elif kind == "rec":
            self._fields(node.entries, _Block("record", around or node), lazy=True)
        elif kind == "rcall":
            self._visit(node.callee)
            self._visit(node.record, node)
        elif kind == "sel":
            if not self._explicit(node):
                for inner in children(node):
                    self._visit(inner)
        elif kind == "list":
            for item in node.items:
                if item.kind == "spread":
                    self._visit(item.inner)
                else:
                    self._depth += 1
                    self._visit(item)
                    self._depth -= 1
        elif kind == "let":
            self._fields(node.entries, _Block("let", node), lazy=False)
        elif kind == "fn":
            self._function(node)
        elif kind in ("listcomp", "reccomp"):
            self._comprehension(node)
        elif kind == "or" and self._explicit(node.selection):
            error = self.source.error(
                node.selection.start, node.end, "`or` gives a default for a field that may be missing",
                why=f"`{self.source.text[node.selection.start : node.selection.end]}` is a name that is in scope",
                hint="leave `or` out",
            )  # fmt: skip
            self.errors.append(error)
        else:
            for inner in children(node):
                self._visit(inner)

    # ---- uses

    def _use(self, node: Node, name: str) -> None:
        """Decide what a plain name refers to."""
        bound = self._bound.get(name)
        if bound and bound[-1].block.kind == "nested":
            self._refuse_nested(node, name, bound)
        if not bound or len(bound) == 1:
            return
        block = bound[-1].block
        if block.kind in ("function", "loop"):
            return
        if block.field == name and block.depth == self._depth:
            self._refer(node, name, 1)
        elif block.kind == "record" and not bound[-1].same:
            self._refuse_if_ambiguous(node, name, bound)

    def _callee(self, value: Node, name: str) -> None:
        """Mark the callee of `NAME = NAME(...)` if no enclosing scope binds the name: it is that of the prelude."""
        if len(self._bound[name]) > 1:
            return
        last = ""
        while value.kind in ("call", "rcall", "sel"):
            last = value.kind
            value = value.base if last == "sel" else value.callee
        if last != "sel" and value.kind == "var" and value.name == name:
            self._names[id(value)] = name + OUTER
            self.uses[id(value)] = Use(name + OUTER, value.start, value.end, 0)

    def _refuse_nested(self, node: Node, name: str, bound: list[_Bound]) -> None:
        """Note the error for a name that only `a.b = VALUE` gives: such a field is no name."""
        at = bound[-1]
        hint = f"name the record that is spread, and select `{name}` from it"
        if len(bound) > 1:
            hint += f", or write outer.{name} for the `{name}` around the record"
        self.errors.append(
            self.source.error(
                node.start,
                node.end,
                f"`{name}` is not a name here",
                why=f"the record changes a field of the `{name}` that it spreads, and defines no `{name}` itself",
                hint=hint,
                other=(at.start, at.end, "changed here"),
            )  # fmt: skip
        )

    def _refuse_if_ambiguous(self, node: Node, name: str, bound: list[_Bound]) -> None:
        """Note the error for a name that a field hides from an enclosing block, if both could be meant."""
        skipped = next((i for i, b in enumerate(reversed(bound)) if b.block.kind in _KINDS), 0)
        if not skipped:
            return
        hidden = bound[-1 - skipped]
        self.ambiguous[id(node)] = skipped
        kind = _KINDS[hidden.block.kind]
        self.errors.append(
            self.source.error(
                node.start,
                node.end,
                f"`{name}` can mean two things here",
                why=f"the record's field `{name}` hides the `{name}` of the enclosing {kind}",
                hint=f"write this.{name} for the record's field, or {'outer.' * skipped}{name} for the other",
                other=(hidden.start, hidden.end, f"the `{name}` of the {kind}"),
            )  # fmt: skip
        )

    def _explicit(self, node: Node) -> bool:
        """Decide what `this.NAME` or `outer.NAME` refers to; return False for any other selection."""
        name, levels, base = node.key, 1, node.base
        while base.kind == "sel" and base.key == "outer":
            levels, base = levels + 1, base.base
        if base.kind != "var" or base.name not in _EXPLICIT or self._bound.get(base.name) or name.__class__ is not str:
            return False
        if name == "outer" and base.name == "outer":
            return False  # a part of outer.outer.NAME, or a selection without a name
        bound = self._bound.get(name, [])
        if base.name == "outer":
            if len(bound) > levels:
                self._refer(node, name, levels)
            else:
                self._names[id(node)] = name + OUTER
                self.uses[id(node)] = Use(name + OUTER, node.key_start, node.key_end, 0)
            return True
        if levels > 1:
            return False
        skipped = next((i for i, b in enumerate(reversed(bound)) if b.block.kind in ("record", "file")), None)
        if skipped is None:
            what = f"No record around this has a field `{name}`"
            self.unknown.add(id(node))
            hint = f"write {name} for a name in scope"
            self.errors.append(self.source.error(node.key_start, node.key_end, what, hint=hint))
        else:
            self._refer(node, name, skipped)
        return True

    def _refer(self, node: Node, name: str, skipped: int) -> None:
        """Note that a node refers to a binding of a name. skipped: the number of bindings that it passes over."""
        explicit = node.kind == "sel"
        span = (node.key_start, node.key_end) if explicit else (node.start, node.end)
        passed = self._bound.get(name, [])[-skipped:] if skipped else []
        self.uses[id(node)] = Use(name, *span, skipped - sum(b.block.kind == "nested" for b in passed))
        if not skipped:
            self._names[id(node)] = name
            return
        around = self._bound[name][-skipped].block.node
        assert around is not None
        aliases = self._aliases.setdefault(id(around), {})
        alias = aliases.setdefault(name, f"{name}.{len(self._aliases)}")
        self._names[id(node)] = alias

    # ---- the tree with explicit names

    def resolved(self, tree: list[Node] | Node) -> list[Node] | Node:
        """Return the tree in which each use of a hidden name has a name of its own. Raise the first error."""
        if self.errors:
            raise min(self.errors, key=lambda e: (e.line, e.column))
        if not self._names:
            return tree
        return [self._rewritten(e) for e in tree] if isinstance(tree, list) else self._rewritten(tree)

    def _rewritten(self, node: Node) -> Node:
        """Return a copy of a node in which each use of a hidden name is a name of its own."""
        name = self._names.get(id(node))
        if name is not None:
            return Name(("var", node.start, node.end, name))
        parts = [self._part(part) for part in node[3:]]
        made = node.__class__((*node[:3], *parts))
        return self._enclosed(made, self._aliases.get(id(node), {}))

    def _part(self, part: object) -> object:
        if isinstance(part, Node):
            return self._rewritten(part)
        if isinstance(part, list):
            return [self._rewritten(p) if isinstance(p, Node) else p for p in part]
        return part

    def _enclosed(self, node: Node, aliases: Mapping[str, str]) -> Node:
        """Return a node inside a `let` that binds new names to those that the node hides."""
        if not aliases:
            return node
        at = (node.start, node.start)
        entries = [Field(("set", *at, new, Name(("var", *at, name)))) for name, new in aliases.items()]
        return Let(("let", node.start, node.end, entries, node))


def explicit_names(source: Source, tree: list[Node] | Node) -> list[Node] | Node:
    """Return a tree in which no use of a name refers to a hidden binding. Raise an error for an ambiguous use."""
    return HiddenNames(source, tree).resolved(tree)
