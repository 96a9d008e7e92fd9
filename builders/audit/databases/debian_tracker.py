"""Read the data of Debian's security tracker: for each source package and vulnerability, the state in each release.

The data is one object: {SOURCE: {CVE: {description, scope, debianbug, releases: {RELEASE: {status, fixed_version,
urgency, nodsa, nodsa_reason}}}}}. A release that a vulnerability does not list has no such source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fpack.builders.debian.version import InvalidVersion, check_version

from .. import severity
from ..model import FIRST, SUBSTATES, UNIMPORTANT, Advisory, VersionRange
from .compiled import CompiledData, Compiler, DataError, text
from .json_stream import JsonStream

KIND = "debian-tracker"
NAME = "Debian security tracker"
URL = "https://security-tracker.debian.org/tracker/"
SOURCE = re.compile(r"[a-z0-9][a-z0-9+.-]{0,127}\Z")
ID = re.compile(r"[A-Za-z][A-Za-z0-9]{0,15}-[A-Za-z0-9._-]{1,80}\Z")  # CVE-2026-1234, or TEMP-0000000-ABCDEF
RELEASE = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}\Z")
_STATES = ("open", "resolved", "undetermined")
_END_OF_LIFE = "end-of-life"


def compile_tracker(stream: JsonStream, where: str) -> bytes:
    """Compile the data. Raise DataError if it is not the tracker's."""
    compiler = Compiler(KIND, where)
    sources = 0
    for name, entries in stream.members():
        is_source = bool(SOURCE.match(name)) and isinstance(entries, dict)
        if not is_source and sources:
            compiler.problem(name, "it is not a source package with its vulnerabilities")
            continue
        if not is_source:
            raise DataError(
                "The vulnerability data is of no known kind",
                where=where,
                why=f"{text(name, 60)!r} is not a source package with its vulnerabilities",
                hint="name the JSON file of Debian's security tracker, or OSV documents: files, directories or zips",
            )
        sources += 1
        for number, entry in entries.items():
            _add(compiler, name, number, entry)
    if not sources:
        raise DataError("The vulnerability data is empty", where=where, why="it names no source package")
    return compiler.finish()


def _add(compiler: Compiler, source: str, number: str, entry: Any) -> None:
    """Add a vulnerability of a source package, or note that it cannot be read."""
    releases = entry.get("releases") if isinstance(entry, dict) else None
    if not ID.match(number) or not isinstance(releases, dict):
        compiler.problem(f"{source} {text(number, 40)}", "it has no id or no releases")
        return
    rows = {}
    for release, state in releases.items():
        row = _state(state) if RELEASE.match(release) else None
        if row is None:
            compiler.problem(f"{source} {number}", f"its state in {text(release, 40)} cannot be read")
        else:
            rows[release] = row
            compiler.count(release)
    compiler.add(source, [number, text(entry.get("scope"), 40), text(entry.get("description")), rows])


def _state(value: Any) -> list[str] | None:
    """Return [status, fixed version, urgency, substate, note] of a vulnerability in a release; None if it is invalid.

    A fixed version "0" means that the release never had the vulnerability.
    """
    if not isinstance(value, dict) or value.get("status") not in _STATES:
        return None
    status = value["status"]
    fixed = value.get("fixed_version", "") if status == "resolved" else ""
    urgency, reason = text(value.get("urgency"), 40), text(value.get("nodsa_reason"), 40)
    if status == "resolved":
        try:
            check_version(fixed if isinstance(fixed, str) else "")
        except InvalidVersion:
            return None
    substate = ""
    if status == "undetermined":
        substate = status
    elif urgency in (_END_OF_LIFE, UNIMPORTANT):
        substate = urgency
    elif "nodsa" in value:
        substate = reason if reason in SUBSTATES else "no-dsa"
    return [status, fixed, urgency, substate, text(value.get("nodsa"), 120)]


class TrackerData:
    """The tracker's data as a source of advisories."""

    name = NAME

    def __init__(self, data: CompiledData) -> None:
        self.header = data.header
        self._data = data

    def covers(self, ecosystem: str, release: str) -> bool:
        return ecosystem == "Debian" and release in self.header.rows

    def advisories(self, ecosystem: str, release: str, package: str) -> Iterator[Advisory]:
        """Yield the advisories about a source package."""
        if not self.covers(ecosystem, release):
            return
        for number, scope, description, rows in self._data.rows(package):
            if release in rows:
                status, fixed, urgency, substate, note = rows[release]
                if fixed == "0":
                    continue
                parts = [note] if note else []
                if scope:
                    parts.append(scope)
                yield Advisory(
                    id=number,
                    aliases=(),
                    ecosystem=ecosystem,
                    release=release,
                    package=package,
                    ranges=(VersionRange(FIRST, fixed),),
                    severity=severity.of_word(urgency),
                    substate=substate,
                    note="; ".join(parts),
                    description=description,
                    urls=(URL + number,),
                    origin=NAME,
                )

    def rating(self, number: str) -> tuple[str, float | None]:
        """Return the severity and the score of a vulnerability apart from a package: the tracker has none."""
        return severity.UNKNOWN, None
