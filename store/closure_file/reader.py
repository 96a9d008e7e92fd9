"""Read a closure file, one file that holds a closure of store paths, and verify every byte of it.

The file is a line with the format's number, and a stream, compressed in blocks: the header, then for each path a record
and its tree, and a trailer with the digest of all before. format.py describes it.

The file may come from an attacker. Memory stays bounded for any file: a frame is decompressed only if it declares at
most BLOCK bytes, and a tree has at most MAX_ENTRIES entries. The names of entries are checked as in any tree. The names
in a directory must be in ascending order, so that no entry occurs twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import BinaryIO, Protocol

from blake3 import blake3
from fpack.store.errors import BadTree
from fpack.store.files.pool import FileNode
from fpack.store.files.tree import (
    CHUNK,
    MAX_DEPTH,
    MAX_PATH_BYTES,
    Directory,
    Node,
    check_entry,
    check_target,
    tree_digest,
)
from fpack.store.graph import reachable
from fpack.store.path import StorePath, make

from .format import (
    BLOCK,
    DIGEST,
    DIRECTORY,
    END,
    FILE,
    FIRST_LINE,
    FORMAT,
    LINK,
    MAX_ENTRIES,
    MAX_FRAME,
    MAX_RECORD,
    PROGRAM,
    BadClosureFile,
    ClosureEntry,
    ClosureHeader,
    decode_entry,
    decode_header,
    encode_trailer,
    ordered,
)  # fmt: skip
from .self_reference import OwnName, ReplacingHasher, replaced_digest

_MAX_LINE = 64  # bytes of the first line that are read; the line of any format is shorter


class TreeSink(Protocol):
    """A receiver of a tree's entries, in order. TreeWriter implements it."""

    def mkdir(self, path: str) -> None: ...

    def file(self, path: str, chunks: Iterable[bytes], executable: bool = False) -> FileNode:
        """Receive a file, and read all its chunks."""

    def symlink(self, path: str, to: str) -> None: ...


class NullSink:
    """A sink that discards a tree. The reader still verifies the tree."""

    def mkdir(self, path: str) -> None:
        """Do nothing."""

    def file(self, path: str, chunks: Iterable[bytes], executable: bool = False) -> FileNode:
        for _ in chunks:
            pass
        return FileNode(b"", 0, executable)

    def symlink(self, path: str, to: str) -> None:
        """Do nothing."""


class ClosureReader:
    """A reader of one closure file. The constructor reads the header."""

    def __init__(self, file: BinaryIO) -> None:
        self._stream = _Stream(file)
        self.header: ClosureHeader = decode_header(self._stream.record())

    def trees(self, begin: Callable[[ClosureEntry], TreeSink]) -> Iterator[ClosureEntry]:
        """Give each path's tree to the sink that `begin` returns. Yield the path's record when its tree is verified.

        The file as a whole is verified when the iterator ends.
        """
        references: dict[StorePath, Collection[StorePath]] = {}
        size = 0
        for _ in range(self.header.paths):
            entry = decode_entry(self._stream.record())
            if entry.path in references:
                raise BadClosureFile("A closure file holds a path twice", where=str(entry.path))
            for other in entry.references:
                if other not in references:
                    why = f"it does not hold {other} before it"
                    raise BadClosureFile("A closure file is not closed", where=str(entry.path), why=why)
            size += entry.size
            if size > self.header.size:
                raise BadClosureFile("A closure file has more bytes than its header says", where=str(entry.path))
            references[entry.path] = entry.references
            _Tree(self._stream, entry, begin(entry)).read()
            yield entry
        self._end(references, size)

    def _end(self, references: Mapping[StorePath, Collection[StorePath]], size: int) -> None:
        """Check what is known only at the end. references: by path, in the order read. size: bytes of all files."""
        digest = self._stream.digest()
        if self._stream.record() != encode_trailer(digest):
            raise BadClosureFile("A closure file is damaged", why="its digest is not that of its content")
        self._stream.end()
        if size != self.header.size:
            raise BadClosureFile("A closure file has fewer bytes than its header says")
        if not references.keys() >= set(self.header.roots):
            raise BadClosureFile("A closure file lacks a path that its header names")
        if len(reachable(self.header.roots, references.__getitem__)) != len(references):
            raise BadClosureFile("A closure file holds a path that is not in the closure of those that it names")
        if ordered(references) != list(references):
            raise BadClosureFile("A closure file holds its paths in another order than that of the format")


