"""Write built images for other programs: as one tar, or as an OCI layout directory.

The tar is both an OCI layout and a docker archive, since docker's `manifest.json` refers to the layout's blobs. podman,
docker with either of its image stores, containerd, skopeo and scanners read it. An image for several platforms is an
index of images, each equal to the image that is built for its platform alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from fpack.builders.oci import spec
from fpack.builders.oci.image_record import read as read_record
from fpack.builders.oci.spec import Descriptor
from fpack.builders.payload.parents import parents
from fpack.builders.streams.output_file import CHUNK, ExportError, StoredFile, copy, errors, replacing
from fpack.builders.streams.tar_writer import DIRECTORY, END, FILE, TarEntry, header, padding
from fpack.light_typing import Any, NamedTuple, Protocol, TypeVar, cast
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.writer import write_all

Trees = Callable[[str], CheckedTree]
_SHELLS = [[f"/{path}/{name}"] for path in ("usr/bin", "bin") for name in ("bash", "sh")]


class StreamedFile(Protocol):
    """A file whose content comes from elsewhere."""

    @property
    def size(self) -> int:
        """Its size in bytes."""

    def pieces(self) -> Iterator[bytes]:
        """Yield its content, all of it or raise an error. Threads call this for several files at once."""


Source = bytes | StoredFile | StreamedFile  # the content of a file, a file of the store to copy, or one from elsewhere


class ExportedImage(Protocol):
    """An image, or several of one name, to export. The properties are described at `Bundle`."""

    @property
    def blobs(self) -> Mapping[str, Source]: ...

    @property
    def index_json(self) -> bytes: ...

    @property
    def docker_json(self) -> bytes: ...

    def result(self, out: Path | None) -> dict[str, Any]: ...


class SizedFile(Protocol):
    """A file that is not in memory."""

    @property
    def size(self) -> int:
        """Its size in bytes."""


S = TypeVar("S", bound=SizedFile)
# Additional files by relative path.
Extra = Mapping[str, Source]


class _Image(NamedTuple):
    """A built image: its record, its documents, and the digest and blob of each distinct layer."""

    record: dict[str, Any]
    config: bytes
    manifest: bytes
    layers: list[tuple[str, StoredFile]]

    @property
    def descriptor(self) -> Descriptor:
        return spec.describe(spec.MANIFEST, self.manifest)

    @property
    def blobs(self) -> dict[str, bytes | StoredFile]:
        return {
            spec.blob_path(self.record["image_id"]): self.config,
            spec.blob_path(self.record["digest"]): self.manifest,
            **{spec.blob_path(digest): blob for digest, blob in self.layers},
        }

    def result(self) -> dict[str, Any]:
        layers = self.record["layers"]
        return {
            "platform": spec.platform_name(self.record["arch"]),
            "digest": self.record["digest"],
            "image_id": self.record["image_id"],
            "layers": len(layers),
            "size_compressed": sum(layer["size"] for layer in layers),
            "size_unpacked": sum(layer["unpacked"] for layer in layers),
        }


class Bundle:
    """The images of one name, one for each platform, to export together.

    images: their outputs. trees: returns the reader of a store path. Only `docker_json` depends on the order of the
    images. What is written is compared with the digests of the store paths. An export raises DamagedPath if it differs.
    """

    def __init__(self, images: Sequence[CheckedTree], trees: Trees, blobs: Mapping[str, str] | None = None) -> None:
        """Read the images. blobs: for layers of a base, the store path with the blob by the path of the layer."""
        self._given = [_read(image, trees, blobs or {}) for image in images]
        self._images = sorted(self._given, key=lambda image: str(image.record["arch"]))
        self._index = b""
        if len(images) > 1:
            entries = [(image.record["arch"], image.descriptor) for image in self._images]
            self._index = spec.dump(spec.platforms(entries))
        record = self._images[0].record
        self.name, self.tag = str(record["name"]), str(record["tag"])

    @property
    def _top(self) -> Descriptor:
        return spec.describe(spec.INDEX, self._index) if self._index else self._images[0].descriptor

    @property
    def runs(self) -> bool:
        """Return whether the image has an entrypoint or a command."""
        config = json.loads(self._given[0].config)["config"]
        return bool(config.get("Entrypoint") or config.get("Cmd"))

    @property
    def runs_shell(self) -> bool:
        """Return whether the image runs a shell and nothing else, which ends at once without a terminal."""
        config = json.loads(self._given[0].config)["config"]
        return not config.get("Entrypoint") and config.get("Cmd") in _SHELLS

    @property
    def ports(self) -> list[str]:
        """Return the ports that the image exposes, such as 53/udp."""
        config = json.loads(self._given[0].config)["config"]
        return list(config.get("ExposedPorts") or ())

    @property
    def is_root(self) -> bool:
        """Return whether the image runs as root."""
        user = str(json.loads(self._given[0].config)["config"].get("User") or "0")
        return user.partition(":")[0] in ("0", "root")

    @property
    def zstd(self) -> bool:
        """Return whether a layer is compressed with zstd."""
        return any(layer["mediaType"].endswith("+zstd") for layer in json.loads(self._given[0].manifest)["layers"])

    @property
    def blobs(self) -> dict[str, bytes | StoredFile]:
        """Return all blobs by their paths in a layout."""
        found: dict[str, bytes | StoredFile] = {}
        if self._index:
            found[spec.blob_path(self._top.digest)] = self._index
        for image in self._images:
            found.update(image.blobs)
        return found

    @property
    def index_json(self) -> bytes:
        """Return the layout's `index.json`. It has one entry, since clients differ in how they handle more."""
        return spec.dump(spec.index(self._top, self.name, self.tag))

    @property
    def docker_json(self) -> bytes:
        """Return the `manifest.json` of a docker archive, which can hold only one platform: that of the first image."""
        record = self._given[0].record
        digests = [layer["digest"] for layer in record["layers"]]
        return spec.docker_manifest(record["image_id"], digests, self.name, self.tag)

    def layers(self) -> dict[str, int]:
        """Return the size of each layer's blob by digest."""
        return {digest: blob.size for image in self._images for digest, blob in image.layers}

    def result(self, out: Path | None) -> dict[str, Any]:
        """Describe the export: {file, name, tag, digest, layers (number), size_compressed, size_unpacked, platforms}.

        omitted: the dependencies of listed packages that a linked image leaves out. notes: what a user must know. A
        single image also has its platform and image_id. A layer that platforms share counts once.
        """
        platforms = [image.result() for image in self._images]
        omitted = sorted({row[0] for image in self._images for row in image.record.get("omitted", ())})
        about = {"file": os.fspath(out) if out else None, "name": self.name, "tag": self.tag, "omitted": omitted}
        about["notes"] = list(dict.fromkeys(note for image in self._images for note in image.record.get("notes", ())))
        if len(platforms) == 1:
            return {**about, **platforms[0], "platforms": platforms}
        unpacked = {layer["digest"]: layer["unpacked"] for image in self._images for layer in image.record["layers"]}
        sizes = self.layers()
        return {
            **about,
            "digest": self._top.digest,
            "layers": len(sizes),
            "size_compressed": sum(sizes.values()),
            "size_unpacked": sum(unpacked.values()),
            "platforms": platforms,
        }


