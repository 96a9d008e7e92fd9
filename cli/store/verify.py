"""`fpack store verify`: hash every path again and find damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.cli.ui.layout import Page
    from fpack.store.store import Store
    from fpack.store.verify import StoreCheck

LISTED = 20  # damaged paths, or files, to list


@click.command(
    "verify",
    epilog="""\b
Examples:
  fpack store verify                the whole store
  fpack store verify ./result       one path and its closure""",
)
@click.argument("store_paths", nargs=-1, metavar="[PATH]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(store_paths: tuple[str, ...], as_json: bool) -> int:
    """Hash every path of the store, or the closure of each PATH, and compare it with the database.

    Nothing is changed. The exit status is 1 if something is damaged.
    """
    from fpack.cli.store.paths import opened
    from fpack.cli.ui.layout import Page, show

    with opened() as store:
        trouble = store.database.trouble(indexes=True)
        found = checked(store, store_paths)
    intact = not (trouble or found.damaged or found.pool)
    if as_json:
        shared.print_json({**as_data(found), "database": trouble or None, "intact": intact})
    else:
        page = Page()
        lines = [f"the database: {trouble}"] if trouble else []
        show([*lines, *damage_lines(found), page.paint(summary(found), "bold")])
        if trouble:
            _advise(page, "fpack store rebuild-database rebuilds the database")
        if found.damaged or found.pool:
            _advise(page, "fpack store repair repairs them")
    return 0 if intact else 1


def checked(store: Store, texts: tuple[str, ...] = ()) -> StoreCheck:
    """Check the store, or the closures of the paths that `texts` name, and show progress."""
    from fpack.cli.store.paths import find_paths
    from fpack.cli.ui.progress_line import ProgressLine
    from fpack.store.verify import check, check_paths

    line = ProgressLine("checking")
    try:
        if not texts:
            return check(store, line)
        return check_paths(store, store.closure(info.path for info in find_paths(store, texts)), line)
    finally:
        line.end()


def as_data(found: StoreCheck) -> dict[str, object]:
    """Return a check as JSON data. files: the damaged files of the pool."""
    damaged = [{"path": str(damage.path), "why": damage.why} for damage in found.damaged]
    return {"paths": found.paths, "bytes": found.bytes, "damaged": damaged, "files": list(found.pool)}


def damage_lines(found: StoreCheck) -> list[str]:
    """Return a line for each damaged path and each damaged file of the pool, up to a limit."""
    from fpack.store.errors import counted

    lines = [f"{damage.path}: {damage.why}" for damage in found.damaged[:LISTED]]
    if len(found.damaged) > LISTED:
        lines.append(f"and {counted(len(found.damaged) - LISTED, 'more path')}; --json lists all")
    lines += [f"{file}: its content does not match its name" for file in found.pool[:LISTED]]
    if len(found.pool) > LISTED:
        lines.append(f"and {counted(len(found.pool) - LISTED, 'more file')}; --json lists all")
    return lines


def summary(found: StoreCheck) -> str:
    """Return the result of a check in one line."""
    from fpack.cli.ui.render import counted, megabytes

    if found.damaged or found.pool:
        files = f", and {counted(len(found.pool), 'file')} of the pool" if found.pool else ""
        paths = counted(found.paths, "path")
        return f"{len(found.damaged)} of {paths} damaged{files}; {megabytes(found.bytes)} hashed"
    return f"{counted(found.paths, 'path is', 'paths are')} intact, {megabytes(found.bytes)} hashed"


def _advise(page: Page, text: str) -> None:
    click.echo(f"{page.paint('try:', 'cyan')} {text}")
