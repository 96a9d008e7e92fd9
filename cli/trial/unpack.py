"""Unpack the layers of an image, which may be hostile, into a directory that only the user can reach.

Contents are first written under numbers. What the layers together have is then put in its place, where every directory
is one that this module made. Nobody gets a set-id bit or another owner on disk: the sandbox gives them to its own copy.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from fpack.builders.configure.lower import LowerTree
from fpack.builders.manifest.format import DIRECTORY, FILE, SYMLINK
from fpack.builders.payload import meta
from fpack.builders.payload.layer_stack import LayerError, LayerStack
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.streams.stream import Section, Stream, blocks
from fpack.builders.verify.image_archive import ImageArchive
from fpack.builders.verify.strict_tar import OTHERS, StrictMember, StrictTar
from fpack.cli.images.image_file import StoredImage, StoredLayer
from fpack.store.errors import FpackError
from fpack.store.files.writer import write_all

from .tree import ImageFiles, TrialTree

# An image may have LEAST bytes unpacked, and RATIO times the size of its blobs more, if the disk keeps RESERVE.
LEAST, RATIO, RESERVE = 1 << 30, 50, 1 << 28
_MAX_LEFT_OUT = 5  # to name
_MAX_TIME = 1 << 33  # later than any time that file systems hold
_KERNEL = ("dev", "proc", "sys")  # the sandbox mounts these
_CODECS = {b"\x1f\x8b": "gz", b"\x28\xb5\x2f\xfd": "zst", b"\xfd7zXZ": "xz", b"BZh": "bz2"}
_LINK, _FILES = OTHERS[b"1"], (FILE, OTHERS[b"7"])
_KINDS = {FILE: meta.FILE, DIRECTORY: meta.DIRECTORY, SYMLINK: meta.SYMLINK}


class UnpackError(FpackError):
    """An image that cannot be unpacked."""


class UnpackedImage(NamedTuple):
    """The files of an image. left_out: the first devices and pipes that it has and the sandbox does not."""

    files: ImageFiles
    left_out: tuple[str, ...]


def unpack(archive: ImageArchive, image: StoredImage, directory: Path) -> UnpackedImage:
    """Unpack an image into a new directory. Raise an FpackError if a layer is not what the image says."""
    try:
        status = os.statvfs(directory.parent)
        free = status.f_bavail * status.f_frsize - RESERVE
        directory.mkdir(0o700)
        return _ImageUnpacker(archive, directory, free).run(image)
    except OSError as error:
        raise UnpackError("The image cannot be unpacked", where=str(directory), why=error.strerror or "") from None


class _ImageUnpacker:
    """The unpacking of one image. free: the bytes that the disk has for it."""

    def __init__(self, archive: ImageArchive, directory: Path, free: int) -> None:
        self._archive = archive
        self._contents = directory / "contents"
        self._tree = directory / "tree"
        self._stack = LayerStack()
        self._numbers = 0
        self._free = free
        self._left = 0
        self._left_out: list[str] = []

    def run(self, image: StoredImage) -> UnpackedImage:
        self._contents.mkdir()
        self._tree.mkdir(0o755)
        self._left = LEAST + RATIO * sum(layer.size for layer in image.layers)
        for number, layer in enumerate(image.layers, 1):
            try:
                self._layer(layer)
                self._stack.finish()
            except LayerError:
                raise
            except FpackError as error:
                what = f"Layer {number} of the image cannot be read"
                why = ": ".join(part for part in (error.what, error.why) if part)
                raise UnpackError(what, where=error.where or layer.file, why=why) from None
        for name in _KERNEL:
            self._stack.replace(name)
        inside = LowerTree()
        inside.add("", self._placed(), set())
        tree = TrialTree((os.fspath(self._tree),), apply=tuple(inside.differing()))
        return UnpackedImage(ImageFiles(tree, inside, merged=False), tuple(self._left_out))

    def _layer(self, layer: StoredLayer) -> None:
        with self._archive.open(layer.file) as file:
            outer = _HashedFile(file.read)
            codec = next((codec for magic, codec in _CODECS.items() if outer.peek(4).startswith(magic)), "")
            section = Section(outer, layer.size, "The layer")  # type: ignore[arg-type]  # it needs read alone
            inner = hashlib.sha256()
            tar = StrictTar(Stream(self._counted(blocks(section, codec), inner), 1 << 62))
            for member in tar:
                self._member(member, tar)
            section.skip()
        if layer.blob is not None and outer.digest != layer.blob.digest:
            raise UnpackError("The blob does not have its digest", why=f"it has {outer.digest}")
        if f"sha256:{inner.hexdigest()}" != layer.diff_id:
            raise UnpackError("The layer is not the one of the configuration", why=f"that has {layer.diff_id:.80}")

    def _counted(self, pieces: Iterator[bytes], inner: hashlib._Hash) -> Iterator[bytes]:
        for piece in pieces:
            self._left -= len(piece)
            self._free -= len(piece)
            if self._left < 0:
                raise UnpackError(
                    "The layers are too large when they are unpacked",
                    why=f"they have more than {RATIO} times their size",
                )
            if self._free < 0:
                raise UnpackError("The disk has no room for the layers")
            inner.update(piece)
            yield piece

    def _member(self, member: StrictMember, tar: StrictTar) -> None:
        if member.kind == _LINK:
            self._stack.link(member.path, member.target)
            return
        kind = meta.FILE if member.kind in _FILES else _KINDS.get(member.kind)
        if kind is None:
            if len(self._left_out) < _MAX_LEFT_OUT:
                self._left_out.append(member.path.decode("utf-8", "backslashreplace"))
            return
        entry = TreeEntry("", kind, member.mode & 0o7777, member.uid, member.gid, size=member.size)
        if kind == meta.SYMLINK:
            entry = entry._replace(target=os.fsdecode(member.target))
        number = self._content(tar, member.mtime) if kind == meta.FILE else 0
        self._stack.add(member.path, entry, number)

    def _content(self, tar: StrictTar, mtime: int) -> int:
        self._numbers += 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(self._contents / str(self._numbers), flags, 0o600)
        try:
            for piece in tar.content():
                write_all(fd, piece)
            os.utime(fd, (mtime, mtime) if mtime < _MAX_TIME else None)
        finally:
            os.close(fd)
        return self._numbers

    def _placed(self) -> Iterator[TreeEntry]:
        """Put everything in its place on disk. Yield the entries."""
        first: dict[int, str] = {}
        for file in self._stack.files():
            entry = file.entry
            path = f"{self._tree}/{entry.path}"
            if entry.kind == meta.DIRECTORY:
                os.mkdir(path, 0o755)
                os.chmod(path, 0o755)
            elif entry.kind == meta.SYMLINK:
                os.symlink(entry.target, path)
            elif file.content in first:
                os.link(first[file.content], path)
            else:
                os.rename(self._contents / str(file.content), path)
                os.chmod(path, 0o755 if entry.executable else 0o644)
                first[file.content] = path
            yield entry


class _HashedFile:
    """A file object that hashes what is read from it."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._sha256 = hashlib.sha256()
        self._held = b""

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end, and let `read` return them again."""
        while len(self._held) < size and (data := self._read(size - len(self._held))):
            self._held += data
        return self._held

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes."""
        data = self._held[:size] or self._read(size)
        self._held = self._held[size:]
        self._sha256.update(data)
        return data

    @property
    def digest(self) -> str:
        """Return the digest of what was read."""
        return f"sha256:{self._sha256.hexdigest()}"
