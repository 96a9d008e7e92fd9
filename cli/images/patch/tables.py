"""Make what stays of a patched image from the documents of the old image, in place of the archive's packages.

The registry has the tables of the image's slices. A store of its own gets them, so nothing else of the old image has to
be believed than for this patch, and no trees that lack files get into the user's store. A slice of which a file is
needed, or that shares a layer with a package that moves, is made whole: from that layer, or from its package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.builders.intake import described_paths, image_documents
from fpack.builders.intake.described_paths import DescribedPath
from fpack.builders.intake.image_documents import ImageDocuments
from fpack.builders.intake.image_intake import ImageIntake
from fpack.builders.kinds.table import generation
from fpack.builders.manifest.format import ManifestLayer
from fpack.cli.version import VERSION
from fpack.cli.workspace.workspace import Workspace
from fpack.store.derivation import Output
from fpack.store.errors import DamagedPath
from fpack.store.files.remove import remove_tree
from fpack.store.path import StorePath, parse
from fpack.store.store import Store

if TYPE_CHECKING:
    from fpack.builders.intake.repository_archive import RemoteImage

    from .platform import PatchedPlatform


class OldImage(NamedTuple):
    """The documents of an image, and the paths that they describe, in an order in which references come first."""

    documents: ImageDocuments
    described: Sequence[DescribedPath]


def obstacle(one: PatchedPlatform) -> str:
    """Return why the tables cannot replace the packages for a patch, or ""."""
    head = one.head
    if head.fpack != VERSION:
        return "another version made it"
    if one.documents.bills or one.documents.vex:
        return "its bills of materials and its VEX document are about the files of all packages"
    if head.base is not None:
        return "it stands on another image"
    if any(source.kind == "source" for source in head.sources):
        return "it has files of its project"
    return ""


def read(image: RemoteImage, one: PatchedPlatform) -> OldImage:
    """Read the documents of an image for one platform. Raise RecordError if they do not suffice."""
    found = image_documents.read(image.archive(), one.head.image.manifest.digest, one.data, str(image))
    paths = [*described_paths.slices(found), *described_paths.layers(found)]
    return OldImage(found, paths)


def is_stored(store: Store, one: PatchedPlatform) -> bool:
    """Return whether a store has all parts and layers of an image."""
    paths = {parse(path) for layer in one.head.layers for path in (layer.path, *dict(layer.parts))}
    return all(store.info(path) is not None for path in paths) and store.keep(paths)


def open_workspace(stack: Any, own: Workspace, old: OldImage, image: RemoteImage, one: PatchedPlatform) -> Workspace:
    """Return a workspace whose store has what stays of an image. own: of the user's store, in which it lies.

    The store is deleted when `stack` is closed.
    """
    directory: Path = own.store.session.fresh()
    stack.callback(remove_tree, directory)
    store = Store(directory)
    store.database.use_generation(generation())
    workspace: Workspace = stack.enter_context(Workspace(own.options))
    workspace.store = store
    bodies = {bytes.fromhex(digest): made.encode() for digest, made in one.reader.derivations.items()}
    store.plan(bodies)
    layers = _changed_layers(one) + _built_layers(one)
    whole = {parse(path) for layer in layers for path in (layer.path, *dict(layer.parts))}
    moved = {parse(path) for path in _paths_of(one, [item.name for item in one.moved])}
    for described in old.described:
        if described.path not in whole | moved and described_paths.register(store, described):
            workspace.described.add(described.path)
    _fetch(workspace, old.documents, image, one, whole - moved)
    return workspace


def _paths_of(one: PatchedPlatform, packages: Iterable[str]) -> set[str]:
    names = set(packages)
    return {origin.path for origin in one.head.paths if origin.package in names}


def _changed_layers(one: PatchedPlatform) -> list[ManifestLayer]:
    """Return the layers in which a package that moves lies beside others."""
    moved = _paths_of(one, [item.name for item in one.moved])
    return [layer for layer in one.head.layers if len(layer.parts) > 1 and not moved.isdisjoint(dict(layer.parts))]


def _built_layers(one: PatchedPlatform) -> list[ManifestLayer]:
    """Return the layers of built paths that stay as they are."""
    made = {origin.path: origin.derivation for origin in one.head.paths}
    changed = {digest.hex() for digest in one.rewritten.renamed}
    return [
        layer
        for layer in one.head.layers
        if any(prefix and made.get(path) not in {None, *changed} for path, prefix in layer.parts)
    ]


def _fetch(
    workspace: Workspace, found: ImageDocuments, image: RemoteImage, one: PatchedPlatform, paths: set[StorePath]
) -> None:
    """Fetch the layers among some paths, and make the others, which are in these layers, of them."""
    if not paths:
        return
    from fpack.cli.images.pull.pull import add_payloads

    ImageIntake(
        workspace.store, image.archive().repository, found.head, found.entries, found.record, found.expected,
        lambda absent: add_payloads(workspace, found.head.lock.packages, found.derivations, absent),
    ).run(paths)  # fmt: skip
    made = {
        Output(bytes.fromhex(origin.derivation)): parse(origin.path) for origin in one.head.paths if origin.derivation
    }
    made |= {Output(bytes.fromhex(layer.derivation)): parse(layer.path) for layer in one.head.layers}
    workspace.store.adopt(b"", {output: path for output, path in made.items() if path in paths})


def until_whole(
    workspace: Workspace, outputs: Sequence[Output], use: Callable[[list[StorePath]], object]
) -> list[StorePath]:
    """Build outputs, and call `use` with their paths. Make the paths whole of which it needs a file that is absent."""
    from fpack.cli.workspace.damage import DamageRepairs

    repairs = DamageRepairs(workspace.described)
    while True:
        paths = workspace.realise(outputs)
        try:
            use(paths)
        except DamagedPath as error:
            if not repairs.make(workspace.store, error):
                raise
        else:
            return paths
