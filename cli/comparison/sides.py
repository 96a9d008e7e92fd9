"""Open what the two sides of a comparison name: image files, targets, lock files, and locks of git commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.cli.errors import UsageError
from fpack.cli.workspace.target import find_image, find_project
from fpack.store.errors import FpackError

from . import git_lock
from .inventory import of_image, of_lock
from .model import IMAGE, LOCK, SideInventory

if TYPE_CHECKING:
    from fpack.builders.audit.model import Finding
    from fpack.builders.debian.lock.records import Lock
    from fpack.builders.manifest.reader import ManifestReader
    from fpack.cli.images.audits import Auditor
    from fpack.cli.images.subject import Subject
    from fpack.cli.workspace.workspace import Workspace


class Side(NamedTuple):
    """A side of a comparison: an image or a lock.

    inventory: what is compared. subject, reader: the image and its manifest, or None. lock: the lock, or None.
    """

    inventory: SideInventory
    subject: Subject | None = None
    reader: ManifestReader | None = None
    lock: Lock | None = None

    def with_licences(self, names: Collection[str], workspace: Workspace) -> SideInventory:
        """Return the inventory with the licences of packages, as far as the store or the image's bill tell them."""
        found: dict[str, str] = {}
        if self.reader is not None and workspace.has_store:
            from fpack.cli.images.stored_licence import StoredLicences

            known = StoredLicences(self.reader, workspace.store)
            for name in names:
                licence = known.licence(name)
                if licence is not None and (licence.expression or licence.original):
                    found[name] = licence.expression or licence.original
        if self.subject is not None and not found.keys() >= {*names}:
            from fpack.cli.images.stored_subject import StoredSubject

            from .bill_licences import attached_licences

            wanted = {*names}
            told = attached_licences(self.subject.image) if isinstance(self.subject, StoredSubject) else {}
            found = {name: licence for name, licence in told.items() if name in wanted} | found
        return self.inventory._replace(licences=found)

    def findings(self, workspace: Workspace, auditor: Auditor) -> tuple[Sequence[Finding], Sequence[str]]:
        """Return the known vulnerabilities, and what there is no data about."""
        if self.subject is not None:
            result = auditor.audit(workspace, self.subject).result
        else:
            from fpack.builders.audit.audit import audit
            from fpack.builders.audit.inventory import of_lock as products

            assert self.lock is not None
            locked = [(release, pin) for (release, _, _), pin in self.lock.packages.items()]
            result = audit(products(locked), [item.source for item in auditor.data])
        return result.findings, [f"{part.ecosystem} {part.release}".rstrip() for part in result.missing]


def form(text: str) -> str:
    """Return whether a text names a LOCK or an IMAGE."""
    return LOCK if git_lock.is_commit(text) or text.endswith(".lock") else IMAGE


def open_side(workspace: Workspace, text: str, platform: str | None) -> Side:
    """Return the side that a text names. An image that is not a file is evaluated and built."""
    if form(text) == LOCK:
        lock = _lock(text)
        return Side(of_lock(text, lock), lock=lock)
    from fpack.cli.images.subject import of_file, open_subject

    stored = of_file(text, platform) if find_image(text, Path.cwd()) is not None else None
    return of_subject(text, stored or open_subject(workspace, text))


def current_side(workspace: Workspace, other: str) -> Side:
    """Return the side that a missing argument means: the lock, or the image, of the project."""
    directory = find_project(Path.cwd())
    if form(other) == LOCK:
        workspace.use_project(directory)
        lock = workspace.read_lock()
        return Side(of_lock(workspace.lock_file.name, lock), lock=lock)
    if directory is None:
        raise UsageError(
            "There is nothing to compare with", why="only one thing is named, and there is no project here",
            hint=f"name another one, as in fpack diff {other} new.tar",
        )  # fmt: skip
    from fpack.cli.images.subject import open_subject

    return of_subject("the current evaluation", open_subject(workspace, None))


def of_subject(name: str, subject: Subject) -> Side:
    """Return the side of an image. name: as the user named it."""
    reader = subject.manifest()
    return Side(of_image(name, reader), subject, reader)


def _lock(text: str) -> Lock:
    if git_lock.is_commit(text) and not Path(text).is_file():
        return git_lock.read(text, find_project(Path.cwd()) or Path.cwd())
    path = Path(text)
    if not path.is_file():
        raise FpackError("There is no such lock", where=text, hint="name an fpack.lock, or a commit as in git:HEAD~1")
    from fpack.builders.debian.lock.file import LockFile

    return LockFile(path).lock
