"""Validate and compare Debian versions, `[epoch:]upstream[-revision]` (deb-version(7))."""

from __future__ import annotations

import re
from functools import lru_cache

from fpack.store.errors import FpackError

MAX_LENGTH = 256  # far above any real version; limits the size of integers in hostile input
_VALID = re.compile(r"(?:[0-9]{1,9}:[0-9A-Za-z.+:~-]+|[0-9A-Za-z.+~-]+)\Z")  # a colon only after an epoch
_PARTS = re.compile(r"([^0-9]*)([0-9]*)")

# A tilde sorts before the end of a part, the end before letters, and letters before other characters.
_END = "\x01"
_ORDER = {ord("~"): "\x00"} | {code: chr(code + 0x100) for code in range(0x21, 0x7E) if not chr(code).isalnum()}

Key = tuple[int, tuple[str | int, ...], tuple[str | int, ...]]


class InvalidVersion(FpackError):
    """A string that is not a Debian version."""

    exit_code = 4


def check_version(text: str) -> str:
    """Return `text`. Raise InvalidVersion if it is not a Debian version."""
    if len(text) > MAX_LENGTH or not _VALID.match(text):
        raise InvalidVersion(
            f"{text[:40]!r} is not a Debian version",
            why="the format is [epoch:]upstream[-revision], for example 1:2.3-4",
        )
    return text


def _part(text: str) -> tuple[str | int, ...]:
    """Return a sort key for one part of a version: alternating non-digits and numbers, then the end mark."""
    pairs = _PARTS.findall(text)
    if len(pairs) > 1:
        pairs.pop()  # the empty match at the end
    flat: list[str | int] = []
    for letters, digits in pairs:
        flat += (letters.translate(_ORDER) + _END, int(digits or 0))  # a missing number counts as 0
    flat.append(_END)
    return tuple(flat)


@lru_cache(maxsize=8192)
def version_key(text: str) -> Key:
    """Return a sort key for a version. Raise InvalidVersion if `text` is not a version."""
    check_version(text)
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return int(epoch), _part(upstream), _part(revision)


def satisfies(version: str, relation: str, wanted: str) -> bool:
    """Return whether `version` has the `relation` (`<<`, `<=`, `=`, `>=`, `>>`) to `wanted`."""
    if relation == "=":
        return version == wanted or version_key(version) == version_key(wanted)
    left, right = version_key(version), version_key(wanted)
    if relation == ">=":
        return left >= right
    if relation == "<<":
        return left < right
    if relation == "<=":
        return left <= right
    if relation == ">>":
        return left > right
    raise ValueError(f"no relation between versions: {relation!r}")
