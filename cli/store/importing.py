"""`fpack store import`: add the paths of a closure file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.store.closure_file.importer import ImportedClosure
    from fpack.store.path import StorePath


@click.command(
    "import",
    epilog="""\b
Examples:
  fpack store import app.closure
  fpack store import app.closure -o result       also keep the paths from gc while `result` exists
  ssh host fpack store export ./result -o - | fpack store import -""",
)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("-o", "--link", type=shared.NamedPath(path_type=Path), help="Create a link that keeps the paths from gc.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(file: Path, link: Path | None, as_json: bool) -> int:
    """Add the paths of FILE, which fpack store export wrote, to the store. Print the exported paths.

    No path becomes valid unless the whole file is intact. FILE need not be trusted: each path is the hash of its
    content, and FILE does not tell which derivation made it. Without a link, the next gc may delete the paths.
    """
    from fpack.cli.store.closure_source import closure_source
    from fpack.cli.store.links import check_link, keep_by_link
    from fpack.cli.store.paths import opened
    from fpack.cli.ui.progress_line import ProgressLine
    from fpack.cli.ui.render import counted, megabytes, note
    from fpack.store.closure_file.importer import import_closure

    if link is not None:
        check_link(link)
    with closure_source(file) as stream, opened(create=True) as store:
        line = ProgressLine("importing")
        try:
            done = import_closure(store, stream, line)
        finally:
            line.end()
        for path, target in _links(done, link):
            keep_by_link(store, target, path)
    if as_json:
        shared.print_json(
            {
                "roots": [str(path) for path in done.roots],
                "added": [str(path) for path in done.added],
                "present": len(done.present),
                "size": done.size,
            }
        )
    else:
        for path in done.roots:
            click.echo(str(path))
        note(f"{counted(len(done.added), 'path')} added, {len(done.present)} were there, {megabytes(done.size)} in all")
    return 0


def _links(done: ImportedClosure, link: Path | None) -> list[tuple[StorePath, Path]]:
    """Return the links to create: LINK for the first path, LINK-2 for the second one, and so on."""
    if link is None:
        return []
    return [(path, link if n == 0 else link.with_name(f"{link.name}-{n + 1}")) for n, path in enumerate(done.roots)]
