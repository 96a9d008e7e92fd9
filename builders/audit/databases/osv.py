"""Read vulnerabilities in the OSV format: a document, a list of documents, or many files of a directory or a zip.

Source: Open Source Vulnerability format, version 1.7. A document names affected packages by ecosystem; this module
keeps those of the ecosystems that an inventory knows. What a document says in prose is shown and never interpreted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fpack.store.errors import malformation

from .. import severity, versions
from ..model import FIRST, Advisory, AffectedParts, VersionRange
from .compiled import CompiledData, Compiler, DataError, text
from .debian_tracker import ID

KIND = "osv"
NAME = "OSV"
MAX_DOCUMENT = 8 << 20  # bytes; parsed, a hostile one takes forty times as many
MAX_AFFECTED = 20_000  # packages that a document names
MAX_EVENTS = 20_000  # of a range
MAX_IDS = 1_000
MAX_URLS = 5
MAX_PARTS = 10_000

_CVE = re.compile(r"CVE-\d{4}-\d{4,12}\Z", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.]{0,12}Z\Z", re.ASCII)
_NAME = re.compile(r"[!-~]{1,256}\Z")  # printable ASCII without spaces
_RELEASES = {
    "Debian": {"bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14", "duke": "15"},
    "Ubuntu": {
        "bionic": "18.04",
        "focal": "20.04",
        "jammy": "22.04",
        "noble": "24.04",
        "plucky": "25.04",
        "questing": "25.10",
        "resolute": "26.04",
    },
}
_RATING = "\0rating\t"
_EVENTS = ("introduced", "fixed", "last_affected")


class _Malformed(Exception):
    """A document that cannot be read, with the reason."""


def compile_osv(documents: Iterable[tuple[str, object]], where: str) -> bytes:
    """Compile documents. Each is its name with its parsed JSON, its bytes, or the error that reading it raised.

    Raise DataError if there are none, or if none can be read.
    """
    compiler = Compiler(KIND, where)
    total = 0
    for name, value in documents:
        total += 1
        try:
            _add(compiler, _parsed(value))
        except _Malformed as error:
            compiler.problem(name, str(error))
    if compiler.bad == total:
        why = "; ".join(compiler.problems) or "it is an empty list, or no file in it has a name that ends with .json"
        raise DataError("The vulnerability data has no OSV document", where=where, why=why[:400])
    return compiler.finish()


def _parsed(value: object) -> dict[str, Any]:
    if isinstance(value, DataError):
        raise _Malformed(value.why)
    if isinstance(value, bytes):
        try:
            value = json.loads(value)
        except RecursionError:
            raise _Malformed("it is nested too deeply") from None
        except ValueError as error:
            raise _Malformed(f"it is not JSON: {malformation(error)}"[:200]) from None
    if not isinstance(value, dict):
        raise _Malformed("it is not an object")
    return value


def _add(compiler: Compiler, document: dict[str, Any]) -> None:
    number = document.get("id")
    if not isinstance(number, str) or not ID.match(number):
        raise _Malformed("it has no valid id")
    modified = document.get("modified")
    if isinstance(modified, str) and _DATE.match(modified):
        compiler.newest = max(compiler.newest, modified)
    if document.get("withdrawn") is not None:
        compiler.withdrawn += 1
        return
    aliases, upstream = _ids(document, "aliases"), _ids(document, "upstream")
    common = _ratings(document.get("severity"), document.get("database_specific"))
    for cve in {found for found in (number, *aliases, *upstream[: len(upstream) == 1]) if _CVE.match(found)}:
        rated = _rated(common)
        if rated[0] != severity.UNKNOWN:
            compiler.add(_RATING + cve, list(rated))
    about = [number, aliases, upstream, text(document.get("summary") or document.get("details")), _urls(document)]
    for affected in _list(document, "affected", MAX_AFFECTED):
        package = affected.get("package") if isinstance(affected, dict) else None
        if not isinstance(package, dict):  # such as a document about commits of a repository
            continue
        ecosystem = _ecosystem(package.get("ecosystem"))
        if not ecosystem:
            continue
        kind = ecosystem.partition(":")[0]
        name = package.get("name")
        if not isinstance(name, str) or not _NAME.match(name):
            raise _Malformed("it names a package that is none")
        ranges = [_events(item) for item in _list(affected, "ranges", MAX_EVENTS) if not _is_of_commits(item)]
        listed = _list(affected, "versions", 1 << 20)
        if not all(isinstance(version, str) for version in listed):
            raise _Malformed("a version is not a text")
        # The list repeats the ranges. A distribution's has each version that its archive ever had.
        kept = [] if kind in _RELEASES and ranges else sorted({version for version in listed if _NAME.match(version)})
        specific = affected.get("ecosystem_specific")
        ratings = _ratings(affected.get("severity"), affected.get("database_specific"), specific) or common
        row = [*about, ranges, kept, list(_rated(ratings)), *_parts(specific)]
        compiler.add(f"{ecosystem}\t{_project(kind, name)}", row, ecosystem)


def _list(record: dict[str, Any], field: str, most: int) -> list[Any]:
    value = record.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _Malformed(f"{field} is not a list")
    if len(value) > most:
        raise _Malformed(f"{field} has more than {most} items")
    return value


def _ids(document: dict[str, Any], field: str) -> list[str]:
    """Return ids of the document. One that is not valid is left out: it would only join it with other documents."""
    return sorted({i for i in _list(document, field, MAX_IDS) if isinstance(i, str) and ID.match(i)})


def _ecosystem(value: object) -> str:
    """Return an ecosystem without the suffix of its release, or "" for one that no inventory has."""
    if not isinstance(value, str):
        raise _Malformed("it names a package without an ecosystem")
    kind, _, release = value.partition(":")
    if kind not in versions.ECOSYSTEMS or len(value) > 64 or not value.isascii() or not value.isprintable():
        return ""
    return kind if kind not in _RELEASES or not release else f"{kind}:{release.removesuffix(':LTS')}"


def _project(kind: str, name: str) -> str:
    """Return the name of a package as its registry compares it."""
    return re.sub(r"[-_.]+", "-", name).lower() if kind == "PyPI" else name


def _is_of_commits(value: object) -> bool:
    return isinstance(value, dict) and value.get("type") == "GIT"


def _events(value: object) -> list[list[str]]:
    """Return the events of a range of versions as pairs of kind and version."""
    if not isinstance(value, dict) or value.get("type") not in ("ECOSYSTEM", "SEMVER"):
        raise _Malformed("a range has no known type")
    found = []
    for event in _list(value, "events", MAX_EVENTS):
        if not isinstance(event, dict):
            raise _Malformed("an event of a range is not an object")
        for kind in _EVENTS:
            version = event.get(kind)
            if version is not None:
                if not isinstance(version, str) or not _NAME.match(version):
                    raise _Malformed("an event of a range has no version, or one with more than 256 characters")
                found.append([kind, version])
    if not found:
        raise _Malformed("a range has no events")
    return found


def _ratings(listed: object, *specific: object) -> list[list[str]]:
    """Return the ratings as pairs of a type and a vector or a word."""
    found = []
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict) and isinstance(item.get("type"), str) and isinstance(item.get("score"), str):
            found.append([item["type"], item["score"][: severity.MAX_VECTOR]])
    for record in specific:
        word = record.get("severity") if isinstance(record, dict) else None
        found += [["", word[:40]]] if isinstance(word, str) else []
    return found


def _rated(ratings: Sequence[Sequence[str]]) -> tuple[str, float | None]:
    """Return the severity and the score. A word rates a vulnerability in this package; a CVSS vector, in any use.

    So the word decides the severity, if there is one.
    """
    scores = {kind: score for kind, value in ratings if (score := severity.base_score(value)) is not None}
    words = [severity.of_word(value) for kind, value in ratings if not kind.startswith("CVSS")]
    known = [word for word in words if word != severity.UNKNOWN]
    score = scores.get("CVSS_V3", scores.get("CVSS_V2"))
    if known:
        return severity.worst(known), score
    return (severity.of_score(score), score) if score is not None else (severity.UNKNOWN, None)


def _parts(specific: object) -> tuple[list[str], list[str]]:
    """Return the binary packages and the symbols that an advisory names as affected.

    No symbols are returned if one of the imports is affected as a whole.
    """
    if not isinstance(specific, dict):
        return [], []
    binaries: set[str] = set()
    for item in _items(specific.get("binaries")):
        name = item.get("binary_name") if isinstance(item, dict) else None
        binaries |= {name} if isinstance(name, str) else {str(key) for key in item} if isinstance(item, dict) else set()
    symbols: set[str] = set()
    for item in _items(specific.get("imports")):
        path = item.get("path") if isinstance(item, dict) else None
        names = _items(item.get("symbols")) if isinstance(item, dict) else []
        if not isinstance(path, str) or not names or not all(isinstance(name, str) for name in names):
            symbols.clear()
            break
        symbols |= {f"{path}.{name}" for name in names}
    good = {name for name in binaries | symbols if _NAME.match(name)}
    # Nothing can look for a part whose name is not valid. Then no parts are named: the whole package is affected.
    return (sorted(binaries) if binaries <= good else []), (sorted(symbols) if symbols <= good else [])


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) and len(value) <= MAX_PARTS else []


def _urls(document: dict[str, Any]) -> list[str]:
    found = [f"https://osv.dev/vulnerability/{document['id']}"]
    for item in _items(document.get("references")):
        url = item.get("url") if isinstance(item, dict) and item.get("type") in ("ADVISORY", "FIX", "REPORT") else None
        if isinstance(url, str) and url.startswith(("https://", "http://")) and _NAME.match(url):
            found.append(url)
    return list(dict.fromkeys(found))[:MAX_URLS]


class OsvData:
    """OSV documents as a source of advisories."""

    name = NAME

    def __init__(self, data: CompiledData) -> None:
        self.header = data.header
        self._data = data

    def covers(self, ecosystem: str, release: str) -> bool:
        """Return whether there are documents about an ecosystem, or about a release of a distribution."""
        return any(key in self.header.rows for key in _keys(ecosystem, release))

    def advisories(self, ecosystem: str, release: str, package: str) -> Iterator[Advisory]:
        """Yield the advisories about a package: one for each CVE that a document is about."""
        for key in _keys(ecosystem, release):
            for row in self._data.rows(f"{key}\t{_project(ecosystem, package)}"):
                yield from _advisories(row, ecosystem, release, package)

    def rating(self, number: str) -> tuple[str, float | None]:
        """Return the severity and the score of a vulnerability apart from a package."""
        rows = self._data.rows(_RATING + number)
        scores = [score for _, score in rows if score is not None]
        return severity.worst([word for word, _ in rows]), max(scores, default=None)


def _keys(ecosystem: str, release: str) -> list[str]:
    """Return the names of an ecosystem in OSV. A distribution without a release stands for all of its releases."""
    if ecosystem not in _RELEASES:
        return [ecosystem]
    return [f"{ecosystem}:{_RELEASES[ecosystem].get(release, release)}", ecosystem]


def _advisories(row: list[Any], ecosystem: str, release: str, package: str) -> Iterator[Advisory]:
    number, aliases, upstream, summary, urls, events, listed, (word, score), binaries, symbols = row
    ids = [number, *aliases, *upstream]
    # A notice of a distribution is about several vulnerabilities, each with a state of its own.
    for cve in sorted({name for name in ids if _CVE.match(name)}) or [number]:
        yield Advisory(
            id=cve,
            aliases=tuple(sorted({name for name in (number, *aliases) if not _CVE.match(name)} - {cve})),
            ecosystem=ecosystem,
            release=release,
            package=package,
            ranges=tuple(span for item in events for span in ranges_of(ecosystem, item)),
            versions=tuple(listed),
            severity=word,
            score=score,
            description=summary,
            urls=tuple(urls),
            parts=AffectedParts((), tuple(binaries), tuple(symbols)),
            origin=NAME,
        )


def _position(ecosystem: str, kind: str, version: str) -> versions.Key:
    """Return the sort key of an event. That of the very first version precedes all others."""
    return () if (kind, version) == ("introduced", FIRST) else versions.key(ecosystem, version)


def ranges_of(ecosystem: str, events: Sequence[Sequence[str]]) -> list[VersionRange]:
    """Return the ranges of affected versions between events. Versions that cannot be compared keep their order."""
    try:
        ordered = sorted(events, key=lambda event: _position(ecosystem, *event))
    except ValueError:
        ordered = list(events)
    found: list[VersionRange] = []
    start = None if any(kind == "introduced" for kind, _ in events) else FIRST
    for kind, version in ordered:
        if kind == "introduced":
            start = version if start is None else start
        elif start is not None:
            found.append(VersionRange(start, *((version, "") if kind == "fixed" else ("", version))))
            start = None
    return found if start is None else [*found, VersionRange(start)]
