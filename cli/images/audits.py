"""Audit an image: read what it has, and match that with vulnerability data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders.audit.audit import AuditResult, Judge, audit
from fpack.builders.audit.inventory import Inventory, inventory
from fpack.store.errors import FpackError

from .source_locks import read_locks
from .subject import StoredSubject, Subject
from .vulnerability_data import VulnerabilityData

if TYPE_CHECKING:
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.store import Store


class AuditedImage(NamedTuple):
    """An audited image. name, tag, digest: of the image. date: of the lock, in Unix seconds, or 0 without packages."""

    name: str
    tag: str
    digest: str
    arch: str
    date: int
    inventory: Inventory
    result: AuditResult


def audit_subject(
    workspace: Workspace,
    subject: Subject,
    data: Sequence[VulnerabilityData],
    statements: Sequence[Judge] = (),
    evidence: Judge | None = None,
) -> AuditedImage:
    """Audit an image. statements, evidence: as of `audit`. Everything but lock files comes from the manifest."""
    image = subject.image.file if isinstance(subject, StoredSubject) else None
    reader = subject.manifest()
    head = reader.head
    found = inventory(reader, read_locks(reader, subject.manifest, _store(workspace), image))
    result = audit(found.products, [item.source for item in data], statements, evidence)
    date = max((suite.date for suite in head.lock.suites), default=0)
    about = head.image
    return AuditedImage(about.name, about.tag, about.manifest.digest, about.arch, date, found, result)


def _store(workspace: Workspace) -> Store | None:
    """Return the store of this machine, or None if there is none or it is broken: an image file needs no store."""
    try:
        return workspace.store if workspace.has_store else None
    except FpackError:
        return None