def _read(image: CheckedTree, trees: Trees, blobs: Mapping[str, str]) -> _Image:
    fields, config, manifest = read_record(image)
    layers: dict[str, StoredFile] = {}
    for layer in fields["layers"]:
        layers[layer["digest"]] = StoredFile(trees(blobs.get(layer["path"], layer["path"])), "blob", layer["size"])
    return _Image(fields, config, manifest, list(layers.items()))


def export_tar(bundle: ExportedImage, out: Path, extra: Extra | None = None) -> dict[str, Any]:
    """Write a bundle as one tar. Return `Bundle.result`.

    out: a file, which is replaced if it exists, or a device or pipe.
    extra: additional files, such as attestations of the image.
    """
    with errors(out), replacing(out) as fd:
        write_tar(bundle, fd, extra)
    return bundle.result(out)


def write_tar(bundle: ExportedImage, fd: int, extra: Extra | None = None) -> None:
    """Write the tar of a bundle to an open file or pipe. Raise OSError if a write fails."""
    sources: dict[str, Source] = {
        "oci-layout": spec.LAYOUT,
        "index.json": bundle.index_json,
        "manifest.json": bundle.docker_json,
        **(extra or {}),
        **bundle.blobs,
    }
    buffer = bytearray(CHUNK)

    def copy_file(source: SizedFile) -> None:
        copy_source(cast("StoredFile | StreamedFile", source), fd, buffer)

    write_files(fd, sources, copy_file)


def copy_source(source: StoredFile | StreamedFile, fd: int, buffer: bytearray) -> None:
    if isinstance(source, StoredFile):
        copy(source, fd, buffer)
    else:
        for piece in source.pieces():
            write_all(fd, piece)


def write_files(fd: int, sources: Mapping[str, bytes | S], copy_file: Callable[[S], None]) -> None:
    """Write the tar of a layout's files. copy_file: writes the content of a file that is not in memory."""
    # The small files at the top come first, so that a reader of the stream knows what the blobs are.
    pending = b""
    made: set[str] = set()
    for path in sorted(sources, key=lambda p: ("/" in p, p)):
        source = sources[path]
        for parent in reversed(list(parents(path))):
            if parent not in made:
                made.add(parent)
                pending += header(TarEntry(parent.encode(), DIRECTORY, 0o755))
        size = len(source) if isinstance(source, bytes) else source.size
        pending += header(TarEntry(path.encode(), FILE, 0o644, size=size))
        if isinstance(source, bytes):
            pending += source
        else:
            write_all(fd, pending)
            pending = b""
            copy_file(source)
        pending += padding(size)
    write_all(fd, pending + END)


__all__ = ["Bundle", "ExportError", "Extra", "Trees", "export_tar", "write_tar"]
