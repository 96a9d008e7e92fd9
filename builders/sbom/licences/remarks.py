"""Tell the known remarks of a copyright file from prose that may be about licences.

Remarks are copyright lines, headings, who packaged the program, and where the full text of a licence is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .gnu_notices import PUBLIC_LICENSE, family_of
from .wording import spaced

# Wordings that follow a notice.
_GNU = "gnu (general|lesser general|library general|affero general) public license"
WORDINGS = (
    "distributed in the hope that (it|they) will be useful but without any warranty without even the implied warranty"
    f" of merchantability or fitness for a particular purpose see the {_GNU} for more details",
    f"you should have received a copy of the {_GNU} (along with|with) {{}} if not"
    " (write to the free software foundation|see) {$}",
    f"you should have received a copy of the {_GNU} (along with|with) {{}} in {{}} if not"
    " (write to the free software foundation|see) {$}",
)
# A word that may be about what one may do, by its beginning. Prose without any is no licence.
_TELLING = re.compile(
    r"(?:accept|acknowledg|agree|allow|alter|alternativ|any|apache|artistic|as-is|bsd|cannot|cc|charge|claim|commerc|"
    r"condition|consent|cop(?:y|ie|ying)(?!right(?:ed|s)?\Z)|credit|deriv|disclaim|distribut|domain|either|except|exempt|"
    r"fee|free|gfdl|[al]?gpl|grant|hereby|law|legal|liab|licen[sc]|modif|mozilla|must|oblig|patent|permi|prohibit|"
    r"propriet|provided|public|redistribut|reproduc|restrict|right|royalt|s[eo]l[ld]|shall|term|trademark|uncopy|"
    r"unlimited|usage|use|using|want|warrant|whatever|wish|without|you|(?:can|may|or|share)\Z)"
)
# The rest says that the notices are to choose from, or that one is of the past.
_NAMED = r"(?:gnu|[al]?gpl|bsd|mit licen[sc]e|apache|mozilla|mpl|artistic|perl)\b"
_GPL = r"[al]?gpl[-v0-9.+]*"
_CHOICE = spaced(
    r"\b(?:alternat(?!e to )|(?:under|terms of|by|with) either\b|"
    rf"either (?:of\b|licen[sc]e|the terms|(?:a |an |the )?(?:gnu )?{_NAMED})|dual|(?:your|of) choice |may choose|"
    rf"at your option(?! any)|instead of (?:the )?(?:above|terms|condition|restriction|licen[sc]|{_NAMED})|"
    rf"(?<!not\s)or (?:under )?(?:the )?(?:terms of )?(?:the )?{_NAMED}|"
    r"no longer |formerly|re-?licen[sc]|(?:was|were|previously|originally) licen[sc]|superseded|disjunction|broadened|"
    r"as of (?:upstream )?version )"
    r"|(?:\A|\n)or(?:\n|\Z)"
)
_SLASHED = re.compile(rf"\b{_GPL}/[a-z]|(?<![-\w/])[a-z]{{2,8}}[-v0-9.+]*/{_GPL}(?!\S)")  # BSD/GPL
_HEADING = re.compile(
    r"(?:the )?(?:debian )?(?:upstream )?(?:copyrights?|licenses?|licensing|authors?|copyright (?:holders?|notice)|"
    r"copyright (?:notice )?and licenses?|licenses? and copyright|authors and copyright) ?"
)
_PACKAGING = re.compile(
    r"(?:this (?:debian )?(?:package|work) was|this is the debian|it was (?:down|then|later|originally)|it is now|"
    r"upstream (?:author|maintainer|source|contact|homepage)|authors? |homepage |packaged by |source package |"
    r"debian/ubuntu package authors|the original (?:source|tarball)|this package.s upstream|this file is part of |"
    r"written by |maintained by )"
)
_POINTER = spaced(
    r"(?:on debian (?:gnu/linux )?systems? |see )?(?:(?:the|a) )?(?:(?:complete|full) )?(?:(?:text|copy) of )?(?:the )?"
    rf"{PUBLIC_LICENSE}(?:(?:version |v)?[1-3](?:\.[0-9])? )?(?:can be found in|is available in|is in) (?:the )?"
    r"(?:files? )?usr/share/common-licenses/[a-z0-9.-]+ (?:file )?"
)
_COPYRIGHT = re.compile(r"(?:portions )?(?:copyrights? |c [0-9]{4}|©)")
_RESERVED = re.compile(r"all rights reserved|free software foundation|software in the public interest")
_PARTICLES = frozenset(
    [
        "by",
        "and",
        "the",
        "for",
        "of",
        "inc",
        "ltd",
        "co",
        "van",
        "von",
        "de",
        "der",
        "den",
        "di",
        "da",
        "la",
        "le",
        "et",
        "al",
        "on",
        "behalf",
        "its",
        "c",
        "at",
        "dot",
    ]
)


def tells(words: str) -> bool:
    """Return whether words may be about a licence."""
    return any(map(_TELLING.match, words.split()))


def speaks_of_choice(words: str, slashes: bool) -> bool:
    """Return whether prose may say that licences are to choose from. slashes: `BSD/GPL` counts."""
    return _CHOICE.search(words) is not None or (slashes and _SLASHED.search(words) is not None)


def rest_of(paragraph: list[tuple[int, str]], lines: list[str], families: set[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines of a paragraph that are no known remark. A line is its number in `lines` and its words.

    families: GNU licences of the file; only then is it a remark where their text is.
    """
    joined = " ".join([words for _number, words in paragraph]) + " "
    if _HEADING.fullmatch(joined) or (_PACKAGING.match(joined) and not tells(joined)):
        return
    if (pointer := _POINTER.fullmatch(joined)) and family_of(pointer["family"]) in families:
        return
    follows = False
    for number, words in paragraph:
        stripped = _RESERVED.sub("", words)
        if _COPYRIGHT.match(words) and not tells(stripped):
            follows = True
        elif stripped.strip() and not (follows and _has_names_only(lines[number]) and not tells(stripped)):
            yield number, words


def _has_names_only(line: str) -> bool:
    """Return whether a line has only names, years and addresses, as the second line of a copyright statement."""
    return all(
        word[:1].isupper()
        or not word[:1].isalpha()
        or "@" in word
        or "." in word[1:-1]
        or word.strip(",.;:") in _PARTICLES
        for word in line.strip(" \t*#/;").split()
    )
