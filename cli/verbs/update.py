"""`fpack update`: update the lock to the archive's current packages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.builders.debian.lock.records import Lock
    from fpack.builders.debian.relock import MovedPackage
    from fpack.cli.comparison.model import Comparison
    from fpack.cli.workspace.workspace import Workspace

_PACKAGES = "Update only this package, or the packages of this source package; can be repeated."
MAX_LINES = 6  # of a source's changelog


@click.command(
    "update",
    epilog="""\b
Examples:
  fpack update                   everything in the lock
  fpack update openssl           the packages of openssl, or of the source openssl; others stay
  fpack update trixie            one release
  fpack update --security        only packages that a security suite has updated
  fpack update --dry-run         show what would change
  fpack update -p sid            a package that is called like a release""",
)
@click.argument("updated", nargs=-1, metavar="[NAME]...")
@click.option("-p", "--package", "packages", multiple=True, metavar="NAME", help=_PACKAGES)
@click.option("--security", is_flag=True, help="Update only packages of which a security suite has a newer version.")
@click.option("--dry-run", is_flag=True, help="Show the changes, and leave the lock as it is.")
@click.option("--allow-older", is_flag=True, help="Accept an index that is older than the locked one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.locking
def command(
    updated: tuple[str, ...],
    packages: tuple[str, ...],
    security: bool,
    dry_run: bool,
    allow_older: bool,
    as_json: bool,
    **rest: Any,
) -> int:
    """Fetch and verify the newest indexes, choose the locked packages' versions again, and show the changes.

    NAME is a package, a source package or a release in the lock. Everything else keeps its version, unless an updated
    package needs another one, which is reported.
    """
    from fpack.cli.ui.render import short
    from fpack.cli.workspace.target import find_project
    from fpack.cli.workspace.update_names import read_names
    from fpack.cli.workspace.workspace import Workspace

    with Workspace(shared.options(rest)) as workspace:
        workspace.use_project(find_project(Path.cwd()))
        # A lock that is named is not refreshed by itself, before it is compared.
        workspace.options = workspace.options._replace(lock=workspace.lock_file)
        source, path = workspace.source, short(workspace.lock_file)
        before = source.lock.copy()
        names = read_names(updated, packages, before, path)
        moved = source.update(names.releases, names.packages, allow_older=allow_older, security=security)
        whole = not updated and not packages and not security
        renewed = _renew(workspace) if whole and source.lock.answers else 0
        needed = _needed(moved, source.lock, names.packages, security)
        if not dry_run:
            source.save()
        if as_json:
            rows = [{**pin._asdict(), "needed": pin in needed} for pin in moved]
            shared.print_json({"lock": str(workspace.lock_file), "moved": rows, "dry_run": dry_run})
            return 0
        if renewed:
            what = "answer" if renewed == 1 else "answers"
            print(
                f"{renewed} {what} for packages of Python and Node {'would change' if dry_run else 'changed'} in {path}"
            )
        if not moved:
            if renewed:
                return 0
            print(_nothing(before, path, names.packages is not None, security))
            return 0
        _show(_comparison(workspace, before, source.lock), needed)
    verb = "would change" if dry_run else "changed"
    print(f"{len(moved)} {'package' if len(moved) == 1 else 'packages'} {verb} in {path}")
    return 0


def _renew(workspace: Workspace) -> int:
    """Resolve the packages of languages again, to the newest versions. Return how many answers changed."""
    from fpack.cli.workspace.plans import node_packages, python_packages

    return workspace.answers.renew(
        {
            python_packages.KIND: python_packages.resolve,
            node_packages.KIND: node_packages.resolve,
            node_packages.TOOLS: node_packages.resolve_tool,
        }
    )


def _needed(moved: list[MovedPackage], after: Lock, chosen: set[str] | None, security: bool) -> set[MovedPackage]:
    """Return the packages that moved only because others need them."""
    from fpack.builders.debian.suites import SECURITY

    found = set()
    for pin in moved:
        new = after.packages.get((pin.release, pin.arch, pin.name))
        is_security = new is not None and new.archive == SECURITY
        if (chosen is not None and pin.name not in chosen) or (security and not is_security):
            found.add(pin)
    return found


def _nothing(before: Lock, path: str, named: bool, security: bool) -> str:
    if not before.releases():
        return f"Nothing is locked in {path} yet; fpack lock locks packages."
    if security:
        if all(len([suite for release, suite in before.suites if release == name]) == 1 for name in before.releases()):
            return f"{path} has no release with a security suite: {', '.join(before.releases())}."
        return f"{path} has all security updates{' of these packages' if named else ''}."
    return f"{path} is up to date." if not named else f"These packages are up to date in {path}."


def _comparison(workspace: Workspace, before: Lock, after: Lock) -> Comparison:
    """Compare the locks, with the changelogs that are on this machine."""
    from fpack.cli.comparison.changelog_files import ChangelogFiles
    from fpack.cli.comparison.compare import compare, package_changes
    from fpack.cli.comparison.inventory import of_lock

    old, new = of_lock("old", before), of_lock("new", after)
    files = ChangelogFiles(workspace.store if workspace.has_store else None, None)
    return compare(old, new, [item for item in files.of_changes(package_changes(old, new)) if item.entries])


def _show(comparison: Comparison, needed: set[MovedPackage]) -> None:
    from fpack.cli.comparison import text
    from fpack.cli.ui.layout import Page, clean, show

    page = Page()
    show(text.packages(comparison, page))
    show(text.changelogs(comparison.changelogs, page, MAX_LINES))
    if needed:
        names = sorted({pin.name for pin in needed})
        show([f"needed by the others: {clean(', '.join(names))}"])
