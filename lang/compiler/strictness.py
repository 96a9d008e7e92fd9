"""Analyse a syntax tree: the free names of nodes, and the names that a node certainly evaluates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fpack.lang.abi import DEEP
from fpack.lang.syntax.tree import Node

Names = frozenset[str]
NONE: Names = frozenset()
SHALLOW = ("candidates",)  # fields of a derivation that are not evaluated deeply


class FreeNames:
    """A cache of the free names of nodes."""

    def __init__(self) -> None:
        self._known: dict[int, Names] = {}

    def of(self, node: Node) -> Names:
        """Return the names that `node` mentions and does not bind."""
        kind = node[0]
        if kind == "var":
            return frozenset((node[3],))
        if kind in ("int", "str", "const", "float", "path"):
            return NONE
        found = self._known.get(id(node))
        if found is None:
            found = self._known[id(node)] = self._find(kind, node)
        return found

    def _all(self, nodes: Any) -> Names:
        return NONE.union(*[self.of(n) for n in nodes])

    def _find(self, kind: str, node: Node) -> Names:
        if kind in ("spread", "not", "neg", "paren"):
            return self.of(node[3])
        if kind in ("list",):
            return self._all(node[3])
        if kind == "interp":
            return self._all(p for p in node[3] if p.__class__ is not str)
        if kind == "sel":
            return self.of(node[3]) | self.of(node[4]) if node[4].__class__ is not str else self.of(node[3])
        if kind == "call":
            return self.of(node[3]) | self._all(a[4] if a[0] == "named" else a for a in node[4])
        if kind == "bin":
            return self.of(node[4]) | self.of(node[5])
        if kind in ("rcall", "or", "if", "assert"):
            return self._all(node[3:])
        if kind == "rec":
            return self.entries(node[3])
        if kind == "let":
            return self.entries(node[3]) | (self.of(node[4]) - bound(node[3]))
        if kind == "fn":
            return self._function(node)
        if kind == "listcomp":
            return self._comprehension(node[4], [node[3]])
        return self._comprehension(node[5], [node[3], node[4]])

    def entries(self, entries: list[Node]) -> Names:
        """Return the names that a record's entries mention and the record does not bind."""
        inherited = frozenset(e[3] for e in entries if e[0] == "inherit")
        return (self.inside(entries) - bound(entries)) | inherited

    def inside(self, entries: list[Node]) -> Names:
        """Return the names that a record's entries mention in the record's own scope."""
        found = []
        for e in entries:
            if e[0] in ("dyn", "claim"):
                found += [self.of(e[3]), self.of(e[4])]
            elif e[0] not in ("inherit", "typed"):
                found.append(self.of(e[3] if e[0] == "spread" else e[4]))
        return NONE.union(*found)

    def _function(self, node: Node) -> Names:
        own: set[str] = set()
        free = self.of(node[5])
        for p in node[4]:
            for q in p[3] if p[0] == "pattern" else [p]:
                own.add(q[3])
                if q[5] is not None:
                    free |= self.of(q[5])
            if p[0] == "pattern" and p[4]:
                own.add(p[4])
        return free - own

    def _comprehension(self, clauses: list[Node], results: list[Node]) -> Names:
        free = self._all(results)
        for clause in reversed(clauses):
            if clause[0] == "for":
                free = (free - frozenset(clause[3])) | self.of(clause[4])
            else:
                free |= self.of(clause[3])
        return free


