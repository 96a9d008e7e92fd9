"""Make an image of a registry again with the archive's newer packages, and push what differs.

The manifest of the image is enough: its derivations are rewritten for the packages that move, and built. No project is
read, no layer is downloaded, and layers of packages that stay have the digests that the registry knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from fpack.builders.intake.store_record import RecordError
from fpack.builders.manifest import lock_part
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.protocol import AbsentDerivation
from fpack.builders.verify import embedded_manifest, manifest_loading
from fpack.cli.errors import UsageError
from fpack.cli.shared_options import SharedOptions
from fpack.cli.version import VERSION
from fpack.cli.workspace.workspace import Workspace
from fpack.store import derivation
from fpack.store.derivation import Derivation, Output, placeholder
from fpack.store.path import clean_name, parse

from . import documents, moves, version_texts
from .errors import CannotPatch
from .platform import MovedVersion, PatchedPlatform
from .rewrite import RewriteResult, rewrite

if TYPE_CHECKING:
    from fpack.builders.distribution.reference import Reference
    from fpack.builders.intake.repository_archive import RemoteImage
    from fpack.cli.images.audits import Auditor
    from fpack.cli.images.base.own_manifest import BaseManifestInput
    from fpack.cli.images.packing import PackedImage
    from fpack.store.path import StorePath
    from fpack.store.store import Store


_NO_VEX = "the old image has a VEX document, and the new one has none: name data with --data"


def plan(image: RemoteImage, options: SharedOptions, *, security: bool) -> list[PatchedPlatform]:
    """Find the packages of an image that the archive has newer, or a lock that is named has otherwise. Rewrite its
    derivations.

    security: only packages move of which a security suite has a newer version.
    """
    manifests = embedded_manifest.find(image.archive())
    if not manifests:
        raise CannotPatch(
            "The image has no manifest of fpack's in the registry",
            where=str(image),
            why="a patch makes the image again from it",
            hint="push the image with fpack push or fpack pack --push",
        )
    readers: dict[str, ManifestReader] = {}
    exact: dict[str, bytes] = {}
    for data in manifests:
        reader = manifest_loading.reader(data, str(image))
        readers.setdefault(reader.head.image.manifest.digest, reader)
        exact.setdefault(reader.head.image.manifest.digest, data)
    images = image.archive().images
    wanted = images[1:] or images  # those of an index
    # The new image takes the place of the old one: it must have the same platforms, and be made of the same things.
    if absent := [digest for digest in wanted if digest not in readers]:
        raise CannotPatch(
            "An image has no manifest of fpack's in the registry", where=str(image), why=f"none is about {absent[0]}",
            hint="push it with fpack push or fpack pack --push",
        )  # fmt: skip
    archs = [readers[digest].head.image.arch for digest in wanted]
    if options.arch is not None and options.arch not in archs:
        raise UsageError(
            f"The image is not for {options.arch}", where=str(image), why=f"it is for {', '.join(archs)}",
        )  # fmt: skip
    return [_plan(readers[digest], image, options, security)._replace(data=exact[digest]) for digest in wanted]


def _plan(reader: ManifestReader, image: RemoteImage, options: SharedOptions, security: bool) -> PatchedPlatform:
    head = reader.head
    kinds = documents.kinds(image.archive(), head.image.manifest.digest)
    notes: list[str] = []
    if head.fpack != VERSION:
        notes.append(f"fpack {head.fpack} made the image, and this is fpack {VERSION}: more layers may differ")
    if not head.lock.packages or options.arch not in (None, head.image.arch):
        return PatchedPlatform(reader, (), RewriteResult({}, {}), moves.locked(head.lock), tuple(notes), kinds)
    found = moves.find(reader, str(image), options, security=security)
    before = {package.name: package for package in head.lock.packages}
    moved = tuple(
        MovedVersion(name, before[name].version, pin.version, pin.size) for name, pin in sorted(found.pins.items())
    )
    notes += version_texts.notes(reader.derivations, moved)
    rewritten = rewrite(reader.derivations, found.pins, found.depends)
    return PatchedPlatform(reader, moved, rewritten, found.lock, tuple(notes), kinds)


def build(
    platforms: Sequence[PatchedPlatform],
    options: SharedOptions,
    stack: Any,
    auditor: Auditor | None = None,
    image: RemoteImage | None = None,
) -> tuple[list[PatchedPlatform], PackedImage]:
    """Build the new image of all platforms, with its manifests, and the documents that the old one has.

    Return the platforms with what else must be told, and the image.

    Its workspaces are open as long as `stack` is. auditor: makes VEX documents; None without data. image: the old one,
    whose tables take the place of packages that the store lacks; None for the packages alone.
    """
    from fpack.builders.export.oci import Bundle
    from fpack.cli.images.packing import PackedImage, base_layers
    from fpack.store.files.checked_tree import CheckedTree

    images: list[CheckedTree] = []
    manifests: list[CheckedTree] = []
    paths: list[tuple[Store, StorePath]] = []
    kinds = documents.common(one.documents for one in platforms)
    about = documents.PatchDocuments(kinds, auditor)
    told: list[PatchedPlatform] = []
    for one in platforms:
        workspace, why = _workspace(stack, options, image, one)
        told.append(one._replace(notes=(*one.notes, why)) if why else one)
        workspace.keep_blobs = False
        old = bytes.fromhex(one.head.image.derivation)
        bodies = workspace.evaluator.derivations
        bodies.update({bytes.fromhex(digest): made.encode() for digest, made in one.reader.derivations.items()})
        bodies.update(one.rewritten.bodies)
        new = Output(one.rewritten.renamed.get(old, old))
        _check_sources(workspace, one)
        described = _manifest(workspace, one, new)
        made, manifest, *bills = _build(workspace, [new, described, *about.wanted(workspace, described)])
        images.append(workspace.store.tree(made))
        manifests.append(workspace.store.tree(manifest))
        about.add(workspace, manifests[-1], bills)
        paths.append((workspace.store, made))
        workspace.store.used([made, manifest], "", one.head.image.name)

    stores = [store for store, _ in paths]

    def trees(path: str) -> CheckedTree:
        store = next((store for store in stores if store.info(parse(path)) is not None), stores[0])
        return store.tree(parse(path))

    archs = tuple(one.head.image.arch for one in platforms)
    bundle = Bundle(images, trees)
    none = cast(Any, None)  # there is no container: nothing was evaluated
    below = tuple(layer for image in images for layer in base_layers(image))
    return told, PackedImage(
        none, archs, bundle, tuple(images), tuple(manifests), tuple(about.bills), kinds.bills, trees,
        provenances=tuple(about.provenances), vex=tuple(about.vex), paths=tuple(paths), below=below,
    )  # fmt: skip


def _workspace(
    stack: Any, options: SharedOptions, image: RemoteImage | None, one: PatchedPlatform
) -> tuple[Workspace, str]:
    """Return the workspace in which the image of a platform is built, and what must be told of it, or ""."""
    from . import tables

    workspace: Workspace = stack.enter_context(Workspace(options._replace(arch=one.head.image.arch)))
    if image is None or not one.moved or tables.is_stored(workspace.store, one):
        return workspace, ""
    if why := tables.obstacle(one):
        return workspace, f"the packages of the image are fetched, since {why}"
    try:
        old = tables.read(image, one)
    except RecordError as error:
        return workspace, f"the packages of the image are fetched: {error.what}{error.why and f': {error.why}'}"
    return tables.open_workspace(stack, workspace, old, image, one), ""


def _build(workspace: Workspace, outputs: Sequence[Output]) -> list[StorePath]:
    """Build an image, and what is about it. The record of its store paths, which is made later, must be possible."""
    from fpack.builders.intake.record_source import collect

    from . import tables

    try:
        if not workspace.described:
            return workspace.realise(outputs)
        return tables.until_whole(workspace, outputs, lambda paths: collect(workspace.store, paths[0]))
    except AbsentDerivation:
        raise CannotPatch(
            "The image needs packages now that it was made without",
            why="its programs load others, or a file that it wants is in none of its packages any more",
            hint="build it again in its project: fpack update && fpack pack --push",
        ) from None


def _check_sources(workspace: Workspace, one: PatchedPlatform) -> None:
    """Raise CannotPatch if a source of the project is neither in the store nor at hand."""
    for source in one.head.sources:
        output = Output(bytes.fromhex(source.derivation))
        if source.kind == "source" and not workspace.store.built([output]):
            raise CannotPatch(
                "The image has files of its project that are not on this machine",
                where=source.name,
                why="its manifest has the digest alone",
                hint="run fpack pull for the image first, or pack it in its project",
            )


def _manifest(workspace: Workspace, one: PatchedPlatform, image: Output) -> Output:
    """Add the derivation of the new image's manifest. Return its output."""
    from fpack.cli.images.manifests import EXECUTOR, SOURCES

    bodies = workspace.evaluator.derivations
    made = derivation.decode(bodies[image.derivation])
    head = one.head
    names = {str(package.name) for package in head.lock.packages}
    lock = lock_part.encode(one.lock, head.lock.release, head.lock.arch, names) if names else None
    mentioned = {parse(path).hash for path in made.args["paths"]}
    inputs = tuple(i for i in made.inputs if placeholder(i.derivation, "x", i.name).hash in mentioned)
    own = _base_manifest(workspace, one)
    record = Derivation(
        "manifest",
        clean_name(f"{made.name}-manifest"),
        {
            "image": str(placeholder(image.derivation, made.name, image.name)),
            "paths": made.args["paths"],
            "derivation": image.derivation.hex(),
            "lock": lock,
            "fpack": VERSION,
            "executor": EXECUTOR,
            "sources": SOURCES,
            **_meta(one),
            **(own.argument if own is not None else {}),
        },
        (image, *inputs, *([own.output] if own is not None else [])),
    )
    body = record.encode()
    digest = derivation.digest(body)
    bodies[digest] = body
    return Output(digest)


