"""`fpack vex`: write what follows about the known vulnerabilities of an image, as a document for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from fpack.cli import options as shared

UNCHECKED = 6  # exit status


@click.command(
    "vex",
    epilog="""\b
Examples:
  fpack vex postgres -o postgres.openvex.json          for trivy, grype and others
  fpack vex shop.tar --format csaf -o shop.csaf.json   an image file
  fpack vex shop.tar --author 'Example Ltd' --namespace https://example.com
  fpack vex shop.tar --vex vendor.json                 with the statements of others

\b
The exit status is
  0  if the document was written, and all packages were checked; without a finding, it has no statement;
  6  if it was written, but something was not checked: no data, old data, or damaged data;
  7  if there is no vulnerability data at all.""",
)
@click.argument("what", required=False)
@click.option("--format", "form", metavar="FORMAT", default="openvex", help="openvex (the default) or csaf.")
@click.option("-o", "--output", type=shared.OutputPath(path_type=Path), help="File to write. Default: standard output.")
@click.option("--author", default="", metavar="NAME", help="Author of the document. Default: fpack.")
@click.option("--namespace", default="", metavar="URI", help="A URI of the author, for CSAF.")
@click.option("--timestamp", metavar="TIME", help="The time of the document. Default: the newest date in the lock.")
@shared.of_vulnerabilities
@shared.fetch_fixed
@click.option("--offline", is_flag=True, help="Use the data that was fetched before; ask no server.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with the file that was written.")
@shared.of_file
@shared.building
def command(
    what: str | None,
    platform: str | None,
    form: str,
    output: Path | None,
    author: str,
    namespace: str,
    timestamp: str | None,
    documents: tuple[Path, ...],
    data: tuple[str, ...],
    fetch_fixed: bool,
    offline: bool,
    as_json: bool,
    **rest: Any,
) -> int:
    """Write a VEX document about the image of WHAT: which known vulnerabilities affect it, and which do not and why.

    WHAT is an image file, a package or an attribute. A vulnerability is stated not to affect the image only if that
    follows from what the image has, or if others state it. The document is not a part of the image.
    """
    from fpack.builders.audit.vex_documents import FORMATS
    from fpack.cli.errors import UsageError
    from fpack.cli.images import vex
    from fpack.cli.images.audit_report import report
    from fpack.cli.images.audits import auditor
    from fpack.cli.images.subject import open_subject
    from fpack.cli.ui import document_output
    from fpack.cli.ui.render import warn
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.settings import MAX_DATA_AGE

    if form not in FORMATS:
        raise UsageError(f"{form!r} is not a format of VEX documents", hint=f"the formats are {', '.join(FORMATS)}")
    if as_json and output is None:
        raise UsageError("--json needs a file", hint="add -o FILE")
    document_output.check(output)
    at = vex.timestamp(timestamp)
    with Workspace(shared.options(rest)) as workspace:
        opened = auditor(data, documents, offline, fetch_fixed)
        subject = open_subject(workspace, what, platform)
        audited = opened.audit(workspace, subject)
        found = report(what or audited.name, audited, opened.data, (), opened.now, MAX_DATA_AGE.find(None))
        head = subject.manifest().head
        workspace.finish()
    content = vex.document(audited.result.findings, head, form, author=author, namespace=namespace, time=at)
    opened.warn()
    for reason in found.unchecked:
        warn(f"not checked: {reason}")
    document_output.write([content], output)
    if as_json:
        shared.print_json({"format": form, "file": str(output), "unchecked": list(found.unchecked)})
    elif output is not None:
        print(output)
    return UNCHECKED if found.unchecked else 0