def bound(entries: list[Node]) -> Names:
    """Return the names that entries bind in their own scope. Quoted names bind nothing."""
    return frozenset(e[3] for e in entries if e[0] == "set" and len(e) == 5)


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
        kind = node[0]
        if kind == "var":
            return self._name(node[3], hidden, deep)
        if kind == "bin":
            left = self.of(node[4], hidden)
            return left if node[3] in ("&&", "||") else left | self.of(node[5], hidden)
        if kind == "paren":
            return self.of(node[3], hidden, deep)
        if kind in ("not", "neg", "sel"):
            return self.of(node[3], hidden)
        if kind == "if":
            return self.of(node[3], hidden) | (self.of(node[4], hidden, deep) & self.of(node[5], hidden, deep))
        if kind == "assert":
            return self.of(node[3], hidden)
        if kind == "interp":
            return NONE.union(*[self.of(p, hidden) for p in node[3] if p.__class__ is not str])
        if kind == "let":
            return self._let(node, hidden, deep)
        if kind == "or":
            return self._base(node[3], hidden)
        if kind == "call":
            return self._call(node, hidden)
        if kind == "rcall":
            return self._record_call(node, hidden)
        if kind == "listcomp":
            return self.of(node[4][0][4], hidden)
        if kind == "reccomp":
            return self.of(node[5][0][4], hidden)
        if kind == "list":
            spreads = [self.of(item[3], hidden, deep) for item in node[3] if item[0] == "spread"]
            return NONE.union(*spreads, *[self.of(i, hidden, deep) for i in node[3] if deep and i[0] != "spread"])
        if kind == "rec" and not any(e[0] in ("claim", "dyn") for e in node[3]):
            return self._record(node[3], hidden, deep and is_data(node))
        return NONE

    def fields(self, entries: list[Node], whole: Names) -> Names:
        """Return the names that are evaluated with all fields of a record.

        whole: the fields that are evaluated with all that they contain. Fields before a spread are left out, because
        the spread may override them.
        """
        found = []
        settled = after_spreads(entries)
        for i, e in enumerate(entries):
            if e[0] == "spread":
                found.append(self.of(e[3]))
            elif i < settled:
                continue
            elif e[0] == "inherit":
                found.append(self._name(e[3], NONE, e[3] in whole))
            else:
                found.append(self.of(e[4], NONE, e[3] in whole))
        return NONE.union(*found)

    def overridable(self, entries: list[Node]) -> Names:
        """Return the names that a derivation's fields before spreads evaluate, if no spread overrides a field."""
        inner = bound(entries)
        found = []
        for e in entries[: after_spreads(entries)]:
            if e[0] == "inherit":
                found.append(self._name(e[3], NONE, e[3] not in SHALLOW))
            elif e[0] == "set":
                found.append(self.of(e[4], inner, e[3] not in SHALLOW))
        return NONE.union(*found)

    def _let(self, node: Node, hidden: Names, deep: bool) -> Names:
        found = self._evaluated.get(id(node)) if not hidden and not deep else None
        if found is None:
            own = bound(node[3])
            if hidden or deep or not self._functions.isdisjoint(own):
                return self.of(node[4], hidden | own, deep)
            found = self.of(node[4])
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
            if e[0] == "spread":
                found.append(self.of(e[3], inner, deep and i == len(entries) - 1))
            elif not deep or i < settled:
                continue
            elif e[0] == "inherit":
                found.append(self._name(e[3], hidden, e[3] not in SHALLOW))
            elif e[0] == "set":
                found.append(self.of(e[4], inner, e[3] not in SHALLOW))
        return NONE.union(*found)

    def _base(self, node: Node, hidden: Names) -> Names:
        while node[0] == "sel":
            node = node[3]
        return self.of(node, hidden)

    def _record_call(self, node: Node, hidden: Names) -> Names:
        callee, record = node[3], node[4]
        found = self.of(callee, hidden)
        if callee[0] == "var" and callee[3] not in hidden and self._derives(callee[3]) and is_plain_record(record):
            found |= self._record(record[3], hidden, deep=True)
        return found

    def _call(self, node: Node, hidden: Names) -> Names:
        callee, args = node[3], node[4]
        found = self.of(callee, hidden)
        if callee[0] != "var" or callee[3] in hidden:
            return found
        flags = self._flags(callee[3])
        if flags is not None:
            for arg, strict in zip(args, flags, strict=False):
                if arg[0] in ("named", "spread"):
                    break
                if strict:
                    found |= self.of(arg, hidden)
        return found


def is_plain_record(node: Node) -> bool:
    """Return True if a node is a record with only constant names and spreads."""
    return node[0] == "rec" and all(e[0] in ("set", "inherit", "spread") for e in node[3])


def after_spreads(entries: Sequence[Node]) -> int:
    """Return the index just past the last spread; earlier entries may be overridden."""
    return max((i + 1 for i, e in enumerate(entries) if e[0] == "spread"), default=0)


def is_data(node: Node) -> bool:
    """Return True if all fields of a record count as data. A derivation is represented by its output path alone."""
    return all(e[0] in ("set", "inherit") and e[3] not in ("type", "out") for e in node[3])
