"""Write the trees of store paths into blobs: one zstd frame a path, in a tar that is a layer of an image.

A blob is a valid layer: its frames are one stream, and its tar has the trees below `fpack/store`. Each frame can be
read by itself, so a path is a range of a blob, and neighbours are read with one request. The bytes are a pure function
of the trees.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3
from fpack.builders.distribution.protocol import BlobSource
from fpack.builders.streams import tar_writer as tar
from fpack.builders.streams.tar_writer import TarEntry
from fpack.store.closure_file.self_reference import own_output
from fpack.store.errors import DamagedPath
from fpack.store.files.pool import FileNode
from fpack.store.files.tree import Directory, Node, chunks, tree_digest
from fpack.store.path import StorePath, make
from fpack.store.store import Store

from .format.index import PACK
from .format.records import DetachedFile, PathRecord
from .image_layers import PathInLayer

STORE_PREFIX = "fpack/store"
SMALL = 1 << 20  # bytes of the files of a path that shares a blob
MAX_IN_PACK = 1024  # paths
LEVEL = 3  # of zstd


class PathContent(NamedTuple):
    """A path to write, as the store's database describes it. references: without the path itself, sorted.

    files: those that are blobs of their own.
    """

    path: StorePath
    tree: bytes
    size: int
    references: tuple[StorePath, ...]
    files: tuple[DetachedFile, ...] = ()

    @property
    def packed_size(self) -> int:
        """The bytes of the files in the pack."""
        return self.size - sum(file.size for file in self.files)


class WrittenPack(NamedTuple):
    """A blob in a file, and the records of the paths in it."""

    file: Path
    digest: str
    size: int
    records: tuple[PathRecord, ...]

    def source(self) -> BlobSource:
        """Return the blob for `Repository.write_blob`."""
        return BlobSource(self.digest, self.size, lambda offset: chunks(self.file, start=offset))


def group(contents: Sequence[PathContent]) -> list[list[PathContent]]:
    """Divide paths into blobs: each large one in a blob of its own, small ones together, in order."""
    packs: list[list[PathContent]] = []
    shared: list[PathContent] = []
    filled = 0
    for content in contents:
        if content.packed_size >= SMALL:
            packs.append([content])
            continue
        if shared and (filled + content.packed_size > PACK or len(shared) >= MAX_IN_PACK):
            packs.append(shared)
            shared, filled = [], 0
        shared.append(content)
        filled += content.packed_size
    return [*packs, shared] if shared else packs


def write_pack(
    store: Store, contents: Sequence[PathContent], file: Path, check: Callable[[], None] = lambda: None
) -> WrittenPack:
    """Write paths to a file, and compare them with their digests. Raise DamagedPath if a tree is damaged."""
    hasher, size = hashlib.sha256(), 0
    records = []
    with open(file, "xb") as out:
        for content in contents:
            start, raw = size, 0
            output = _output(store, content)
            for frame, taken in _frames(store, content, check):
                hasher.update(frame)
                out.write(frame)
                size += len(frame)
                raw += taken
            records.append((content, output, start, size - start, raw))
        end = _compressor().compress(tar.END)
        hasher.update(end)
        out.write(end)
        size += len(end)
    digest = hasher.digest()
    return WrittenPack(
        file,
        f"sha256:{digest.hex()}",
        size,
        tuple(
            PathRecord(
                content.path, content.tree, content.size, content.references, output, digest, size, start, length, raw,
                f"{STORE_PREFIX}/{content.path.base}", files=content.files,
            )
            for content, output, start, length, raw in records
        ),
    )  # fmt: skip


def record_in_layer(store: Store, content: PathContent, part: PathInLayer) -> PathRecord:
    """Return the record of a path that a layer of an image has."""
    return PathRecord(
        content.path, content.tree, content.size, content.references, _output(store, content), part.blob,
        part.blob_size, 0, part.blob_size, part.raw, part.prefix, part.codec,
    )  # fmt: skip


def _output(store: Store, content: PathContent) -> str:
    """Return the output's name if the tree mentions its own path, else ""."""
    path = content.path
    if make(path.name, content.tree, list(content.references)) == path:
        return ""
    output = own_output(path, os.fspath(store.disk(path)), list(content.references))
    if not output:
        raise DamagedPath(str(path), "its name is not the hash of its content")
    return output


