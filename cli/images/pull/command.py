"""Pull an image of a registry into the store, or copy it to a file, for `fpack pull`. This imports no click."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fpack.cli import shared_options as shared
from fpack.cli.registries.references import remote_image
from fpack.cli.ui.document_output import check_output
from fpack.cli.ui.progress_line import ProgressLine
from fpack.cli.ui.render import megabytes, note
from fpack.light_typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fpack.builders.intake.repository_archive import RemoteImage


def run(
    arguments: Sequence[str],
    output: str | None,
    platform: str | None,
    plain_http: bool,
    as_json: bool,
    **rest: Any,
) -> int | None:
    """Pull the image of one reference. Return the exit status, or None for other arguments."""
    if len(arguments) != 1:
        return None
    out = None if output is None else Path(output)
    if out is not None and not out.is_dir():
        check_output(out, "without -o, the image comes into the store")
    remote = remote_image(arguments[0], plain_http=plain_http)
    line = ProgressLine("fetching")
    if out is not None:
        return _copy(remote, platform, out, str(output), line, as_json)
    # A copy needs none of these modules, whose import takes longer than to copy a small image.
    from fpack.cli.workspace.workspace import Workspace

    from .pull import pull

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
    from . import file

    try:
        copied = file.copy(remote, platform, out, line, layout=file.is_layout(out, output))
    finally:
        line.end()
    if as_json:
        shared.print_json({**copied.value(), "file": output})
    else:
        print(copied.image)
        note(f"wrote {output}, {megabytes(copied.fetched)} fetched")
    return 0