def _base_manifest(workspace: Workspace, one: PatchedPlatform) -> BaseManifestInput | None:
    """Return the own manifest of the image's base, which stays the same, or None if it has none or it is gone."""
    base = one.head.base
    if base is None or base.own is None:
        return None
    from fpack.cli.images.base import own_manifest

    return own_manifest.of_blob(workspace, base.name, base.own.blob)


def _meta(one: PatchedPlatform) -> Mapping[str, Any]:
    """Return what the image and its packages say of themselves, by the digests of their new derivations."""
    origins = {origin.path: origin.derivation for origin in one.head.paths}
    origins[one.head.image.path] = one.head.image.derivation
    found = {}
    for meta in one.head.meta:
        old = origins.get(meta.path)
        if old:
            new = one.rewritten.renamed.get(bytes.fromhex(old), bytes.fromhex(old)).hex()
            fields = {name: value for name, value in meta._asdict().items() if name != "path" and value}
            if "maintainers" in fields:
                fields["maintainers"] = list(fields["maintainers"])
            found[new] = fields
    return {"meta": found} if found else {}


def changes(platforms: Sequence[PatchedPlatform], made: PackedImage) -> list[dict[str, Any]]:
    """Return what differs between the old and the new image of each platform: packages, and layers by their parts."""
    from fpack.builders.oci.image_record import read

    found = []
    for one, image in zip(platforms, made.images, strict=True):
        fields = read(image).fields
        old = {layer.blob.digest for layer in one.head.layers}
        moved = {item.name for item in one.moved}
        layers = [layer for layer in fields["layers"] if layer["digest"] not in old]
        others = [layer for layer in layers if layer["packages"] and not moved & {*layer["packages"]}]
        found.append(
            {
                "arch": one.head.image.arch,
                "old": one.head.image.manifest.digest,
                "new": fields["digest"],
                "packages": [item._asdict() for item in one.moved],
                "layers": {"new": len(layers), "kept": len(fields["layers"]) - len(layers)},
                "bytes": sum(layer["size"] for layer in layers),
                "others": sorted(name for layer in others for name in layer["packages"]),
                "notes": [*one.notes, *([_NO_VEX] if one.documents.vex and not made.vex else [])],
            }
        )
    return found


def destination(reference: Reference, tag: str) -> Reference:
    """Return where a patched image goes: to the tag of its reference, or another one."""
    if not tag and not reference.tag and reference.digest:
        raise UsageError("The reference has a digest and no tag", hint="name the tag of the new image: --tag TAG")
    return reference._replace(tag=tag or reference.tag or "latest", digest="")


def check_tag(image: RemoteImage, target: Reference) -> None:
    """Raise CannotPatch if the tag of the old image names another one now: what somebody pushed meanwhile stays."""
    if image.reference.digest or target.wanted != image.reference.wanted:
        return
    found = image.repository.resolve(target.wanted)
    if found is None or found.digest != image.archive().top.digest:
        raise CannotPatch(
            "The tag was moved while the image was made again", where=str(image),
            why=f"it names {found.digest if found is not None else 'no image'} now", hint="run the command again",
        )  # fmt: skip
