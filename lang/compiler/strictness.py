"""Analyse a syntax tree: the free names of nodes, and the names that a node certainly evaluates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fpack.lang.abi import DEEP
from fpack.lang.syntax.tree import LITERALS, Node, all_params, children, param_names

Names = frozenset[str]
NONE: Names = frozenset()
SHALLOW = ("candidates",)  # fields of a derivation that are not evaluated deeply


MAX_FIELDS = 48  # fields of a record that is compiled to a display in a call


class FreeNames:
    """A cache of the free names of nodes, and the properties of records that follow from free names."""

    def __init__(self) -> None:
        self._known: dict[int, Names] = {}

    def of(self, node: Node) -> Names:
        """Return the names that `node` mentions and does not bind."""
        kind = node.kind
        if kind == "var":
            return frozenset((node.name,))
        if kind in LITERALS or kind == "path":
            return NONE
        found = self._known.get(id(node))
        if found is None:
            found = self._known[id(node)] = self._find(kind, node)
        return found

    def _all(self, nodes: Iterable[Node]) -> Names:
        return NONE.union(*[self.of(n) for n in nodes])

    def _find(self, kind: str, node: Node) -> Names:
        if kind == "rec":
            return self.entries(node.entries)
        if kind == "let":
            return self.entries(node.entries) | (self.of(node.body) - bound(node.entries))
        if kind == "fn":
            return self._function(node)
        if kind == "listcomp":
            return self._comprehension(node.clauses, [node.result])
        if kind == "reccomp":
            return self._comprehension(node.clauses, [node.key, node.result])
        return self._all(children(node))

    def entries(self, entries: list[Node]) -> Names:
        """Return the names that a record's entries mention and the record does not bind."""
        inherited = frozenset(e.name for e in entries if e.kind == "inherit")
        return (self.inside(entries) - bound(entries)) | inherited

    def inside(self, entries: list[Node]) -> Names:
        """Return the names that a record's entries mention in the record's own scope."""
        return self._all(part for e in entries for part in children(e))

    def mentioned(self, entries: list[Node]) -> Names:
        """Return the fields of a record that its entries mention."""
        names = bound(entries)
        return names & self.inside(entries) if names else NONE

    def is_flat(self, entries: list[Node]) -> bool:
        """Return True if a record can be a dict display that evaluates nothing."""
        return all(e.kind in ("set", "inherit") for e in entries) and not self.mentioned(entries)

    def is_plain(self, node: Node) -> bool:
        """Return True if a node is a list or record whose construction evaluates nothing and calls nothing."""
        if node.kind == "list":
            return all(item.kind != "spread" for item in node.items)
        return node.kind == "rec" and self.is_flat(node.entries)

    def is_literal(self, record: Node) -> bool:
        """Return True if a record has only constant names and spreads, and no field mentions another field."""
        return is_plain_record(record) and len(record.entries) <= MAX_FIELDS and not self.mentioned(record.entries)

    def _function(self, node: Node) -> Names:
        defaults = [p.default for p in all_params(node) if p.default is not None]
        return (self.of(node.body) | self._all(defaults)).difference(param_names(node))

    def _comprehension(self, clauses: list[Node], results: list[Node]) -> Names:
        free = self._all(results)
        for clause in reversed(clauses):
            if clause.kind == "for":
                free = (free - frozenset(clause.names)) | self.of(clause.sequence)
            else:
                free |= self.of(clause.condition)
        return free


def bound(entries: list[Node]) -> Names:
    """Return the names that entries bind in their own scope. Quoted names bind nothing."""
    return frozenset(e.name for e in entries if e.kind == "set" and not e.quoted)


