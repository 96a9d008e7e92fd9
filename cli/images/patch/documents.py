"""Make the documents about a patched image that the old image has: bills of materials, provenance and VEX.

They are made from the new image. Those of the old image describe its packages, so none is copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders.verify import embedded_manifest
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.builders.verify.image_archive import ImageArchive
    from fpack.cli.images.attestations.vex_statement import PackedVex
    from fpack.cli.images.audits import Auditor
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.derivation import Output
    from fpack.store.files.checked_tree import CheckedTree
    from fpack.store.path import StorePath


class DocumentKinds(NamedTuple):
    """The kinds of documents about an image. bills: the names of formats."""

    bills: tuple[str, ...] = ()
    provenance: bool = False
    vex: bool = False


NO_DOCUMENTS = DocumentKinds()


def kinds(archive: ImageArchive, image: str) -> DocumentKinds:
    """Return the kinds of documents that an archive has about an image. image: its digest.

    A document that cannot be read counts as none.
    """
    from fpack.builders.attest import dsse, statement

    bills: set[str] = set()
    types: set[str] = set()
    try:
        for media_type, data in embedded_manifest.attached(archive, image, {dsse.IN_TOTO, *statement.BILLS}):
            try:
                if media_type in statement.BILLS:
                    bills |= _format(media_type, data)
                else:
                    types.add(statement.parse(data, image).predicate_type)
            except (FpackError, ValueError):
                continue
    except FpackError:
        pass
    return DocumentKinds(tuple(sorted(bills)), statement.PROVENANCE in types, statement.OPENVEX in types)


def _format(media_type: str, data: bytes) -> set[str]:
    """Return the name of a bill's format, or nothing for one that fpack does not write."""
    from fpack.builders.sbom.documents import FORMATS
    from fpack.builders.streams import strict_json

    value = strict_json.parse(data)
    if not isinstance(value, dict):
        return set()
    if "@graph" in value:
        name = "spdx-3.0.1"
    elif "spdxVersion" in value:
        name = str(value["spdxVersion"]).lower()
    else:
        name = f"cyclonedx-{value.get('specVersion')}"
    return {name} if name in FORMATS and FORMATS[name].media_type == media_type else set()


def common(found: Iterable[DocumentKinds]) -> DocumentKinds:
    """Return the kinds that any image of an index has: all of its images get them."""
    rows = list(found)
    bills = sorted({name for row in rows for name in row.bills})
    return DocumentKinds(tuple(bills), any(row.provenance for row in rows), any(row.vex for row in rows))


class PatchDocuments:
    """The documents about the images of a patch, in their order. auditor: makes VEX documents; None makes none."""

    def __init__(self, wanted: DocumentKinds, auditor: Auditor | None) -> None:
        self._kinds = wanted
        self._auditor = auditor
        self.bills: list[CheckedTree] = []
        self.provenances: list[bytes] = []
        self.vex: list[PackedVex] = []

    def wanted(self, workspace: Workspace, manifest: Output) -> list[Output]:
        """Return the outputs to build for the documents about an image. manifest: of the image's manifest."""
        from fpack.cli.images import bills

        return [bills.bill(workspace, manifest, self._kinds.bills)] if self._kinds.bills else []

    def add(self, workspace: Workspace, manifest: CheckedTree, bills: Sequence[StorePath]) -> None:
        """Make the documents about an image. bills: the paths of the outputs of `wanted`."""
        self.bills += [workspace.store.tree(path) for path in bills]
        if self._kinds.provenance:
            from fpack.cli.images.attestations.provenance import of_pack

            self.provenances.append(of_pack(workspace, manifest, None))
        if self._kinds.vex and self._auditor is not None:
            from fpack.cli.images.attestations import vex_statement

            self.vex.append(vex_statement.of_pack(workspace, manifest, self._auditor))
