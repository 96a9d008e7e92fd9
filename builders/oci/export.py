"""Write a built image where other programs can take it: one tar for all of them, or an OCI layout directory.

The tar is an OCI layout and a docker archive at once: docker's `manifest.json` points at the layout's blobs. podman,
docker with either of its stores, containerd, skopeo and scanners read it. It is a function of the image alone.

Nothing is left of an export that fails, and a file that was there before stays until the new one is whole.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fpack.store import canonical
from fpack.store.errors import FpackError

from . import spec
from .tar import DIRECTORY, END, FILE, Member, header, padding

Disk = Callable[[str], Path]
# More files, by relative path: what is in them, or a file's size and place.
Extra = Mapping[str, bytes | tuple[int, Path]]
CHUNK = 1 << 20
_LAYOUT_FILES = ("oci-layout", "index.json")
_BLOBS = "blobs/sha256"


class ExportError(FpackError):
    """An image that cannot be written where it was to go."""


class _Image(NamedTuple):
    """A built image: its record, its documents, and each layer's digest, size and place on disk, once each."""

    record: dict[str, Any]
    config: bytes
    manifest: bytes
    layers: list[tuple[str, int, Path]]

    @property
    def index_json(self) -> bytes:
        image = spec.describe(spec.MANIFEST, self.manifest)
        return spec.dump(spec.index(image, self.record["name"], self.record["tag"]))

    @property
    def docker_json(self) -> bytes:
        digests = [layer["digest"] for layer in self.record["layers"]]
        return spec.docker_manifest(self.record["image_id"], digests, self.record["name"], self.record["tag"])

    def result(self, out: Path) -> dict[str, Any]:
        layers = self.record["layers"]
        return {
            "file": os.fspath(out),
            "name": self.record["name"],
            "tag": self.record["tag"],
            "digest": self.record["digest"],
            "image_id": self.record["image_id"],
            "layers": len(layers),
            "size_compressed": sum(layer["size"] for layer in layers),
            "size_unpacked": sum(layer["unpacked"] for layer in layers),
        }


def _read(image: Path, disk: Disk) -> _Image:
    record: dict[str, Any] = canonical.decode((image / "image").read_bytes())
    layers: dict[str, tuple[str, int, Path]] = {}
    for layer in record["layers"]:
        layers[layer["digest"]] = (layer["digest"], layer["size"], disk(layer["path"]) / "blob")
    config, manifest = (image / "config").read_bytes(), (image / "manifest").read_bytes()
    return _Image(record, config, manifest, list(layers.values()))


def export_tar(image: Path, disk: Disk, out: Path, extra: Extra | None = None) -> dict[str, Any]:
    """Write the image whose output lies at `image` as one tar, and say what it is.

    disk: where a layer's store path lies. out: a file, replaced if it is there; or a device or pipe, written to.
    extra: more files: documents that belong to the image, such as attestations.
    Returns {file, name, tag, digest, image_id, layers: how many, size_compressed, size_unpacked}.
    """
    found = _read(image, disk)
    sources: dict[str, bytes | tuple[int, Path]] = {
        "oci-layout": spec.LAYOUT,
        "index.json": found.index_json,
        "manifest.json": found.docker_json,
        spec.blob_path(found.record["image_id"]): found.config,
        spec.blob_path(found.record["digest"]): found.manifest,
        **(extra or {}),
    }
    sources.update({spec.blob_path(digest): (size, place) for digest, size, place in found.layers})
    with _errors(out), _replacing(out) as fd:
        _write_tar(fd, sources)
    return found.result(out)


