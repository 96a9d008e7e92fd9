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
  fpack report --html                              `image` of ./fpack.fp""",
)
@click.argument("image", required=False)
@click.option(
    "--html", "as_html", is_flag=True, required=True, help="Write an HTML page: one file that needs no network."
)
@click.option("-o", "--output", type=shared.NamedPath(path_type=Path), help="File to write. Default: NAME.report.html.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with the file that was written.")
@shared.of_file
@shared.building
def command(
    image: str | None, platform: str | None, as_html: bool, output: Path | None, as_json: bool, **rest: Any
) -> int:
    """Write a page about IMAGE: its sizes, packages, licences, files, configuration and origin.

    IMAGE is a package, an attribute or an image file. The same image gives the same page.
    """
    from fpack.cli.images.subject import open_subject
    from fpack.cli.reports import findings, image_sections, page, writing
    from fpack.cli.reports.subject_data import collect, output_name
    from fpack.cli.workspace.workspace import Workspace

    writing.check(output)
    with Workspace(shared.options(rest)) as workspace:
        subject = open_subject(workspace, image, platform)
        data = collect(workspace, subject, with_facts=True)
        workspace.finish()
    output = output or output_name(subject, "report.html")
    further = [findings.vulnerabilities(None), findings.rebuilds(None)]
    writing.write(page.html(image_sections.report_page(data, further)), output)
    if as_json:
        shared.print_json({"files": [{"format": "html", "file": str(output)}]})
    else:
        print(output)
    return 0
