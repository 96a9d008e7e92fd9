"""Parse the text of a Contents index: one path a line, then the packages that have it, as `SECTION/NAME,SECTION/NAME`.

The text has hundreds of megabytes. It is read in pieces; only the kept rows stay in memory, with limits on their number
and size, since the archive of a mirror that is trusted by its signature can still be any archive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..indexes.table import IndexUnusable
from .kept_paths import KeptPaths

MAX_LINE = 1 << 16  # bytes; the longest of trixie has 332
MAX_LINES = 1 << 26  # trixie has 8,200,000
MAX_ROWS = 2_000_000  # kept rows; trixie has 500,000
MAX_KEPT = 256 << 20  # bytes of the kept rows
MAX_OWNERS = 1000  # packages that have one path

# A quick test, which leaves one line of five to be looked at.
_STARTS = (
    *(b"usr/include/", b"usr/bin/", b"usr/sbin/", b"usr/games/", b"usr/lib", b"usr/share/pkgconfig/"),
    *(b"bin/", b"sbin/", b"lib"),
)
_CMAKE = b".cmake"
_OWNERS = re.compile(rb"(?:(?:[\w.+-]+/)*[a-z0-9][a-z0-9+.-]*)(?:,(?:[\w.+-]+/)*[a-z0-9][a-z0-9+.-]*)*+\Z")


def parse_rows(pieces: Iterable[bytes], where: str = "") -> list[bytes]:
    """Return the kept rows of an index, sorted: `NAME\\tDIRECTORY\\tPACKAGE PACKAGE\\n`, with each path once.

    pieces: the text in any pieces. Raise IndexUnusable if a limit is exceeded. Lines of another form are skipped.
    """
    rows: dict[bytes, bytes] = {}
    key_of = KeptPaths().key
    owners: dict[bytes, bytes] = {}  # the converted lists of packages, most of which follow each other many times
    kept = 0
    for lines in _lines(pieces, where):
        for line in lines:
            if not line.startswith(_STARTS) and _CMAKE not in line:
                continue
            path, _, listed = line.replace(b"\t", b" ").rpartition(b" ")
            found = key_of(path.rstrip(b" "))
            if found is None:
                continue
            names = owners.get(listed)
            if names is None:
                names = _packages(listed)
                if len(owners) > 1000:
                    owners.clear()
                owners[listed] = names
            if not names:
                continue
            key = b"%s\t%s\t" % found
            old = rows.get(key)
            if old is not None and old != names:
                names = b" ".join(sorted({*old.split(b" "), *names.split(b" ")})[:MAX_OWNERS])
            rows[key] = names
            kept += len(key) + len(names)
            if len(rows) > MAX_ROWS or kept > MAX_KEPT:
                why = (
                    f"its {len(rows)} entries have {kept} bytes; the limits are {MAX_ROWS} entries and {MAX_KEPT} bytes"
                )
                raise IndexUnusable("The index of files has too many entries", where=where, why=why)
    return [b"%s%s\n" % row for row in sorted(rows.items())]


def _lines(pieces: Iterable[bytes], where: str) -> Iterable[list[bytes]]:
    """Yield the lines of each piece; a line that continues in the next piece is yielded with that one."""
    rest, count = b"", 0
    for piece in pieces:
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        count += len(lines)
        if count > MAX_LINES:
            raise IndexUnusable("The index of files has too many lines", where=where, why=f"the limit is {MAX_LINES}")
        if len(rest) > MAX_LINE:
            why = f"the limit is {MAX_LINE} bytes"
            raise IndexUnusable("The index of files has a line that is too long", where=where, why=why)
        yield lines
    yield [rest]


def _packages(listed: bytes) -> bytes:
    """Return the names of the packages of a line, sorted and separated by spaces; nothing if it is malformed."""
    if not _OWNERS.match(listed):
        return b""
    return b" ".join(sorted({owner.rpartition(b"/")[2] for owner in listed.split(b",")})[:MAX_OWNERS])
