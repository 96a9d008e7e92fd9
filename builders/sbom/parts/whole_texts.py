"""Recognise the whole texts of licences that name their author, and so are no texts for `licences.full_texts`.

Debian's packages refer to these texts; other packages have them as a file. The texts of the GNU licences do not tell
whether later versions count, so they are not here.
"""

from __future__ import annotations

from ..licences.full_texts import FullText, describe, find_texts
from ..licences.wording import normalise
from .survey import is_notice

_APACHE = FullText("Apache-2.0", "terms and conditions", 1406, 0x156FA1A31FAF2739, "825627e50a0a6505a4d1ed0dbbdd25c7")
_APACHE_TITLE = frozenset(
    [
        "apache",
        "license",
        "version",
        "2.0",
        "january",
        "2004",
        "http://www.apache.org/licenses",
        "https://www.apache.org/licenses",
    ]
)
_APPENDIX = "cdf7866cbd6475aa48a32e3921ecea49"  # without the line for the owner
_MPL = FullText("MPL-2.0", "mozilla public license", 2344, 0x322A8A6BA66117F, "843558d1b748ffe32c56d3f90d3b4a7c")
_MAX_WORDS = 4000  # more than the longest of the texts has


def whole_text(text: str) -> str:
    """Return the SPDX identifier of a licence if the text is all of it, with or without lines about owners, or ""."""
    kept = [line for line in text.split("\n") if not is_notice(line) and not _is_blank(line)]
    words = normalise("\n".join(kept)).split()
    if len(words) > _MAX_WORDS:
        return ""
    for start, end, identifier in find_texts(words, [_APACHE, _MPL]):
        before, after = words[:start], words[end:]
        if identifier == "MPL-2.0" and not before and not after:
            return identifier
        is_whole = not after or describe("", after).digest == _APPENDIX
        if identifier == "Apache-2.0" and _APACHE_TITLE.issuperset(before) and is_whole:
            return identifier
    return ""


def _is_blank(line: str) -> bool:
    """Return whether a line is the one for the owner that nobody filled in."""
    return " ".join(line.lower().split())[:16] in ("copyright [yyyy]", "copyright {yyyy}")
