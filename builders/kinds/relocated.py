"""Build the `relocated` kind: move the programs of a root to /.fp, where they run beside the files of any container."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3
from fpack.builders import arguments
from fpack.builders.oci.image_contents import ImageContents, read_contents
from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Task
from fpack.builders.rootfs import relocation
from fpack.store.files.pool import FileNode
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath

VERSION = 1

DIRECTORY = f"data{relocation.PREFIX}"  # of an output
_USR = "usr/"
_MAX_FILE = 1 << 30  # bytes
# Symlinks that lead there show files of the container.
_OUTSIDE = ("/etc/", "/var/", "/run/", "/proc/", "/dev/", "/sys/", "/tmp/")


class RelocatedArgs(NamedTuple):
    """The arguments. root: a root, of which the files in /usr and the loader's cache are moved."""

    root: StorePath


class RelocatedBuilder(BaseBuilder):
    """The builder of `relocated`. Its output holds `data` and `meta`."""

    version = VERSION

    def build(self, task: Task) -> Built:
        """Write the files of the root with other paths, and the links that replace merged directories."""
        contents = read_contents(task, arguments.read(RelocatedArgs, task.args).root, None, ())
        writer = task.writer()
        writer.mkdir("data")
        writer.mkdir(DIRECTORY)
        entries = [TreeEntry(relocation.PREFIX[1:], meta.DIRECTORY, 0o755)]
        for entry, data in _entries(contents):
            task.check()
            entries += _write(writer, contents, entry, data)
        below = len(relocation.PREFIX)
        for name, target in relocation.merged_links([entry.path[below:] for entry in entries[1:]]):
            entries.append(_link(writer, name, target))
        writer.file("meta", [meta.encode(entries)])
        return Built(writer)


def _entries(contents: ImageContents) -> Iterator[tuple[TreeEntry, str]]:
    """Yield each entry of the root, directories once and before what is in them, with the tree on disk that has it."""
    found: dict[str, tuple[TreeEntry, str]] = {}
    for table in [*contents.slices, *contents.last]:
        left_out = table.left_out
        for entry in table.entries:
            if entry.path not in left_out:
                found[entry.path] = entry, f"{table.disk_path}/data"
    for path in sorted(found):
        yield found[path]


def _write(writer: TreeWriter, contents: ImageContents, entry: TreeEntry, data: str) -> Iterator[TreeEntry]:
    if entry.path == "etc/ld.so.cache":
        path = relocation.LOADER_CACHE.removeprefix(f"{relocation.PREFIX}/")
        content = _content(entry, data)
        yield _file(writer, path, entry, content, content.replace(b"/usr/", b"/.fp/"), data)
    if not entry.path.startswith(_USR):
        return
    path = entry.path.removeprefix(_USR)
    if entry.kind == meta.DIRECTORY:
        writer.mkdir(f"{DIRECTORY}/{path}")
        yield TreeEntry(_path(path), meta.DIRECTORY, 0o755)
    elif entry.kind == meta.SYMLINK:
        target = contents.view.resolve(entry.path)
        if target is not None and target[0].startswith(_USR):
            yield _link(writer, path, target[0].removeprefix(_USR))
        elif entry.target.startswith(_OUTSIDE):
            writer.symlink(f"{DIRECTORY}/{path}", entry.target)
            yield TreeEntry(_path(path), meta.SYMLINK, 0o777, target=entry.target)
    else:
        content = _content(entry, data)
        yield _file(writer, path, entry, content, relocation.relocate(content), data)


def _content(entry: TreeEntry, data: str) -> bytes:
    if entry.size > _MAX_FILE:
        raise BuildError("A file is too large to be relocated", where=f"/{entry.path}")
    return meta.read_file(f"{data}/{entry.path}", entry.blake3, _MAX_FILE)


def _file(writer: TreeWriter, path: str, entry: TreeEntry, old: bytes, new: bytes, data: str) -> TreeEntry:
    """Write a file. Link it to the store's if it did not change."""
    executable = bool(entry.mode & 0o111)
    if new == old:
        writer.link(f"{DIRECTORY}/{path}", FileNode(entry.blake3, entry.size, executable), Path(f"{data}/{entry.path}"))
    else:
        writer.file(f"{DIRECTORY}/{path}", [new], executable)
    mode = 0o755 if executable else 0o644
    sha256 = hashlib.sha256(new).digest()
    return TreeEntry(_path(path), meta.FILE, mode, size=len(new), blake3=blake3(new).digest(), sha256=sha256)


def _link(writer: TreeWriter, path: str, to: str) -> TreeEntry:
    target = posixpath.relpath(to, posixpath.dirname(path) or ".")
    writer.symlink(f"{DIRECTORY}/{path}", target)
    return TreeEntry(_path(path), meta.SYMLINK, 0o777, target=target)


def _path(path: str) -> str:
    return f"{relocation.PREFIX[1:]}/{path}"
