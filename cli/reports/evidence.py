"""Collect what others say of an image for its page: vulnerability data, rebuilders, and who signed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.builders.debian.suites import show_date
from fpack.cli.images.stored_subject import StoredSubject
from fpack.cli.images.subject import Subject
from fpack.store.errors import counted

from . import findings
from .findings import AuditRows, RebuiltPackage
from .model import Section

if TYPE_CHECKING:
    from fpack.builders.attest.rebuilder_policy import RebuilderPolicy
    from fpack.builders.attest.rebuilders import PackageResult
    from fpack.cli.images.audits import AuditedImage, Auditor
    from fpack.cli.images.vulnerability_data import VulnerabilityData
    from fpack.cli.workspace.workspace import Workspace

_NO_PACKAGES = "The image has no manifest of fpack, so its packages are not known."


def sections(
    workspace: Workspace,
    subject: Subject,
    auditor: Auditor | None = None,
    policy: RebuilderPolicy | None = None,
    bundle: Path | None = None,
) -> list[Section]:
    """Return the sections. auditor: None without data. policy: None if no rebuilder is asked. bundle: their answers."""
    signed = findings.signatures(_attached(subject))
    if isinstance(subject, StoredSubject) and subject.image.data is None:
        return [findings.vulnerabilities(None, _NO_PACKAGES), findings.rebuilds(None, _NO_PACKAGES), signed]
    rows = _audited(auditor.audit(workspace, subject), auditor.data) if auditor is not None else None
    return [findings.vulnerabilities(rows), findings.rebuilds(_rebuilt(subject, policy, bundle)), signed]


def compared(
    workspace: Workspace, subject: Subject, other: str, name: str, auditor: Auditor | None, offline: bool
) -> list[Section]:
    """Return the sections of what differs from another image. other: names it. name: of the subject."""
    from fpack.cli.comparison import json_form, sides
    from fpack.cli.comparison.differences import compare_sides
    from fpack.cli.comparison.model import LOCK
    from fpack.cli.errors import UsageError

    from .comparison_page import comparison_sections

    if sides.form(other) == LOCK:
        raise UsageError("A lock and an image cannot be compared", hint="name an image with --compare")
    old, new = sides.open_side(workspace, other, None), sides.of_subject(name, subject)
    found = compare_sides(workspace, old, new, auditor=auditor, changelogs=True, offline=offline)
    made = comparison_sections(json_form.value(found))
    return [made[0], *(section._replace(title=f"{section.title} compared") for section in made[1:])]


def _attached(subject: Subject) -> findings.Attached | None:
    if not isinstance(subject, StoredSubject):
        return None
    from fpack.cli.images.attestations.attached import attached

    return attached(subject.image.file)


def _audited(image: AuditedImage, data: Sequence[VulnerabilityData]) -> AuditRows:
    return AuditRows(image.result.findings, [_data(item) for item in data], list(_without(image, data)))


def _data(item: VulnerabilityData) -> str:
    """Return what data it is, without the path of a file: the page is of no machine."""
    records = sum(item.source.header.rows.values())
    old = ", not compared with its server now" if item.stale else ""
    return f"{item.source.name} of {show_date(int(item.date))[:10]} ({counted(records, 'record')}{old})"


def _without(image: AuditedImage, data: Sequence[VulnerabilityData]) -> Iterator[str]:
    """Yield what the data does not tell."""
    for part in image.result.missing:
        yield f"{part.ecosystem} {part.release}".rstrip() + f" ({counted(len(part.packages), 'package')})"
    if image.inventory.unread:
        yield f"the packages in the lock files of {', '.join(image.inventory.unread)}"
    if image.inventory.base:
        yield f"the packages of the base {image.inventory.base}"
    if image.inventory.unidentified:
        yield f"builds and downloads of no registry ({', '.join(image.inventory.unidentified)})"
    for item in data:
        if item.source.header.bad:
            yield f"{counted(item.source.header.bad, 'record')} of {item.source.name} that cannot be read"


def _rebuilt(subject: Subject, policy: RebuilderPolicy | None, bundle: Path | None) -> list[RebuiltPackage] | None:
    if policy is None:
        return None
    from fpack.cli.images.attestations import rebuilt

    (results,) = rebuilt.of_images([subject.manifest().head.lock.packages], policy, bundle)
    return [_package(result) for result in results]


def _package(result: PackageResult) -> RebuiltPackage:
    from fpack.builders.attest.rebuilders import FAILED, NOT_REPRODUCED, REPRODUCED

    by: dict[str, list[str]] = {}
    for found in result.operators:
        kind = found.state if found.state == REPRODUCED else FAILED if found.state in (NOT_REPRODUCED, FAILED) else ""
        text = found.operator if kind else f"{found.operator}: {found.state}" + (f", {found.why}" if found.why else "")
        by.setdefault(kind, []).append(text)
    others = [*by.get("", []), *([f"excepted: {result.reason}"] if result.reason else [])]
    return RebuiltPackage(result.name, result.version, by.get(REPRODUCED, []), by.get(FAILED, []), others)
