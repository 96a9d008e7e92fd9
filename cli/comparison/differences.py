"""Compare two sides with all that this machine, the archive and vulnerability data tell of what differs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .compare import compare, package_changes, vulnerabilities
from .model import PackageChange, SourceChangelog, Vulnerabilities
from .sides import Side

if TYPE_CHECKING:
    from fpack.cli.images.audits import Auditor
    from fpack.cli.workspace.workspace import Workspace

    from .model import Comparison


def compare_sides(
    workspace: Workspace, old: Side, new: Side, *, auditor: Auditor | None, changelogs: bool, offline: bool
) -> Comparison:
    """Compare two sides, with the licences, changelogs and vulnerabilities of the packages that differ.

    auditor: None without vulnerability data. changelogs: whether to read them. offline: fetch none.
    """
    changes = list(package_changes(old.inventory, new.inventory))
    names = sorted({change.either.name for change in changes})
    before, after = (side.with_licences(names, workspace) if names else side.inventory for side in (old, new))
    logs = _changelogs(workspace, changes, offline) if changelogs and changes else []
    return compare(before, after, logs, _vulnerabilities(workspace, old, new, auditor) if auditor else None)


def _vulnerabilities(workspace: Workspace, old: Side, new: Side, auditor: Auditor) -> Vulnerabilities:
    (before, without), (after, lacking) = (side.findings(workspace, auditor) for side in (old, new))
    return vulnerabilities(before, after)._replace(without=tuple(sorted({*without, *lacking})))


def _changelogs(workspace: Workspace, changes: Sequence[PackageChange], offline: bool) -> list[SourceChangelog]:
    from .changelog_files import ChangelogFiles

    store = workspace.store if workspace.has_store else None
    with tempfile.TemporaryDirectory(prefix="fpack-") as directory:
        remote = None if offline else _remote(workspace, Path(directory))
        return list(ChangelogFiles(store, remote).of_changes(changes))


def _remote(workspace: Workspace, directory: Path) -> Any:
    from fpack.builders.verify.evidence.remote import Remote
    from fpack.cli.ui.render import note

    return Remote(workspace.mirrors, workspace.http(), directory, lambda what: note(f"fetch {what} for its changelog"))