class _Tree:
    """The tree of one path, read from the stream into a sink."""

    def __init__(self, stream: _Stream, entry: ClosureEntry, sink: TreeSink) -> None:
        self._stream = stream
        self._entry = entry
        self._sink = sink
        self._left = entry.size  # bytes of files that the rest of the tree may have
        self._count = 0  # entries so far
        # Only an output that mentions its own path has one.
        self._own = OwnName(entry.path, entry.output) if entry.output else None

    def read(self) -> None:
        """Read the tree. Raise BadClosureFile unless its digest, its size and its path are those of the record."""
        entry = self._entry
        # The path of an output is named like the derivation, with `-OUTPUT` at the end unless the output is `out`.
        if entry.output and entry.output != "out" and not entry.path.name.endswith(f"-{entry.output}"):
            raise _bad(entry, f"it is not the output {entry.output[:80]!r} of a derivation")
        try:
            letter = self._stream.exact(1)
            if self._stream.text():
                raise BadTree("The root of a tree has a name")
            node, replaced = self._read("", letter, 0)
            if self._own is None:
                path = make(entry.path.name, tree_digest(node), list(entry.references))
            else:
                # A hash of the tree cannot be part of the tree. So the path was computed from the tree with the build
                # path in place of its own path (self_reference.py), and that tree is hashed as well.
                digest = replaced_digest(replaced, self._own)
                path = make(entry.path.name, digest, sorted([*entry.references, self._own.build_path]))
        except BadTree as error:
            raise BadClosureFile(
                "A closure file holds an invalid tree", where=str(entry.path), why=str(error)
            ) from None
        if tree_digest(node) != entry.tree:
            raise _bad(entry, "its digest differs from its record")
        if self._left:
            raise _bad(entry, "its size differs from its record")
        if path != entry.path:
            raise _bad(entry, f"it has the path {path}")

    def _read(self, path: str, letter: bytes, depth: int) -> tuple[Node, Node]:
        """Read an entry. Return its node, and the node that it has if its own path is replaced in its files.

        letter: the kind of the entry, one byte. depth: the number of directories around the entry.
        """
        self._count += 1
        if self._count > MAX_ENTRIES:
            raise BadTree("A tree has too many entries", why=f"the limit is {MAX_ENTRIES}")
        if depth > MAX_DEPTH:
            raise BadTree(f"A tree is more than {MAX_DEPTH} levels deep")
        if letter == LINK:
            target = check_target(self._stream.text())
            self._sink.symlink(path, os.fsdecode(target))
            return target, target
        if letter in (FILE, PROGRAM):
            return self._file(path, letter == PROGRAM)
        if letter != DIRECTORY:
            raise BadTree("An entry has an unknown kind", where=path, why=repr(letter))
        self._sink.mkdir(path)
        entries: Directory = {}
        others: Directory = {}
        last = b""
        while (letter := self._stream.exact(1)) != END:
            below = check_entry(self._stream.text())
            if below <= last:
                raise BadTree("The entries of a directory are not sorted", where=path)
            last = below
            whole = f"{path}/{os.fsdecode(below)}" if path else os.fsdecode(below)
            if len(os.fsencode(whole)) > MAX_PATH_BYTES:
                raise BadTree("A path is too long", where=whole[:80] + "...", why=f"the limit is {MAX_PATH_BYTES}")
            node, other = self._read(whole, letter, depth + 1)
            entries[below] = node
            if self._own is not None:
                others[below] = other
        return entries, others

    def _file(self, path: str, executable: bool) -> tuple[FileNode, FileNode]:
        """Read a file: its size in eight bytes, its content, its digest. Return the nodes as `_read` does."""
        size = int.from_bytes(self._stream.exact(8), "big")
        if size > self._left:
            raise BadTree("A file is larger than its tree", where=path)
        self._left -= size
        hasher = blake3()
        replaced = self._own.hasher() if self._own is not None else None
        self._sink.file(path, self._pieces(size, hasher, replaced), executable)
        digest = hasher.digest()
        if self._stream.exact(DIGEST) != digest:
            raise BadTree("A file's digest is not that of its content", where=path)
        node = FileNode(digest, size, executable)
        return node, node._replace(digest=replaced.digest()) if replaced is not None else node

    def _pieces(self, size: int, hasher: blake3, replaced: ReplacingHasher | None) -> Iterator[bytes]:
        """Yield the content of a file, and hash each piece on its way to the sink."""
        for piece in self._stream.chunks(size):
            hasher.update(piece)
            if replaced is not None:
                replaced.update(piece)
            yield piece


