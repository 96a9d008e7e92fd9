"""Analyse a syntax tree: the free names of nodes, and the names that a node certainly evaluates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from fpack.lang.abi import DEEP
from fpack.lang.syntax.tree import LITERALS, Node, children, entry_value, flat_params, param_names

Names = frozenset[str]
NONE: Names = frozenset()
SHALLOW = ("candidates",)  # fields of a derivation that are not evaluated deeply
MAX_FIELDS = 48  # fields of a record that is compiled to a display in a call

Answers = dict[str, tuple[bool, ...]]  # whether functions certainly evaluate each argument, by name

# Functions of nested `let`s can make the analysis of one `let` depend on those of all others. These limits keep the
# time linear. Beyond them, a `let` counts as evaluating nothing, which only makes thunks.
MAX_ANALYSES = 16  # of one `let`
MAX_ANSWERS = 64  # used in the analysis of one `let`


class LetAnalysis(NamedTuple):
    """The names that a `let` evaluates, if functions have the same answers. analyses: how often it was analysed."""

    answers: Answers
    names: Names
    analyses: int


Cache = dict[tuple[int, bool], LetAnalysis]  # by the id of the node, and whether it is evaluated deeply


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
        """Return whether a record can be a dict display that evaluates nothing."""
        return all(e.kind in ("set", "inherit") and not e.nested for e in entries) and not self.mentioned(entries)

    def is_plain(self, node: Node) -> bool:
        """Return whether a node is a list or record whose construction evaluates nothing and calls nothing."""
        if node.kind == "list":
            return all(item.kind != "spread" for item in node.items)
        return node.kind == "rec" and self.is_flat(node.entries)

    def is_literal(self, record: Node) -> bool:
        """Return whether a record has only constant names and spreads, and no field mentions another field."""
        return is_plain_record(record) and len(record.entries) <= MAX_FIELDS and not self.mentioned(record.entries)

    def _function(self, node: Node) -> Names:
        defaults = [p.default for p in flat_params(node.params) if p.default is not None]
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
    derives: tells whether a name is the builtin `derivation`. cache: the results for `let` nodes, which all analyses of
    a text share. Without the cache, the time for nested `let`s is cubic: each level analyses all levels inside it.
    """

    def __init__(
        self, flags: Callable[[str], Sequence[bool] | None], derives: Callable[[str], bool], cache: Cache
    ) -> None:
        self._flags = flags
        self._derives = derives
        self._cache = cache
        self._hidden: dict[str, int] = {}  # the number of nodes that bind a name, around the present one
        self._answers: Answers = {}  # the answers that the analysis of the present `let` has used

    def of(self, node: Node, deep: bool = False) -> Names:
        """Return the names that a node evaluates. deep: all that the value contains is evaluated."""
        kind = node.kind
        if kind == "var":
            return _evaluated(node.name, deep)
        if kind == "bin":
            left = self.of(node.left)
            return left if node.operator in ("&&", "||") else left | self.of(node.right)
        if kind == "paren":
            return self.of(node.inner, deep)
        if kind in ("not", "neg"):
            return self.of(node.inner)
        if kind == "sel":
            return self.of(node.base)
        if kind == "if":
            return self.of(node.condition) | (self.of(node.then, deep) & self.of(node.otherwise, deep))
        if kind == "assert":
            return self.of(node.condition)
        if kind == "interp":
            return NONE.union(*[self.of(part) for part in children(node)])
        if kind == "let":
            return self._let(node, deep)
        if kind == "or":
            base = node.selection
            while base.kind == "sel":
                base = base.base
            return self.of(base)
        if kind == "call":
            return self._call(node)
        if kind == "rcall":
            return self._record_call(node)
        if kind in ("listcomp", "reccomp"):
            return self.of(node.clauses[0].sequence)
        if kind == "list":
            items = [i.inner if i.kind == "spread" else i for i in node.items if deep or i.kind == "spread"]
            return NONE.union(*[self.of(item, deep) for item in items])
        if kind == "rec" and not any(e.kind in ("assertion", "dyn", "deep") for e in node.entries):
            return self._record(node.entries, deep and is_data(node))
        return NONE

    def fields(self, entries: list[Node], deep: Names) -> Names:
        """Return the names that are evaluated with all fields of a record.

        deep: the fields that are evaluated with all that they contain. Fields before a spread are left out, because
        the spread may override them.
        """
        found = []
        settled = after_spreads(entries)
        for i, e in enumerate(entries):
            if e.kind == "spread":
                found.append(self.of(e.inner))
            elif i >= settled:
                found.append(self.of(entry_value(e), e.name in deep))
        return NONE.union(*found)

    def overridable(self, entries: list[Node]) -> Names:
        """Return the names that a derivation's fields before spreads evaluate, if no spread overrides a field."""
        before = entries[: after_spreads(entries)]
        return self._entries(entries, [(e, e.name not in SHALLOW) for e in before if e.kind != "spread"])

    def _let(self, node: Node, deep: bool) -> Names:
        """Return the names that a `let` certainly evaluates: the known ones unless an answer behind them changed."""
        key = id(node), deep
        known = self._cache.get(key)
        if known is None or any(self._strict(name) != answer for name, answer in known.answers.items()):
            known = self._cache[key] = self._analysed(node, deep, known.analyses + 1 if known else 1)
        self._answers.update(known.answers)
        return known.names

    def _analysed(self, node: Node, deep: bool, analyses: int) -> LetAnalysis:
        """Analyse a `let`, and note the answers about outer names behind the result. Give up after many analyses."""
        outer, self._answers = self._answers, {}
        own = bound(node.entries)
        names = self._inside(own, [(node.body, deep)]) if analyses <= MAX_ANALYSES else NONE
        used = {name: answer for name, answer in self._answers.items() if name not in own}
        self._answers = outer
        return LetAnalysis(used, names, analyses) if len(used) <= MAX_ANSWERS else LetAnalysis({}, NONE, analyses)

    def _record(self, entries: list[Node], deep: bool) -> Names:
        last, settled = len(entries) - 1, after_spreads(entries)
        spreads = [(e, deep and i == last) for i, e in enumerate(entries) if e.kind == "spread"]
        fields = [(e, e.name not in SHALLOW) for e in entries[settled:]] if deep else []
        return self._entries(entries, spreads + fields)

    def _entries(self, entries: list[Node], evaluated: list[tuple[Node, bool]]) -> Names:
        """Return the names that some of a record's entries evaluate. evaluated: these, and whether deeply."""
        inherited = [_evaluated(e.name, deep) for e, deep in evaluated if e.kind == "inherit"]
        inner = [(e.value if e.kind == "set" else e.inner, d) for e, d in evaluated if e.kind in ("set", "spread")]
        return self._inside(bound(entries), inner).union(*inherited)

    def _inside(self, own: Names, nodes: list[tuple[Node, bool]]) -> Names:
        """Return the names that nodes evaluate (and whether deeply), without `own`, the names bound around them."""
        for name in own:
            self._hidden[name] = self._hidden.get(name, 0) + 1
        found = NONE.union(*[self.of(node, deep) for node, deep in nodes])
        for name in own:
            self._hidden[name] -= 1
        own |= {name + DEEP for name in own}
        return found if found.isdisjoint(own) else found - own

    def _strict(self, name: str) -> tuple[bool, ...]:
        """Return whether a function certainly evaluates each argument; () if the function is not known."""
        answer = () if self._hidden.get(name) else tuple(self._flags(name) or ())
        self._answers[name] = answer
        return answer

    def _record_call(self, node: Node) -> Names:
        callee, record = node.callee, node.record
        derives = callee.kind == "var" and not self._hidden.get(callee.name) and self._derives(callee.name)
        fields = self._record(record.entries, deep=True) if derives and is_plain_record(record) else NONE
        return self.of(callee) | fields

    def _call(self, node: Node) -> Names:
        """Return the names that a call certainly evaluates: those of the callee, and of its strict arguments."""
        found = self.of(node.callee)
        if node.callee.kind == "var":
            for arg, strict in zip(node.args, self._strict(node.callee.name), strict=False):
                if arg.kind in ("named", "spread"):
                    break
                if strict:
                    found |= self.of(arg)
        return found


def _evaluated(name: str, deep: bool) -> Names:
    return frozenset((name, name + DEEP)) if deep else frozenset((name,))


def is_plain_record(node: Node) -> bool:
    """Return whether a node is a record with only constant names, none of them of nested fields, and spreads."""
    return node.kind == "rec" and all(e.kind in ("set", "inherit", "spread") and not e.nested for e in node.entries)


def after_spreads(entries: Sequence[Node]) -> int:
    """Return the index just past the last spread; earlier entries may be overridden."""
    return max((i + 1 for i, e in enumerate(entries) if e.kind == "spread"), default=0)


def is_data(node: Node) -> bool:
    """Return whether all fields of a record count as data. A derivation is represented by its output path alone."""
    return all(e.kind in ("set", "inherit") and e.name not in ("type", "out") for e in node.entries)
