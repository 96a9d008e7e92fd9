"""`fpack store closure`: list the closures of paths."""

from __future__ import annotations

import click
from fpack.cli import options as shared


@click.command(
    "closure",
    epilog="""\b
Examples:
  fpack store closure ./result
  fpack store closure ./result --size        largest first
  fpack store closure ./result --json""",
)
@click.argument("store_paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--size", "by_size", is_flag=True, help="Sort by size, largest first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(store_paths: tuple[str, ...], by_size: bool, as_json: bool) -> int:
    """List each PATH and everything that it references, transitively."""
    from fpack.cli.store.paths import find_paths, opened
    from fpack.cli.ui.layout import Page, show
    from fpack.cli.ui.render import counted, megabytes
    from fpack.store import base32

    with opened() as store:
        tops = [info.path for info in find_paths(store, store_paths)]
        hashes = [base32.decode(path.hash) for path in store.closure(tops)]
        infos = list(store.database.infos(hashes).values())
    infos.sort(key=lambda info: (-info.size if by_size else 0, info.path.name, info.path.hash))
    total = sum(info.size for info in infos)
    if as_json:
        rows = [{"path": str(info.path), "size": info.size} for info in infos]
        shared.print_json({"paths": rows, "tops": [str(path) for path in tops], "size": total})
        return 0
    page = Page()
    rows_ = [[megabytes(info.size), str(info.path)] for info in infos]
    show([*page.table(rows_, right=(0,)), page.paint(f"{megabytes(total)} in {counted(len(infos), 'path')}", "bold")])
    return 0
