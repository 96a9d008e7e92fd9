"""`fpack diff`: show what differs between two images or locks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.cli.comparison.model import Comparison
    from fpack.cli.comparison.sides import Side
    from fpack.cli.workspace.workspace import Workspace

DIFFERS = 1


@click.command(
    "diff",
    epilog="""\b
Examples:
  fpack diff old.tar new.tar             two images
  fpack diff postgres.tar postgres       an image file, and what the package is today
  fpack diff old.tar                     an image file, and the project's image
  fpack diff git:HEAD~1                  the lock of a commit, and the project's lock
  fpack diff main:fpack.lock git:HEAD    the locks of two commits
  fpack diff git:main --markdown         for a comment on a pull request
\b
Exit status: 0; with --exit-code, 1 if anything differs.""",
)
@click.argument("image", metavar="OLD")
@click.argument("newer", metavar="[NEW]", required=False)
@click.option("--files", is_flag=True, help="Name each file that differs.")
@click.option("--offline", is_flag=True, help="Fetch no changelogs; show those on this machine.")
@click.option("--no-changelogs", is_flag=True, help="Show no changelogs.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything differs.")
@click.option("--markdown", is_flag=True, help="Write Markdown for a pull request, of at most 60,000 characters.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.of_file
@shared.building
def command(
    image: str,
    newer: str | None,
    files: bool,
    offline: bool,
    no_changelogs: bool,
    exit_code: bool,
    markdown: bool,
    as_json: bool,
    platform: str | None,
    **rest: Any,
) -> int:
    """Show the packages, sizes, files, licences, settings and changelogs that differ between OLD and NEW.

    Each is an image file, a package or an attribute; or both are locks: files named *.lock, or git:REV or
    REV:PATH/fpack.lock. Without NEW, OLD is compared with the project's image or lock.
    """
    from fpack.cli.comparison import sides
    from fpack.cli.errors import UsageError
    from fpack.cli.workspace.workspace import Workspace

    if markdown and as_json:
        raise UsageError("--markdown and --json exclude each other")
    if newer is not None and sides.form(image) != sides.form(newer):
        raise UsageError(
            "A lock and an image cannot be compared", hint="compare two images, or two locks; see fpack diff --help"
        )
    with Workspace(shared.options(rest)) as workspace:
        old = sides.open_side(workspace, image, platform)
        new = sides.current_side(workspace, image) if newer is None else sides.open_side(workspace, newer, platform)
        found = _compare(workspace, old, new, changelogs=not no_changelogs, offline=offline)
        workspace.finish()
    _print(found, files=files, markdown=markdown, as_json=as_json)
    return DIFFERS if exit_code and found.differs else 0


def _compare(workspace: Workspace, old: Side, new: Side, *, changelogs: bool, offline: bool) -> Comparison:
    """Compare two sides, with the licences and changelogs of the packages that differ."""
    from fpack.cli.comparison.compare import compare, package_changes

    changes = list(package_changes(old.inventory, new.inventory))
    names = sorted({change.either.name for change in changes})
    before, after = (side.with_licences(names, workspace) if names else side.inventory for side in (old, new))
    if not (changelogs and changes):
        return compare(before, after)
    import tempfile

    from fpack.cli.comparison.changelog_files import ChangelogFiles

    store = workspace.store if workspace.has_store else None
    with tempfile.TemporaryDirectory(prefix="fpack-") as directory:
        remote = None if offline else _remote(workspace, Path(directory))
        return compare(before, after, ChangelogFiles(store, remote).of_changes(changes))


def _remote(workspace: Workspace, directory: Path) -> Any:
    from fpack.builders.net.http import Http
    from fpack.builders.verify.evidence.remote import Remote
    from fpack.cli.ui.render import note

    return Remote(workspace.mirrors, Http(), directory, lambda what: note(f"fetch {what} for its changelog"))


def _print(found: Comparison, *, files: bool, markdown: bool, as_json: bool) -> None:
    if as_json:
        from fpack.cli.comparison import json_form

        shared.print_json(json_form.value(found))
        return
    from fpack.cli.ui.layout import Page, show

    if markdown:
        from fpack.cli.comparison.markdown import document

        show(document(found, files=files).splitlines())
        return
    from fpack.cli.comparison import text

    page = Page()
    show(text.lines(found, page, files=files))
