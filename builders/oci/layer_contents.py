"""Merge the entries of a layer's parts into the sorted members of one tar."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.builders.payload import meta
from fpack.builders.payload.whiteouts import PREFIX, is_whiteout
from fpack.builders.protocol import BuildError
from fpack.builders.streams.tar_writer import DIRECTORY, FILE, SYMLINK, TarEntry
from fpack.store.errors import StoreError
from fpack.store.files.tree import MAX_DEPTH


class Attributes(NamedTuple):
    """The mode and owner of a directory."""

    mode: int = 0o755
    uid: int = 0
    gid: int = 0


PLAIN = Attributes()


class LayerPart(NamedTuple):
    """The members that one store path adds to a layer.

    label: its name in error messages. remedy: a hint that tells how to leave out a file of it.
    """

    label: str
    members: Sequence[TarEntry]
    remedy: str = ""


def of_table(
    entries: Iterable[meta.TreeEntry], data: str, exclude: Collection[str] = (), modes: Mapping[str, int] | None = None
) -> list[TarEntry]:
    """Return the members of an output with a table, without the paths in `exclude`.

    data: its tree on disk. modes: the modes of files whose mode in the table lacks set-id bits.
    """
    left_out = {path.lstrip("/") for path in exclude}
    given = modes or {}
    out = []
    for e in entries:
        if e.path in left_out:
            continue
        path = os.fsencode(e.path)
        if e.kind == FILE:
            mode = given.get(e.path, e.mode)
            out.append(TarEntry(path, FILE, mode, e.uid, e.gid, e.size, b"", f"{data}/{e.path}", e.blake3))
        elif e.kind == SYMLINK:
            out.append(TarEntry(path, SYMLINK, 0o777, e.uid, e.gid, 0, os.fsencode(e.target)))
        elif e.kind == DIRECTORY:
            out.append(TarEntry(path, DIRECTORY, e.mode, e.uid, e.gid))
        else:
            raise StoreError("A table has an entry of an unknown kind", where=e.path, why=e.kind)
    return out


def of_tree(disk_path: Path, prefix: str) -> list[TarEntry]:
    """Return the members of the tree at `disk_path`, moved to `prefix`, owned by root, of mode 0755 or 0644."""
    out: list[TarEntry] = []
    _walk(os.fspath(disk_path), os.fsencode(prefix.strip("/")), out, 0)
    return out


def _walk(disk_path: str, path: bytes, out: list[TarEntry], depth: int) -> None:
    status = os.lstat(disk_path)
    kind = status.st_mode & 0o170000
    if kind == 0o100000:
        mode = 0o755 if status.st_mode & 0o100 else 0o644
        out.append(TarEntry(path, FILE, mode, size=status.st_size, source=disk_path))
    elif kind == 0o120000:
        out.append(TarEntry(path, SYMLINK, 0o777, target=os.fsencode(os.readlink(disk_path))))
    elif kind == 0o040000 and depth <= MAX_DEPTH:
        out.append(TarEntry(path, DIRECTORY, *PLAIN))
        for name in os.listdir(disk_path):
            _walk(f"{disk_path}/{name}", path + b"/" + os.fsencode(name), out, depth + 1)
    else:
        raise StoreError("A tree in the store has an entry of an invalid type, or is too deep", where=disk_path)


def merge(parts: Iterable[LayerPart], directories: Mapping[bytes, Attributes] | None = None) -> list[TarEntry]:
    """Return the members of one layer, sorted by path, with every parent directory once.

    directories: the attributes of directories that no part lists, and of those on which parts differ. Other parents
    that no part lists get 0755 root:root. A file that is the same in two parts is written once. Raise BuildError if
    parts differ on a path, and for a whiteout.
    """
    fixed = directories or {}
    found: dict[bytes, TarEntry] = {}
    owner: dict[bytes, str] = {}
    for part in parts:
        for member in part.members:
            path = member.path
            if PREFIX in path and is_whiteout(path):
                raise _whiteout(path, part)
            if member.kind == DIRECTORY and path in fixed:
                member = TarEntry(path, DIRECTORY, *fixed[path])
            before = found.get(path)
            if before is None:
                found[path] = member
                owner[path] = part.label
            elif not _same(before, member):
                raise _clash(path, before, member, owner[path], part.label)
    for path in list(found):
        below = path
        while below:
            parent = below.rpartition(b"/")[0]
            above = found.get(parent)
            if above is None:
                found[parent] = TarEntry(parent, DIRECTORY, *fixed.get(parent, PLAIN))
            elif above.kind != DIRECTORY:
                raise BuildError(
                    f"/{os.fsdecode(path)} lies below a path that is not a directory",
                    where=owner[path],
                    why=f"/{os.fsdecode(parent)} is {_NOUNS[above.kind]} of {owner[parent]}",
                )
            else:
                break
            below = parent
    return [found[path] for path in sorted(found)]


_NOUNS = {FILE: "a file", DIRECTORY: "a directory", SYMLINK: "a symlink"}


def _same(a: TarEntry, b: TarEntry) -> bool:
    if a.kind == FILE and not (a.digest and a.digest == b.digest):
        return False
    return a[1:7] == b[1:7]


def _whiteout(path: bytes, part: LayerPart) -> BuildError:
    return BuildError(
        f"/{os.fsdecode(path)} of {part.label} cannot be in a layer",
        where=f"/{os.fsdecode(path)}",
        why="container runtimes read a name that begins with .wh. as an instruction to delete files of other layers",
        hint=part.remedy.replace("PATH", f"/{os.fsdecode(path)}"),
    )


def _clash(path: bytes, a: TarEntry, b: TarEntry, first: str, second: str) -> BuildError:
    return BuildError(
        f"Two parts of one layer differ on /{os.fsdecode(path)}",
        where=f"{first}, {second}",
        why=f"{_describe(a)}, and {_describe(b)}",
    )


def _describe(m: TarEntry) -> str:
    detail = f" to {os.fsdecode(m.target)}" if m.kind == SYMLINK else f" of {m.size} bytes" if m.kind == FILE else ""
    return f"{_NOUNS[m.kind]}{detail}, mode {m.mode:04o}, owner {m.uid}:{m.gid}"
