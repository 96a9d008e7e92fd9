"""Compile regular expressions and search with them, in bounded time.

The syntax and the results are those of Python's `re`, with POSIX classes such as `[[:alpha:]]` inside of sets. `re`
searches first. If it takes longer than `SECONDS_FIRST`, because it tries the same text in very many ways, the text is
searched in linear time (linear_match.py), with the same result: no value depends on the speed of a machine. A limit of
time costs more than most searches take, so that a search which certainly ends soon has none.

RE2 was measured instead: its import takes 5 to 10 ms, a wheel exists for some interpreters only, and it has neither
look-around nor back-references, and reads `\\d`, `\\w` and `$` in another way: existing files would get other values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from fpack.lang.errors import Fault
from fpack.lang.runtime.argument_checks import ArgumentError, text_of
from fpack.lang.runtime.deep_stack import Slow, interruptible
from fpack.lang.runtime.values import Value, evaluated
from fpack.light_typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from .linear_match import LinearPattern, Spans

T = TypeVar("T")

SECONDS_FIRST = 0.1  # of processor time, for the first search
SECONDS = 2  # for a search that cannot be made in linear time
_SHORT = 4096  # characters of a text that a simple expression searches without a limit
_FEW = 1 << 20  # steps of a search without a limit, about 20 ms
_KEPT = 512  # expressions, as many as `re` keeps
_REPEATED_GROUP = (")*", ")+", "){")
_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": r"\x21-\x7e", "lower": "a-z", "print": r"\x20-\x7e", "punct": r"!-/:-@\[-`{-~", "space": r" \t\n\r\f\v",
    "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_CLASS = r"\[:(\^?)([a-z]*):\]"  # compiled when it is used, for a start without it
_RESERVED = "-&~|["  # `re` warns of some of these in a set, because they may get another meaning


def compiled(regex: Value) -> re.Pattern[str]:
    """Return a regular expression; raise ArgumentError if it is not valid."""
    text = text_of(regex)
    try:
        return _compiled(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ArgumentError(
            evaluated(regex), "takes a regular expression, and this is not valid", why=str(error)
        ) from None


@lru_cache(_KEPT)
def _compiled(text: str) -> re.Pattern[str]:
    return re.compile(_portable(text) if "[" in text else text)


@lru_cache(_KEPT)
def _ways(written: str) -> tuple[int, int] | None:
    """Return how many repetitions an expression has, and how many ways without them; None if a group is repeated.

    A match from one offset of a text of n characters takes at most about `ways * (n + 1) ** repetitions` steps. Each
    `?` and `|` doubles the ways. A character in a set is counted as well, which only makes the number larger.
    """
    groups = written.removeprefix("(?s)").replace("(?:", "(")
    if "(?" in groups or any(repeated in groups for repeated in _REPEATED_GROUP):
        return None
    return sum(map(written.count, "*+{")), 1 << (written.count("?") + written.count("|"))


def _is_quick(written: str, length: int, offsets: int) -> bool:
    """Return whether a search certainly ends soon. offsets: where in the text a match may begin."""
    if length >= _SHORT:
        return False
    if "(" not in written and sum(map(written.count, "*+?{")) < 2:
        return True
    found = _ways(written)
    return found is not None and found[1] * (length + 1) ** found[0] * offsets <= _FEW


def fullmatch(pattern: re.Pattern[str], text: str) -> Spans | None:
    """Return the spans of the whole text and of each group, or None if the text does not match."""

    def search() -> Spans | None:
        found = pattern.fullmatch(text)
        return found and found.regs

    if _is_quick(pattern.pattern, len(text), 1):
        return search()
    return _search(pattern, search, lambda program: program.fullmatch(text))


def find(pattern: re.Pattern[str], text: str) -> list[Spans]:
    """Return the spans of each match in a text, and of the groups of each."""

    def search() -> list[Spans]:
        return [found.regs for found in pattern.finditer(text)]

    if _is_quick(pattern.pattern, len(text), len(text) + 1):
        return search()
    return _search(pattern, search, lambda program: program.finditer(text))


def _search(pattern: re.Pattern[str], search: Callable[[], T], linear: Callable[[LinearPattern], T]) -> T:
    """Return the result of `search()`, or of `linear` if it takes long."""
    try:
        return interruptible(search, SECONDS_FIRST, unlimited=False)  # type: ignore[no-any-return]
    except Slow:
        pass
    from .linear_match import LinearPattern, Unsupported

    try:
        return linear(LinearPattern(pattern))
    except Unsupported:
        pass
    try:
        return interruptible(search, SECONDS)  # type: ignore[no-any-return]
    except Slow:
        hint = "avoid back-references, and a repetition inside a repetition, as in (a+)+"
        why = f"the search was stopped after {SECONDS} seconds of processor time"
        raise Fault("This regular expression takes too long", why=why, hint=hint) from None


# ---- sets


def _portable(text: str) -> str:
    """Return a regular expression with POSIX classes replaced, and characters escaped that `re` warns of."""
    parts: list[str] = []
    at = 0
    while at < len(text):
        if text[at] == "\\":
            parts.append(text[at : at + 2])
            at += 2
        elif text[at] == "[":
            at = _set(text, at, parts)
        else:
            parts.append(text[at])
            at += 1
    return "".join(parts)


def _set(text: str, at: int, parts: list[str]) -> int:
    """Add the set that begins at an offset to the parts; return the offset after it."""
    start = at
    at += 2 if text.startswith("^", at + 1) else 1
    made = [text[start:at]]
    first = True
    while at < len(text):
        if text[at] == "]" and not first:
            parts += [*made, "]"]
            return at + 1
        first = False
        found = re.compile(_CLASS).match(text, at)
        if found:
            made.append(_members(found))
            at = found.end()
            continue
        at = _member(text, at, made)
        if text.startswith("-", at) and not text.startswith("]", at + 1) and at + 1 < len(text):
            made.append("-")
            at = _member(text, at + 1, made)
    parts.append(text[start:])  # a set without an end, which is an error
    return len(text)


def _member(text: str, at: int, made: list[str]) -> int:
    size = 2 if text[at] == "\\" else 1
    made.append("\\" + text[at] if text[at] in _RESERVED else text[at : at + size])
    return at + size


def _members(found: re.Match[str]) -> str:
    members = _CLASSES.get(found[2])
    if members is None or found[1]:
        names = ", ".join(_CLASSES)
        raise re.error(f"there is no class {found[0]}; the classes are {names}")
    return members
