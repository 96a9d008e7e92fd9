"""Parse versions and ranges of Node packages as npm does, and choose versions by them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

MAX_RANGE = 2000
_VERSION = re.compile(
    r"[v=\s]*(\d{1,16})\.(\d{1,16})\.(\d{1,16})(?:-?((?:[0-9A-Za-z-]+)(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?\s*\Z"
)
_PARTIAL = re.compile(
    r"[v=\s]*(\d{1,16}|[xX*])(?:\.(\d{1,16}|[xX*])(?:\.(\d{1,16}|[xX*])(?:-?([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?)?)?"
    r"(?:\+[0-9A-Za-z.-]+)?\Z"
)


class Semver(NamedTuple):
    """A version. pre: identifiers of the pre-release; a final release has (2,), which is later than all."""

    major: int
    minor: int
    patch: int
    pre: tuple[tuple[int, int, str], ...] = ((2, 0, ""),)

    @property
    def is_pre(self) -> bool:
        return self.pre != _FINAL

    @property
    def core(self) -> tuple[int, int, int]:
        return self[:3]


_FINAL = ((2, 0, ""),)


class _VersionBound(NamedTuple):
    """One comparison: `>=`, `<`, `>`, `<=` or `=`, and the version."""

    operator: str
    version: Semver


@lru_cache(maxsize=65536)
def parse(text: str) -> Semver | None:
    """Return a version, or None for a text that is none."""
    match = _VERSION.match(text) if len(text) < 256 else None
    return Semver(int(match[1]), int(match[2]), int(match[3]), _pre(match[4])) if match else None


@lru_cache(maxsize=65536)
def parse_range(text: str) -> tuple[tuple[_VersionBound, ...], ...] | None:
    """Return the alternatives of a range, each with bounds that hold together; None for a text that is no range."""
    if len(text) > MAX_RANGE:
        return None
    found = []
    for part in text.split("||"):
        bounds = _alternative(part.strip())
        if bounds is None:
            return None
        found.append(tuple(bounds))
    return tuple(found)


def satisfies(version: str, wanted: str) -> bool:
    """Return whether a version is in a range. A pre-release is only in a range that names one of the same release."""
    parsed, alternatives = parse(version), parse_range(wanted)
    return parsed is not None and alternatives is not None and any(_holds(parsed, bounds) for bounds in alternatives)


def newest(versions: Iterable[str], wanted: str) -> str | None:
    """Return the newest version in a range, or None."""
    fitting = [(parsed, v) for v in versions if (parsed := parse(v)) is not None and satisfies(v, wanted)]
    return max(fitting)[1] if fitting else None


def _holds(version: Semver, bounds: tuple[_VersionBound, ...]) -> bool:
    for operator, other in bounds:
        if not {
            ">=": version >= other, "<=": version <= other, ">": version > other, "<": version < other,
            "=": version == other,
        }[operator]:  # fmt: skip
            return False
    return not version.is_pre or any(b.version.is_pre and b.version.core == version.core for b in bounds)


def _alternative(text: str) -> list[_VersionBound] | None:
    hyphen = re.fullmatch(r"(\S+)\s+-\s+(\S+)", text)
    if hyphen:
        low, high = _partial(hyphen[1]), _partial(hyphen[2])
        if low is None or high is None:
            return None
        upper = [] if not high[0] else [_VersionBound("<=", _filled(*high))] if len(high[0]) == 3 else [_above(high[0])]
        return [_VersionBound(">=", _filled(*low)), *upper]
    found: list[_VersionBound] = []
    for word in re.sub(r"(\^|~>?|[<>]=?|=)\s+", r"\1", text).split():
        match = re.match(r"(\^|~>?|<=|>=|<|>|=|)(.*)\Z", word)
        partial = _partial(match[2]) if match and match[2] else ([], None) if match and not match[1] else None
        if match is None or partial is None:
            return None
        found += _comparator(match[1], *partial)
    return found


def _comparator(operator: str, numbers: list[int], pre: str | None) -> list[_VersionBound]:
    low = _filled(numbers, pre)
    if not numbers:
        return [_VersionBound("<", Semver(0, 0, 0, ((0, 0, ""),)))] if operator in ("<", ">") else []
    if operator == "^":
        first = next((i for i, n in enumerate(numbers) if n), len(numbers) - 1)
        return [_VersionBound(">=", low), _above(numbers[: first + 1])]
    if operator.startswith("~"):
        return [_VersionBound(">=", low), _above(numbers[:2])]
    if operator == ">":
        return [_VersionBound(">", low)] if len(numbers) == 3 else [_VersionBound(">=", _next(numbers))]
    if operator == "<=":
        return [_VersionBound("<=", low)] if len(numbers) == 3 else [_above(numbers)]
    if operator == ">=":
        return [_VersionBound(">=", low)]
    if operator == "<":
        return [_VersionBound("<", low if pre else low._replace(pre=((0, 0, ""),)))]
    return [_VersionBound("=", low)] if len(numbers) == 3 else [_VersionBound(">=", low), _above(numbers)]


def _above(numbers: list[int]) -> _VersionBound:
    """Return the bound below the next number of the last place, pre-releases of that excluded."""
    return _VersionBound("<", _next(numbers)._replace(pre=((0, 0, ""),)))


def _next(numbers: list[int]) -> Semver:
    return _filled([*numbers[:-1], numbers[-1] + 1], None)


def _filled(numbers: list[int], pre: str | None) -> Semver:
    major, minor, patch = [*numbers, 0, 0, 0][:3]
    return Semver(major, minor, patch, _pre(pre))


def _partial(text: str) -> tuple[list[int], str | None] | None:
    """Return the numbers before the first wildcard, and the pre-release."""
    match = _PARTIAL.match(text)
    if match is None:
        return None
    numbers: list[int] = []
    for part in match.groups()[:3]:
        if part is None or not part.isdigit():
            break
        numbers.append(int(part))
    return numbers, match[4] if len(numbers) == 3 else None


def _pre(text: str | None) -> tuple[tuple[int, int, str], ...]:
    if not text:
        return _FINAL
    return tuple((0, int(part), "") if part.isdigit() and len(part) < 17 else (1, 0, part) for part in text.split("."))
