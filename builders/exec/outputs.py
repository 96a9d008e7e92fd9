"""Scan the outputs of a build and copy them to the store, by descriptors and never through a symlink.

One pass finds the store hashes that an output mentions, the libraries that its programs load, and build ids. Then the
reader writes a copy in which the output's store path replaces every mention of its build path. So the store holds no
file that a process of the build has opened.

The build path of an output is the store path at which the build sees it; the final path is known only after the build.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from blake3 import blake3
from fpack.builders.payload import elf
from fpack.builders.payload.meta import LoadFacts
from fpack.builders.protocol import BuildError
from fpack.store import path as store_path
from fpack.store.errors import counted
from fpack.store.files.pool import FileNode
from fpack.store.files.remove import open_directory
from fpack.store.files.tree import CHUNK, MAX_DEPTH, Directory, Node, check_entry, check_target, tree_digest
from fpack.store.files.writer import TreeWriter

from .references import GZIP, ZIP, Finder, patch, rewrite, search_packed

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_AR = b"!<arch>\n"
_AR_HEADER = 60  # bytes before each member
_AR_INDEXES = 4  # at most so many members are read: the tables of symbols and of long names come first


class ScannedFile(NamedTuple):
    """A file of an output. found: the hashes that it mentions. patches: (offset, bytes) of its build id.

    node: the node of the patched content.
    """

    node: FileNode
    found: frozenset[bytes]
    patches: tuple[tuple[int, bytes], ...]
    facts: LoadFacts | None


class ScannedLink(NamedTuple):
    """A symlink of an output."""

    target: bytes
    found: frozenset[bytes]


ScannedEntry: TypeAlias = "ScannedFile | ScannedLink | dict[bytes, ScannedEntry]"


class ScannedOutput(NamedTuple):
    """The result of a scan. found: the hashes in the output. programs: files that load others, by path.

    machines: the ELF machine of each compiled file, also of object files, by path.
    """

    tree: ScannedEntry
    found: frozenset[bytes]
    programs: Mapping[str, LoadFacts]
    size: int
    machines: Mapping[str, int]


class OutputReader:
    """A reader of the outputs in the directory `out`.

    inputs: the hashes to find. build_paths: each output by the hash of its build path. most: bytes of all in total.
    """

    def __init__(
        self, out: int, inputs: set[bytes], build_paths: Mapping[bytes, str], most: int, check: Callable[[], None]
    ) -> None:
        self._out = out
        self._build_paths = build_paths
        self._hashes = inputs | build_paths.keys()
        self._left = self._most = most
        self._check = check
        self._programs: dict[str, LoadFacts] = {}
        self._machines: dict[str, int] = {}
        self._size = 0

    def scan(self, base: str) -> ScannedOutput:
        """Scan an output. Raise BuildError if it does not exist, or has an entry that the store cannot hold."""
        self._programs, self._machines, self._size = {}, {}, 0
        name = os.fsencode(base)
        try:
            os.stat(name, dir_fd=self._out, follow_symlinks=False)
        except FileNotFoundError:
            raise BuildError("The build made no output", why=f"{store_path.STORE}/{base} does not exist") from None
        tree = self._scan(self._out, name, "", 0)
        return ScannedOutput(tree, frozenset(_all_found(tree)), self._programs, self._size, self._machines)

    def _scan(self, parent: int, name: bytes, path: str, depth: int) -> ScannedEntry:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if depth > MAX_DEPTH:
            raise BuildError(f"An output is more than {MAX_DEPTH} levels deep", where=path[:200])
        if stat.S_ISLNK(status.st_mode):
            target = check_target(os.readlink(name, dir_fd=parent))
            return ScannedLink(target, self._mentioned(target))
        if stat.S_ISREG(status.st_mode):
            return self._file(parent, name, path, status)
        if not stat.S_ISDIR(status.st_mode):
            raise BuildError(
                "An output has an entry that is neither a file nor a directory nor a symlink",
                where=path or os.fsdecode(name),
            )
        fd = open_directory(name, parent)
        try:
            found: dict[bytes, ScannedEntry] = {}
            for entry in sorted(map(os.fsencode, os.listdir(fd))):
                check_entry(entry)
                below = f"{path}/{os.fsdecode(entry)}" if path else os.fsdecode(entry)
                if self._mentioned(entry) & self._build_paths.keys():
                    raise BuildError("The name of a file in an output contains the output's build path", where=below)
                found[entry] = self._scan(fd, entry, below, depth + 1)
            return found
        finally:
            os.close(fd)

    def _mentioned(self, text: bytes) -> frozenset[bytes]:
        finder = Finder(self._hashes)
        finder.feed(text)
        return frozenset(finder.found)

    def _file(self, parent: int, name: bytes, path: str, status: os.stat_result) -> ScannedFile:
        self._check()
        self._left -= status.st_size
        self._size += status.st_size
        if self._left < 0:
            why = f"they have more than {counted(self._most, 'byte')}"
            hint = "limits = { size = NUMBER } sets another limit"
            raise BuildError("The outputs of a build are too large", why=why, hint=hint)
        fd = open_file(parent, name, status.st_mode)
        with os.fdopen(fd, "rb", buffering=0) as file:
            head = os.pread(fd, elf.HEAD, 0)
            if machine := _machine(fd, head):
                self._machines[path] = machine
            finder = Finder(self._hashes, self._build_paths)
            facts: LoadFacts | None = None
            patches: tuple[tuple[int, bytes], ...] = ()
            if head.startswith(elf.ELF_MAGIC):
                facts = elf.elf_facts(lambda at, size: os.pread(fd, size, at) if at < status.st_size else b"")
                patches = self._build_id(fd, status.st_size)
            elif head.startswith(elf.SCRIPT_MAGIC) and status.st_mode & 0o100:
                facts = elf.script_facts(head)
            hasher = blake3()
            size = 0
            for piece in patch(self._pieces(fd), patches):
                finder.feed(piece)
                hasher.update(piece)
                size += len(piece)
            raw = finder.found & self._build_paths.keys()
            if head.startswith((GZIP, ZIP)):
                finder.found -= self._build_paths.keys()
                file.seek(0)
                search_packed(file, head, finder, self._check)
                if packed := (finder.found | (raw if head.startswith(ZIP) else set())) & self._build_paths.keys():
                    output = self._build_paths[min(packed)]
                    raise BuildError(
                        "A compressed file of an output contains the output's build path",
                        where=path or os.fsdecode(name),
                        why=f"it contains ${output}, which fpack cannot replace in a compressed file",
                        hint="leave the file uncompressed, or keep the path out of it",
                    )
                finder.found |= raw
        if finder.wide:
            raise BuildError(
                "A file of an output contains the output's build path as UTF-16",
                where=path or os.fsdecode(name), why="fpack replaces the path only in plain text",
            )  # fmt: skip
        if facts is not None:
            self._programs[path] = facts
        node = FileNode(hasher.digest(), size, bool(status.st_mode & 0o100))
        return ScannedFile(node, frozenset(finder.found), patches, facts)

    def _build_id(self, fd: int, size: int) -> tuple[tuple[int, bytes], ...]:
        """Return the patch of a build id that depends only on the content. The linker's id hashes the build path."""
        note = elf.build_id(lambda at, length: os.pread(fd, length, at) if at < size else b"")
        if note is None:
            return ()
        offset, length = note
        hasher = blake3(b"fpack build id 1\0")
        for piece in patch(self._pieces(fd), [(offset, bytes(length))]):
            hasher.update(piece)
        return ((offset, hasher.digest(length)),)

    def _pieces(self, fd: int) -> Iterator[bytes]:
        at = 0
        # os.pread allocates the size that it is given, and most files are small. One more byte detects growth.
        reserve = min(CHUNK, os.fstat(fd).st_size + 1)
        while piece := os.pread(fd, reserve, at):
            self._check()
            at += len(piece)
            yield piece

    def digest(self, base: str, tree: ScannedEntry, changes: Mapping[bytes, bytes]) -> bytes:
        """Return the digest of an output's tree with the hashes in `changes` replaced."""
        return tree_digest(self._node(self._out, os.fsencode(base), tree, changes))

    def _node(self, parent: int, name: bytes, entry: ScannedEntry, changes: Mapping[bytes, bytes]) -> Node:
        if isinstance(entry, ScannedLink):
            return _replaced(entry.target, changes)
        if isinstance(entry, ScannedFile):
            if not entry.found & changes.keys():
                return entry.node
            fd = open_file(parent, name, 0o400)
            try:
                hasher = blake3()
                for piece in rewrite(patch(self._pieces(fd), entry.patches), changes):
                    hasher.update(piece)
                return entry.node._replace(digest=hasher.digest())
            finally:
                os.close(fd)
        fd = open_directory(name, parent)
        try:
            entries: Directory = {below: self._node(fd, below, child, changes) for below, child in entry.items()}
            return entries
        finally:
            os.close(fd)

    def write(self, base: str, tree: ScannedEntry, changes: Mapping[bytes, bytes], writer: TreeWriter) -> None:
        """Write an output's tree, with the hashes in `changes` replaced."""
        self._write(self._out, os.fsencode(base), "", tree, changes, writer)

    def _write(
        self,
        parent: int,
        name: bytes,
        path: str,
        entry: ScannedEntry,
        changes: Mapping[bytes, bytes],
        writer: TreeWriter,
    ) -> None:
        if isinstance(entry, ScannedLink):
            writer.symlink(path, os.fsdecode(_replaced(entry.target, changes)))
        elif isinstance(entry, ScannedFile):
            fd = open_file(parent, name, 0o400)
            try:
                used = {old: new for old, new in changes.items() if old in entry.found}
                pieces = rewrite(patch(self._pieces(fd), entry.patches), used)
                node = writer.file(path, pieces, entry.node.executable)
            finally:
                os.close(fd)
            if not used and node != entry.node:
                raise BuildError("A file of an output changed while it was read", where=path)
        else:
            writer.mkdir(path)
            fd = open_directory(name, parent)
            try:
                for below, child in entry.items():
                    text = os.fsdecode(below)
                    self._write(fd, below, f"{path}/{text}" if path else text, child, changes, writer)
            finally:
                os.close(fd)


