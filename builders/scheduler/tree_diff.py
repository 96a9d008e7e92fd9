"""Compare two trees that should be identical, and guess the cause of each difference."""

from __future__ import annotations

import filecmp
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_READ = 8 << 20  # bytes read of each file to find a cause
_AROUND = 48  # bytes examined on each side of the first difference
_DATES = (
    re.compile(rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[ ,]"),
    re.compile(rb"\d\d?:\d\d:\d\d"),
    re.compile(rb"(19|20)\d\d-?[01]\d-?[0-3]\d"),
    re.compile(rb"(?<!\d)1[5-9]\d{8}(?!\d)"),
)


class Difference(NamedTuple):
    """A difference. path: in the tree, "" for the tree itself. what: a description. cause: the likely cause, or ""."""

    path: str
    what: str
    cause: str = ""


def compare(one: Path, two: Path, path: str = "") -> Iterator[Difference]:
    """Yield the differences between two trees, sorted by path. path: the path that both have in the tree."""
    a, b = _status(one), _status(two)
    if a is None or b is None:
        if a is not b:
            yield Difference(path, "exists in one tree only", "" if path else "only one of the two builds produced it")
        return
    if stat.S_IFMT(a.st_mode) != stat.S_IFMT(b.st_mode):
        yield Difference(path, "has two file types")
    elif stat.S_ISLNK(a.st_mode):
        if os.readlink(one) != os.readlink(two):
            yield Difference(path, f"points to {os.readlink(one)} and to {os.readlink(two)}")
    elif stat.S_ISDIR(a.st_mode):
        for name in sorted({*os.listdir(one), *os.listdir(two)}):
            yield from compare(one / name, two / name, f"{path}/{name}" if path else name)
    else:
        if bool(a.st_mode & 0o100) != bool(b.st_mode & 0o100):
            yield Difference(path, "is executable in one tree only")
        first, second = _read(one), _read(two)
        if a.st_size != b.st_size or first != second or not filecmp.cmp(one, two, shallow=False):
            what = f"has {a.st_size} and {b.st_size} bytes" if a.st_size != b.st_size else "has different content"
            yield Difference(path, what, cause(first, second))


def cause(one: bytes, two: bytes) -> str:
    """Return the likely cause of the difference between two files' contents, or ""."""
    if one[:2] == two[:2] == b"\x1f\x8b" and one[:4] == two[:4] and one[4:8] != two[4:8]:
        return "the time in the gzip header: use gzip -n"
    if one[:4] == two[:4] and one[2:4] == b"\r\n" and one[8:12] != two[8:12]:
        return "the source file's time in a .pyc: compile with --invalidation-mode unchecked-hash"
    if one[:4] == two[:4] == b"PK\x03\x04" and one[10:14] != two[10:14]:
        return "the times of the members of a zip file"
    if one[:8] == two[:8] == b"!<arch>\n" and one[24:36] != two[24:36]:
        return "the times in a static library: use the modifier D of ar and ranlib"
    at = next((i for i, (x, y) in enumerate(zip(one, two, strict=False)) if x != y), min(len(one), len(two)))
    around = [data[max(at - _AROUND, 0) : at + _AROUND] for data in (one, two)]
    if all(b"GNU\0" in piece and data.startswith(b"\x7fELF") for piece, data in zip(around, (one, two), strict=True)):
        return "a build id"
    for pattern in _DATES:
        if all(pattern.search(piece) for piece in around):
            return "a date or time: the build should use SOURCE_DATE_EPOCH"
    for word, reason in (
        (b"/build/", "a path of the build directory"),
        (b"/tmp/", "the name of a temporary file"),
        (b"/fpack/store/", "a path in the store"),
    ):
        if all(word in piece for piece in around):
            return reason
    if len(one) == len(two) and sorted(one) == sorted(two):
        return "a different order of the same bytes: from a directory listing, a hash table or parallel work"
    return ""


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _read(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(_READ)
