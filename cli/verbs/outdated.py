"""`fpack outdated`: list the locked packages of which the archive has newer versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.builders.debian.relock import OutdatedPackage

OUTDATED = 1  # the exit status with --exit-code
# Parts that a lock does not pin, so that nothing is known about them.
SCOPE = "Files of `fetch`, and packages of npm, PyPI and Go, are locked by the project itself and are not looked at"


@click.command(
    "outdated",
    epilog="""\b
Examples:
  fpack outdated                         all locked packages that the archive has replaced
  fpack outdated --security              only those with a newer version in a security suite
  fpack outdated --exit-code             for CI: exit with 1 if there are any
\b
Exit status: 0; with --exit-code, 1 if a package is listed.""",
)
@click.argument("releases", nargs=-1)
@click.option("--security", is_flag=True, help="List only packages with a newer version in a security suite.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if a package is listed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.locking
def command(releases: tuple[str, ...], security: bool, exit_code: bool, as_json: bool, **rest: Any) -> int:
    """Fetch and check the newest indexes, and list the locked packages that have newer versions. Nothing is changed."""
    from fpack.cli.ui.render import short
    from fpack.cli.workspace.target import find_project
    from fpack.cli.workspace.update_names import check_release
    from fpack.cli.workspace.workspace import Workspace

    # A frozen lock is never refreshed by itself.
    with Workspace(shared.options(rest)._replace(frozen=True)) as workspace:
        workspace.use_project(find_project(Path.cwd()))
        lock = workspace.source.lock
        for release in releases:
            check_release(release, lock, short(workspace.lock_file))
        found = [item for item in workspace.source.outdated(releases or None) if item.security or not security]
        path, locked = workspace.lock_file, len(lock.packages)
    if as_json:
        packages = [{**item._asdict(), "days": _days(item)} for item in found]
        shared.print_json({"lock": str(path), "locked": locked, "packages": packages, "scope": "debian"})
    else:
        _show(found, locked, short(path), security)
    return OUTDATED if exit_code and found else 0


def _days(item: OutdatedPackage) -> int | None:
    """Return how many days lie between the index of the locked version and the one that has the newest."""
    return max(0, (item.published - item.date) // 86400) if item.newest is not None else None


def _show(found: list[OutdatedPackage], locked: int, path: str, security: bool) -> None:
    from fpack.cli.ui.layout import Page, clean, show
    from fpack.cli.ui.render import counted, note

    page = Page()
    rows = [["release", "arch", "package", "locked", "newest", "suite", "age", ""]]
    for item in found:
        days = _days(item)
        notes = [f"security: {item.security}"] if item.security and item.security != item.newest else []
        notes += ["security"] if item.security and item.security == item.newest else []
        notes += [f"source {item.source}"] if item.source != item.name else []
        age = "" if days is None else counted(days, "day")
        newest, suite = (item.newest, item.suite) if item.newest is not None else ("-", "no longer in the archive")
        rows.append([item.release, item.arch, item.name, item.locked, newest, suite, age, ", ".join(notes)])
    if found:
        head, *table = page.table([[clean(cell) for cell in row] for row in rows])
        painted = [page.paint(line, "red") if item.security else line for line, item in zip(table, found, strict=True)]
        show([page.paint(head, "bold"), *painted])
        urgent = sum(1 for item in found if item.security)
        show([f"{len(found)} of {counted(locked, 'package')} in {path}; {urgent} with a security update"])
    else:
        state = "has all security updates" if security else "is up to date"
        show([f"{path} {state}." if locked else f"Nothing is locked in {path} yet; fpack lock locks packages."])
    note(f"{SCOPE}.")