def open_file(parent: int, name: bytes, mode: int) -> int:
    """Open a regular file for reading, whatever its mode, and never through a symlink."""
    try:
        fd = os.open(name, _FILE, dir_fd=parent)
    except PermissionError:
        _unlock(parent, name, 0o400 | stat.S_IMODE(mode) & 0o777)
        fd = os.open(name, _FILE, dir_fd=parent)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise BuildError("A file of an output was replaced while it was read", where=os.fsdecode(name))
    return fd


def _unlock(parent: int, name: bytes, mode: int) -> None:
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if not stat.S_ISLNK(os.fstat(fd).st_mode):
            os.chmod(f"/proc/self/fd/{fd}", mode)
    finally:
        os.close(fd)


def strippable(parent: int, name: bytes, path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield (path below /fpack/store, "program" | "object" | "archive") of each file to strip, made writable."""
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode) and depth <= MAX_DEPTH:
        fd = open_directory(name, parent)
        try:
            found = [
                item
                for entry in sorted(map(os.fsencode, os.listdir(fd)))
                for item in strippable(fd, entry, f"{path}/{os.fsdecode(entry)}", depth + 1)
            ]
            if found:
                os.fchmod(fd, 0o755)
            yield from found
        finally:
            os.close(fd)
    elif stat.S_ISREG(status.st_mode):
        fd = open_file(parent, name, status.st_mode)
        try:
            kind = _kind(os.pread(fd, 20, 0), name)
            if kind:
                os.fchmod(fd, 0o755 if status.st_mode & 0o100 else 0o644)
                yield path, kind
        finally:
            os.close(fd)


def _kind(head: bytes, name: bytes) -> str:
    if head.startswith(_AR) and name.endswith(b".a"):
        return "archive"
    if not head.startswith(elf.ELF_MAGIC) or len(head) < 20:
        return ""
    number = int.from_bytes(head[16:18], "little" if head[5] == 1 else "big")
    return {1: "object", 2: "program", 3: "program"}.get(number, "")


def _machine(fd: int, head: bytes) -> int:
    """Return the ELF machine of a compiled file, or of the first object in an archive; 0 for other files."""
    if head.startswith(_AR):
        at = len(_AR)
        for _ in range(_AR_INDEXES):
            header = os.pread(fd, _AR_HEADER, at)
            size = header[48:58].strip()
            if len(header) < _AR_HEADER or not size.isdigit():
                return 0
            at += _AR_HEADER
            head = os.pread(fd, 20, at)
            if head.startswith(elf.ELF_MAGIC):
                break
            at += int(size) + int(size) % 2
    if not head.startswith(elf.ELF_MAGIC) or len(head) < 20:
        return 0
    return int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")


def _all_found(entry: ScannedEntry) -> Iterator[bytes]:
    if isinstance(entry, dict):
        for child in entry.values():
            yield from _all_found(child)
    else:
        yield from entry.found


def _replaced(target: bytes, changes: Mapping[bytes, bytes]) -> bytes:
    for old, new in changes.items():
        target = target.replace(old, new)
    return target
