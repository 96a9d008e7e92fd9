"""`fpack sbom`: write the bill of materials of an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared
from fpack.cli.images import container_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fpack.cli.images.stored_subject import StoredSubject


@click.command(
    "sbom",
    epilog="""\b
Examples:
  fpack sbom postgres                              to the standard output
  fpack sbom postgres --format cyclonedx-1.7 -o postgres.cdx.json
  fpack sbom debian.trixie.redis-server            any Debian package
  fpack sbom --format cyclonedx-1.6,spdx-3.0.1 -o documents    several, in a directory
  fpack sbom postgres --format legal-sources -o legal.tar      tables of licences and sources, and texts
  fpack pack --sbom                                an image, and its bill attached to it
  fpack sbom postgres.tar                          the bill that an image file carries
  fpack sbom postgres.tar --rebuild                the bill of an image file that carries none""",
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
    "-o", "--output", type=shared.OutputPath(path_type=Path), help="File to write; a directory for several formats."
)
@click.option(
    "--supplier",
    default="",
    metavar="'NAME <ADDRESS>'",
    help="Supplier of the image. Default: its label org.opencontainers.image.vendor.",
)
@click.option("--rebuild", is_flag=True, help="Build an image file again, and describe the image that was built.")
@shared.sources
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with the files that were written.")
@shared.of_file
@shared.of_container
@shared.building
def command(
    what: str | None,
    formats: tuple[str, ...],
    output: Path | None,
    supplier: str,
    rebuild: bool,
    sources: tuple[Path, ...],
    platform: str | None,
    as_json: bool,
    **rest: Any,
) -> int:
    """Write the bill of materials of WHAT: the parts of its image and the origin of each, in formats that other tools
    read.

    WHAT is as for `fpack pack`, or an image file. The same image gives the same bytes on every machine.

    For an image file, write the bill that the file carries. With --rebuild, the image is built again from
    its manifest, and if both are the same, the bill describes the rebuilt one.
    """
    from fpack.builders.sbom.documents import DEFAULT
    from fpack.cli.errors import UsageError
    from fpack.cli.images import bills
    from fpack.cli.images.subject import of_file

    names = bills.formats(formats or (DEFAULT,))
    if output is None and (len(names) > 1 or as_json):
        raise UsageError("Several formats, and --json, need a directory or a file", hint="add -o PATH")
    if output is not None:
        _check(output, len(names) > 1)
    stored = of_file(what, platform)
    if stored is None and (rebuild or sources):
        raise UsageError("--rebuild and --source are about image files", why=f"{what or 'the project'} is none")
    if sources and not rebuild:
        raise UsageError("--source needs --rebuild", hint="leave out --source, or add --rebuild")
    if stored is not None and not rebuild:
        if supplier:
            raise UsageError("The bill that an image carries names its supplier", hint="add --rebuild to make another")
        from fpack.cli.images.file_bills import all_attached

        data = all_attached(stored.image, names)
        stem = stored.image.file.name.removesuffix(".tar").removesuffix(".oci")
        files = _written(lambda name: iter([data[name]]), names, output, stem)
    else:
        options = shared.options(rest)._replace(fields=container_options.fields(rest))
        files = _made(what, names, output, supplier, stored, sources, options)
    if as_json:
        shared.print_json({"files": [{"format": name, "file": str(file)} for name, file in files.items()]})
    else:
        for file in files.values():
            print(file)
    return 0


def _made(
    what: str | None,
    names: Sequence[str],
    output: Path | None,
    supplier: str,
    stored: StoredSubject | None,
    sources: Sequence[Path],
    options: shared.SharedOptions,
) -> dict[str, Path]:
    """Build the bill of a target, or of an image file whose image is built again, and write it."""
    from fpack.cli.images import bills, manifests
    from fpack.cli.workspace.containers import container
    from fpack.cli.workspace.workspace import Workspace

    with Workspace(options) as workspace:
        if stored is None:
            made = container(workspace, workspace.target(what))
            manifest, stem = manifests.manifest(workspace, made, manifests.SOURCES), made.file_name
        else:
            from fpack.cli.images.file_bills import rebuilt

            manifest = rebuilt(workspace, stored.image, sources)
            stem = stored.image.file.name.removesuffix(".tar").removesuffix(".oci")
        (path,) = workspace.realise([bills.bill(workspace, manifest, names, supplier)])
        workspace.finish()
        tree = workspace.store.tree(path)
        return _written(tree.chunks, names, output, stem)


def _written(
    read: Callable[[str], Iterable[bytes]], names: Sequence[str], output: Path | None, stem: str
) -> dict[str, Path]:
    """Write the documents to files, or the only one to the standard output. Return the file of each."""
    from fpack.builders.sbom.documents import FORMATS
    from fpack.cli.ui import document_output

    if output is None:
        document_output.write(read(names[0]), None)
        return {}
    several = len(names) > 1 or output.is_dir()
    if several:
        output.mkdir(exist_ok=True)
    files = {name: output / f"{stem}.{FORMATS[name].file}" if several else output for name in names}
    for name, file in files.items():
        document_output.write(read(name), file)
    return files


def _check(output: Path, several: bool) -> None:
    """Raise UsageError, before any work, if `output` cannot be written."""
    from fpack.cli.errors import UsageError
    from fpack.cli.ui.document_output import check_output

    if not output.exists():
        check_output(output, "one format without -o goes to the standard output")
    elif several and not output.is_dir():
        raise UsageError(
            f"{output} is not a directory", why="several formats are files of a directory", hint="choose another path"
        )
