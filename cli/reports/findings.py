"""Make the sections of what others say of an image: known vulnerabilities, and who rebuilt its packages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fpack.builders.audit.model import SEVERITIES, Finding

from .model import BADGE, Cell, Column, DataTable, EmptySection, Section
from .text import listed

_VULNERABILITIES, _REBUILDS = "Vulnerabilities", "Rebuilt by others"


class AuditRows(NamedTuple):
    """The result of an audit. data: what it was read from, with its date. without: what there was no data of."""

    findings: Sequence[Finding]
    data: Sequence[str]
    without: Sequence[str] = ()


class RebuiltPackage(NamedTuple):
    """Who rebuilt a package. reproduced: operators who got the same file; failed: those who got another one or none."""

    package: str
    version: str
    reproduced: Sequence[str]
    failed: Sequence[str]


def vulnerabilities(audit: AuditRows | None) -> Section:
    """Return the section of vulnerabilities. audit: None if there is no data."""
    if audit is None:
        note = "No data: this page was written without data about vulnerabilities, so it says nothing about them."
        return EmptySection("vulnerabilities", _VULNERABILITIES, note)
    note = f"By {listed(audit.data)}." if audit.data else ""
    if audit.without:
        note += f" No data of {listed(audit.without)}, so nothing is said about these."
    columns = [Column("id"), Column("severity", BADGE), Column("source"), Column("version"), Column("fixed in")]
    columns += [Column("status", BADGE), Column("state"), Column("packages"), Column("evidence"), Column("description")]
    rows: list[list[Cell]] = [
        [
            finding.advisory.id,
            finding.advisory.severity,
            finding.product.name,
            finding.product.version,
            finding.fixed,
            finding.status,
            finding.advisory.substate,
            listed([binary.name for binary in finding.product.binaries]),
            listed([text for text in (finding.justification, *finding.evidence) if text], 4),
            finding.advisory.description,
        ]
        for finding in sorted(audit.findings, key=_rank)
    ]
    empty = "None is known, by this data."
    return DataTable("vulnerabilities", _VULNERABILITIES, columns, rows, note.strip(), empty)


def _rank(finding: Finding) -> tuple[int, str, str]:
    severity = finding.advisory.severity
    rank = SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
    return rank, finding.advisory.id, finding.product.name


def rebuilds(packages: Sequence[RebuiltPackage] | None) -> Section:
    """Return the section of who reproduced which package. packages: None if there is no data."""
    if packages is None:
        note = "No data: this page was written without attestations of rebuilders, so it says nothing about them."
        return EmptySection("rebuilds", _REBUILDS, note)
    rows: list[list[Cell]] = []
    for item in packages:
        state = "reproduced" if item.reproduced else "not reproduced" if item.failed else "no data"
        rows.append([item.package, item.version, state, listed(item.reproduced), listed(item.failed)])
    columns = [Column("package"), Column("version"), Column("state", BADGE), Column("by"), Column("not by")]
    good = sum(bool(item.reproduced) for item in packages)
    note = f"{good} of {len(packages)} packages were reproduced by others, bit for bit."
    return DataTable("rebuilds", _REBUILDS, columns, rows, note, "The image has no packages.")
