"""Find well-known notices of licences in a text.

A notice counts only if all of its words are there: a text that mentions a licence grants nothing. What is neither a
notice nor a known remark is the rest.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import accumulate
from typing import NamedTuple

from . import remarks
from .full_texts import FULL_TEXTS, find_texts
from .gnu_notices import end_of_notices, families, grants
from .known_notices import WORDINGS
from .wording import normalise, split_lines, wording

_WORD = re.compile(r"\S+")
_ITEM = re.compile(r"[0-9]{1,2}|[a-eo]|i{1,3}")  # the number or letter of an item
_LEAD = 12  # the most words of a sentence before those of a notice
_OF_NOTICES = frozenset(
    [
        "and/or",
        "be",
        "can",
        "distributed",
        "free",
        "licensed",
        "may",
        "modify",
        "or",
        "redistribute",
        "released",
        "used",
    ]
    + ["you"]
)
_NEGATIONS = frozenset(
    ["been", "cannot", "earlier", "except", "formerly", "if", "neither", "never", "no", "nor", "not", "originally"]
    + ["previously", "unless", "was", "were"]
)
_SEPARATOR = re.compile(r"[ \t*#/;]{0,20}(?:[-=_*#~+][ ]?){5,}[ \t]*|Files:.*")  # a line between two sections


class Notices(NamedTuple):
    """The expressions of a text's notices, in order, and the lines of the rest.

    granted: those that apply together: not those that the rest may make some to choose from.
    """

    found: tuple[str, ...]
    granted: tuple[str, ...]
    rest: str


class _Match(NamedTuple):
    """A notice or remark. grants: an expression, or "" for a remark. lead: where its sentence begins."""

    start: int
    end: int
    grants: str
    lead: int


def read_notices(text: str) -> Notices:
    """Find the notices of `text`."""
    words, lines = normalise(text), split_lines(text)
    matches = _without_overlaps(_matches(words))
    rest = list(_rest(words, lines, matches))
    ends = [number for number, line in enumerate(lines) if _SEPARATOR.fullmatch(line)]
    starts = list(accumulate((len(line) + 1 for line in words.split("\n")), initial=0))
    granted: defaultdict[int, list[str]] = defaultdict(list)
    for match in matches:
        if match.grants:
            granted[bisect(ends, bisect(starts, match.start) - 1)].append(match.grants)
    plain: defaultdict[int, list[str]] = defaultdict(list)
    for number, line in rest:
        plain[bisect(ends, number)].append(line)
    for section, texts in plain.items():
        # A heading such as `LGPLv3+/GPLv2+` is explained by a notice with both.
        explained = any(" OR " in expression for expression in granted.get(section, ()))
        if remarks.speaks_of_choice("\n".join(texts), slashes=not explained):
            # Words before the first section, or in one without notices, may be about all notices.
            if section == 0 or section not in granted:
                granted.clear()
                break
            granted[section] = []
    expressions = dict.fromkeys(expression for section in sorted(granted) for expression in granted[section])
    found = dict.fromkeys(match.grants for match in matches if match.grants)
    return Notices(tuple(found), tuple(expressions), "\n".join([lines[number] for number, _words in rest]))


@cache
def _compiled() -> tuple[tuple[re.Pattern[str], str], ...]:
    known = [*WORDINGS, *[(text, "") for text in remarks.WORDINGS]]
    return tuple((re.compile(wording(text)), expression) for text, expression in known)


def _matches(words: str) -> Iterator[_Match]:
    limit = end_of_notices(words)
    for pattern, expression in _compiled():
        for found in pattern.finditer(words, 0, limit if expression.startswith("GFDL") else len(words)):
            groups = found.groupdict()
            if expression or not remarks.tells(groups.get("tail") or ""):
                granted = expression.replace("#", groups.get("version") or "")
                yield from _with_lead(words, found.start(), found.end(), granted)
    for grant in grants(words):
        yield from _with_lead(words, *grant)
    for start, end, identifier in _full_texts(words):
        yield _Match(start, end, identifier, start)


def _with_lead(words: str, start: int, end: int, expression: str) -> Iterator[_Match]:
    """Yield a match with the beginning of its sentence, unless it is negated."""
    floor = max(0, start - 40 * _LEAD)
    gap = words.rfind("\n\n", floor, start)
    begin = floor if gap < 0 else gap + 2
    if _NEGATIONS & set(words[begin:start].split()[-6:]):
        return
    lead = start
    for position in (max(begin, words.rfind("\n", begin, start) + 1), begin):
        before = words[position:start].split()
        if len(before) <= _LEAD and not remarks.tells(" ".join([word for word in before if word not in _OF_NOTICES])):
            lead = position
    yield _Match(start, end, expression, lead)


def _full_texts(words: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and identifier of each text of FULL_TEXTS."""
    found = [match for match in _WORD.finditer(words) if not _ITEM.fullmatch(match[0])]
    for first, last, identifier in find_texts([match[0] for match in found], FULL_TEXTS):
        yield found[first].start(), found[last - 1].end() + 1, identifier


def _without_overlaps(matches: Iterable[_Match]) -> list[_Match]:
    """Return the matches in order, without those that begin inside another one."""
    result: list[_Match] = []
    position = 0
    for match in sorted(matches, key=lambda match: (match.start, -match.end)):
        if match.start >= position:
            result.append(match._replace(lead=max(match.lead, position)))
            position = match.end
    return result


def _rest(words: str, lines: list[str], matches: list[_Match]) -> Iterator[tuple[int, str]]:
    """Yield the number and words of each line that is not covered by matches or known remarks."""
    known = families([match.grants for match in matches])
    paragraph: list[tuple[int, str]] = []
    position = index = 0
    for number, line in enumerate(words.split("\n")):
        end = position + len(line)
        left = []
        while position < end:
            while index < len(matches) and matches[index].end <= position:
                index += 1
            start, stop = (matches[index].lead, matches[index].end) if index < len(matches) else (end, end)
            if start > position:
                left.append(words[position : min(start, end)])
            position = min(end, stop if start <= position else start)
        position = end + 1
        if remaining := " ".join(" ".join(left).split()):
            paragraph.append((number, remaining))
        if not line:
            yield from remarks.rest_of(paragraph, lines, known)
            paragraph = []
    yield from remarks.rest_of(paragraph, lines, known)
