"""Compare versions as each ecosystem orders them: Debian, SemVer (npm, crates, Go), PEP 440 and RubyGems.

A key is a tuple. A text that is not a version of its ecosystem raises ValueError: such a version is never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from fpack.builders.debian.version import InvalidVersion, version_key

MAX_LENGTH = 256  # above any real version; every pattern below is linear, and integers stay small
Key = tuple[Any, ...]

_SEMVER = re.compile(r"[vV]?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?\Z", re.ASCII)
_PEP440 = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[._-]?(?P<pre>a|b|c|rc|alpha|beta|pre|preview)[._-]?(?P<pre_number>\d*))?"
    r"(?P<post>-(?P<bare>\d+)|[._-]?(?:post|rev|r)[._-]?(?P<post_number>\d*))?"
    r"(?P<dev>[._-]?dev[._-]?(?P<dev_number>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[._-][a-z0-9]+)*))?\Z",
    re.ASCII,
)
_PHASES = {"a": "a", "alpha": "a", "b": "b", "beta": "b"}  # all others are release candidates
_GEM = re.compile(r"\d+(?:\.[0-9A-Za-z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?\Z", re.ASCII)
_GEM_PARTS = re.compile(r"[0-9]+|[a-z]+", re.IGNORECASE)
_FIRST, _LAST = (-1,), (1,)


def _debian(text: str) -> Key:
    return version_key(text)


def _semver(text: str) -> Key:
    """Return the key of a version. Missing numbers are 0. Build metadata does not count (SemVer 2.0, section 11)."""
    match = _SEMVER.match(text)
    if match is None:
        raise ValueError(text)
    numbers = tuple(int(number or 0) for number in match.groups()[:3])
    if match[4] is None:
        return (*numbers, _LAST)
    words = [(0, int(word), "") if word.isdecimal() else (1, 0, word) for word in match[4].split(".")]
    return (*numbers, (0, tuple(words)))


def _pep440(text: str) -> Key:
    """Return the key of a version of Python's packages."""
    match = _PEP440.match(text.lower())
    if match is None:
        raise ValueError(text)
    release = [int(number) for number in match["release"].split(".")]
    while len(release) > 1 and not release[-1]:
        release.pop()
    has_pre, has_post, has_dev = match["pre"] is not None, match["post"] is not None, match["dev"] is not None
    if has_pre:
        pre: Key = (0, _PHASES.get(match["pre"], "rc"), int(match["pre_number"] or 0))
    else:
        pre = _FIRST if has_dev and not has_post else _LAST
    post = (0, int(match["bare"] or match["post_number"] or 0)) if has_post else _FIRST
    dev = (0, int(match["dev_number"] or 0)) if has_dev else _LAST
    words = re.split("[._-]", match["local"]) if match["local"] else []
    local = tuple((1, int(word), "") if word.isdecimal() else (0, 0, word) for word in words)
    return int(match["epoch"] or 0), tuple(release), pre, post, dev, local


def _gem(text: str) -> Key:
    """Return the key of a version of Ruby's packages. Letters sort before numbers; zeros at the end do not count."""
    if not _GEM.match(text):
        raise ValueError(text)
    parts: list[Key] = []
    for word in _GEM_PARTS.findall(text.replace("-", ".pre.")):
        parts.append((1, int(word), "") if word.isdecimal() else (-1, 0, word))
    first = next((number for number, part in enumerate(parts) if part[0] < 0), len(parts))
    return (*_stripped(parts[:first]), *_stripped(parts[first:]), (0,))


def _stripped(parts: list[Key]) -> list[Key]:
    while parts and parts[-1] == (1, 0, ""):
        parts.pop()
    return parts


_KEYS: Mapping[str, Callable[[str], Key]] = {
    "Debian": _debian,
    "Ubuntu": _debian,
    "npm": _semver,
    "crates.io": _semver,
    "Go": _semver,
    "PyPI": _pep440,
    "RubyGems": _gem,
}
ECOSYSTEMS = frozenset(_KEYS)


@lru_cache(maxsize=4096)
def key(ecosystem: str, text: str) -> Key:
    """Return the sort key of a version. Raise ValueError if it is not one."""
    if len(text) > MAX_LENGTH:
        raise ValueError(text[:40])
    try:
        return _KEYS[ecosystem](text)
    except InvalidVersion:
        raise ValueError(text[:40]) from None
