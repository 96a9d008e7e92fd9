"""Number values so that equal values have equal numbers, in time linear in what is compared.

Lists and records are kept in tries, by length or field names. An element or field is evaluated only if two values are
equal in all that comes before it, as `==` evaluates it, so that an error in a part that nobody compares stays unseen.
"""

from __future__ import annotations

from collections.abc import Callable

from .operators import eq
from .values import Value, evaluated, is_derivation

Part = Callable[[int], Value]
_DEEP = 64  # the depth from which values are compared one by one, since they may contain themselves


class _Leaf:
    """One value of a trie. part: returns an evaluated element or field."""

    __slots__ = ("number", "part")

    def __init__(self, number: int, part: Part) -> None:
        self.number = number
        self.part = part


class _Branch:
    """The values that are equal up to a part, by the number of that part."""

    __slots__ = ("classes", "nodes")

    def __init__(self, depth: int) -> None:
        self.classes = EqualityClasses(depth)
        self.nodes: dict[int, _Leaf | _Branch] = {}


class _Trie:
    """Values with the same number of parts.

    depth: that of the values in those that are numbered. names: the order of a record's fields, those of the first
    record.
    """

    __slots__ = ("depth", "names", "size", "root")

    def __init__(self, depth: int, names: list[str], size: int) -> None:
        self.depth = depth
        self.names = names
        self.size = size
        self.root: _Leaf | _Branch | None = None

    def number(self, part: Part, new: int) -> int:
        """Return the number of the value that has these parts; it is `new` if no equal value was added before."""
        node = self.root
        if node is None:
            self.root = _Leaf(new, part)
            return new
        above: _Branch | None = None
        at = 0
        for i in range(self.size):
            if isinstance(node, _Leaf):
                branch = _Branch(self.depth + 1)
                branch.nodes[branch.classes.number(node.part(i))] = node
                if above is None:
                    self.root = branch
                else:
                    above.nodes[at] = branch
                node = branch
            above = node
            at = node.classes.number(part(i))
            found = node.nodes.get(at)
            if found is None:
                node.nodes[at] = _Leaf(new, part)
                return new
            node = found
        assert isinstance(node, _Leaf)
        return node.number

    def find(self, part: Part) -> int | None:
        """Return the number of the value that has these parts; None if no equal value was added."""
        node = self.root
        for i in range(self.size):
            if node is None:
                return None
            if isinstance(node, _Leaf):
                known = node.part
                return node.number if all(eq(known(j), part(j)) for j in range(i, self.size)) else None
            at = node.classes.find(part(i))
            node = None if at is None else node.nodes[at]
        return None if node is None else node.number  # type: ignore[union-attr]


class EqualityClasses:
    """The values that were numbered, from 0 in the order of the first of each class."""

    __slots__ = ("count", "_depth", "_atoms", "_lists", "_records", "_deep", "_same", "_derivations", "_copies")

    def __init__(self, depth: int = 0) -> None:
        self.count = 0
        self._depth = depth
        self._atoms: dict[Value, int] = {}
        self._lists: dict[int, _Trie] = {}
        self._records: dict[frozenset[str], _Trie] = {}
        self._deep: list[tuple[Value, int]] = []  # lists and records at the depth _DEEP
        self._same: dict[int, tuple[Value, int]] = {}  # by the id of a record, which is kept so that it stays unique
        self._derivations: dict[str, tuple[Value, int]] = {}  # by the output path
        self._copies: list[tuple[Value, int]] = []  # records with an output path that are no derivations

    def number(self, value: Value) -> int:
        """Return the number of an evaluated value's class. It equals the former `count` if the class is new."""
        kind = value.__class__
        if self._depth >= _DEEP and (kind is list or isinstance(value, dict)):
            known = self._equal(value, self._deep)
            found = self.count if known is None else known[1]
            if known is None:
                self._deep.append((value, found))
        elif kind is list:
            trie = self._lists.get(len(value))
            if trie is None:
                trie = self._lists[len(value)] = _Trie(self._depth, [], len(value))
            found = trie.number(lambda i: evaluated(value[i]), self.count)
        elif isinstance(value, dict):
            found = self._record(value)
        else:
            # In Python True equals 1; in the language it does not. 1 and 1.0 are equal in both.
            found = self._atoms.setdefault((value,) if kind is bool else value, self.count)
        if found == self.count:
            self.count += 1
        return found

    def find(self, value: Value) -> int | None:
        """Return the number of an evaluated value's class; None if no equal value was numbered."""
        kind = value.__class__
        if self._depth >= _DEEP and (kind is list or isinstance(value, dict)):
            same = self._equal(value, self._deep)
            return same and same[1]
        if kind is list:
            trie = self._lists.get(len(value))
            return None if trie is None else trie.find(lambda i: evaluated(value[i]))
        if not isinstance(value, dict):
            return self._atoms.get((value,) if kind is bool else value)
        known = self._same.get(id(value))
        if known is None and is_derivation(value):
            known = self._derivations.get(evaluated(value["out"])) or self._equal(value, self._copies)
        elif known is None:
            trie = self._records.get(frozenset(value))
            found = None if trie is None else trie.find(lambda i: evaluated(value[trie.names[i]]))
            if found is not None or "out" not in value:
                return found
            known = self._equal(value, list(self._derivations.values()))
        return known and known[1]

    def _record(self, value: dict[str, Value]) -> int:
        same = self._same.get(id(value))
        if same is None:
            same = self._same[id(value)] = value, self._compared(value)
        return same[1]

    def _compared(self, value: dict[str, Value]) -> int:
        """Return the number of a record that has to be compared, of a former equal one or a new one."""
        if is_derivation(value):
            out = evaluated(value["out"])
            known = self._derivations.get(out) or self._equal(value, self._copies)
            if known is None:
                known = self._derivations[out] = value, self.count
            return known[1]
        # A copy of a derivation's fields is an ordinary record, which equals a derivation with the same fields.
        if "out" in value and self._derivations:
            known = self._equal(value, list(self._derivations.values()))
            if known is not None:
                return known[1]
        key = frozenset(value)
        trie = self._records.get(key)
        if trie is None:
            trie = self._records[key] = _Trie(self._depth, list(value), len(value))
        names = trie.names
        found = trie.number(lambda i: evaluated(value[names[i]]), self.count)
        if "out" in value and found == self.count:
            self._copies.append((value, found))
        return found

    def _equal(self, value: dict[str, Value], others: list[tuple[Value, int]]) -> tuple[Value, int] | None:
        return next((other for other in others if eq(value, other[0])), None)
