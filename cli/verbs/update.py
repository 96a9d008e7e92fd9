"""`fpack update`: update the lock to the archive's current packages."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.errors import UsageError
from fpack.cli.ui.render import short
from fpack.store.errors import did_you_mean

_PACKAGES = "Update only this package, or the packages of this source package. May be repeated."


@click.command(
    "update",
    epilog="""\b
Examples:
  fpack update                   everything in the lock
  fpack update trixie            one release
  fpack update -p openssl        the packages of openssl; others stay if possible
  fpack update --json""",
)
@click.argument("releases", nargs=-1)
@click.option("-p", "--package", "packages", multiple=True, metavar="NAME", help=_PACKAGES)
@click.option("--allow-older", is_flag=True, help="Accept an index that is older than the locked one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.locking
def command(releases: tuple[str, ...], packages: tuple[str, ...], allow_older: bool, as_json: bool, **rest: Any) -> int:
    """Fetch and verify the newest indexes, resolve everything in the lock again, and show the changes."""
    from fpack.cli.ui.layout import Page, show
    from fpack.cli.workspace.target import find_project
    from fpack.cli.workspace.workspace import Workspace

    with Workspace(shared.options(rest)) as workspace:
        workspace.use_project(find_project(Path.cwd()))
        lock, path = workspace.source.lock, short(workspace.lock_file)
        for release in releases:
            _check("release", release, lock.releases(), path)
        pins = lock.packages.values()
        known = {name for pin in pins for name in (pin.name, pin.source)}
        for package in packages:
            _check("package", package, known, path)
        chosen = {pin.name for pin in pins if pin.name in packages or pin.source in packages}
        empty = not lock.releases()
        moved = workspace.source.update(list(releases) or None, chosen or None, allow_older=allow_older)
        workspace.source.save()
    if as_json:
        shared.print_json({"lock": str(workspace.lock_file), "moved": [pin._asdict() for pin in moved]})
        return 0
    if not moved:
        print(f"Nothing is locked in {path} yet; fpack lock locks packages." if empty else f"{path} is up to date.")
        return 0
    rows = [[pin.release, pin.name, pin.old or "-", pin.new or "-"] for pin in moved]
    show(Page().table([["release", "package", "old", "new"], *rows]))
    print(f"{len(moved)} {'package' if len(moved) == 1 else 'packages'} changed in {path}")
    return 0


def _check(kind: str, name: str, known: Collection[str], path: str) -> None:
    """Raise UsageError if a lock has no release or package of this name: otherwise nothing would happen, silently."""
    if name in known:
        return
    hint = did_you_mean(name, known, 3)
    if kind == "release" and known:
        hint = f"it has {', '.join(sorted(known))}"
    raise UsageError(f"No {kind} {name!r} is locked", where=path, hint=hint)
