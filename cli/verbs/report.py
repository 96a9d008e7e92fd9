"""`fpack report`: write all that is known of an image as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from fpack.cli import options as shared


@click.command(
    "report",
    epilog="""\b
Examples:
  fpack report postgres --html                     ./postgres.report.html
  fpack report postgres.tar --html -o report.html  an image file, by its manifest
  fpack report --html                              `image` of ./fpack.fp
  fpack report postgres --html --data debian-tracker.json    with its known vulnerabilities
  fpack report postgres.tar --html --compare old.tar         with what differs from another image""",
)
@click.argument("image", required=False)
@click.option(
    "--html", "as_html", is_flag=True, required=True, help="Write an HTML page: one file that needs no network."
)
@shared.of_vulnerabilities
@click.option(
    "--rebuilders", "bundle", type=shared.NamedPath(path_type=Path, dir_okay=False), metavar="FILE",
    help="Read who reproduced the packages from this file of fpack rebuilders fetch; ask no server.",
)  # fmt: skip
@click.option(
    "--policy", type=shared.NamedPath(path_type=Path, dir_okay=False), metavar="FILE",
    help="The file of rebuilders to ask. Default: ~/.config/fpack/rebuilders.toml, if it exists.",
)  # fmt: skip
@click.option("--compare", metavar="OLD", help="Add what differs from OLD, an image file, a package or an attribute.")
@click.option("--offline", is_flag=True, help="Ask no server for vulnerability data, rebuilds or changelogs.")
@click.option(
    "-o", "--output", type=shared.OutputPath(path_type=Path), help="File to write. Default: NAME.report.html."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with the file that was written.")
@shared.of_file
@shared.building
def command(
    image: str | None,
    platform: str | None,
    as_html: bool,
    data: tuple[str, ...],
    documents: tuple[Path, ...],
    bundle: Path | None,
    policy: Path | None,
    compare: str | None,
    offline: bool,
    output: Path | None,
    as_json: bool,
    **rest: Any,
) -> int:
    """Write a page about IMAGE: its sizes, packages, licences, files, configuration, origin and signatures.

    IMAGE is a package, an attribute or an image file. The page lists the known vulnerabilities if there is
    vulnerability data, and who reproduced the packages if rebuilders are configured. The same image and data give the
    same page.
    """
    from fpack.cli.images.attestations.rebuilt import of_page
    from fpack.cli.images.optional_audit import optional_auditor
    from fpack.cli.images.subject import open_subject
    from fpack.cli.reports import evidence, image_sections, page, writing
    from fpack.cli.reports.subject_data import collect, output_name
    from fpack.cli.workspace.workspace import Workspace

    writing.check(output)
    trusted = of_page(bundle, policy, offline)
    with Workspace(shared.options(rest)) as workspace:
        auditor = optional_auditor(data, documents, offline)
        subject = open_subject(workspace, image, platform)
        found = collect(workspace, subject, with_facts=True)
        further = evidence.sections(workspace, subject, auditor, trusted, bundle)
        if compare is not None:
            further += evidence.compared(workspace, subject, compare, image_sections.title(found), auditor, offline)
        workspace.finish()
    if auditor is not None:
        auditor.warn()
    output = output or output_name(subject, "report.html")
    writing.write(page.html(image_sections.report_page(found, further)), output)
    if as_json:
        shared.print_json({"files": [{"format": "html", "file": str(output)}]})
    else:
        print(output)
    return 0
