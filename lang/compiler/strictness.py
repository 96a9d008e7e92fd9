"""What the compiler wants to know of a syntax tree: which names it mentions, and which it is sure to evaluate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fpack.lang.abi import DEEP

Node = tuple[Any, ...]
Names = frozenset[str]
NONE: Names = frozenset()
SHALLOW = ("candidates",)  # a derivation's field of which not all is evaluated


class Mentions:
    """The free names of nodes, each node visited once."""

    def __init__(self) -> None:
        self._known: dict[int, Names] = {}

    def of(self, node: Node) -> Names:
        """The names that `node` mentions and does not bind itself."""
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
            return self._all(p for p in node[3] if p.__class__ is tuple)
        if kind == "sel":
            return self.of(node[3]) | self.of(node[4]) if node[4].__class__ is tuple else self.of(node[3])
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
        """The names that a record's entries mention and the record does not bind."""
        inherited = frozenset(e[3] for e in entries if e[0] == "inherit")
        return (self.inside(entries) - bound(entries)) | inherited

    def inside(self, entries: list[Node]) -> Names:
        """The names that a record's entries mention in the record's own scope."""
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
    """The names that entries bind in their own scope: plain ones, not quoted ones."""
    return frozenset(e[3] for e in entries if e[0] == "set" and len(e) == 5)


class Strictness:
    """Which names the evaluation of a node is sure to evaluate.

    A name with DEEP after it is there as well where all that is in its value is evaluated too, as what a derivation
    is made of. What stands behind an `assert` is not: where it fails, its message is what the user is to read.

    flags: for a name that is known to be a function, whether it is sure to evaluate each argument; None for others.
    derives: whether a name is the builtin `derivation`.
    """

    def __init__(self, flags: Callable[[str], Sequence[bool] | None], derives: Callable[[str], bool]) -> None:
        self._flags = flags
        self._derives = derives

    def of(self, node: Node, hidden: Names = NONE, deep: bool = False) -> Names:
        """The names. hidden: names bound between the function's start and the node; deep: all of it is evaluated."""
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
            return NONE.union(*[self.of(p, hidden) for p in node[3] if p.__class__ is tuple])
        if kind == "let":
            return self.of(node[4], hidden | bound(node[3]), deep)
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
        """The names where all fields of a record are evaluated, and all that is in those that are in `whole`.

        A field before a spread is none of the record's where the spread has one of its name.
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

    def outdoable(self, entries: list[Node]) -> Names:
        """The names that a derivation's fields before spreads need, which are evaluated where no spread has one."""
        inner = bound(entries)
        found = []
        for e in entries[: after_spreads(entries)]:
            if e[0] == "inherit":
                found.append(self._name(e[3], NONE, e[3] not in SHALLOW))
            elif e[0] == "set":
                found.append(self.of(e[4], inner, e[3] not in SHALLOW))
        return NONE.union(*found)

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
    """Whether a node is a record of given names and spreads."""
    return node[0] == "rec" and all(e[0] in ("set", "inherit", "spread") for e in node[3])


def after_spreads(entries: Sequence[Node]) -> int:
    """Where in a record the entries begin that no spread comes after, which might outdo them."""
    return max((i + 1 for i, e in enumerate(entries) if e[0] == "spread"), default=0)


def is_data(node: Node) -> bool:
    """Whether a record is all data, and not another derivation, of which but one field counts."""
    return all(e[0] in ("set", "inherit") and e[3] not in ("type", "out") for e in node[3])
