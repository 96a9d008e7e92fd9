"""Refer to the layers of images from a cache, so that what is pushed as an image is not written a second time.

A layer is a blob of an image, and the file `blob` of the output of the derivation that makes it. A store path in a
layer is the part of the layer's tar below the path's prefix.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from fpack.builders.distribution.protocol import BlobSource
from fpack.builders.oci import image_record
from fpack.store import canonical
from fpack.store.errors import FpackError
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.path import StorePath, parse
from fpack.store.store import Store

from .format.records import DIGEST, DetachedFile

BLOB = "blob"
_NAMES = {BLOB, "entries", "entries.json", "layer"}  # of the output of a layer
_MAX_INFO = 1 << 20  # bytes
_KIND = "image"
# The codec of a record, by the media type of the layer.
CODECS = {
    "application/vnd.oci.image.layer.v1.tar": "layer",
    "application/vnd.oci.image.layer.v1.tar+gzip": "layer+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd": "layer+zstd",
}
_SHA256 = "sha256:"


class PathInLayer(NamedTuple):
    """A store path in a layer. raw: bytes of the layer's tar. prefix: the directory of the path in it."""

    blob: bytes
    blob_size: int
    raw: int
    prefix: str
    codec: str

    @property
    def blob_digest(self) -> str:
        """The blob's digest, as OCI writes it."""
        return f"{_SHA256}{self.blob.hex()}"


class ImageContent(NamedTuple):
    """The parts of an image that a cache can have. layers: its outputs. parts: the store paths in them."""

    layers: tuple[StorePath, ...]
    parts: Mapping[StorePath, PathInLayer]


def of_image(store: Store, image: StorePath) -> ImageContent:
    """Return what a cache can have of an image. image: the path of its output. Raise StoreError if it is not one.

    Only what the builder of images made is believed. A build may make files that look the same, and say that a layer
    has a path which it lacks: nobody would take the path from there, and the cache would not get it in another way.
    """
    makers = (store.derivation(output.derivation) for output in store.database.outputs_of(image))
    if not any(maker is not None and maker.kind == _KIND for maker in makers):
        return ImageContent((), {})
    layers: list[StorePath] = []
    parts: dict[StorePath, PathInLayer] = {}
    for row in image_record.read(store.tree(image)).fields["layers"]:
        layers.append(parse(row["path"]))
        codec = CODECS.get(row["media_type"], "")
        for text, prefix in row.get("parts", ()):
            if prefix and codec:
                blob = bytes.fromhex(row["digest"].removeprefix(_SHA256))
                parts[parse(text)] = PathInLayer(blob, row["size"], row["tar"], prefix.strip("/"), codec)
    return ImageContent(tuple(dict.fromkeys(layers)), parts)


def of_paths(store: Store, paths: Iterable[StorePath]) -> Mapping[StorePath, PathInLayer]:
    """Return the store paths in the layers of those paths that are images."""
    parts: dict[StorePath, PathInLayer] = {}
    for path in paths:
        disk = os.fspath(store.disk(path))
        if all(os.path.isfile(f"{disk}/{name}") for name in ("image", "config", "manifest")):
            try:
                parts.update(of_image(store, path).parts)
            except FpackError:
                continue  # it is another output with such files
    return parts


def detached(disk: str) -> tuple[DetachedFile, ...]:
    """Return the blob of a layer's output, or () for other outputs. disk: the path of the output on disk."""
    try:
        if not os.path.isfile(f"{disk}/{BLOB}") or set(os.listdir(disk)) != _NAMES:
            return ()
        with open(f"{disk}/layer", "rb") as file:
            value = canonical.decode(file.read(_MAX_INFO))
        digest, size = value["digest"], value["size"]
        blob = bytes.fromhex(digest.removeprefix(_SHA256))
        if len(blob) == DIGEST and digest.startswith(_SHA256) and os.path.getsize(f"{disk}/{BLOB}") == size:
            return (DetachedFile(BLOB, blob, size),)
    except (OSError, FpackError, ValueError, TypeError, KeyError, AttributeError):
        pass
    return ()


def source(tree: CheckedTree, file: DetachedFile, mounts: Sequence[str]) -> BlobSource:
    """Return a detached file as a blob to write. mounts: repositories of the same registry that may have it.

    Reading raises DamagedPath if the file is not the one of the tree.
    """
    return BlobSource(file.blob_digest, file.size, lambda offset: _read(tree, file.name, offset), mounts)


def _read(tree: CheckedTree, name: str, offset: int) -> Iterator[bytes]:
    at = 0
    for piece in tree.chunks(name):
        if at + len(piece) > offset:
            yield piece[max(offset - at, 0) :]
        at += len(piece)
