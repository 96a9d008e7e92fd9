"""`fpack cache gc`: delete from a cache what was not used for some time."""

from __future__ import annotations

import click
from fpack.cli import options as shared


@click.command(
    "gc",
    epilog="""\b
Examples:
  fpack cache gc file:///srv/cache --older 30
  fpack cache gc oci://registry.example/team/cache --older 90 --dry-run""",
)
@click.argument("address", metavar="URL")
@click.option("--older", type=float, required=True, metavar="DAYS", help="Delete paths that were not used for DAYS.")
@click.option("--dry-run", is_flag=True, help="Delete nothing; only show what would be deleted.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.plain_http
def command(address: str, older: float, dry_run: bool, as_json: bool) -> int:
    """Delete the paths of a cache that no machine pushed or fetched for DAYS, and that no kept path references.

    Blobs that images of the same repository use stay. In a directory or a bucket, images that lost their tag are
    deleted, too, and the remains of interrupted pushes after two days. A registry frees the space by its own
    collection.
    """
    from fpack.builders.caches.gc import collect
    from fpack.cli.ui.render import counted, megabytes
    from fpack.cli.workspace.caches.opener import open_cache

    done = collect(open_cache(address), shared.days(older), dry_run=dry_run)
    if as_json:
        shared.print_json(
            {
                "cache": address,
                "dropped": list(done.dropped),
                "kept": len(done.kept),
                "bytes": done.size,
                "dry-run": dry_run,
            }
        )
    else:
        verb = "would be deleted" if dry_run else "deleted"
        print(f"{counted(len(done.dropped), 'path')} {verb}, {len(done.kept)} kept; {megabytes(done.size)} freed")
    return 0
