"""`fpack pull`: make the store paths of an image in a registry, or copy it to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.builders.intake.repository_archive import RemoteImage
    from fpack.cli.store.progress import ProgressLine


@click.command(
    "pull",
    epilog="""\b
Examples:
  fpack pull registry.example/team/postgres:17
  fpack pull registry.example/team/postgres:17 -o postgres.tar   copy the image to a file
  fpack pull registry.example/app@sha256:... -o layout/          to an OCI layout directory
  fpack pull registry.example/app --platform linux/arm64
  fpack pull localhost:5000/app --plain-http""",
)
@click.argument("reference", metavar="REF")
@click.option("-o", "--output", metavar="FILE|DIR", help="Only copy the image to it; / at the end: a layout.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.of_file
@shared.building
def command(reference: str, output: str | None, platform: str | None, as_json: bool, **rest: Any) -> int:
    """Fetch the image REF from a registry, and make the store paths of its layers, packages and builds again.

    REF is HOST/NAME:TAG or HOST/NAME@sha256:DIGEST, an image that fpack push sent. Everything is compared with the
    manifest and the hashes of the paths before it is used. What the store has is not fetched, and an interrupted pull
    continues where it stopped. If REF has images for several platforms, the one for this machine is taken.

    With -o, the blobs and the documents about the image are copied to a file or directory, each compared with its
    digest, and nothing is unpacked or added to the store. Any tool may have made such an image.
    """
    from fpack.cli.registries.references import remote_image
    from fpack.cli.store.progress import ProgressLine
    from fpack.cli.ui.document_output import check_output

    out = None if output is None else Path(output)
    if out is not None and not out.is_dir():
        check_output(out, "without -o, the image comes into the store")
    remote = remote_image(reference)
    line = ProgressLine("fetching")
    if out is not None:
        return _copy(remote, platform, out, str(output), line, as_json)
    # A copy needs none of these modules, whose import takes longer than to copy a small image.
    from fpack.cli.images.pull.pull import pull
    from fpack.cli.ui.render import megabytes, note
    from fpack.cli.workspace.workspace import Workspace

    with Workspace(shared.options(rest)) as workspace:
        try:
            found = pull(workspace, remote, platform, line, say=note)
        finally:
            line.end()
        workspace.finish()
    if as_json:
        shared.print_json({**found.value(), "file": None})
        return 0
    print(found.path)
    if found.unchanged:
        note("The store has it already: nothing was fetched")
    else:
        count = len(found.added)
        note(f"{count} store path{'' if count == 1 else 's'} added, {megabytes(found.fetched)} fetched")
    return 0


def _copy(remote: RemoteImage, platform: str | None, out: Path, output: str, line: ProgressLine, as_json: bool) -> int:
    """Copy the image to a file, and describe it."""
    from fpack.cli.images.pull import file
    from fpack.cli.ui.render import megabytes, note

    try:
        copied = file.copy(remote, platform, out, line, layout=file.is_layout(out, output))
    finally:
        line.end()
    if as_json:
        shared.print_json({**copied.value(), "file": output})
    else:
        print(copied.digest)
        note(f"wrote {output}, {megabytes(copied.fetched)} fetched")
    return 0
