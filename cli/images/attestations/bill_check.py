"""Compare the bills of materials in an image file with those that fpack makes of the image, before they are signed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from fpack.store.derivation import Output
from fpack.store.errors import FpackError
from fpack.store.path import parse

if TYPE_CHECKING:
    from fpack.builders.manifest.reader import ManifestReader
    from fpack.builders.verify.image_archive import ImageArchive
    from fpack.builders.verify.verify import VerifiedImage
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.path import StorePath


class BillComparison(NamedTuple):
    """The result for an image: the formats of the bills that differ, and of those that could not be compared."""

    differing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def compare(workspace: Workspace | None, part: VerifiedImage, archive: ImageArchive) -> BillComparison:
    """Compare the bills that are attached to an image.

    They are made again from what the store has: nothing is downloaded or built for that. workspace: None without a
    store.
    """
    from fpack.builders.sbom.documents import FORMATS
    from fpack.cli.images.file_bills import MAX_BILL, attached_to

    digest = part.checked.digest
    found = {name: attached_to(archive, digest, name) for name in sorted(FORMATS) if FORMATS[name].attached}
    carried = {name: data for name, data in found.items() if data is not None}
    if not carried:
        return BillComparison()
    made = _made(workspace, part, list(carried)) if workspace is not None else None
    if workspace is None or made is None:
        return BillComparison(unknown=tuple(carried))
    tree = workspace.store.tree(made)
    return BillComparison(tuple(name for name, data in carried.items() if tree.read(name, MAX_BILL) != data))


def _made(workspace: Workspace, part: VerifiedImage, names: list[str]) -> StorePath | None:
    """Return the store path with the bills of an image, or None if the store does not have all that they need."""
    from fpack.builders.kinds.manifest import CANONICAL_FILE
    from fpack.cli.images import bills, file_bills

    try:
        reader = part.reader()
        if not all(_is_built(workspace, output) for output in _needed(workspace, reader)):
            return None
        bodies = workspace.evaluator.derivations
        for name, drv in reader.derivations.items():
            bodies[bytes.fromhex(name)] = drv.encode()
        manifest = file_bills.kept(workspace, part.data, CANONICAL_FILE)
        (path,) = workspace.realise([bills.bill(workspace, manifest, names)])
    except (FpackError, KeyError, ValueError):
        return None
    return path


def _needed(workspace: Workspace, reader: ManifestReader) -> Iterable[Output | None]:
    """Yield the outputs that the facts of an image are read from; None for one that is lost."""
    from fpack.builders.sbom.gather import wanted
    from fpack.builders.sbom.provenance import Provenance

    provenance = Provenance(reader.head, reader.derivations)
    for path in wanted(reader.head):
        if not workspace.store.is_there(parse(path.path)):
            yield None
        if path.package:
            yield provenance.deb(path.derivation)
        elif not path.table:
            for source in provenance.sources(provenance.behind(path.derivation)):
                yield Output(bytes.fromhex(source))


def _is_built(workspace: Workspace, output: Output | None) -> bool:
    path = workspace.store.database.built(output) if output is not None else None
    return path is not None and workspace.store.is_there(path)
