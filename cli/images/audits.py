"""Audit an image: read what it has, and match that with vulnerability data."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders.audit.audit import AuditResult, Judge, audit
from fpack.builders.audit.inventory import Inventory, inventory
from fpack.cli.errors import UsageError
from fpack.store.errors import FpackError

from .source_locks import read_locks
from .stored_subject import StoredSubject
from .subject import HasManifest
from .vulnerability_data import VulnerabilityData, names, open_all

if TYPE_CHECKING:
    from fpack.builders.audit.statements import VexStatement
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


class Auditor(NamedTuple):
    """The data with which a command audits images. statements: of VEX documents. now: the time, in Unix seconds.

    ignored: which of the statements do not count and why; `audit` adds those that are too late. fetch: fetch packages
    that fix vulnerabilities.
    """

    data: Sequence[VulnerabilityData]
    statements: Sequence[VexStatement]
    now: float
    ignored: list[str]
    fetch: bool = False

    def audit(self, workspace: Workspace, subject: HasManifest) -> AuditedImage:
        """Audit an image by its contents, and then by the statements of others."""
        from . import vex

        judges = vex.judges(workspace, subject, self.statements, self.now, self.fetch)
        self.ignored.extend(judges.ignored)
        return audit_subject(workspace, subject, self.data, judges.statements, judges.evidence)

    def warn(self) -> None:
        """Warn of statements that do not count."""
        from fpack.cli.ui.render import warn

        from .vex import MAX_SHOWN

        for reason in self.ignored[:MAX_SHOWN]:
            warn(reason)


def auditor(data: Sequence[str], documents: Sequence[Path], offline: bool, fetch: bool = False) -> Auditor:
    """Open the data and the VEX documents of options. Raise NoData if no data is named, also in the settings.

    fetch: see `Auditor`.
    """
    from fpack.cli.ui.progress import IndexProgress

    from . import vex

    if fetch and offline:
        raise UsageError(
            "--fetch-fixed and --offline exclude each other",
            why="the packages that fix vulnerabilities come from the archive",
            hint="without --fetch-fixed, the packages that the store has are compared",
        )
    now = time.time()
    statements, ignored = vex.read_documents(documents)
    return Auditor(open_all(names(data), offline, now, IndexProgress()), statements, now, ignored, fetch)


def audit_subject(
    workspace: Workspace,
    subject: HasManifest,
    data: Sequence[VulnerabilityData],
    statements: Sequence[Judge] = (),
    evidence: Judge | None = None,
) -> AuditedImage:
    """Audit an image. statements, evidence: as of `audit`. Everything but lock files comes from the manifest."""
    image = subject.image.file if isinstance(subject, StoredSubject) else None
    reader = subject.manifest()
    head = reader.head
    found = inventory(reader, read_locks(reader, subject.manifest, workspace.usable_store(), image))
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
