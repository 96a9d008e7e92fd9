"""Build the `oci` kind: read an image of a registry that is the base of another, by its digest and for one platform.

The output holds the documents and the files that a container sees, each with the number of its layer, but no content.
It is determined by the digest and the platform, not by the registry.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from blake3 import blake3
from fpack.builders import arguments
from fpack.builders.distribution.protocol import BlobEntry, Repository, differs
from fpack.builders.manifest import base_packages
from fpack.builders.manifest.format import FILE, ManifestEntry
from fpack.builders.oci import base_documents, spec
from fpack.builders.oci.base_documents import INDEXES, MAX_DOCUMENT, BaseDocuments, BaseLayer
from fpack.builders.oci.spec import Descriptor
from fpack.builders.payload import base_image
from fpack.builders.payload.base_image import FILES, ListedLayer
from fpack.builders.payload.layer_stack import LayerStack
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Need, Steps, Task
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation
from fpack.store.files.checked_tree import CheckedTree

from . import ociblob
from .layer import ENTRIES
from .ocilayer import EXTRAS, OcilayerArgs

if TYPE_CHECKING:
    from .table import Services

# 2: the packages of the base
VERSION = 2

INDEX, MANIFEST, CONFIG = "index", "manifest", "config"


class OciArgs(NamedTuple):
    """The arguments. urls: addresses of repositories. sha256: of the image or index, or "". arch: Debian's.

    tag: the tag beside the digest, or "". Without a digest, the build reports the one that the tag has now.
    """

    urls: tuple[str, ...]
    sha256: str
    arch: str
    tag: str = ""


class _Documents(NamedTuple):
    """The bytes of the documents, by the names of their files, and what they say."""

    files: dict[str, bytes]
    image: BaseDocuments


class OciBuilder(BaseBuilder):
    """The builder of `oci`. It requests the list of each layer."""

    version = VERSION
    network = True

    def __init__(self, repository: ociblob.Open) -> None:
        self._repository = repository

    def key(self, drv: Derivation) -> Value:
        """Return the digest and the architecture."""
        args = arguments.read(OciArgs, drv.args)
        return [f"oci {VERSION}", args.sha256, args.arch, drv.name]

    def build(self, task: Task) -> Steps:
        """Read the documents, request the layers' lists, and write the files that all layers together have."""
        args = arguments.read(OciArgs, task.args)
        if not args.sha256:
            raise self._undeclared(args)
        found: list[_Documents] = []
        ociblob.first_of(args.urls, self._repository, lambda repository: found.append(_read(repository, args)))
        documents, image = found[0]
        layers = image.layers
        paths = yield Need([layer_derivation(args.urls, layer) for layer in layers])
        stack, texts, databases = LayerStack(), dict[bytes, bytes](), dict[bytes, bytes]()
        listed = []
        for number, (layer, path) in enumerate(zip(layers, paths, strict=True)):
            task.check()
            tree = task.tree(path)
            extras = canonical.decode(tree.read(EXTRAS))
            _add(stack, number, tree, extras["whiteouts"])
            texts |= dict(extras["texts"])
            databases |= dict(extras["databases"])
            blob = layer.blob
            about = (blob.digest, blob.size, blob.media_type, layer.diff_id)
            listed.append(ListedLayer(path, *about, tuple(extras["whiteouts"])))
        files = list(stack.files())
        owners = {file.entry.path: file.content for file in files}
        contents = {os.fsencode(file.entry.path): file.entry.blake3 for file in files}
        texts, databases = _shown(texts, contents), _shown(databases, contents)
        entries = [file.entry for file in files]
        regular = [os.fsencode(file.entry.path) for file in files if file.entry.kind == FILE]
        writer = task.writer()
        for name, data in documents.items():
            writer.file(name, [data])
        digest = image.manifest.digest
        writer.file(FILES, [base_image.encode_files(entries, owners, listed, digest, image.settings, texts)])
        writer.file(base_packages.FILE, [base_packages.encode(base_packages.read(regular, databases))])
        return Built(writer, tuple(sorted(set(paths))))

    def _undeclared(self, args: OciArgs) -> BuildError:
        """Return the error for a reference without a digest, which says the digest that the tag has now."""
        repository = self._repository(f"oci://{args.urls[0].removeprefix('oci://')}")
        tag = args.tag or "latest"
        entry = repository.resolve(tag)
        name = args.urls[0].removeprefix("oci://")
        if entry is None:
            return BuildError(f"There is no image {name}:{tag}", where=repository.name)
        return BuildError(
            "A base image has no digest",
            where=f"{name}:{tag}",
            why="a tag can be moved to another image at any time",
            hint=f'if this image is the right one: oci("{name}:{tag}@{entry.digest}")',
        )


