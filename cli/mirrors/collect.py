"""`fpack mirror gc`: delete kept locks that are no longer wanted, and their files."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.builders.distribution.protocol import Repository


@click.command(
    "gc",
    epilog="""\b
Examples:
  fpack mirror gc ./mirror --unused 90
  fpack mirror gc HOST/kept --wanted main/fpack.lock --wanted release/fpack.lock
  fpack mirror gc ./mirror --drop 3f2a81""",
)
@click.argument("mirror")
@click.option("--unused", type=shared.days, metavar="DAYS", help="Delete locks that were not kept again for DAYS.")
@click.option(
    "--wanted",
    multiple=True,
    type=shared.NamedPath(path_type=Path, exists=True, dir_okay=False),
    metavar="LOCK",
    help="Delete all but this lock file; can be repeated.",
)
@click.option("--drop", multiple=True, metavar="ID", help="Delete this kept lock; can be repeated.")
@click.option("--dry-run", is_flag=True, help="Delete nothing; show what would be deleted.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.plain_http
def command(
    mirror: str, unused: float | None, wanted: tuple[Path, ...], drop: tuple[str, ...], dry_run: bool, as_json: bool
) -> int:
    """Delete locks that MIRROR keeps and that are no longer used, and the files that no other lock or image needs.

    fpack lock --keep and fpack mirror fill record the week in which a lock was last used. With both --unused and
    --wanted, only the locks that both select are deleted. A lock to which you gave a further tag stays. In a directory
    or a bucket, the remains of interrupted commands are deleted after two days. A registry frees the space by its own
    garbage collection.
    """
    from fpack.builders.mirrors.collection import collect, date
    from fpack.cli.errors import UsageError
    from fpack.cli.ui.render import counted, megabytes, note

    from .keep import open_mirror

    if unused is None and not wanted and not drop:
        raise UsageError("Say which locks to delete", hint="give --unused DAYS, --wanted LOCK or --drop ID")
    opened = open_mirror(mirror, writes=True)
    chosen = _chosen(opened.repository, unused, wanted, drop)
    done = collect(opened.repository, chosen, dry_run=dry_run, say=note, marked=_marked)
    if not dry_run:
        date(opened.repository, time.time())
    if as_json:
        shared.print_json({"mirror": opened.address, "dry_run": dry_run, **done._asdict()})
        return 0
    would = "would be " if dry_run else ""
    for identity in done.locks:
        print(f"lock {identity[:12]} {would}deleted")
    size = f"{counted(done.blobs, 'file')}, {megabytes(done.size)}"
    freed = "the registry frees their files" if done.by_registry else size
    count = counted(len(done.locks), "lock")
    print(f"{count} {would}deleted; {freed}" if done.locks or done.blobs else "No lock is to be deleted.")
    return 0


@contextlib.contextmanager
def _marked(repository: Repository) -> Iterator[Callable[[], None]]:
    from fpack.builders.caches import deletion_mark

    with deletion_mark.marked(repository) as mark:
        yield mark.check


def _chosen(repository: Repository, unused: float | None, wanted: Sequence[Path], drop: Sequence[str]) -> list[str]:
    """Return the identities of the locks to delete."""
    from fpack.builders.debian.lock.file import LockFile
    from fpack.builders.debian.lock.text import format_lock
    from fpack.builders.distribution.protocol import Corrupt
    from fpack.builders.mirrors.kept_lock import WEEK, identities, last_uses, read_config
    from fpack.builders.mirrors.pages import stored_lock
    from fpack.store import DAY

    from .listing import find_identity

    named = [find_identity(repository, text) for text in drop]
    if unused is None and not wanted:
        return named
    tags = repository.tags()
    uses = last_uses(tags)
    texts = {format_lock(LockFile(path).lock) for path in wanted}
    before = time.time() - (unused or 0.0) * DAY
    found = []
    for identity in identities(tags):
        # A use is known to the week that it was in. A lock without one is about to be kept, or that was interrupted.
        if unused is not None and uses.get(identity, before) + WEEK > before:
            continue
        if texts:
            try:
                stored = stored_lock(repository, identity)
                if stored is None or read_config(repository, stored).lock in texts:
                    continue
            except Corrupt:
                continue  # unreadable: `--drop` deletes it
        found.append(identity)
    return list(dict.fromkeys([*named, *found]))
