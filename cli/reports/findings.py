"""Make the sections of what others say of an image: known vulnerabilities, who rebuilt its packages, who signed it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fpack.builders.audit.model import SEVERITIES, Finding
from fpack.cli.images.attestations.attached import AttachedDocument

from .model import BADGE, CODE, Cell, Column, DataTable, EmptySection, Section
from .text import listed

Attached = Sequence[AttachedDocument]

_VULNERABILITIES, _REBUILDS, _SIGNATURES = "Vulnerabilities", "Rebuilt by others", "Signatures and documents"
_NO_DATA = "No data: this page was written without data about vulnerabilities, so it says nothing about them."
_NO_REBUILDERS = "No data: this page was written without attestations of rebuilders, so it says nothing about them."


class AuditRows(NamedTuple):
    """The result of an audit. data: what it was read from, with its date. without: what there was no data of."""

    findings: Sequence[Finding]
    data: Sequence[str]
    without: Sequence[str] = ()


class RebuiltPackage(NamedTuple):
    """A package and its rebuilders. reproduced: operators who got the same file; failed: those who did not.

    others: what the other operators say, as text.
    """

    package: str
    version: str
    reproduced: Sequence[str]
    failed: Sequence[str]
    others: Sequence[str] = ()


def vulnerabilities(audit: AuditRows | None, absent: str = _NO_DATA) -> Section:
    """Return the section of vulnerabilities. audit: None if there is no data; then `absent` says why."""
    if audit is None:
        return EmptySection("vulnerabilities", _VULNERABILITIES, absent)
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


def rebuilds(packages: Sequence[RebuiltPackage] | None, absent: str = _NO_REBUILDERS) -> Section:
    """Return the section of who reproduced which package. packages: None if there is no data; `absent` says why."""
    if packages is None:
        return EmptySection("rebuilds", _REBUILDS, absent)
    rows: list[list[Cell]] = []
    for item in packages:
        state = "reproduced" if item.reproduced else "not reproduced" if item.failed else "no data"
        said = [listed(names) for names in (item.reproduced, item.failed, item.others)]
        rows.append([item.package, item.version, state, *said])
    columns = [Column("package"), Column("version"), Column("state", BADGE), Column("by"), Column("not by")]
    columns.append(Column("otherwise"))
    good = sum(bool(item.reproduced) for item in packages)
    note = f"{good} of {len(packages)} packages were reproduced by others, bit for bit."
    return DataTable("rebuilds", _REBUILDS, columns, rows, note, "The image has no packages.")


def signatures(documents: Attached | None) -> Section:
    """Return the section of what an image file carries. documents: None if the image is in no file."""
    if documents is None:
        note = "No data: this page is about an attribute. Files of images are signed: a page about a file lists that."
        return EmptySection("signatures", _SIGNATURES, note)
    rows: list[list[Cell]] = []
    for item in documents:
        by = [f"key {key}" if key else "a key that is not named" for key in item.keys]
        state = "cannot be read" if item.problem else "not checked" if item.keys else "not signed"
        rows.append([item.what, item.type, state, listed(by, 8), item.problem])
    columns = [Column("what"), Column("type", CODE), Column("state", BADGE), Column("signed by"), Column("problem")]
    note = "What the file carries, as it says itself. "
    if any(item.keys for item in documents):
        note += "No signature is checked here, and anyone can name any key: fpack verify --key checks who signed what."
    return DataTable("signatures", _SIGNATURES, columns, rows, note.strip(), "The file carries none.")
