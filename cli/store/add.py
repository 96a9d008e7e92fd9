"""`fpack store add`: add a file or a directory to the store."""

from __future__ import annotations

from pathlib import Path

import click
from fpack.cli import options as shared


@click.command(
    "add",
    epilog="""\b
Examples:
  fpack store add ./data                   print the store path
  fpack store add ./data --name words      under another name
  fpack store add ./data -o link           also keep it from gc while `link` exists""",
)
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="The name in the store path. Default: the name of SOURCE.")
@click.option("-o", "--link", type=shared.NamedPath(path_type=Path), help="Create a link that keeps the path from gc.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(source: Path, name: str | None, link: Path | None, as_json: bool) -> int:
    """Add SOURCE, a file or a directory, to the store, without the files that git ignores.

    Without a link, the next gc may delete the path.
    """
    import os

    from fpack.builders.kinds.source import add_source
    from fpack.cli.errors import UsageError
    from fpack.cli.paths import cache_directory
    from fpack.cli.store.links import keep_by_link
    from fpack.cli.store.paths import opened
    from fpack.store.path import check_name, clean_name

    if not os.path.lexists(source):
        raise UsageError("The source does not exist", where=str(source), hint="name an existing file or directory")
    chosen = check_name(name) if name is not None else clean_name(Path(os.path.abspath(source)).name)
    with opened(create=True) as store:
        path = add_source(store, source, chosen, cache_directory() / "sources")
        info = store.info(path)
        if link is not None:
            keep_by_link(store, link, path)
        disk = store.disk(path)
    if as_json:
        shared.print_json({"path": str(path), "disk": str(disk), "size": info.size if info is not None else 0})
    else:
        click.echo(str(path))
    return 0
