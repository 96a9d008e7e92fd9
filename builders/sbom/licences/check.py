"""Check SPDX expressions, such as that in the label of an image, and join them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .expression import MAX_DEPTH, MAX_TOKENS
from .spdx_ids import EXCEPTIONS, LICENCES

_TOKEN = re.compile(r"[()]|[^\s()]+")
_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+\Z")


def is_expression(text: str) -> bool:
    """Return whether a text is an SPDX expression of identifiers of SPDX's list, exceptions and LicenseRefs."""
    tokens = _TOKEN.findall(text)
    if len(tokens) > MAX_TOKENS:
        return False
    depth, at = 0, 0
    expects_licence = True
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if expects_licence and token == "(":
            depth += 1
        elif expects_licence and (token.removesuffix("+") in LICENCES or _REFERENCE.match(token)):
            expects_licence = False
            if tokens[at : at + 1] == ["WITH"]:
                if tokens[at + 1 : at + 2] == [] or tokens[at + 1] not in EXCEPTIONS:
                    return False
                at += 2
        elif not expects_licence and token == ")":
            depth -= 1
        elif not expects_licence and token in ("AND", "OR"):
            expects_licence = True
        else:
            return False
        if not 0 <= depth <= MAX_DEPTH:
            return False
    return not expects_licence and depth == 0


def conjunction(expressions: Iterable[str]) -> str:
    """Return the expression of what is under all of some valid expressions: each term once, sorted."""
    return " AND ".join(sorted({term for expression in expressions for term in _terms(expression)}))


def _terms(expression: str) -> list[str]:
    """Return the terms of an expression that AND joins outside of parentheses."""
    terms: list[list[str]] = [[]]
    depth, has_choice = 0, False
    for token in _TOKEN.findall(expression):
        depth += (token == "(") - (token == ")")
        if token == "AND" and not depth:
            terms.append([])
            continue
        has_choice = has_choice or (token == "OR" and not depth)
        terms[-1].append(token)
    if has_choice:  # AND binds more than OR
        return [f"({expression})"]
    return [" ".join(term).replace("( ", "(").replace(" )", ")") for term in terms]
