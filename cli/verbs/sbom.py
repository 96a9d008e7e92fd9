"""`fpack sbom`: write the bill of materials of an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared
from fpack.cli.images import container_options

if TYPE_CHECKING:
    from fpack.store.files.checked_tree import CheckedTree


@click.command(
    "sbom",
    epilog="""\b
Examples:
  fpack sbom postgres                              to the standard output
  fpack sbom postgres --format cyclonedx-1.7 -o postgres.cdx.json
  fpack sbom debian.trixie.redis-server            any Debian package
  fpack sbom --format cyclonedx-1.6,spdx-3.0.1 -o documents    several, in a directory
  fpack sbom postgres --format legal-sources -o legal.tar      tables of licences and sources, and texts
  fpack pack --sbom                                an image, and its bill attached to it""",
)
@click.argument("what", required=False)
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="FORMAT,...",
    help="cyclonedx-1.6 (the default), cyclonedx-1.7, spdx-2.3, spdx-3.0.1, legal, legal-sources.",
)
@click.option(
    "-o", "--output", type=shared.NamedPath(path_type=Path), help="File to write; a directory for several formats."
)
@click.option(
    "--supplier",
    default="",
    metavar="'NAME <ADDRESS>'",
    help="Who supplies the image. Default: its label org.opencontainers.image.vendor.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with the files that were written.")
@container_options.from_command_line
@shared.building
def command(
    what: str | None, formats: tuple[str, ...], output: Path | None, supplier: str, as_json: bool, **rest: Any
) -> int:
    """Write what the image of WHAT consists of, and where each part comes from, in formats that other tools read.

    WHAT is as for `fpack pack`. The same image gives the same bytes on every machine.
    """
    from fpack.builders.sbom.documents import DEFAULT, FORMATS
    from fpack.cli.errors import UsageError
    from fpack.cli.images import bills, manifests
    from fpack.cli.workspace.containers import container
    from fpack.cli.workspace.workspace import Workspace

    names = bills.formats(formats or (DEFAULT,))
    if output is None and (len(names) > 1 or as_json):
        raise UsageError("Several formats, and --json, need a directory or a file", hint="add -o PATH")
    if output is not None:
        _check(output, len(names) > 1)
    with Workspace(shared.options(rest)._replace(fields=container_options.fields(rest))) as workspace:
        made = container(workspace, workspace.target(what))
        manifest = manifests.manifest(workspace, made, manifests.SOURCES)
        (path,) = workspace.realise([bills.bill(workspace, manifest, names, supplier)])
        workspace.finish()
        tree = workspace.store.tree(path)
        if output is None:
            _print(tree, names[0])
            return 0
        several = len(names) > 1 or output.is_dir()
        if several:
            output.mkdir(exist_ok=True)
        files = {name: output / f"{made.file_name}.{FORMATS[name].file}" if several else output for name in names}
        for name, file in files.items():
            _write(tree, name, file)
    if as_json:
        shared.print_json({"files": [{"format": name, "file": str(file)} for name, file in files.items()]})
    else:
        for file in files.values():
            print(file)
    return 0


def _check(output: Path, several: bool) -> None:
    """Raise UsageError, before any work, if `output` cannot be written."""
    from fpack.cli.errors import UsageError
    from fpack.cli.images.formats import check_output

    if str(output) == "-":
        raise UsageError("-o - is not a file", hint="one format without -o goes to the standard output")
    if not output.exists():
        check_output(output)
    elif several and not output.is_dir():
        raise UsageError(
            f"{output} is not a directory", why="several formats are files of a directory", hint="choose another path"
        )


def _print(tree: CheckedTree, name: str) -> None:
    import sys

    sys.stdout.flush()
    for piece in tree.chunks(name):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _write(tree: CheckedTree, name: str, file: Path) -> None:
    from fpack.builders.streams.output_file import errors, replacing

    with errors(file), replacing(file) as fd:
        from fpack.store.files.writer import write_all

        for piece in tree.chunks(name):
            write_all(fd, piece)