class Strictness:
    """The analysis of which names the evaluation of a node certainly evaluates.

    The result also contains NAME + DEEP if the value of NAME is evaluated with all that it contains, as the arguments
    of a derivation are. The body of an `assert` counts as not evaluated: if the assert fails, the user must see its
    message and not an error of the body.

    flags: for the name of a known function, whether it certainly evaluates each argument; None for other names.
    derives: tells whether a name is the builtin `derivation`. functions: all names that are known functions in any
    scope. evaluated: a cache of the results for `let` nodes, by the node's id. Without the cache, the time for nested
    `let`s is cubic: each level analyses all levels inside it.
    """

    def __init__(
        self,
        flags: Callable[[str], Sequence[bool] | None],
        derives: Callable[[str], bool],
        functions: set[str],
        evaluated: dict[int, Names],
    ) -> None:
        self._flags = flags
        self._derives = derives
        self._functions = functions
        self._evaluated = evaluated

    def of(self, node: Node, hidden: Names = NONE, deep: bool = False) -> Names:
        """Return the names that a node evaluates.

        hidden: names bound between the start of the function and the node. deep: all that the value contains is
        evaluated.
        """
        kind = node.kind
        if kind == "var":
            return self._name(node.name, hidden, deep)
        if kind == "bin":
            left = self.of(node.left, hidden)
            return left if node.operator in ("&&", "||") else left | self.of(node.right, hidden)
        if kind == "paren":
            return self.of(node.inner, hidden, deep)
        if kind in ("not", "neg"):
            return self.of(node.inner, hidden)
        if kind == "sel":
            return self.of(node.base, hidden)
        if kind == "if":
            return self.of(node.condition, hidden) | (
                self.of(node.then, hidden, deep) & self.of(node.otherwise, hidden, deep)
            )
        if kind == "assert":
            return self.of(node.condition, hidden)
        if kind == "interp":
            return NONE.union(*[self.of(p, hidden) for p in node.parts if p.__class__ is not str])
        if kind == "let":
            return self._let(node, hidden, deep)
        if kind == "or":
            return self._base(node.selection, hidden)
        if kind == "call":
            return self._call(node, hidden)
        if kind == "rcall":
            return self._record_call(node, hidden)
        if kind in ("listcomp", "reccomp"):
            return self.of(node.clauses[0].sequence, hidden)
        if kind == "list":
            spreads = [self.of(item.inner, hidden, deep) for item in node.items if item.kind == "spread"]
            return NONE.union(*spreads, *[self.of(i, hidden, deep) for i in node.items if deep and i.kind != "spread"])
        if kind == "rec" and not any(e.kind in ("claim", "dyn") for e in node.entries):
            return self._record(node.entries, hidden, deep and is_data(node))
        return NONE

    def fields(self, entries: list[Node], whole: Names) -> Names:
        """Return the names that are evaluated with all fields of a record.

        whole: the fields that are evaluated with all that they contain. Fields before a spread are left out, because
        the spread may override them.
        """
        found = []
        settled = after_spreads(entries)
        for i, e in enumerate(entries):
            if e.kind == "spread":
                found.append(self.of(e.inner))
            elif i < settled:
                continue
            elif e.kind == "inherit":
                found.append(self._name(e.name, NONE, e.name in whole))
            else:
                found.append(self.of(e.value, NONE, e.name in whole))
        return NONE.union(*found)

    def overridable(self, entries: list[Node]) -> Names:
        """Return the names that a derivation's fields before spreads evaluate, if no spread overrides a field."""
        inner = bound(entries)
        found = []
        for e in entries[: after_spreads(entries)]:
            if e.kind == "inherit":
                found.append(self._name(e.name, NONE, e.name not in SHALLOW))
            elif e.kind == "set":
                found.append(self.of(e.value, inner, e.name not in SHALLOW))
        return NONE.union(*found)

    def _let(self, node: Node, hidden: Names, deep: bool) -> Names:
        found = self._evaluated.get(id(node)) if not hidden and not deep else None
        if found is None:
            own = bound(node.entries)
            if hidden or deep or not self._functions.isdisjoint(own):
                return self.of(node.body, hidden | own, deep)
            found = self.of(node.body)
            if not found.isdisjoint(own) or any(name.endswith(DEEP) for name in found):
                found = frozenset(name for name in found if name.removesuffix(DEEP) not in own)
            self._evaluated[id(node)] = found
        return found

    def _name(self, name: str, hidden: Names, deep: bool) -> Names:
        if name in hidden:
            return NONE
        return frozenset((name, name + DEEP)) if deep else frozenset((name,))

    def _record(self, entries: list[Node], hidden: Names, deep: bool) -> Names:
        inner = hidden | bound(entries)
        found = []
        settled = after_spreads(entries)
        for i, e in enumerate(entries):
            if e.kind == "spread":
                found.append(self.of(e.inner, inner, deep and i == len(entries) - 1))
            elif not deep or i < settled:
                continue
            elif e.kind == "inherit":
                found.append(self._name(e.name, hidden, e.name not in SHALLOW))
            elif e.kind == "set":
                found.append(self.of(e.value, inner, e.name not in SHALLOW))
        return NONE.union(*found)

    def _base(self, node: Node, hidden: Names) -> Names:
        while node.kind == "sel":
            node = node.base
        return self.of(node, hidden)

    def _record_call(self, node: Node, hidden: Names) -> Names:
        callee, record = node.callee, node.record
        found = self.of(callee, hidden)
        if (
            callee.kind == "var"
            and callee.name not in hidden
            and self._derives(callee.name)
            and is_plain_record(record)
        ):
            found |= self._record(record.entries, hidden, deep=True)
        return found

    def _call(self, node: Node, hidden: Names) -> Names:
        callee, args = node.callee, node.args
        found = self.of(callee, hidden)
        if callee.kind != "var":
            return found
        name = callee.name
        flags = None if name in hidden else self._flags(name)
        if flags is not None:
            for arg, strict in zip(args, flags, strict=False):
                if arg.kind in ("named", "spread"):
                    break
                if strict:
                    found |= self.of(arg, hidden)
        return found


def is_plain_record(node: Node) -> bool:
    """Return True if a node is a record with only constant names and spreads."""
    return node.kind == "rec" and all(e.kind in ("set", "inherit", "spread") for e in node.entries)


def after_spreads(entries: Sequence[Node]) -> int:
    """Return the index just past the last spread; earlier entries may be overridden."""
    return max((i + 1 for i, e in enumerate(entries) if e.kind == "spread"), default=0)


def is_data(node: Node) -> bool:
    """Return True if all fields of a record count as data. A derivation is represented by its output path alone."""
    return all(e.kind in ("set", "inherit") and e.name not in ("type", "out") for e in node.entries)
