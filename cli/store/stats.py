"""`fpack store stats`: show how the store uses the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.cli.ui.layout import Page
    from fpack.store.queries.statistics import StoreStatistics


@click.command("stats")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> int:
    """Show how the store uses the disk: sizes by kind, shared files, and the paths that gc would delete."""
    from fpack.cli.store.paths import opened
    from fpack.cli.ui.layout import Page, show
    from fpack.store.queries.statistics import statistics

    with opened() as store:
        found = statistics(store)
        root = str(store.root)
    if as_json:
        kinds = [total._asdict() for total in found.kinds]
        shared.print_json({"root": root, **found._asdict(), "kinds": kinds})
        return 0
    show(_lines(Page(), found, root))
    return 0


def _lines(page: Page, found: StoreStatistics, root: str) -> list[str]:
    from fpack.cli.ui.layout import clean
    from fpack.cli.ui.render import counted, megabytes

    rows = [[megabytes(total.size), str(total.paths), clean(total.kind) or "unknown"] for total in found.kinds]
    rows = [["size", "paths", "kind"], *rows, [megabytes(found.trees), str(found.paths), "total"]]
    table = page.table(rows, right=(0, 1))
    shared_bytes = max(found.trees - found.pool + found.unused, 0)
    others = ", ".join(f"{name} {megabytes(size)}" for name, size in found.others.items() if size)
    fields = page.fields(
        [
            ("store", clean(root)),
            ("files", f"{found.pool_files:,}, {megabytes(found.pool)}, {megabytes(found.pool_disk)} on disk"),
            ("shared", f"{megabytes(shared_bytes)} are saved because trees share files"),
            ("unused", f"{megabytes(found.unused)} in files that no tree has" if found.unused else ""),
            ("besides", others),
            ("gc", f"would delete {counted(found.dead, 'path')} of up to {megabytes(found.freed)}"),
        ]
    )
    return [page.paint(table[0], "dim"), *table[1:-1], page.paint(table[-1], "bold"), "", *fields]
