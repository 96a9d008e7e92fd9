"""Write the VEX document of an image that is packed, beside the image and, as an in-toto statement, attached to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.cli.images import manifests

if TYPE_CHECKING:
    from fpack.builders.manifest.reader import ManifestReader
    from fpack.builders.manifest.referrer import Referrer
    from fpack.cli.images.audits import Auditor
    from fpack.cli.images.packing import PackedImage
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.files.checked_tree import CheckedTree


class PackedVex(NamedTuple):
    """The OpenVEX document of an image. unchecked: why it is not complete, for each part that was not checked."""

    document: bytes
    unchecked: tuple[str, ...]


class _PackedManifest:
    """An image whose manifest is in the store."""

    def __init__(self, tree: CheckedTree) -> None:
        self._data = manifests.canonical_form(tree)

    def manifest(self) -> ManifestReader:
        """Return a new reader of the manifest."""
        from fpack.builders.manifest.reader import ManifestReader

        return ManifestReader(self._data)


def of_pack(workspace: Workspace, manifest: CheckedTree, auditor: Auditor) -> PackedVex:
    """Audit an image that was packed, and return the document. manifest: the output with its manifest."""
    from fpack.cli.images import vex
    from fpack.cli.images.audit_report import report
    from fpack.store.settings import MAX_DATA_AGE

    image = _PackedManifest(manifest)
    audited = auditor.audit(workspace, image)
    found = report(audited.name, audited, auditor.data, (), auditor.now, MAX_DATA_AGE.find(None))
    return PackedVex(vex.document(audited.result.findings, image.manifest().head), tuple(found.unchecked))


def referrers(made: PackedImage) -> Iterator[Referrer]:
    """Yield the artifacts of an image's documents for an archive or a layout: statements that cosign can sign."""
    from fpack.builders.attest import statement
    from fpack.builders.attest.dsse import IN_TOTO
    from fpack.builders.manifest import referrer
    from fpack.builders.oci.spec import Descriptor

    for tree, found in zip(made.manifests, made.vex, strict=True):
        image = _PackedManifest(tree).manifest().head.image
        about = f"{image.name}:{image.tag}"
        told = statement.about(about, image.manifest.digest, statement.OPENVEX, json.loads(found.document))
        title = f"{image.name.rpartition('/')[2]}.vex.intoto.json"
        subject = Descriptor(*image.manifest)
        notes = {statement.PREDICATE_TYPE: statement.OPENVEX}
        yield referrer.of_document(subject, IN_TOTO, told.encode(), title, notes)


def write_beside(image: Path, document: bytes, arch: str = "") -> str | None:
    """Write a document beside an image. arch: as for a manifest."""
    from fpack.builders.audit.vex_documents import FORMATS

    stem = image.name.removesuffix(".tar") + (f".{arch}" if arch else "")
    return manifests.write_pieces(image, [document], f"{stem}.{FORMATS['openvex'].file}")
