"""Read the notices of GNU's licences, which name a version and say whether later ones are allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .wording import spaced

# The versions as notices write them.
_PLAIN = {"1": "1.0", "1.0": "1.0", "2": "2.0", "2.0": "2.0", "3": "3.0", "3.0": "3.0"}
_VERSIONS = {
    "GPL": _PLAIN,
    "LGPL": {"2": "2.0", "2.0": "2.0", "2.1": "2.1", "3": "3.0", "3.0": "3.0"},
    "AGPL": {"1": "1.0", "1.0": "1.0", "3": "3.0", "3.0": "3.0"},
    "GFDL": {"1.1": "1.1", "1.2": "1.2", "1.3": "1.3"},
}
# The words of a name of a licence, and the family that it means.
PUBLIC_LICENSE = (
    "(?:gnu )?(?P<family>(?:lesser general|library general|lesser|library|affero general|affero|general) public"
    " license|l?gpl|agpl) "
)
_PUBLISHED = "(?:as published by the (?:free software foundation|fsf) (?:inc )?)?"
_GRANT = spaced(
    "(?:modify (?:it|them)|distributed|redistributed|licensed|released|covered|available) (?:under|by|according to) "
    f"(?:the )?(?:terms (?:and conditions )?of )?(?:the )?{PUBLIC_LICENSE}(?:l?gpl )?{_PUBLISHED}(?:either )?"
    rf"(?:version |v)(?P<version>[1-3](?:\.[0-9])?) (?:of (?:the|that) license )?{_PUBLISHED}"
    "(?:dated june (?:1991|2007) )?"
    r"(?:(?P<later>or (?:at your (?:option|choice) )?(?:any )?(?:later|newer)(?: version)?\s)"
    # Only this version, if the sentence ends here.
    r"|(?P<only>only (?!(?:or|and|with)\s)|(?=(?:this|you|see|on debian)\s|\Z)|(?<=\n\n)))?"
)
# The part of a licence's text that explains how to use it, with a notice as the example.
_HOW_TO = spaced("how to (?:apply these terms to your new|use this license for your) ")


class Grant(NamedTuple):
    """A notice: where its words begin and end, and the identifier of the licence."""

    start: int
    end: int
    identifier: str


def identifier(family: str, version: str, or_later: bool) -> str:
    """Return the SPDX identifier of a version of GPL, LGPL, AGPL, or of GFDL, or ""."""
    known = _VERSIONS.get(family, {}).get(version)
    return f"{family}-{known}-{'or-later' if or_later else 'only'}" if known else ""


def family_of(name: str) -> str:
    """Return the family of a licence from the words of its name: "GPL", "LGPL" or "AGPL"."""
    if name.startswith(("lesser", "library", "lgpl")):
        return "LGPL"
    return "AGPL" if name.startswith(("affero", "agpl")) else "GPL"


def end_of_notices(words: str) -> int:
    """Return where the notices of GNU's licences end: those after it are the examples of a licence's text."""
    found = _HOW_TO.search(words)
    return found.start() if found else len(words)


def grants(words: str) -> Iterator[Grant]:
    """Yield each notice that names a version."""
    for found in _GRANT.finditer(words, 0, end_of_notices(words)):
        name = identifier(family_of(found["family"]), found["version"], found["later"] is not None)
        if name and (found["later"] or found["only"] is not None):
            yield Grant(found.start(), found.end(), name)


def families(expressions: list[str]) -> set[str]:
    """Return the families that expressions name."""
    return {family for expression in expressions for family in re.findall(r"\b(A?L?GPL)-", expression)}
