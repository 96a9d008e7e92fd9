"""`fpack store rebuild-database`: rebuild a lost or damaged database."""

from __future__ import annotations

import click
from fpack.cli import options as shared


@click.command("rebuild-database")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> int:
    """Rebuild the store's database from its journal, the old database and the trees.

    A path becomes valid only if its tree has the recorded digest. The old database is kept as db/damaged-TIME.sqlite.
    No other fpack may use the store meanwhile.
    """
    from fpack.cli.store.paths import require_store
    from fpack.cli.ui.layout import Page, show
    from fpack.cli.ui.progress_line import ProgressLine
    from fpack.store.errors import counted
    from fpack.store.rebuild import rebuild_database
    from fpack.store.root import default_root

    require_store(default_root())
    line = ProgressLine("checking trees")
    try:
        done = rebuild_database(default_root(), lambda number, total, name: line(number, total))
    finally:
        line.end()
    if as_json:
        shared.print_json({**done._asdict(), "rejected": [str(path) for path in done.rejected]})
        return 0
    page = Page()
    lines = [f"{path} is not valid: its tree is damaged or has no record" for path in done.rejected]
    lines += [f"the link of the root {name} was missing and was made again" for name in done.roots]
    known = f"{counted(done.paths, 'path is', 'paths are')} valid"
    if done.recognised:
        known += f", {done.recognised} of them recognised by name"
    recorded = f"{counted(done.derivations, 'derivation')} and {counted(done.outputs, 'output')}"
    summary = f"{known}; the database has {recorded}"
    show([*lines, page.paint(summary, "bold")])
    return 0
