"""`fpack provenance`: write what an image was built from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared
from fpack.cli.images import container_options

if TYPE_CHECKING:
    from fpack.builders.attest.slsa import BuildContext
    from fpack.builders.attest.statement import Statement
    from fpack.builders.manifest.reader import ManifestReader
    from fpack.cli.images.stored_subject import StoredSubject

_TIME = "%Y-%m-%dT%H:%M:%SZ"


@click.command(
    "provenance",
    epilog="""\b
Examples:
  fpack provenance postgres                   to the standard output
  fpack provenance postgres.tar -o provenance.json
  fpack provenance --builder https://ci.example/runner --finished-on now
  fpack provenance postgres.tar --predicate   for cosign attest --type slsaprovenance1 --predicate FILE
  fpack provenance postgres.tar --predicate --type manifest    and for --type urn:fpack:manifest:1""",
)
@click.argument("what", required=False)
@click.option("-o", "--output", type=shared.OutputPath(path_type=Path), help="File to write.")
@click.option(
    "--type",
    "kind",
    type=click.Choice(["provenance", "manifest"]),
    default="provenance",
    help="manifest: the statement by which fpack sign signs the image's manifest.",
)
@click.option("--predicate", is_flag=True, help="Write only the predicate, which other tools put into a statement.")
@click.option("--builder", default="", metavar="URI", help="Builder of the image. Default: urn:fpack:builder:local.")
@click.option(
    "--finished-on",
    "finished",
    default="",
    metavar="TIME",
    help="When it was built, as in 2026-01-31T12:00:00Z, or `now`. Default: the statement has no time.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with the file that was written.")
@shared.of_file
@shared.of_container
@shared.building
def command(
    what: str | None,
    output: Path | None,
    kind: str,
    predicate: bool,
    builder: str,
    finished: str,
    platform: str | None,
    as_json: bool,
    **rest: Any,
) -> int:
    """Write an in-toto statement with the SLSA provenance of WHAT: everything that went into the image.

    WHAT is an image file, or as for `fpack pack`. Without a time, the same image gives the same bytes on every machine.
    """
    import json

    from fpack.builders.attest import slsa
    from fpack.cli.errors import UsageError
    from fpack.cli.images import subject
    from fpack.cli.ui import document_output

    if as_json and output is None:
        raise UsageError("--json tells the file that was written", hint="add -o FILE, or leave out --json")
    document_output.check(output)
    if finished == "now":
        finished = time.strftime(_TIME, time.gmtime())
    if finished and not slsa.is_time(finished):
        raise UsageError(f"{finished!r} is not a time", hint="as in 2026-01-31T12:00:00Z, or now")
    if builder and (":" not in builder or not builder.isascii() or not builder.isprintable() or " " in builder):
        raise UsageError(f"{builder!r} is not a URI", hint="as in https://ci.example/runner")
    stored = subject.of_file(what, platform)
    if stored is not None:
        found = _of_file(stored, kind, slsa.BuildContext(finished=finished, builder=builder))
    else:
        found = _of_target(what, kind, finished, builder, rest)
    data = found.encode()
    if predicate:
        value = json.loads(data)["predicate"]
        data = json.dumps(value, sort_keys=True, separators=(",", ":")).replace("\x7f", "\\u007f").encode()
    # The bytes in a file are those that are signed.
    document_output.write([data] if output is not None else [data, b"\n"], output)
    if as_json:
        digest = f"sha256:{found.subjects[0][1]['sha256']}"
        shared.print_json({"file": str(output), "type": found.predicate_type, "digest": digest})
    elif output is not None:
        print(output)
    return 0


def _of_file(stored: StoredSubject, kind: str, context: BuildContext) -> Statement:
    """Return a statement on the image in a file, from its manifest alone."""
    reader = stored.manifest()
    assert stored.image.data is not None  # `manifest` raises otherwise
    return _statement(reader, stored.image.data, kind, context)


def _of_target(what: str | None, kind: str, finished: str, builder: str, rest: dict[str, Any]) -> Statement:
    """Return a statement on the image of a package or an attribute."""
    from fpack.builders.manifest.reader import ManifestReader
    from fpack.cli.images import manifests
    from fpack.cli.images.attestations import provenance
    from fpack.cli.workspace.containers import container
    from fpack.cli.workspace.workspace import Workspace

    with Workspace(shared.options(rest)._replace(fields=container_options.fields(rest))) as workspace:
        made = container(workspace, workspace.target(what))
        _, path = workspace.realise([made.image, manifests.manifest(workspace, made, manifests.SOURCES)])
        data = manifests.canonical_form(workspace.store.tree(path))
        context = provenance.context(workspace, what)._replace(finished=finished, builder=builder)
        workspace.finish()
    return _statement(ManifestReader(data), data, kind, context)


def _statement(reader: ManifestReader, data: bytes, kind: str, context: BuildContext) -> Statement:
    import hashlib

    from fpack.builders.attest import slsa, statement

    if kind == "provenance":
        return slsa.provenance(reader, data, context)
    image = reader.head.image
    predicate = statement.manifest_predicate(hashlib.sha256(data).hexdigest(), len(data))
    return statement.about(f"{image.name}:{image.tag}", image.manifest.digest, statement.MANIFEST, predicate)
