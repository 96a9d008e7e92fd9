"""`fpack store list`: list paths with their sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from fpack.cli import options as shared
from fpack.store import DAY

if TYPE_CHECKING:
    from fpack.store.queries.inventory import InventoryEntry

_SORTS = ("name", "size", "time")


@click.command(
    "list",
    epilog="""\b
Examples:
  fpack store list                             everything
  fpack store list 'postgres*' --sort size     by name, largest first
  fpack store list 7ykr ./result               by the beginning of a hash, or a link
  fpack store list --kind deb --larger-than 10M
  fpack store list --older-than 30 --json""",
)
@click.argument("store_paths", nargs=-1, metavar="[PATH]...")
@click.option("--kind", metavar="KIND", help="Only outputs of derivations of this kind, such as fetch, deb or exec.")
@click.option("--larger-than", type=shared.size, metavar="SIZE", help="Only paths larger than this, as in 10M.")
@click.option("--older-than", type=shared.days, metavar="DAYS", help="Only paths older than this.")
@click.option("--newer-than", type=shared.days, metavar="DAYS", help="Only paths newer than this.")
@click.option("--sort", type=click.Choice(_SORTS), default="name", help="Sort by name, or largest or latest first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    store_paths: tuple[str, ...],
    kind: str | None,
    larger_than: int | None,
    older_than: float | None,
    newer_than: float | None,
    sort: str,
    as_json: bool,
) -> int:
    """List the store's paths, or those that each PATH names: size, date, kind of derivation, path."""
    import time

    from fpack.cli.store.kinds import check_kind
    from fpack.cli.store.paths import matching, opened
    from fpack.cli.ui.layout import Page, show
    from fpack.store.queries.inventory import Filter, inventory, select

    now = time.time()
    wanted = Filter(
        kind=kind,
        larger_than=larger_than,
        before=None if older_than is None else now - older_than * DAY,
        since=None if newer_than is None else now - newer_than * DAY,
    )
    with opened() as store:
        entries = inventory(store)
        check_kind(kind, lambda: {entry.kind for entry in entries})
        named = {info.path for text in store_paths for info in matching(store, text)}
        found = [entry for entry in select(entries, wanted) if not store_paths or entry.path in named]
    found.sort(key=lambda entry: (entry.path.name, entry.path.hash))
    if sort != "name":
        found.sort(key=lambda entry: entry.size if sort == "size" else entry.registered, reverse=True)
    if as_json:
        rows = [{**entry._asdict(), "path": str(entry.path)} for entry in found]
        shared.print_json({"paths": rows, "size": sum(entry.size for entry in found)})
        return 0
    page = Page()
    show(_lines(page.table([_row(entry) for entry in found], right=(0,)), found))
    return 0


def _row(entry: InventoryEntry) -> list[str]:
    import time

    from fpack.cli.ui.layout import clean
    from fpack.cli.ui.render import megabytes

    date = time.strftime("%Y-%m-%d", time.localtime(entry.registered))
    return [megabytes(entry.size), date, clean(entry.kind) or "-", str(entry.path)]


def _lines(table: list[str], found: list[InventoryEntry]) -> list[str]:
    from fpack.cli.ui.render import megabytes

    count = f"{len(found)} path{'' if len(found) == 1 else 's'}"
    return [*table, f"{count}, {megabytes(sum(entry.size for entry in found))}"]