def _compressor() -> Any:
    import zstandard

    return zstandard.ZstdCompressor(level=LEVEL, write_content_size=True, write_checksum=True)


def _frames(store: Store, content: PathContent, check: Callable[[], None]) -> Iterator[tuple[bytes, int]]:
    """Yield the compressed bytes of a path's tar members, with the number of bytes that they were."""
    disk = os.fspath(store.disk(content.path))
    prefix = f"{STORE_PREFIX}/{content.path.base}"
    try:
        everything = list(_members(disk, prefix.encode()))
    except OSError as error:
        raise DamagedPath(disk, error.strerror or str(error)) from None
    apart = {f"{prefix}/{file.name}".encode() for file in content.files}
    members = [member for member in everything if member.path not in apart]
    digests = _detached_digests(disk, content.files, check)
    total = tar.length(members) - len(tar.END)
    compressor = _compressor().compressobj(size=total)
    left = total
    try:
        for data in tar.stream(members, check, digests):
            piece = memoryview(data)[: min(len(data), left)]  # without the end blocks
            left -= len(piece)
            yield compressor.compress(piece), len(piece)
        yield compressor.flush(), 0
    except OSError as error:
        raise DamagedPath(disk, error.strerror or str(error)) from None
    if left or tree_digest(_node(everything, digests)) != content.tree:
        raise DamagedPath(disk)


def _detached_digests(
    disk: str, files: Sequence[DetachedFile], check: Callable[[], None]
) -> dict[str, tuple[bytes, bytes]]:
    """Return the BLAKE3 and the SHA-256 of detached files by their paths on disk. Raise DamagedPath."""
    found = {}
    for file in files:
        path = f"{disk}/{file.name}"
        inner, outer = blake3(), hashlib.sha256()
        try:
            for piece in chunks(path):
                check()
                inner.update(piece)
                outer.update(piece)
        except OSError as error:
            raise DamagedPath(disk, error.strerror or str(error)) from None
        if outer.digest() != file.blob:
            raise DamagedPath(disk, f"{file.name} differs from its digest")
        found[path] = (inner.digest(), outer.digest())
    return found


def _members(path: str, name: bytes) -> Iterator[TarEntry]:
    """Yield the entries of a tree on disk, sorted, with the modes of layers."""
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        yield TarEntry(name, tar.SYMLINK, 0o777, target=os.readlink(os.fsencode(path)))
    elif stat.S_ISDIR(status.st_mode):
        yield TarEntry(name, tar.DIRECTORY, 0o755)
        for entry in sorted(os.listdir(os.fsencode(path))):
            yield from _members(f"{path}/{os.fsdecode(entry)}", name + b"/" + entry)
    elif stat.S_ISREG(status.st_mode):
        mode = 0o755 if status.st_mode & 0o100 else 0o644
        yield TarEntry(name, tar.FILE, mode, size=status.st_size, source=path)
    else:
        raise DamagedPath(path, "it is not a file, a directory or a symlink")


def _node(members: Sequence[TarEntry], digests: dict[str, tuple[bytes, bytes]]) -> Node:
    """Return the tree of members that were read."""
    root: Directory = {}
    first = members[0].path
    for member in members:
        if member.kind == tar.DIRECTORY:
            node: Node = {}
        elif member.kind == tar.SYMLINK:
            node = member.target
        else:
            node = FileNode(digests[member.source][0], member.size, bool(member.mode & 0o100))
        if member.path == first:
            if not isinstance(node, dict):
                return node
            root = node
            continue
        parent = root
        *directories, name = member.path[len(first) + 1 :].split(b"/")
        for directory in directories:
            below = parent[directory]
            assert isinstance(below, dict)
            parent = below
        parent[name] = node
    return root