def _shown(texts: Mapping[bytes, bytes], contents: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the texts that are the content of a file that the image shows. contents: the BLAKE3 of each."""
    return {path: text for path, text in texts.items() if contents.get(path) == blake3(text).digest()}


def layer_derivation(urls: tuple[str, ...], layer: BaseLayer) -> Derivation:
    """Return the derivation of the list of a layer."""
    sha256 = layer.blob.digest.removeprefix("sha256:")
    args = OcilayerArgs(urls, sha256, layer.blob.size, layer.blob.media_type, layer.diff_id)
    return Derivation("ocilayer", f"base-layer-{sha256[:12]}", arguments.write(args))


def _read(repository: Repository, args: OciArgs) -> _Documents:
    where = f"{repository.name}@sha256:{args.sha256}"
    files: dict[str, bytes] = {}
    top, data = _manifest(repository, f"sha256:{args.sha256}", where)
    document = base_documents.parse(data, "manifest", where)
    if top.media_type in INDEXES:
        files[INDEX] = data
        chosen = base_documents.choose_platform(document, args.arch, where)
        top, data = _manifest(repository, chosen.digest, where)
        document = base_documents.parse(data, "manifest", where)
    files[MANIFEST] = data
    config, layers = base_documents.read_image(top, document, where)
    files[CONFIG] = data = _blob(repository, config)
    settings = base_documents.parse(data, "configuration", where)
    return _Documents(files, base_documents.read_config(top, config, layers, settings, args.arch, where))


def _manifest(repository: Repository, digest: str, where: str) -> tuple[Descriptor, bytes]:
    found = repository.manifest(digest)
    if found is None:
        why = "the repository has no such manifest"
        raise BuildError("The base image does not exist", where=where, why=why, hint="check the name and the digest")
    if (own := spec.digest(found.data)) != digest:
        raise differs(digest, own, where, "manifest")
    return Descriptor(found.media_type, digest, len(found.data)), found.data


def _blob(repository: Repository, blob: Descriptor) -> bytes:
    """Return a blob in memory."""
    if blob.size > MAX_DOCUMENT:
        why = f"it has {blob.size} bytes; the limit is {MAX_DOCUMENT}"
        raise BuildError("The configuration of the base image is too large", where=repository.name, why=why)
    data = b"".join(repository.read_blob(BlobEntry(*blob)))
    if (own := spec.digest(data)) != blob.digest or len(data) != blob.size:
        raise differs(blob.digest, own, repository.name)
    return data


def _add(stack: LayerStack, number: int, tree: CheckedTree, whiteouts: list[bytes]) -> None:
    """Add a layer to the stack. number: of the layer."""
    for path in whiteouts:
        stack.add(path, TreeEntry("", "f", 0))
    for entry in _entries(tree):
        if entry.part is not None:
            target = os.fsdecode(entry.target)
            attributes = (entry.kind, entry.mode, entry.uid, entry.gid, "", "", entry.size, entry.blake3, entry.sha256)
            stack.add(entry.path, TreeEntry("", *attributes, target), number)
    stack.finish()


def _entries(tree: CheckedTree) -> Iterator[ManifestEntry]:
    import msgpack

    unpacker: Any = msgpack.Unpacker()
    for piece in tree.chunks(ENTRIES):
        unpacker.feed(piece)
        for row in unpacker:
            yield ManifestEntry(*row[:10])


def make(services: Services) -> OciBuilder:
    return OciBuilder(services.repository)
