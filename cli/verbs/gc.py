"""`fpack gc`: delete unused paths from the store."""

from __future__ import annotations

import os

import click
from fpack.cli.options import print_json
from fpack.cli.ui.render import megabytes


@click.command(
    "gc",
    epilog="""\b
Examples:
  fpack gc                     delete paths that no result and no running fpack needs
  fpack gc --dry-run           only show what would be deleted
  fpack gc --older-than 7      keep paths of the last seven days""",
)
@click.option("-n", "--dry-run", is_flag=True, help="Delete nothing.")
@click.option("--older-than", type=click.FloatRange(0), default=0.0, metavar="DAYS", help="Keep younger paths.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(dry_run: bool, older_than: float, as_json: bool) -> int:
    """Delete unused paths from the store. Builds may run meanwhile."""
    from fpack.cli.shells.project_directory import forget_deleted
    from fpack.cli.shells.prune import prune
    from fpack.cli.ui.render import note
    from fpack.store.gc import collect
    from fpack.store.store import Store

    store = Store()
    for gone in () if dry_run else forget_deleted():
        note(f"{gone.directory} has data or builds of {gone.project}, which no longer exists; delete it if unneeded")
    done = collect(store, dry_run=dry_run, older_than=older_than * 86400)
    if not dry_run:
        prune(os.fspath(store.root))
    store.close()
    if as_json:
        deleted = [str(path) for path in done.deleted]
        print_json({"deleted": deleted, "kept": done.kept, "freed": done.freed, "dry_run": dry_run})
        return 0
    verb = "would be deleted" if dry_run else "deleted"
    if dry_run:
        for path in done.deleted:
            print(path)
    freed = f"up to {megabytes(done.freed)}" if dry_run else megabytes(done.freed)
    print(f"{len(done.deleted)} paths {verb}, {done.kept} kept, {freed} freed")
    return 0
