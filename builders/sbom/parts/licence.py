"""Tell under which licence a package is: by the names that it states, else by the texts that it has.

A name counts if it is an SPDX expression, or means exactly one by the rules of its registry. A text counts if it is
that of a known licence. All else is a reference with the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..licences.check import is_expression
from ..licences.copyright_file import read_copyright
from ..licences.notices import read_notices
from ..licences.spdx_ids import LICENCES
from ..licences.wording import normalise
from ..model import Licence, LicenceText
from .part import line
from .whole_texts import whole_text

_IDS = {identifier.lower(): identifier for identifier in LICENCES}
_WORDS = re.compile(r"[()]|[^\s()]+")
# SPDX's list replaced these by names that tell whether later versions count.
_GNU = re.compile(r"((?:A|L)?GPL-[0-9]\.[0-9])(\+?)\Z", re.IGNORECASE)
# The words of titles, and how the identifiers begin that those with a name of a licence are of.
_TITLE = frozenset(["the", "license", "new", "revised", "modified", "simplified", "or", "clause", "2", "3"])
_TITLE |= {"2-clause", "3-clause"}
_FAMILIES = {"mit": "MIT", "expat": "MIT", "isc": "ISC", "bsd": "BSD-", "zlib": "Zlib"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_UNSAFE = re.compile(r"[^A-Za-z0-9-]+")


def expression(name: str) -> str:
    """Return the SPDX expression that a name is, or "". Case does not count; old names of GNU licences are renewed."""
    text = " ".join(_current(word) for word in _WORDS.findall(name)).replace("( ", "(").replace(" )", ")")
    return text if text and "LicenseRef-" not in text and is_expression(text) else ""


def _current(word: str) -> str:
    if word.upper() in ("AND", "OR", "WITH"):
        return word.upper()
    if match := _GNU.match(word):
        return f"{match[1].upper()}-{'or-later' if match[2] else 'only'}"
    base = word.removesuffix("+")
    return _IDS.get(base.lower(), base) + word[len(base) :]


def licence(
    kind: str, name: str, names: Sequence[str], texts: Mapping[str, str]
) -> tuple[Licence, tuple[LicenceText, ...]]:
    """Return the licence of a package, and the text that its reference leads to.

    names: what its metadata states, the most certain first. texts: of its files of licences, by name.
    """
    known = [text for text in map(line, names) if text]
    original = known[0] if known else ""
    for text in known:
        if found := expression(text):
            return Licence(original, found), ()
    different = list(dict.fromkeys(text.strip("\ufeff\n") for text in texts.values() if text.strip()))
    # Nothing tells whether several texts apply together or one of them can be chosen.
    if len(different) == 1 and (found := whole_text(different[0]) or _by_notices(different[0])):
        return Licence(original, found), ()
    whole = "\n\n".join(different) or original
    if not whole:
        return Licence(), ()
    safe = _UNSAFE.sub(lambda match: "".join(f".{byte:02X}" for byte in match[0].encode()), name).lstrip(".")
    reference = f"LicenseRef-{kind}-{safe}" if safe else f"LicenseRef-{kind}"
    text = _CONTROL.sub("\ufffd", whole.replace("\r\n", "\n"))
    return Licence(original, reference), (LicenceText(reference, original, text),)


def _by_notices(text: str) -> str:
    """Return the expression of a text of which every word belongs to a known notice, or to its title; or ""."""
    found = read_copyright(text, "x").declared.expression
    if "LicenseRef-" not in found:
        return found
    notices = read_notices(text)
    (granted,) = notices.granted if len(notices.granted) == 1 else ("",)
    return granted if all(_is_title(line, granted) for line in notices.rest.split("\n")) else ""


def _is_title(line: str, granted: str) -> bool:
    """Return whether a line is only the title of the licence that is granted, such as `The MIT License (MIT)`."""
    words = set(normalise(line).split())
    families = words & _FAMILIES.keys()
    return words <= _TITLE | _FAMILIES.keys() and all(granted.startswith(_FAMILIES[family]) for family in families)
