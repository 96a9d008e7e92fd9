"""`fpack pack`: a container image of a package or a project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import options as shared
from .render import megabytes, short
from .target import UsageError


@click.command(
    "pack",
    epilog="""\b
Examples:
  fpack pack postgres                         ./postgres.tar, from the curated package
  fpack pack debian.trixie.redis-server       any of Debian's packages
  fpack pack                                  `image` of ./fpack.fp
  fpack pack api.fp#server -o server.tar      an attribute of a file
  fpack pack postgres --format oci-dir -o postgres
  fpack pack postgres --compress zstd:19 --json""",
)
@click.argument("what", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File or directory to write.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["tar", "oci-dir"]),
    default="tar",
    help="tar: for podman, docker and skopeo, the default. oci-dir: an OCI layout directory.",
)
@click.option("--compress", metavar="CODEC", help="zstd[:LEVEL], gzip[:LEVEL] or none.")
@click.option("--no-manifest", is_flag=True, help="Write no manifest, neither beside the image nor within.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.building
def command(what: str | None, output: Path | None, format_: str, no_manifest: bool, as_json: bool, **rest: Any) -> int:
    """Make a container image of WHAT and nothing else but what it needs at run time."""
    from fpack.builders.oci import export

    from . import attach
    from .workspace import Workspace

    if format_ == "oci-dir" and output is None:
        raise UsageError("--format oci-dir needs a directory to write to", hint="name it with -o DIRECTORY")
    with Workspace(shared.options(rest)) as workspace:
        target = workspace.target(what)
        container = workspace.container(target)
        wanted = [] if no_manifest else [attach.manifest(workspace, container)]
        image, *manifests = workspace.realise([container.image, *wanted])
        out = output or Path(f"{container.file_name}.tar")
        if output is not None and format_ == "tar" and out.is_dir():
            out = out / f"{container.file_name}.tar"
        write = export.export_layout if format_ == "oci-dir" else export.export_tar
        disk = workspace.store.disk
        bundle = export.Bundle([disk(image)], disk)
        result = write(bundle, out, attach.within(disk(path) for path in manifests))
        if manifests:
            result["manifest"] = attach.write_beside(out, disk(manifests[0]))
        workspace.finish()
    if as_json:
        shared.print_json(result)
        return 0
    name = f"{result['name']}:{result['tag']}"
    place = short(Path(result["file"]))
    print(f"{name}  {result['digest']}")
    count = result["layers"] if isinstance(result["layers"], int) else len(result["layers"])
    print(f"  {megabytes(result['size_compressed'])} compressed, {megabytes(result['size_unpacked'])} unpacked, "
          f"{count} layers, in {place}")  # fmt: skip
    source = f"oci:{place}" if format_ == "oci-dir" else f"-i {place}"
    ports = "".join(f" -p {p}:{p}" for p in container.ports)
    print(f"Run it:\n  podman {'pull' if format_ == 'oci-dir' else 'load'} {source}")
    arguments = "".join(f" {a}" for a in container.run_options)
    print(f"  podman run --rm{ports}{arguments} localhost/{name}")
    return 0
