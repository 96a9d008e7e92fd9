"""Build the `files` kind: extra files, directories and symlinks of an image or root, with their modes and owners."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3
from fpack.builders import arguments
from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Task
from fpack.store import path as store_path
from fpack.store.canonical import Value
from fpack.store.errors import DamagedPath
from fpack.store.files.pool import FileNode
from fpack.store.files.presence import is_present
from fpack.store.files.tree import Directory, Node, chunks, tree_digest
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath

VERSION = 1


MAX_ID = 0xFFFFFFFE
_LARGE = 32 << 20  # from this number of bytes, hashing in two threads is faster
_Digests = tuple[bytes, bytes, int]  # BLAKE3, SHA-256 and size of a file
_KINDS = {"file": meta.FILE, "directory": meta.DIRECTORY, "symlink": meta.SYMLINK}


class FilesArgs(NamedTuple):
    """The arguments. entries: each is {path, kind, mode, uid, gid} and `text`, `source` or `target`."""

    entries: tuple[Mapping[str, Value], ...]


class FilesBuilder(BaseBuilder):
    """The builder of `files`.

    `source` is a store path: a file, or a tree that is copied to `path`. Copied entries get the entry's owner;
    directories and executables get mode 0755 and other files 0644; `mode` is the mode of the top directory. The output
    references the store paths that texts and targets name.
    """

    version = VERSION

    def build(self, task: Task) -> Built:
        """Write `data` and `meta`."""
        writer = task.writer()
        writer.mkdir("data")
        entries: list[TreeEntry] = []
        references: set[StorePath] = set()
        given = arguments.read(FilesArgs, task.args).entries
        for value in sorted(given, key=lambda e: os.fsencode(str(e.get("path")))):
            entries += _write(task, writer, value, references)
        duplicate = _first_duplicate(entry.path for entry in entries)
        if duplicate:
            raise BuildError("Two entries of `files` have the same path", where=f"/{duplicate}")
        writer.file("meta", [meta.encode(entries)])
        return Built(writer, tuple(sorted(references)))


def check_path(path: Value) -> str:
    """Return the relative form of an absolute, normalised path. Raise BuildError for any other path."""
    if not isinstance(path, str) or not path.startswith("/"):
        raise BuildError(f"{path!r} is not an absolute path", hint="begin it with /")
    parts = path[1:].split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        clean = os.path.normpath("/" + path.replace("\0", "").lstrip("/"))
        hint = f"write {clean}" if clean != "/" else "the root directory itself cannot be an entry"
        raise BuildError(
            f"{path!r} is not a normalised path", why="it has an empty, . or .. component, or a NUL", hint=hint
        )
    return path[1:]


def _first_duplicate(paths: Iterable[str]) -> str:
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            return path
        seen.add(path)
    return ""


def _write(task: Task, writer: TreeWriter, value: Mapping[str, Value], references: set[StorePath]) -> list[TreeEntry]:
    path = check_path(value.get("path"))
    kind = _KINDS.get(value.get("kind", ""))
    if kind is None:
        raise BuildError(
            f"{value.get('kind')!r} is not a kind of file", where=f"/{path}", why=f"the kinds are {', '.join(_KINDS)}"
        )
    mode = _number(value, "mode", 0o7777, path)
    uid, gid = _number(value, "uid", MAX_ID, path), _number(value, "gid", MAX_ID, path)
    text, source, target = value.get("text"), value.get("source"), value.get("target")
    if kind == meta.SYMLINK:
        if not isinstance(target, str) or not target or text is not None or source is not None:
            raise BuildError("A symlink needs a target, and no text or source", where=f"/{path}")
        writer.symlink(f"data/{path}", target)
        _refer(target, references)
        return [TreeEntry(path, kind, 0o777, uid, gid, target=target)]
    if target is not None:
        raise BuildError("Only a symlink has a target", where=f"/{path}")
    if isinstance(source, str):
        if text is not None:
            raise BuildError("A file has either a text or a source", where=f"/{path}")
        disk_path = _locate(task, source)
        wanted = _wanted(task, source)
        if disk_path.is_dir() and not disk_path.is_symlink():
            top = TreeEntry(path, meta.DIRECTORY, mode if kind == meta.DIRECTORY else 0o755, uid, gid)
            writer.mkdir(f"data/{path}")
            entries, node = _copy(task, writer, disk_path, path, uid, gid)
            _compare(disk_path, node, wanted)
            return [top, *entries]
        if kind == meta.DIRECTORY:
            raise BuildError("The source of a directory is not a directory", where=f"/{path}", why=source)
        file = _check_regular(disk_path, source)
        digests = _read(file, task.check)
        _compare(file, FileNode(digests[0], digests[2], bool(os.lstat(file).st_mode & 0o100)), wanted)
        return [_linked(writer, path, file, digests, mode, uid, gid)]
    if kind == meta.DIRECTORY:
        if text is not None:
            raise BuildError("A directory has no text", where=f"/{path}")
        writer.mkdir(f"data/{path}")
        return [TreeEntry(path, kind, mode, uid, gid)]
    if not isinstance(text, str):
        raise BuildError("A file needs a text or a source", where=f"/{path}")
    _refer(text, references)
    return [_file(writer, path, [text.encode("utf-8", "surrogateescape")], mode, uid, gid)]


def _number(value: Mapping[str, Value], name: str, limit: int, path: str) -> int:
    number = value.get(name, 0)
    if number.__class__ is not int or not 0 <= number <= limit:
        shown = f"{limit:04o}" if name == "mode" else str(limit)
        raise BuildError(f"The {name} {number!r} is not a number from 0 to {shown}", where=f"/{path}")
    return int(number)


def _refer(text: str, references: set[StorePath]) -> None:
    references.update(store_path.parse(f"{hash_}-{name}") for hash_, name in store_path.find_references(text))


def _locate(task: Task, source: str) -> Path:
    """Return the path on disk of a store path or of a file below it. Raise BuildError if it leads outside."""
    base, *rest = source.removeprefix(f"{store_path.STORE}/").split("/")
    found = task.disk(store_path.parse(base))
    for part in rest:
        if part in ("", ".", ".."):
            raise BuildError(f"{source!r} is not a normalised path", hint="leave out empty, . and .. components")
        if not stat.S_ISDIR(os.lstat(found).st_mode):
            raise BuildError("A parent in the path of a source is not a directory", where=source)
        found = found / part
    if not is_present(found):
        raise BuildError("The source of a file does not exist", where=source)
    return found


def _check_regular(disk_path: Path, source: str) -> Path:
    """Return `disk_path` if it is a regular file. Raise BuildError if it is a symlink."""
    if not stat.S_ISREG(os.lstat(disk_path).st_mode):
        raise BuildError("The source of a file is a symlink", where=source, hint="name the target of the symlink")
    return disk_path


def _wanted(task: Task, source: str) -> bytes:
    """Return the tree digest that a source must have: a store path, or a file or directory below one."""
    base, *rest = source.removeprefix(f"{store_path.STORE}/").split("/")
    tree = task.tree(store_path.parse(base))
    if not rest:
        return tree.recorded
    node: Node = tree.node()
    for part in rest:
        node = node[os.fsencode(part)] if isinstance(node, dict) else {}
    return tree_digest(node)


def _compare(path: Path, node: Node, wanted: bytes) -> None:
    """Raise DamagedPath if a source, as it was read, does not have the wanted digest."""
    if tree_digest(node) != wanted:
        raise DamagedPath(str(path))


def _copy(
    task: Task, writer: TreeWriter, directory: Path, path: str, uid: int, gid: int
) -> tuple[list[TreeEntry], Directory]:
    """Copy the content of `directory` to `path`. Return an entry for each file, symlink and directory, and the tree."""
    entries: list[TreeEntry] = []
    node: Directory = {}
    found = [(name, os.lstat(directory / name)) for name in sorted(os.listdir(directory))]
    files = [directory / name for name, status in found if stat.S_ISREG(status.st_mode)]
    digests = _digests(files, sum(status.st_size for _, status in found), task.check)
    for name, status in found:
        here, there, key = directory / name, f"{path}/{name}", os.fsencode(name)
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(here)
            writer.symlink(f"data/{there}", target)
            node[key] = os.fsencode(target)
            entries.append(TreeEntry(there, meta.SYMLINK, 0o777, uid, gid, target=target))
        elif stat.S_ISDIR(status.st_mode):
            writer.mkdir(f"data/{there}")
            entries.append(TreeEntry(there, meta.DIRECTORY, 0o755, uid, gid))
            below, node[key] = _copy(task, writer, here, there, uid, gid)
            entries += below
        else:
            executable = bool(status.st_mode & 0o100)
            found_digests = next(digests)
            node[key] = FileNode(found_digests[0], found_digests[2], executable)
            mode = 0o755 if executable else 0o644
            entries.append(_linked(writer, there, here, found_digests, mode, uid, gid))
    return entries, node


def _file(writer: TreeWriter, path: str, chunks: Iterable[bytes], mode: int, uid: int, gid: int) -> TreeEntry:
    sha256 = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for chunk in chunks:
            sha256.update(chunk)
            yield chunk

    node = writer.file(f"data/{path}", hashed(), bool(mode & 0o111))
    return TreeEntry(path, meta.FILE, mode, uid, gid, size=node.size, blake3=node.digest, sha256=sha256.digest())


def _linked(writer: TreeWriter, path: str, source: Path, digests: _Digests, mode: int, uid: int, gid: int) -> TreeEntry:
    """Link a file of the store instead of copying it."""
    digest, sha256, size = digests
    writer.link(f"data/{path}", FileNode(digest, size, bool(mode & 0o111)), source)
    return TreeEntry(path, meta.FILE, mode, uid, gid, size=size, blake3=digest, sha256=sha256)


def _digests(paths: list[Path], size: int, check: Callable[[], None]) -> Iterator[_Digests]:
    """Hash files in order. Use two threads for many bytes, since hashing releases the interpreter lock."""
    if size < _LARGE:
        return (_read(path, check) for path in paths)
    from fpack.store import threads

    with threads.Workers(2, "hash") as pool:
        return iter(pool.map(lambda path: _read(path, check), paths))


def _read(path: Path, check: Callable[[], None]) -> _Digests:
    hasher, sha256, size = blake3(), hashlib.sha256(), 0
    for chunk in chunks(path, check):
        hasher.update(chunk)
        sha256.update(chunk)
        size += len(chunk)
    return hasher.digest(), sha256.digest(), size
