"""An image taken apart, changed, and put together again so that nothing but its manifest can tell.

    image = Image.load(Path("greeter.tar"))
    image.layers[0].members[3] = ...
    image.save(Path("changed.tar"))

Every digest and size is computed anew, down to docker's `manifest.json` and the artifacts that refer to the image. The
layers are written by fpack's own writer, so that what a test changes is the only difference.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import zstandard
from fpack.builders.streams import tar_writer as tar

Raw = tuple[tarfile.TarInfo, bytes]


class Node(NamedTuple):
    """A member of a layer. kind: as in tar, by its flag."""

    path: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    content: bytes
    target: bytes
    mtime: int = tar.MTIME

    def encode(self) -> bytes:
        """Return the member's blocks."""
        kind = {tarfile.DIRTYPE: tar.DIRECTORY, tarfile.SYMTYPE: tar.SYMLINK}.get(self.kind, tar.FILE)
        member = tar.TarEntry(self.path, kind, self.mode, self.uid, self.gid, len(self.content), self.target)
        header = tar.header(member)
        if self.mtime != tar.MTIME or self.kind not in (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE):
            start = len(header) - 512
            own = header[start : start + 136] + b"%011o\0" % self.mtime + b" " * 8 + self.kind + header[start + 157 :]
            header = header[:start] + own[:148] + b"%06o\0 " % sum(own) + own[156:]
        return header + self.content + tar.padding(len(self.content))


def node(
    path: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    target: bytes = b"",
    mtime: int = tar.MTIME,
) -> Node:
    """Return a member: a file of root's unless the arguments say otherwise."""
    return Node(path.encode(), kind, mode, uid, gid, content, target, mtime)


class Layer:
    """A layer: its members, and `raw` in their stead: bytes of a whole tar; `blob`: those of a whole blob."""

    def __init__(self, members: list[Node], suffix: str = "+zstd") -> None:
        self.members = members
        self.suffix = suffix
        self.raw: bytes | None = None
        self.blob: bytes | None = None
        self.end = tar.END
        # The last tar and the last blob, each with what it was made from: of an image, tests change few layers.
        self._last_tar: tuple[tuple[tuple[Node, ...], bytes], bytes] | None = None
        self._last_blob: tuple[bytes, str, bytes] | None = None

    def copy(self) -> Layer:
        """Return a layer that can be changed without a change of this one."""
        other = copy.copy(self)
        other.members = list(self.members)
        return other

    @property
    def tar(self) -> bytes:
        """The tar."""
        if self.raw is not None:
            return self.raw
        source = (tuple(self.members), self.end)
        if self._last_tar is None or self._last_tar[0] != source:
            self._last_tar = source, b"".join(member.encode() for member in self.members) + self.end
        return self._last_tar[1]

    def packed(self) -> bytes:
        """Return the blob."""
        if self.blob is not None:
            return self.blob
        data = self.tar
        last = self._last_blob
        if last is None or last[0] is not data or last[1] != self.suffix:
            last = self._last_blob = data, self.suffix, self._pack(data)
        return last[2]

    def _pack(self, data: bytes) -> bytes:
        if self.suffix == "+zstd":
            # As fpack does, so that an unchanged layer comes out the same.
            settings: dict[str, Any] = {"threads": 2, "write_checksum": True, "write_content_size": True}
            packer = zstandard.ZstdCompressor(level=9, **settings).compressobj(size=len(data))
            return packer.compress(data) + packer.flush()
        assert not self.suffix
        return data


