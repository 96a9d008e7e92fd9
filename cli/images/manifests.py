"""Build the manifest of an image, and place it beside the image and, as a referrer, in the image."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from fpack.cli.version import VERSION
from fpack.light_typing import TYPE_CHECKING
from fpack.store import derivation
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output, placeholder
from fpack.store.path import clean_name, parse

# The maximum size of the sources that travel with an image by default, and with --sources.
SOURCES, ALL_SOURCES = 64_000_000, 1_000_000_000
# Builds from source run in this machine's sandbox.
EXECUTOR = "local"

if TYPE_CHECKING:
    from fpack.builders.export.oci import Extra
    from fpack.builders.manifest.referrer import Referrer
    from fpack.builders.verify.image_archive import ImageLocation
    from fpack.cli.workspace.containers import Container
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.files.checked_tree import CheckedTree

    from .base.own_manifest import BaseManifestInput


def manifest(workspace: Workspace, container: Container, sources: int) -> Output:
    """Add the derivation of a container's manifest to the workspace. Return its output. sources: see `ManifestArgs`."""
    bodies = workspace.evaluator.derivations
    image = derivation.decode(bodies[container.image.derivation])
    name = image.name
    mentioned = {parse(path).hash for path in image.args["paths"]}
    own: BaseManifestInput | None = None
    if image.args.get("base"):
        from .base import own_manifest

        own = own_manifest.find(workspace, image.args["base"][0]["name"], container.arch)
    # ManifestArgs is not used: its module imports what builds a manifest (hashlib, JSON, the readers of layers), which
    # takes about 8 ms and is not needed if the store has the manifest.
    made = Derivation(
        "manifest",
        clean_name(f"{name}-manifest"),
        {
            "image": str(placeholder(container.image.derivation, name, container.image.name)),
            "paths": image.args["paths"],
            "derivation": container.image.derivation.hex(),
            "lock": _lock(workspace, bodies, derivation.decode(bodies[container.root.derivation])),
            "fpack": VERSION,
            "executor": EXECUTOR,
            "sources": sources,
            **({"meta": container.meta} if container.meta else {}),
            **(own.argument if own is not None else {}),
        },
        (
            container.image,
            *(i for i in image.inputs if placeholder(i.derivation, "x", i.name).hash in mentioned),
            *([own.output] if own is not None else []),
        ),
    )
    body = made.encode()
    digest = derivation.digest(body)
    bodies[digest] = body
    return Output(digest)


def _lock(workspace: Workspace, bodies: Mapping[bytes, bytes], root: Derivation) -> Value:
    """Return the locked packages that a root may use, or with which maintainer scripts may run."""
    names = {str(slice_["package"]) for slice_ in root.args["slices"]}
    if configured := root.args.get("configured"):
        wanted = parse(configured).hash
        for output in (*root.candidates, *root.inputs):
            if placeholder(output.derivation, "x", output.name).hash == wanted:
                configure = derivation.decode(bodies[output.derivation])
                names |= {str(item["package"]) for item in configure.args["packages"]}
    if not names:
        return None
    from fpack.builders.manifest import lock_part

    return lock_part.encode(workspace.source.lock, str(root.args["release"]), str(root.args["arch"]), names)


def canonical_form(tree: CheckedTree) -> bytes:
    """Return the canonical form of the manifest in an output."""
    from fpack.builders.kinds.manifest import CANONICAL_FILE
    from fpack.builders.manifest.format import MAX_SIZE

    return tree.read(CANONICAL_FILE, MAX_SIZE)


def within(trees: Iterable[CheckedTree], others: Iterable[Referrer] = ()) -> Extra:
    """Return the additional content of an archive or layout that holds the artifacts in `trees`, and `others`."""
    found = list(trees)
    if not found:
        return {}
    from fpack.builders.manifest import referrer

    return referrer.attach([*(referrer.read(tree) for tree in found), *others])


def sources(trees: Iterable[CheckedTree]) -> dict[str, list[dict[str, Value]]]:
    """Return the name and size of each source that travels in the artifacts in `trees`, and of each that does not."""
    from fpack.builders.manifest import travelling_sources

    found: dict[str, dict[tuple[str, int], None]] = {"carried": {}, "left_out": {}}
    for tree in trees:
        for kind, rows in travelling_sources.read(tree)._asdict().items():
            found[kind].update(dict.fromkeys(rows))
    return {kind: [{"name": name, "size": size} for name, size in rows] for kind, rows in found.items()}


def beside(image: Path, arch: str = "") -> Path:
    """Return the path of an image's manifest: NAME.manifest.json, or NAME.ARCH.manifest.json for several platforms."""
    name = image.name.removesuffix(".tar")
    return image.with_name(f"{name}.{arch}.manifest.json" if arch else f"{name}.manifest.json")


def all_beside(image: ImageLocation) -> list[Path]:
    """Return the manifests beside an image file: the single one, or those of its platforms."""
    if not isinstance(image, Path):
        return []  # an image in a registry has its manifests as referrers
    image = image.absolute()
    one = beside(image)
    name = image.name.removesuffix(".tar")
    if one.is_file() or not image.parent.is_dir():
        return [one]
    several = [entry for entry in image.parent.iterdir() if entry.name.startswith(f"{name}.")]
    return sorted(path for path in several if path.name.endswith(".manifest.json")) or [one]


def write_beside(image: Path, tree: CheckedTree, arch: str = "") -> str | None:
    """Write the manifest in `tree` beside an image. Return None if the image is a device or a pipe."""
    return write_document(image, tree, "manifest.json", beside(image, arch).name)


def write_document(image: Path, tree: CheckedTree, file: str, name: str) -> str | None:
    """Write `file` of `tree` beside an image, as `name`. Return None if the image is a device or a pipe."""
    return write_pieces(image, tree.chunks(file), name)


def write_pieces(image: Path, pieces: Iterable[bytes], name: str) -> str | None:
    """Write a document beside an image, as `name`. Return None if the image is a device or a pipe."""
    from fpack.builders.streams.output_file import is_of_system
    from fpack.store.errors import StoreError
    from fpack.store.files import replace
    from fpack.store.files.writer import write_all

    if not (image.is_file() or image.is_dir()) or is_of_system(image):
        return None
    target = image.absolute().with_name(name)
    try:
        directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with replace.replacing_at(directory, target.name, durable=True) as fd:
                for piece in pieces:
                    write_all(fd, piece)
        finally:
            os.close(directory)
    except OSError as error:
        raise StoreError(
            "A document of the image cannot be written", where=str(target), why=error.strerror or ""
        ) from None
    return str(target)