def _bad(entry: ClosureEntry, why: str) -> BadClosureFile:
    """Return the error for a tree that differs from its record. why: completes `because the tree ...`."""
    return BadClosureFile("A closure file holds an invalid tree", where=str(entry.path), why=why)


class _Stream:
    """The bytes of the stream, decompressed block by block. The constructor reads the first line of the file."""

    def __init__(self, file: BinaryIO) -> None:
        import zstandard

        self._file = file
        self._zstd = zstandard.ZstdDecompressor()
        self._blake3 = blake3()
        self._block = b""
        self._at = 0  # bytes of the block that were returned
        self._last = False  # the block is shorter than BLOCK, so no block may follow
        line = b""
        while not line.endswith(b"\n") and len(line) < _MAX_LINE and (letter := file.read(1)):
            line += letter
        if not line.startswith(FIRST_LINE) or not line.endswith(b"\n"):
            raise BadClosureFile("This is not a closure file", hint="fpack store export writes one")
        if line != FIRST_LINE + b"%d\n" % FORMAT:
            number = line[len(FIRST_LINE) : -1].decode("ascii", "replace")
            raise BadClosureFile(
                f"The closure file has format {number[:20]}",
                why=f"this fpack reads format {FORMAT}",
                hint="update fpack",
            )

    def exact(self, size: int) -> bytes:
        """Return the next `size` bytes. Raise BadClosureFile if there are fewer."""
        end = self._at + size
        if end <= len(self._block):
            data = self._block[self._at : end]
            self._at = end
            return data
        return b"".join(self.chunks(size))

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes in pieces of at most CHUNK."""
        while size:
            if self._at == len(self._block):
                self._blake3.update(self._block)
                self._block, self._at = self._next(), 0
                if not self._block:
                    raise BadClosureFile("A closure file ends before its trailer")
            piece = self._block[self._at : self._at + min(size, CHUNK)]
            self._at += len(piece)
            size -= len(piece)
            yield piece

    def text(self) -> bytes:
        """Return the next text. Its length, two bytes, precedes it."""
        return self.exact(int.from_bytes(self.exact(2), "big"))

    def record(self) -> bytes:
        """Return the body of the next record."""
        size = int.from_bytes(self.exact(4), "big")
        if size > MAX_RECORD:
            raise BadClosureFile("A closure file has a record that is too long", why=f"it declares {size} bytes")
        return self.exact(size)

    def digest(self) -> bytes:
        """Return the digest of all bytes so far."""
        now = self._blake3.copy()
        now.update(self._block[: self._at])
        return now.digest()

    def end(self) -> None:
        """Raise BadClosureFile unless the stream and the file end here."""
        if self._at != len(self._block) or self._next() or self._file.read(1):
            raise BadClosureFile("A closure file has bytes after its end")

    def _next(self) -> bytes:
        """Return the next block, or nothing after the last one."""
        import zstandard

        length = int.from_bytes(self._read(4), "big")
        if not length:
            return b""
        if length > MAX_FRAME or self._last:
            raise BadClosureFile("A closure file has a block of a wrong length")
        frame = self._read(length)
        try:
            size = zstandard.get_frame_parameters(frame).content_size
            if not 0 < size <= BLOCK:
                raise BadClosureFile("A closure file has a block of a wrong size", why=f"it declares {size} bytes")
            block = self._zstd.decompress(frame, max_output_size=BLOCK, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise BadClosureFile("A closure file is damaged", why=str(error)) from None
        self._last = size < BLOCK
        return block

    def _read(self, size: int) -> bytes:
        """Read exactly `size` bytes of the file."""
        data = self._file.read(size)
        while len(data) < size:
            more = self._file.read(size - len(data))
            if not more:
                raise BadClosureFile("A closure file is truncated")
            data += more
        return data
