"""Fetch the blob of a layer, keep it on disk as it comes, and give each entry in it to a receiver.

What an interrupted transfer left is read from the disk, and the rest is fetched from there on. Everything is compared
with the image's exact manifest while it is read, so no name of a hostile tar becomes a path.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from blake3 import blake3
from fpack.builders.distribution.protocol import BlobEntry, Corrupt, Repository
from fpack.builders.manifest.format import FILE, ManifestEntry, ManifestLayer
from fpack.builders.streams.codecs import LAYER_TYPES
from fpack.builders.streams.stream import PieceReader, Section, Stream, blocks
from fpack.builders.verify.strict_tar import StrictMember, StrictTar
from fpack.store.errors import FpackError
from fpack.store.files.writer import write_all

_CHUNK = 1 << 20  # bytes that are read at once


class BadLayer(FpackError):
    """A layer that is not the one of the image's manifest."""


class EntrySink(Protocol):
    """A receiver of a layer's entries, in the order of its tar."""

    def take(self, entry: ManifestEntry, content: Iterator[bytes]) -> None:
        """Receive an entry. content: of a file; it may be left unread."""


class LayerBlob:
    """A blob that is fetched into the file `blob` of a directory, which survives an interrupted fetch."""

    def __init__(self, repository: Repository, entry: BlobEntry, directory: Path) -> None:
        self._repository = repository
        self._entry = entry
        self.file = directory / "blob"
        self.fetched = 0  # bytes that came from the repository, not from the disk

    def pieces(self, told: Callable[[int], None]) -> Iterator[bytes]:
        """Yield the content.

        told: gets the size of each piece. Raise Corrupt, and delete the file, if it is another blob.
        """
        entry, sha256 = self._entry, hashlib.sha256()
        fd = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            done = 0
            while done < entry.size and (piece := os.read(fd, min(_CHUNK, entry.size - done))):
                sha256.update(piece)
                done += len(piece)
                told(len(piece))
                yield piece
            os.ftruncate(fd, done)
            if done < entry.size:
                for piece in self._repository.read_blob(entry, done):
                    if done + len(piece) > entry.size:
                        raise self._wrong(f"it has more than {entry.size} bytes")
                    sha256.update(piece)
                    write_all(fd, piece)
                    done += len(piece)
                    self.fetched += len(piece)
                    told(len(piece))
                    yield piece
            if done != entry.size:
                # The file is kept, so that the transfer can continue from here.
                raise Corrupt(
                    "A layer of the image is incomplete", where=self._repository.name,
                    why=f"{entry.size - done} of its {entry.size} bytes are missing", hint="run the command again",
                )  # fmt: skip
            if f"sha256:{sha256.hexdigest()}" != entry.digest:
                raise self._wrong(f"its content has the digest sha256:{sha256.hexdigest()}")
        finally:
            os.close(fd)

    def _wrong(self, why: str) -> Corrupt:
        """Delete the file, and return the error."""
        self.forget()
        return Corrupt(
            f"The registry sent another blob than {self._entry.digest}", where=self._repository.name, why=why
        )

    def forget(self) -> None:
        """Delete what was kept."""
        self.file.unlink(missing_ok=True)


def read_layer(
    layer: ManifestLayer, entries: Sequence[ManifestEntry], pieces: Iterator[bytes], sink: EntrySink
) -> None:
    """Read the blob of a layer, and give its entries to a sink. Raise BadLayer if it is not the manifest's layer."""
    codec = LAYER_TYPES.get(layer.blob.media_type)
    if codec is None:
        raise _bad(layer, f"its media type is {layer.blob.media_type[:100]!r}")
    section = Section(PieceReader(pieces), layer.blob.size, "The layer")
    inner = hashlib.sha256()

    def unpacked() -> Iterator[bytes]:
        for block in blocks(section, codec):
            inner.update(block)
            yield block

    tar = StrictTar(Stream(unpacked(), layer.tar))
    left = iter(entries)
    for member in tar:
        entry = next(left, None)
        if entry is None or member.path != entry.path:
            raise _bad(layer, f"it has {_shown(member.path)}, which the manifest does not have there")
        _compare(layer, member, entry)
        sink.take(entry, _compared(layer, tar, entry) if entry.kind == FILE else iter(()))
    if (missing := next(left, None)) is not None:
        raise _bad(layer, f"{_shown(missing.path)} is missing")
    section.skip()
    for _ in pieces:  # the end of the pieces tells whether they were the right ones
        pass
    if f"sha256:{inner.hexdigest()}" != layer.diff_id:
        raise _bad(layer, f"its tar has the digest sha256:{inner.hexdigest()}, not {layer.diff_id}")


def _compare(layer: ManifestLayer, member: StrictMember, entry: ManifestEntry) -> None:
    """Raise BadLayer if a member of the tar is not the entry of the manifest."""
    found = (member.kind, member.mode, member.uid, member.gid, member.size, member.target)
    if found != (entry.kind, entry.mode, entry.uid, entry.gid, entry.size, entry.target):
        raise _bad(layer, f"{_shown(member.path)} has another type, mode, owner, size or target than in the manifest")


def _compared(layer: ManifestLayer, tar: StrictTar, entry: ManifestEntry) -> Iterator[bytes]:
    """Yield the content of a file. Raise BadLayer at its end if it is not the manifest's."""
    hasher = blake3()
    for piece in tar.content():
        hasher.update(piece)
        yield piece
    if hasher.digest() != entry.blake3:
        raise _bad(layer, f"{_shown(entry.path)} has another content than in the manifest")


def _shown(path: bytes) -> str:
    return "/" + path.decode("utf-8", "backslashreplace")[:200]


def _bad(layer: ManifestLayer, why: str) -> BadLayer:
    return BadLayer("A layer is not the one of the image's manifest", where=layer.blob.digest, why=why)
