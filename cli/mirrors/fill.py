"""`fpack mirror fill`: keep locks in a mirror, copy another mirror, or complete what a mirror lacks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.cli.workspace.workspace import Workspace

    from .keep import KeptReport, OpenMirror


@click.command(
    "fill",
    epilog="""\b
Examples:
  fpack mirror fill ./mirror fpack.lock old/fpack.lock     keep these locks
  fpack mirror fill ./mirror --from HOST/team/kept         copy all that another mirror keeps
  fpack mirror fill ./mirror                               fetch again what is missing or damaged""",
)
@click.argument("address", metavar="MIRROR")
@click.argument(
    "locks", nargs=-1, type=shared.NamedPath(path_type=Path, exists=True, dir_okay=False), metavar="[LOCK...]"
)
@click.option("--from", "sources", multiple=True, metavar="MIRROR", help="Copy the locks of another mirror.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.plain_http
@shared.locking
def command(address: str, locks: tuple[Path, ...], sources: tuple[str, ...], as_json: bool, **rest: Any) -> int:
    """Keep each LOCK in MIRROR: its packages and signed indexes. fpack lock --keep also keeps what a project fetches.

    Without LOCK and --from, the mirror is completed: files that are missing or damaged are fetched again.
    """
    from fpack.builders.debian.lock.file import LockFile
    from fpack.cli.workspace.workspace import Workspace

    from .keep import keep_lock, open_mirror

    target = open_mirror(address, writes=True)
    others = [open_mirror(source) for source in sources]
    with Workspace(shared.options(rest)._replace(frozen=True)) as workspace:
        done = [report for other in others for report in _copy(other, target)]
        for path in locks:
            lock = LockFile(path).lock
            done.append(keep_lock(workspace, target, {}, lock))
        if not locks and not others:
            done = _complete(workspace, target)
    if as_json:
        shared.print_json({"mirror": target.address, "locks": [item.json_form() for item in done]})
        return 0
    for item in done:
        item.show()
    if not done:
        print("There is no lock to keep.")
    return 0


def _copy(source: OpenMirror, target: OpenMirror) -> list[KeptReport]:
    from fpack.builders.mirrors.copying import copy_lock
    from fpack.builders.mirrors.kept_lock import LOCK_TAG, identities

    from .keep import KeptReport

    names = identities(source.repository.tags(LOCK_TAG))
    return [
        KeptReport(target.address, name, copy_lock(source.repository, target.repository, name, time.time()))
        for name in names
    ]


def _complete(workspace: Workspace, target: OpenMirror) -> list[KeptReport]:
    """Fetch what the locks of a mirror lack, and what is damaged."""
    from .completion import complete_lock
    from .keep import KeptReport
    from .listing import kept_locks

    names = [row["id"] for row in kept_locks(target.repository) if not row["error"]]
    return [KeptReport(target.address, name, complete_lock(workspace, target.repository, name)) for name in names]