class Image:
    """An image. index, manifest, config, docker: its documents. extra: other files by name. order: of the archive."""

    def __init__(self) -> None:
        self.index: dict[str, Any] = {}
        self.manifest: dict[str, Any] = {}
        self.config: dict[str, Any] = {}
        self.docker: list[dict[str, Any]] = []
        self.layers: list[Layer] = []
        self.referrers: dict[str, Any] | None = None
        self.artifacts: list[tuple[dict[str, Any], dict[str, bytes]]] = []
        self.outer: list[Raw] = []
        # Put in the place of what is computed, at the very end.
        self.replace: dict[str, bytes] = {}

    @classmethod
    def load(cls, place: Path) -> Image:
        """Take an archive apart. One that was just taken apart is not read again."""
        status = place.stat()
        known = (place.resolve(), status.st_ino, status.st_size, status.st_mtime_ns)
        if known not in _loaded:
            _loaded.clear()
            _loaded[known] = cls._load(place)
        return _loaded[known].copy()

    def copy(self) -> Image:
        """Return an image that can be changed without a change of this one."""
        other = copy.deepcopy(self, {id(layer): layer.copy() for layer in self.layers})
        assert all(own is not theirs for own, theirs in zip(self.layers, other.layers, strict=True))
        return other

    @classmethod
    def _load(cls, place: Path) -> Image:
        with tarfile.open(place) as archive:
            files = {info.name: archive.extractfile(info).read() for info in archive if info.isfile()}  # type: ignore[union-attr]

        def blob(descriptor: Mapping[str, Any]) -> bytes:
            return files["blobs/" + descriptor["digest"].replace(":", "/")]

        image = cls()
        image.index = json.loads(files["index.json"])
        image.docker = json.loads(files["manifest.json"])
        image.manifest = json.loads(blob(image.index["manifests"][0]))
        image.config = json.loads(blob(image.manifest["config"]))
        for descriptor in image.manifest["layers"]:
            image.layers.append(_layer(blob(descriptor), descriptor["mediaType"].partition(".tar")[2]))
        if "fpack-referrers.json" in files:
            image.referrers = json.loads(files["fpack-referrers.json"])
            for entry in image.referrers["manifests"]:
                artifact = json.loads(blob(entry))
                blobs = {each["digest"]: blob(each) for each in [artifact["config"], *artifact["layers"]]}
                image.artifacts.append((artifact, blobs))
        return image

    def find(self, path: str) -> tuple[Layer, int]:
        """Return the layer that has a path, and its place in it."""
        for layer in self.layers:
            for number, member in enumerate(layer.members):
                if member.path == path.encode():
                    return layer, number
        raise KeyError(path)

    def change(self, at: str, /, **changes: Any) -> None:
        """Give the member at a path other properties."""
        layer, number = self.find(at)
        layer.members[number] = layer.members[number]._replace(**changes)

    def carry(self, manifest: bytes) -> None:
        """Replace the manifest that the image carries, in its canonical form; its JSON form is left out."""
        for artifact, blobs in self.artifacts:
            layers = [each for each in artifact["layers"] if "msgpack" in each["mediaType"]]
            packed = zstandard.ZstdCompressor().compress(manifest)
            layers[0].update(digest=_digest(packed), size=len(packed))
            artifact["layers"] = layers
            blobs[_digest(packed)] = packed

    def files(self) -> dict[str, bytes]:
        """Return the archive's files, with every digest right."""
        files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}

        def put(data: bytes) -> dict[str, Any]:
            files["blobs/" + _digest(data).replace(":", "/")] = data
            return {"digest": _digest(data), "size": len(data)}

        layers = []
        for number, layer in enumerate(self.layers):
            known = self.manifest["layers"][number] if number < len(self.manifest["layers"]) else {}
            media = f"application/vnd.oci.image.layer.v1.tar{layer.suffix}"
            layers.append({**known, "mediaType": media, **put(layer.packed())})
        config = json.loads(json.dumps(self.config))
        config["rootfs"]["diff_ids"] = [_digest(layer.tar) for layer in self.layers]
        manifest = {**self.manifest, "layers": layers, "config": {**self.manifest["config"], **put(_dump(config))}}
        entry = {**self.index["manifests"][0], **put(_dump(manifest))}
        self._refer(entry, put, files)
        files["index.json"] = _dump({**self.index, "manifests": [entry, *self.index["manifests"][1:]]})
        names = ["blobs/" + each["digest"].replace(":", "/") for each in layers]
        docker = [
            {**self.docker[0], "Config": "blobs/" + manifest["config"]["digest"].replace(":", "/"), "Layers": names}
        ]
        files["manifest.json"] = _dump(docker)
        return {**files, **self.replace}

    def _refer(self, image: Mapping[str, Any], put: Any, files: dict[str, bytes]) -> None:
        if self.referrers is None:
            return
        subject = {key: image[key] for key in ("mediaType", "digest", "size")}
        entries = []
        for entry, (artifact, blobs) in zip(self.referrers["manifests"], self.artifacts, strict=True):
            for each in [artifact["config"], *artifact["layers"]]:
                put(blobs[each["digest"]])
            entries.append({**entry, **put(_dump({**artifact, "subject": subject}))})
        files["fpack-referrers.json"] = _dump({**self.referrers, "manifests": entries})

    def save(self, place: Path) -> Path:
        """Write an archive."""
        with tarfile.open(place, "w", format=tarfile.USTAR_FORMAT) as archive:
            for name, data in self.files().items():
                archive.addfile(info(name, len(data)), io.BytesIO(data))
            for header, data in self.outer:
                archive.addfile(header, io.BytesIO(data))
        return place

    def save_layout(self, place: Path) -> Path:
        """Write a layout directory."""
        for name, data in self.files().items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
        return place

    def paths(self, *kinds: bytes) -> Iterator[str]:
        """Yield the paths of members of these kinds."""
        for layer in self.layers:
            for member in layer.members:
                if member.kind in kinds and member.path:
                    yield member.path.decode()


def info(name: str, size: int = 0, **more: Any) -> tarfile.TarInfo:
    """Return a header of an archive."""
    made = tarfile.TarInfo(name)
    made.size = size
    for key, value in more.items():
        setattr(made, key, value)
    return made


def _layer(blob: bytes, suffix: str) -> Layer:
    raw = zstandard.ZstdDecompressor().decompressobj().decompress(blob) if suffix == "+zstd" else blob
    members = []
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        for each in archive:
            file = archive.extractfile(each) if each.isfile() else None
            name = "" if each.name == "." else each.name
            members.append(
                Node(
                    name.encode("utf-8", "surrogateescape"),
                    each.type,
                    each.mode,
                    each.uid,
                    each.gid,
                    file.read() if file else b"",
                    each.linkname.encode("utf-8", "surrogateescape"),
                )
            )
    layer = Layer(members, suffix)
    assert layer.tar == raw, "a layer is not written as fpack writes it"
    assert layer.packed() == blob, "a layer is not compressed as fpack does"
    return layer


# The image that was taken apart last, by its path and the identity, size and time of its file.
_loaded: dict[tuple[Path, int, int, int], Image] = {}


def _digest(data: bytes) -> str:
    return _known_digest(data) if len(data) < 1 << 24 else _known_digest.__wrapped__(data)


@functools.lru_cache(maxsize=64)
def _known_digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _dump(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
