"""`fpack diff`: show what differs between two images or locks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.cli.comparison.model import Comparison

DIFFERS = 1  # the exit status with --exit-code


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
  fpack diff old.tar --html              ./fpack.diff.html, a page
  fpack diff git:main --data debian.json with the vulnerabilities that are fixed and new
\b
Exit status: 0; with --exit-code, 1 if anything differs.""",
)
@click.argument("image", metavar="OLD")
@click.argument("newer", metavar="[NEW]", required=False)
@click.option("--files", is_flag=True, help="Name each file that differs.")
@shared.of_vulnerabilities
@click.option("--offline", is_flag=True, help="Fetch no changelogs and no vulnerability data.")
@click.option("--no-changelogs", is_flag=True, help="Show no changelogs.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything differs.")
@click.option("--markdown", is_flag=True, help="Write Markdown for a pull request, of at most 60,000 characters.")
@click.option(
    "--html",
    "html",
    is_flag=False,
    flag_value="",
    metavar="[=FILE.html]",
    help="Write a page. Default: fpack.diff.html.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.of_file
@shared.building
def command(
    image: str,
    newer: str | None,
    files: bool,
    data: tuple[str, ...],
    documents: tuple[Path, ...],
    offline: bool,
    no_changelogs: bool,
    exit_code: bool,
    markdown: bool,
    html: str | None,
    as_json: bool,
    platform: str | None,
    **rest: Any,
) -> int:
    """Show the packages, sizes, files, licences, settings, changelogs and vulnerabilities that differ.

    OLD and NEW are image files, packages or attributes; or both are locks: files named *.lock, or git:REV or
    REV:PATH/fpack.lock. Without NEW, OLD is compared with the project's image or lock. Vulnerabilities are compared if
    there is vulnerability data.
    """
    from fpack.cli.comparison import sides
    from fpack.cli.comparison.differences import compare_sides
    from fpack.cli.errors import UsageError
    from fpack.cli.images.optional_audit import optional_auditor
    from fpack.cli.workspace.workspace import Workspace

    if markdown + as_json + (html is not None) > 1:
        raise UsageError("--markdown, --html and --json exclude each other", hint="leave all but one out")
    output = _page_file(html) if html is not None else None
    if newer is not None and sides.form(image) != sides.form(newer):
        raise UsageError(
            "A lock and an image cannot be compared", hint="compare two images, or two locks; see fpack diff --help"
        )
    with Workspace(shared.options(rest)) as workspace:
        old = sides.open_side(workspace, image, platform)
        new = sides.current_side(workspace, image) if newer is None else sides.open_side(workspace, newer, platform)
        auditor = optional_auditor(data, documents, offline)
        found = compare_sides(workspace, old, new, auditor=auditor, changelogs=not no_changelogs, offline=offline)
        workspace.finish()
    if auditor is not None:
        auditor.warn()
    if output is not None:
        _write(found, output)
        return DIFFERS if exit_code and found.differs else 0
    _print(found, files=files, markdown=markdown, as_json=as_json)
    return DIFFERS if exit_code and found.differs else 0


def _page_file(name: str) -> Path:
    """Return the file of the page. Raise UsageError if it cannot be one: `--html OLD` is not meant to replace OLD."""
    from fpack.cli.errors import UsageError
    from fpack.cli.reports import writing
    from fpack.store.files.filters.own_outputs import leave_out

    if name and not name.endswith((".html", ".htm")):
        raise UsageError(
            f"--html would write the page to {name}", why="a page's name ends with .html",
            hint="write --html=FILE.html, or --html after OLD and NEW",
        )  # fmt: skip
    output = Path(name or "fpack.diff.html")
    writing.check(output)
    leave_out(output)
    return output


def _write(found: Comparison, output: Path) -> None:
    from fpack.cli.comparison import json_form
    from fpack.cli.reports import comparison_page, page, writing

    writing.write(page.html(comparison_page.comparison_page(json_form.value(found))), output)
    print(output)


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
