"""Say what an audit found: which findings count, what was not checked, and the JSON form of it all."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fpack.builders.audit.accepted import AcceptedEntry, acceptance, expired
from fpack.builders.audit.model import AFFECTED, SEVERITIES, UNDER_INVESTIGATION, Finding
from fpack.store import DAY
from fpack.store.errors import counted

from .audits import AuditedImage
from .vulnerability_data import VulnerabilityData

_UNKNOWN = "unknown"


class JudgedFinding(NamedTuple):
    """A finding, and the entry by which the user accepts it, if there is one."""

    finding: Finding
    accepted: AcceptedEntry | None = None

    @property
    def counts(self) -> bool:
        """True for a vulnerability of the image that nobody accepted."""
        return self.finding.status in (AFFECTED, UNDER_INVESTIGATION) and self.accepted is None


class FailOn(NamedTuple):
    """The findings that fail an audit: those of a severity or a worse one; fixable: only those with a fixed version."""

    severity: str
    fixable: bool = False

    def meets(self, judged: JudgedFinding) -> bool:
        finding = judged.finding
        is_severe = SEVERITIES.index(finding.advisory.severity) <= SEVERITIES.index(self.severity)
        return judged.counts and is_severe and (not self.fixable or bool(finding.fixed))


class ImageReport(NamedTuple):
    """The audit of one image. what: its name on the command line. data: what it was matched with.

    unchecked: why the audit is not complete, for each part. counts: of the findings that count, by severity.
    """

    what: str
    image: AuditedImage
    findings: tuple[JudgedFinding, ...]
    data: tuple[VulnerabilityData, ...]
    unchecked: tuple[str, ...]
    counts: Mapping[str, int]

    def failing(self, limit: FailOn | None) -> int:
        """Return how many findings fail the audit."""
        return sum(limit.meets(judged) for judged in self.findings) if limit is not None else 0

    def unrated(self, limit: FailOn | None) -> int:
        """Return how many findings may fail the audit, since the data does not tell their severity."""
        if limit is None or limit.severity == _UNKNOWN:
            return 0
        worst = limit._replace(severity=_UNKNOWN)
        return sum(worst.meets(item) for item in self.findings if item.finding.advisory.severity == _UNKNOWN)


def report(
    what: str,
    image: AuditedImage,
    data: Sequence[VulnerabilityData],
    accepted: Sequence[AcceptedEntry],
    now: float,
    max_days: float | None,
) -> ImageReport:
    """Return the report of an image. now: the time, in Unix seconds. max_days: the highest age of data, or None."""
    today = datetime.datetime.fromtimestamp(now, datetime.UTC).date()
    judged = tuple(JudgedFinding(f, acceptance(f, accepted, today)) for f in image.result.findings)
    counting = [item.finding.advisory.severity for item in judged if item.counts]
    counts = {name: counting.count(name) for name in SEVERITIES if name in counting}
    return ImageReport(what, image, judged, tuple(data), tuple(_unchecked(image, data, now, max_days)), counts)


def _unchecked(image: AuditedImage, data: Sequence[VulnerabilityData], now: float, max_days: float | None) -> list[str]:
    found = []
    for part in image.result.missing:
        name = f"{part.ecosystem} {part.release}".rstrip()
        found.append(f"no data about {name}: {_few(part.packages)}")
    if image.inventory.unread:
        found.append(f"the lock files of {_few(image.inventory.unread)} are not at hand")
    if image.inventory.base:
        why = f": {_few(image.inventory.base_unread)}" if image.inventory.base_unread else ""
        found.append(f"the packages of the base {image.inventory.base} are not known{why}")
    if image.inventory.unlocked:
        found.append(f"the lock does not name the source of {_few(image.inventory.unlocked)}")
    for item in data:
        age = days(item, now)
        if max_days is not None and age > max_days:
            found.append(f"{item.where} is {counted(age, 'day')} old, and the limit is {max_days:g}")
        header = item.source.header
        if header.bad:
            bad = counted(header.bad, "record")
            found.append(f"{bad} of {item.where} cannot be read: {'; '.join(header.problems[:3])}")
    return found


def days(item: VulnerabilityData, now: float) -> int:
    """Return the age of data."""
    return max(0, int((now - item.date) / DAY))


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{', '.join(names[:5])}{more}"


def value(report: ImageReport, limit: FailOn | None, accepted: Sequence[AcceptedEntry], now: float) -> dict[str, Any]:
    """Return the JSON form."""
    image = report.image
    today = datetime.datetime.fromtimestamp(now, datetime.UTC).date()
    return {
        "image": report.what,
        "name": image.name,
        "tag": image.tag,
        "digest": image.digest,
        "arch": image.arch,
        "counts": dict(report.counts),
        "failing": report.failing(limit),
        "complete": not report.unchecked,
        "findings": [_finding(item) for item in report.findings],
        "packages": len(image.inventory.products),
        "coverage": [part._asdict() for part in image.result.coverage],
        "unidentified": list(image.inventory.unidentified),
        "unchecked": list(report.unchecked),
        "data": [_data(item, now) for item in report.data],
        "expired": [_accepted(entry) for entry in expired(accepted, today)],
    }


def _finding(item: JudgedFinding) -> dict[str, Any]:
    finding, advisory, product = item.finding, item.finding.advisory, item.finding.product
    return {
        "id": advisory.id,
        "aliases": list(advisory.aliases),
        "severity": advisory.severity,
        "score": advisory.score,
        "status": finding.status,
        "substate": advisory.substate,
        "note": advisory.note,
        "justification": finding.justification,
        "evidence": list(finding.evidence),
        "fixed": finding.fixed,
        "counts": item.counts,
        "accepted": _accepted(item.accepted) if item.accepted is not None else None,
        "product": {**product._asdict(), "binaries": [binary._asdict() for binary in product.binaries]},
        "description": advisory.description,
        "urls": list(advisory.urls),
        "origin": advisory.origin,
    }


def _accepted(entry: AcceptedEntry) -> dict[str, Any]:
    return {**entry._asdict(), "until": entry.until.isoformat() if entry.until is not None else None}


def _data(item: VulnerabilityData, now: float) -> dict[str, Any]:
    from fpack.builders.debian.suites import show_date

    header = item.source.header
    return {
        "where": item.where,
        "kind": header.kind,
        "date": show_date(int(item.date)),
        "age_days": days(item, now),
        "newest": header.newest,
        "records": dict(header.rows),
        "withdrawn": header.withdrawn,
        "bad": header.bad,
        "problems": list(header.problems),
        "stale": item.stale,
    }