def _write_tar(fd: int, sources: Mapping[str, bytes | tuple[int, Path]]) -> None:
    """The small files of the top first: a reader of a stream then knows what the blobs are."""
    pending = b""
    made: set[str] = set()
    for path in sorted(sources, key=lambda p: ("/" in p, p)):
        source = sources[path]
        for parent in _parents(path):
            if parent not in made:
                made.add(parent)
                pending += header(Member(parent.encode(), DIRECTORY, 0o755))
        size = len(source) if isinstance(source, bytes) else source[0]
        pending += header(Member(path.encode(), FILE, 0o644, size=size))
        if isinstance(source, bytes):
            pending += source
        else:
            _write(fd, pending)
            pending = b""
            _copy(source[1], fd, size)
        pending += padding(size)
    _write(fd, pending + END)


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def export_layout(image: Path, disk: Disk, out: Path, extra: Extra | None = None) -> dict[str, Any]:
    """Write the image as an OCI layout directory, and say what it is, as `export_tar` does.

    `out` is made, or is empty, or holds a layout of one image, which is replaced: readers see the old image until its
    `index.json` is replaced, and then the new one; what only the old one used is then deleted.
    """
    found = _read(image, disk)
    documents: dict[str, bytes | tuple[int, Path]] = {
        spec.blob_path(found.record["image_id"]): found.config,
        spec.blob_path(found.record["digest"]): found.manifest,
        **(extra or {}),
    }
    new: list[Path] = []
    with _errors(out):
        _check_target(out)
        before = _contents(out)
        created: list[Path] = []
        try:
            for folder in (out, out / "blobs", out / _BLOBS):
                if not folder.is_dir():
                    folder.mkdir()
                    created.insert(0, folder)
            for name, data in documents.items():
                _place(out / name, new, data)
            for digest, size, place in found.layers:
                _place(out / spec.blob_path(digest), new, (size, place))
            _place(out / "oci-layout", new, spec.LAYOUT)
            _place(out / "index.json", new, found.index_json)
        except BaseException:
            for path in new:
                if os.path.relpath(path, out) not in before:
                    path.unlink(missing_ok=True)
            for folder in created:
                with contextlib.suppress(OSError):
                    folder.rmdir()
            raise
        kept = {*documents, *(spec.blob_path(digest) for digest, _, _ in found.layers), *_LAYOUT_FILES}
        for stale in before - kept:
            (out / stale).unlink(missing_ok=True)
    return found.result(out)


def _check_target(out: Path) -> None:
    """ExportError unless `out` can be made into a layout of ours."""
    import json

    hint = "name a directory that is empty or not there"
    if not out.is_dir():
        if os.path.lexists(out):
            raise ExportError(f"{out} is not a directory", hint=hint)
        return
    if not any(out.iterdir()):
        return
    if not (out / "oci-layout").is_file():
        raise ExportError(f"{out} is not empty, and no OCI layout", hint=hint)
    try:
        images = json.loads((out / "index.json").read_bytes())["manifests"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return
    if len(images) > 1:
        raise ExportError(f"{out} is an OCI layout of {len(images)} images", why="fpack writes one", hint=hint)


def _contents(out: Path) -> set[str]:
    """What a layout has that an export may replace or delete: blobs, and what fpack writes at the top."""
    if not out.is_dir():
        return set()
    blobs = {f"{_BLOBS}/{entry.name}" for entry in (out / _BLOBS).glob("*")}
    return blobs | {e.name for e in out.iterdir() if e.name in _LAYOUT_FILES or e.name.startswith("fpack-")}


def _place(path: Path, new: list[Path], source: bytes | tuple[int, Path]) -> None:
    with _replacing(path) as fd:
        if isinstance(source, bytes):
            _write(fd, source)
        else:
            _copy(source[1], fd, source[0])
    new.append(path)


@contextlib.contextmanager
def _errors(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "free some room, or name another disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        where = os.fspath(out)
        raise ExportError(
            f"{where} cannot be written", why=error.strerror or str(error), where=where, hint=hint
        ) from None


@contextlib.contextmanager
def _replacing(out: Path) -> Iterator[int]:
    """A descriptor of a new file beside `out`, which takes its place at the end, or is deleted on an error."""
    if out.exists() and not stat.S_ISREG(out.stat().st_mode):
        if out.is_dir():
            raise ExportError(f"{out} is a directory", hint="name the file to write")
        fd = os.open(out, os.O_WRONLY | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)
        return
    # A link keeps pointing where it did.
    out = Path(os.path.realpath(out))
    temporary = out.with_name(f".{out.name[:200]}.{os.urandom(6).hex()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        yield fd
    except BaseException:
        os.close(fd)
        temporary.unlink()
        raise
    os.close(fd)
    try:
        temporary.rename(out)
    except BaseException:
        temporary.unlink()
        raise


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _copy(source: Path, fd: int, size: int) -> None:
    """Append `size` bytes of a file, in the kernel where that can be done."""
    with open(source, "rb", buffering=0) as file:
        have = os.fstat(file.fileno()).st_size
        if have != size:
            raise ExportError(
                "A layer in the store is damaged", where=os.fspath(source), why=f"{have} bytes, not {size}"
            )
        left = size
        for move in (_copy_range, _send):
            while left:
                try:
                    moved = move(file.fileno(), fd, left)
                except OSError as error:
                    if error.errno in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF):
                        break
                    raise
                if not moved:
                    break
                left -= moved
        while left and (chunk := file.read(min(left, CHUNK))):
            _write(fd, chunk)
            left -= len(chunk)
        if left:
            raise ExportError("A layer in the store became shorter", where=os.fspath(source))


def _copy_range(source: int, target: int, size: int) -> int:
    return os.copy_file_range(source, target, size)


def _send(source: int, target: int, size: int) -> int:
    return os.sendfile(target, source, None, size)
