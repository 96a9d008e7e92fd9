"""Parse Debian changelogs, and select the entries between two versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fpack.builders.debian.version import InvalidVersion, version_key
from fpack.store.errors import printable

from .model import ChangelogEntry, cve_key

MAX_ENTRIES = 200
MAX_LINES = 400  # of an entry
MAX_LINE = 400  # characters
_HEAD = re.compile(r"\w[-+0-9a-z.]* \(([^() \t]{1,256})\)((?:\s+[-+0-9a-z.]+)*)\s*;(.{0,400})", re.IGNORECASE)
_TRAILER = re.compile(r" -- .{0,400}?>\s+(.{1,80})")
_URGENCY = re.compile(r"urgency=([a-z]+)", re.IGNORECASE)
_CVE = re.compile(r"CVE-(?:19|20)\d{2}-\d{4,9}(?!\d)", re.IGNORECASE)


def parse(text: str) -> Iterator[ChangelogEntry]:
    """Yield the entries, the newest first. What does not belong to an entry is passed over."""
    head: re.Match[str] | None = None
    lines: list[str] = []
    for raw in text.splitlines():
        line = printable(raw.rstrip().expandtabs())
        found = _HEAD.match(line)
        if found is not None:
            if head is not None:
                yield _entry(head, lines, "")
            head, lines = found, []
        elif head is not None and (trailer := _TRAILER.match(line)):
            yield _entry(head, lines, trailer[1])
            head, lines = None, []
        elif head is not None and len(lines) < MAX_LINES:
            lines.append(line[:MAX_LINE])
    if head is not None:
        yield _entry(head, lines, "")


def _entry(head: re.Match[str], lines: list[str], date: str) -> ChangelogEntry:
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    urgency = _URGENCY.search(head[3])
    cves = {cve.upper() for line in lines for cve in _CVE.findall(line)}
    return ChangelogEntry(
        version=head[1],
        suite=head[2].strip(),
        urgency=urgency[1].lower() if urgency else "",
        date=date.strip(),
        lines=tuple(lines),
        cves=tuple(sorted(cves, key=cve_key)),
    )


def between(entries: Iterable[ChangelogEntry], old: str, new: str) -> list[ChangelogEntry]:
    """Return the entries of versions after `old`, up to `new`. Reading ends at `old`: what follows is its history.

    An entry of a branch, such as a backport, may have any version; those above `old` whose version is not above `new`
    count.
    """
    low, high = version_key(old), version_key(new)
    found = []
    for entry in entries:
        try:
            key = version_key(entry.version)
        except InvalidVersion:
            continue
        if key == low:
            break
        if low < key <= high:
            found.append(entry)
            if len(found) == MAX_ENTRIES:
                break
    return found


def merge(of_source: Iterable[ChangelogEntry], of_rebuilds: Iterable[ChangelogEntry]) -> tuple[ChangelogEntry, ...]:
    """Return the entries of a source and of rebuilds of its binary packages, each version once, the newest first."""
    found = {entry.version: entry for entry in (*of_rebuilds, *of_source)}
    return tuple(sorted(found.values(), key=lambda entry: version_key(entry.version), reverse=True))
