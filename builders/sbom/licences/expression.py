"""Parse the licence names of copyright files, and write SPDX expressions.

A name such as `GPL-2+ or Artistic, and Expat` becomes a tree of terms (section "Syntax" of the copyright format 1.0:
`and` binds stronger than `or`, a comma weaker than both). A leaf of a parsed tree is a name of Debian; a leaf of a tree
that is written is an SPDX identifier with `WITH` and an exception, or a LicenseRef.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

AND, OR = "AND", "OR"
MAX_TOKENS = 2000
MAX_DEPTH = 16
_TOKEN = re.compile(r"[(),|]|[^\s(),|]+")
# `GPL-2 or later` is the name of one licence.
_OR_LATER = re.compile(
    r"\b((?:[al]?gpl|gfdl)[-v ]*[0-9][0-9.]*)\s+or\s+(?:\(?at\s+your\s+option\)?\s+)?(?:any\s+)?(?:later|newer|greater)"
    r"(?:\s+versions?)?(?![-\w])",
    re.IGNORECASE,
)
_WITH = re.compile(r"(?<=\S)(?: with |-with-)(?=\S)", re.IGNORECASE)
_VERSION = re.compile(r"v?[0-9][0-9.]*\+?")
_NO_NAMES = frozenset(["later", "newer", "any", "other", "others", "and/or"])


class Term(NamedTuple):
    """A licence, if `operator` is "", or terms joined by AND or OR. exception: the words after `with`."""

    operator: str = ""
    terms: tuple[Term, ...] = ()
    name: str = ""
    exception: str = ""


def leaf(name: str) -> Term:
    """Make a term of one licence."""
    return Term(name=name)


def join(operator: str, terms: Iterable[Term]) -> Term:
    """Join terms. Equal ones count once, and terms of the same operator are merged."""
    merged: dict[Term, None] = {}
    for term in terms:
        merged.update(dict.fromkeys(term.terms if term.operator == operator else (term,)))
    return next(iter(merged)) if len(merged) == 1 else Term(operator, tuple(merged))


def replace(term: Term, function: Callable[[Term], Term]) -> Term:
    """Replace every leaf of a tree by the result of `function`."""
    if not term.operator:
        return function(term)
    return join(term.operator, [replace(child, function) for child in term.terms])


def write(term: Term) -> str:
    """Write a tree as an SPDX expression. An OR inside an AND has parentheses."""
    if not term.operator:
        return term.name
    texts = [f"({write(child)})" if child.operator == OR else write(child) for child in term.terms]
    return f" {term.operator} ".join(texts)


def read(expression: str) -> Term:
    """Read an expression of this module's tables: identifiers joined by one operator."""
    for operator in (OR, AND):
        if f" {operator} " in expression:
            return Term(operator, tuple(map(leaf, expression.split(f" {operator} "))))
    return leaf(expression)


def parse(synopsis: str) -> Term | None:
    """Parse the first line of a `License` field. Return None if its meaning is not certain."""
    tokens = _TOKEN.findall(_OR_LATER.sub(r"\1+", synopsis))
    if not tokens or len(tokens) > MAX_TOKENS:
        return None
    groups = _split(tokens, ",")
    first, *others = groups
    operators = {group[0].lower() if group else "" for group in others}
    if len(operators) > 1 or not operators <= {"and", "or"}:
        return None
    terms = [_alternatives(first, 0), *[_alternatives(group[1:], 0) for group in others]]
    known = [term for term in terms if term is not None]
    if len(known) < len(terms):
        return None
    return join(OR if operators == {"or"} else AND, known)


def _split(tokens: Sequence[str], *separators: str) -> list[list[str]]:
    """Split tokens at separators outside of parentheses."""
    result: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token == "(") - (token == ")")
        if depth == 0 and token.lower() in separators:
            result.append([])
        else:
            result[-1].append(token)
    return result


def _alternatives(tokens: Sequence[str], depth: int) -> Term | None:
    terms = []
    for part in _split(tokens, "or", "|"):
        factors = [_atom(group, depth) for group in _split(part, "and")]
        known = [factor for factor in factors if factor is not None]
        if len(known) < len(factors):
            return None
        terms.append(join(AND, known))
    return join(OR, terms)


def _atom(tokens: Sequence[str], depth: int) -> Term | None:
    if tokens and tokens[0] == "(":
        closed = tokens[-1] == ")" and depth < MAX_DEPTH
        return _alternatives(tokens[1:-1], depth + 1) if closed else None
    if not tokens or any(token in "(),|" or token.lower() in _NO_NAMES for token in tokens):
        return None
    words = " ".join(tokens)
    found = _WITH.search(words)
    name, exception = (words[: found.start()], words[found.end() :]) if found else (words, "")
    parts = name.split()
    # `Apache 2.0` and `GPL v2+` are names; a sentence is not.
    if len(parts) > 1 and not (len(parts) == 2 and _VERSION.fullmatch(parts[1])):
        return None
    return Term(name="-".join(parts), exception=exception)
