"""The `files` kind: the extra files, directories and symlinks of an image or root, with their modes and owners."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3
from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BuildError, Built, Task, whole
from fpack.store import path as store_path
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation
from fpack.store.files.pool import FileNode
from fpack.store.files.tree import chunks
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath

if TYPE_CHECKING:
    from .table import Services

MAX_ID = 0xFFFFFFFE
_LARGE = 32 << 20  # bytes from which on a second thread is worth its start
_Digests = tuple[bytes, bytes, int]  # BLAKE3, SHA-256 and size of a file
_KINDS = {"file": meta.FILE, "directory": meta.DIRECTORY, "symlink": meta.SYMLINK}


class Files:
    """args: entries, each {path, kind, mode, uid, gid} and `text`, `source` or `target`.

    `source` is a store path: a file's content, or a whole tree that is copied to `path` with the entry's owner,
    0755 what is a directory or executable, else 0644; `mode` is then that of the top directory. References: the store
    paths that texts and targets name.
    """

    kind = "files"
    network = False

    def key(self, drv: Derivation) -> Value:
        """All of the derivation."""
        return whole(drv)

    def build(self, task: Task) -> Built:
        """Output: `data` and `meta`."""
        writer = task.writer()
        writer.mkdir("data")
        entries: list[TreeEntry] = []
        references: set[StorePath] = set()
        for value in sorted(task.args["entries"], key=lambda e: os.fsencode(str(e.get("path")))):
            entries += _write(task, writer, value, references)
        twice = _first_twice(entry.path for entry in entries)
        if twice:
            raise BuildError("Two entries of `files` have one path", where=f"/{twice}")
        writer.file("meta", [meta.encode(entries)])
        return Built(writer, tuple(sorted(references)))


def check_path(path: Value) -> str:
    """The relative form of an absolute, normalised path; BuildError for any other."""
    if not isinstance(path, str) or not path.startswith("/"):
        raise BuildError(f"{path!r} is not an absolute path", hint="write it from / on")
    parts = path[1:].split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        clean = os.path.normpath("/" + path.replace("\0", "").lstrip("/"))
        hint = f"write {clean}" if clean != "/" else "the root directory itself cannot be an entry"
        raise BuildError(f"{path!r} is not a plain path", why="it has empty, . or .. components, or a NUL", hint=hint)
    return path[1:]


def _first_twice(paths: Iterable[str]) -> str:
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
            f"{value.get('kind')!r} is no kind of file", where=f"/{path}", why=f"there are {', '.join(_KINDS)}"
        )
    mode = _number(value, "mode", 0o7777, path)
    uid, gid = _number(value, "uid", MAX_ID, path), _number(value, "gid", MAX_ID, path)
    text, source, target = value.get("text"), value.get("source"), value.get("target")
    if kind == meta.SYMLINK:
        if not isinstance(target, str) or not target or text is not None or source is not None:
            raise BuildError("A symlink needs a target, and nothing else", where=f"/{path}")
        writer.symlink(f"data/{path}", target)
        _refer(target, references)
        return [TreeEntry(path, kind, 0o777, uid, gid, target=target)]
    if target is not None:
        raise BuildError("Only a symlink has a target", where=f"/{path}")
    if isinstance(source, str):
        if text is not None:
            raise BuildError("A file has either a text or a source", where=f"/{path}")
        place = _locate(task, source)
        if place.is_dir() and not place.is_symlink():
            top = TreeEntry(path, meta.DIRECTORY, mode if kind == meta.DIRECTORY else 0o755, uid, gid)
            writer.mkdir(f"data/{path}")
            return [top, *_copy(task, writer, place, path, uid, gid)]
        if kind == meta.DIRECTORY:
            raise BuildError("The source of a directory is no directory", where=f"/{path}", why=source)
        file = _follow(place, source)
        return [_linked(writer, path, file, _read(file, task.check), mode, uid, gid)]
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
    """Where a store path, or what lies below one, is on disk. Nothing outside it can be named."""
    base, *rest = source.removeprefix(f"{store_path.STORE}/").split("/")
    place = task.disk(store_path.parse(base))
    for part in rest:
        if part in ("", ".", ".."):
            raise BuildError(f"{source!r} is not a plain path", hint="leave out empty, . and .. components")
        if not stat.S_ISDIR(os.lstat(place).st_mode):
            raise BuildError("A source leads through something that is no directory", where=source)
        place = place / part
    if not os.path.lexists(place):
        raise BuildError("The source of a file does not exist", where=source)
    return place


def _follow(place: Path, source: str) -> Path:
    """A file to read. A store path that is a symlink has no content of its own."""
    if not stat.S_ISREG(os.lstat(place).st_mode):
        raise BuildError("The source of a file is a symlink", where=source, hint="name what it points to")
    return place


def _copy(task: Task, writer: TreeWriter, place: Path, path: str, uid: int, gid: int) -> list[TreeEntry]:
    """Copy what is in the directory `place` to `path`; every directory is named."""
    entries: list[TreeEntry] = []
    found = [(name, os.lstat(place / name)) for name in sorted(os.listdir(place))]
    files = [place / name for name, status in found if stat.S_ISREG(status.st_mode)]
    digests = _digests(files, sum(status.st_size for _, status in found), task.check)
    for name, status in found:
        here, there = place / name, f"{path}/{name}"
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(here)
            writer.symlink(f"data/{there}", target)
            entries.append(TreeEntry(there, meta.SYMLINK, 0o777, uid, gid, target=target))
        elif stat.S_ISDIR(status.st_mode):
            writer.mkdir(f"data/{there}")
            entries.append(TreeEntry(there, meta.DIRECTORY, 0o755, uid, gid))
            entries += _copy(task, writer, here, there, uid, gid)
        else:
            bits = 0o755 if status.st_mode & 0o100 else 0o644
            entries.append(_linked(writer, there, here, next(digests), bits, uid, gid))
    return entries


def _file(writer: TreeWriter, path: str, chunks: Iterable[bytes], mode: int, uid: int, gid: int) -> TreeEntry:
    sha256 = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for chunk in chunks:
            sha256.update(chunk)
            yield chunk

    node = writer.file(f"data/{path}", hashed(), bool(mode & 0o111))
    return TreeEntry(path, meta.FILE, mode, uid, gid, size=node.size, blake3=node.digest, sha256=sha256.digest())


def _linked(writer: TreeWriter, path: str, place: Path, digests: _Digests, mode: int, uid: int, gid: int) -> TreeEntry:
    """A file of the store: it was read, for its digests, and is not written again."""
    own, sha256, size = digests
    writer.link(f"data/{path}", FileNode(own, size, bool(mode & 0o111)), place)
    return TreeEntry(path, meta.FILE, mode, uid, gid, size=size, blake3=own, sha256=sha256)


def _digests(places: list[Path], size: int, check: Callable[[], None]) -> Iterator[_Digests]:
    """The digests of files, in order; of many bytes in two threads, for hashing lets go of the interpreter."""
    if size < _LARGE:
        return (_read(place, check) for place in places)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        return iter(list(pool.map(_read, places, itertools.repeat(check))))


def _read(place: Path, check: Callable[[], None]) -> _Digests:
    own, sha256, size = blake3(), hashlib.sha256(), 0
    for chunk in chunks(place, check):
        own.update(chunk)
        sha256.update(chunk)
        size += len(chunk)
    return own.digest(), sha256.digest(), size


def make(services: Services) -> Files:
    """Return the builder of the kind."""
    return Files()
