"""Find the bills of materials that an image file carries, or build the image again to make them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.builders.verify import embedded_manifest
from fpack.builders.verify.documents import BadDocument
from fpack.builders.verify.findings import Report, VerifyError
from fpack.builders.verify.image_archive import ImageArchive, open_archive
from fpack.store.derivation import Derivation, Output, digest

from . import image_file

if TYPE_CHECKING:
    from fpack.builders.manifest.reader import ManifestReader
    from fpack.cli.workspace.workspace import Workspace

    from .image_file import StoredImage

MAX_BILL = 1 << 30  # bytes
_TITLE = "org.opencontainers.image.title"


def attached(archive: ImageArchive, image: StoredImage, name: str) -> bytes | None:
    """Return the bill in the format `name` that an image file carries for its image, or None if it carries none.

    Raise BadDocument if the bill does not have its digest. Its content is what its author says.
    """
    return attached_to(archive, image.digest, name)


def attached_to(archive: ImageArchive, digest: str, name: str) -> bytes | None:
    """Return the bill of an image by the digest of the image; see `attached`."""
    from fpack.builders.sbom.documents import FORMATS

    form = FORMATS[name]
    for artifact in embedded_manifest.artifacts(archive, digest):
        for layer in artifact["layers"] if isinstance(artifact.get("layers"), list) else []:
            notes = layer.get("annotations") if isinstance(layer, dict) else None
            title = notes.get(_TITLE) if isinstance(notes, dict) else None
            if form.attached and isinstance(title, str) and title.endswith(f".{form.file}"):
                return embedded_manifest.blob(archive, layer, form.media_type, MAX_BILL)
    return None


def all_attached(image: StoredImage, names: Sequence[str]) -> dict[str, bytes]:
    """Return the bills that an image file carries, by format. Raise VerifyError if it does not carry one of `names`."""
    archive = open_archive(image.file, Report())
    try:
        found = {name: attached(archive, image, name) if image.digest else None for name in names}
    except BadDocument as error:
        raise error.with_(where=f"{image.file}: {error.where}", hint="copy the file again") from None
    finally:
        archive.close()
    if absent := sorted(name for name, data in found.items() if data is None):
        raise VerifyError(
            f"The image does not carry its bill in the format {absent[0]}",
            where=str(image.file),
            hint="--rebuild builds the image again from its manifest, and makes the bill; "
            "fpack pack --sbom makes images that carry theirs",
        )
    return {name: data for name, data in found.items() if data is not None}


class StatedPackage(NamedTuple):
    """A Debian package in a bill. licence: an expression or a name, "" if it says none."""

    licence: str
    homepage: str
    description: str


def stated_licence(image: StoredImage, package: str) -> str | None:
    """Return the licence of a Debian package by the CycloneDX bill that an image file carries, or None."""
    found = stated_packages(image).get(package)
    return (found.licence or None) if found is not None else None


def stated_packages(image: StoredImage) -> dict[str, StatedPackage]:
    """Return what the CycloneDX bill that an image file carries says of Debian packages, by name; {} without one."""
    import json

    archive = open_archive(image.file, Report())
    try:
        bills = (attached(archive, image, name) for name in ("cyclonedx-1.7", "cyclonedx-1.6") if image.digest)
        data = next((bill for bill in bills if bill is not None), None)
        parts = json.loads(data)["components"] if data is not None else []
        return {
            str(part["name"]): _stated(part)
            for part in parts
            if str(part.get("purl")).startswith("pkg:deb/") and part.get("scope") != "excluded"
        }
    except (BadDocument, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}  # answers need no bill; `fpack verify` reports a damaged one
    finally:
        archive.close()


def _stated(part: dict[str, Any]) -> StatedPackage:
    licences = [item.get("expression") or item.get("license", {}).get("name") for item in part.get("licenses", ())]
    pages = [item["url"] for item in part.get("externalReferences", ()) if item.get("type") == "website"]
    licence, homepage = (next((text for text in texts if isinstance(text, str)), "") for texts in (licences, pages))
    return StatedPackage(licence, homepage, str(part.get("description", "")))


def rebuilt(workspace: Workspace, image: StoredImage, sources: Sequence[Path]) -> Output:
    """Build the image of a file again in the store. Return an output that holds its manifest, as `bills.bill` takes it.

    sources: files and directories that the image is built from and does not carry. Raise VerifyError if the image that
    is built is another one, and MissingSources.
    """
    from fpack.builders.distribution.names import digest_of
    from fpack.builders.kinds.manifest import CANONICAL_FILE
    from fpack.builders.oci.image_record import read as read_record

    reader = image_file.manifest(image)
    data, wanted = image.data or b"", reader.head.image
    dates = {(pin.archive, pin.file): pin.date for pin in reader.head.lock.packages}
    workspace.mirrors.dated = lambda archive, path: dates.get((archive, path))
    _take_sources(workspace, image, sources, reader)
    bodies = workspace.evaluator.derivations
    for name, drv in reader.derivations.items():
        bodies[bytes.fromhex(name)] = drv.encode()
    (made,) = workspace.realise([Output(bytes.fromhex(wanted.derivation))])
    config = digest_of(read_record(workspace.store.tree(made)).config)
    if config != wanted.config.digest:
        raise VerifyError(
            "The image that was built again is another one",
            where=str(image.file),
            why=f"its configuration is {config}; the file has {wanted.config.digest}",
            hint="fpack verify --rebuild tells what differs",
        )
    return kept(workspace, data, CANONICAL_FILE)


def _take_sources(workspace: Workspace, image: StoredImage, given: Sequence[Path], reader: ManifestReader) -> None:
    from fpack.builders.kinds.source import SourceBuilder
    from fpack.builders.verify.source_intake import SourceIntake

    store = workspace.store
    known = {name: drv for name, drv in reader.derivations.items() if not _is_built(workspace, name)}
    intake = SourceIntake(store, known, SourceBuilder({}))
    if intake.missing:
        archive = open_archive(image.file, Report())
        try:
            intake.take_from_image(archive, image_file.manifest(image))
        finally:
            archive.close()
        intake.take_from_files(given)
        intake.check()


def _is_built(workspace: Workspace, name: str) -> bool:
    path = workspace.store.database.built(Output(bytes.fromhex(name)))
    return path is not None and workspace.store.is_there(path)


def kept(workspace: Workspace, data: bytes, file: str) -> Output:
    """Add a tree with one file to the store, as a source. Return its output."""
    from blake3 import blake3
    from fpack.builders.kinds.source import SourceBuilder
    from fpack.store import canonical

    store = workspace.store
    writer = store.writer()
    writer.file(file, _pieces(data))
    made = Derivation("source", "image-manifest", {"tree": writer.finish().hex()})
    body = made.encode()
    output = Output(digest(body))
    workspace.evaluator.derivations[output.derivation] = body
    store.plan({output.derivation: body})
    store.register(made.name, writer, [], blake3(canonical.encode(SourceBuilder({}).key(made))).digest(20), output)
    return output


def _pieces(data: bytes) -> Iterator[bytes]:
    step = 1 << 20
    return (data[start : start + step] for start in range(0, len(data), step))
