"""`fpack pull`: make the store paths of an image in a registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from fpack.cli import options as shared


@click.command(
    "pull",
    epilog="""\b
Examples:
  fpack pull registry.example/team/postgres:17
  fpack pull registry.example/team/postgres:17 -o postgres.tar   and write the image to a file
  fpack pull registry.example/app@sha256:... -o layout/          as an OCI layout directory
  fpack pull registry.example/app --platform linux/arm64
  fpack pull localhost:5000/app --plain-http""",
)
@click.argument("reference", metavar="REF")
@click.option("-o", "--output", metavar="FILE|DIR", help="Also write the image; a name that ends in / is a layout.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.of_file
@shared.building
def command(reference: str, output: str | None, platform: str | None, as_json: bool, **rest: Any) -> int:
    """Fetch the image REF of a registry, and make its store paths: its layers, packages and builds.

    REF is HOST/NAME:TAG or HOST/NAME@sha256:DIGEST, an image that fpack push sent. Everything is compared with the
    manifest and the hashes of the paths before it is used. What the store has is not fetched, and an interrupted pull
    goes on where it ended. Of an index, the image for this machine is taken.
    """
    from fpack.cli.images.pull import file
    from fpack.cli.images.pull.pull import pull
    from fpack.cli.registries.references import remote_image
    from fpack.cli.store.progress import ProgressLine
    from fpack.cli.ui.document_output import check_output
    from fpack.cli.ui.render import megabytes, note
    from fpack.cli.workspace.workspace import Workspace

    out = None if output is None else Path(output)
    if out is not None and not out.is_dir():
        check_output(out, "without -o, the image is only in the store")
    remote = remote_image(reference)
    line = ProgressLine("fetching")
    with Workspace(shared.options(rest)) as workspace:
        try:
            found = pull(workspace, remote, platform, line, say=note)
        finally:
            line.end()
        if out is not None:
            file.write(workspace, remote, found.path, out, layout=file.is_layout(out, str(output)))
        workspace.finish()
    if as_json:
        shared.print_json({**found.value(), "file": output})
        return 0
    print(found.path)
    if found.unchanged:
        note("The store has it already: nothing was fetched")
    else:
        count = len(found.added)
        note(f"{count} store path{'' if count == 1 else 's'} added, {megabytes(found.fetched)} fetched")
    if output is not None:
        note(f"wrote {output}")
    return 0
