"""What a file-system tree needs beyond a store tree: modes, owners, hashes and what its files load.

Outputs that end up in a root (payloads, slices, generated files) are directories of two entries: `data`, the tree,
and `meta`, this table of it. A table is sorted by path, names every entry of `data`, and directories only where they
have a mode or an owner that differs from 0755 root:root or are empty; others are implied by what is in them.

A project can have files of its own in the place of such an output. So `read` takes nothing for granted: a path stays
below `data`, and no symlink is on the way to it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.errors import StoreError
from fpack.store.files.regular_file import open_regular

FORMAT = 1
FILE, DIRECTORY, SYMLINK = "f", "d", "l"
MAX_ID = 0xFFFFFFFE
_PATH = re.compile(rb"(?:/(?!\.\.?(?:/|\Z))[^/\0]+)+\Z")  # of the path with a slash before it


class Facts(NamedTuple):
    """What a file loads when it is run or linked.

    ELF: `machine` (for example 62, x86-64), `needed` sonames, `soname`, `interp`, `runpath` (`$ORIGIN` unexpanded).
    Script: `interp` alone, the program after `#!`; for `env NAME`, `interp` is the env and `needed` holds NAME.
    """

    machine: int = 0
    needed: tuple[str, ...] = ()
    soname: str = ""
    interp: str = ""
    runpath: tuple[str, ...] = ()


class Entry(NamedTuple):
    """One file, directory or symlink of a root. `path` is relative, `usr/bin/psql`; `mode` the 12 permission bits.

    user, group: the names in the archive, or "" where the number is all there is. size, blake3, sha256: of a file's
    content. target: of a symlink.
    """

    path: str
    kind: str
    mode: int
    uid: int = 0
    gid: int = 0
    user: str = ""
    group: str = ""
    size: int = 0
    blake3: bytes = b""
    sha256: bytes = b""
    target: str = ""
    facts: Facts | None = None

    @property
    def executable(self) -> bool:
        """Whether the store's file has its executable bit."""
        return bool(self.mode & 0o111)


def encode(entries: Iterable[Entry], extra: Mapping[str, Value] | None = None) -> bytes:
    """The bytes of a `meta` file: the entries sorted by path, and `extra` fields of the kind that wrote it."""
    rows: list[Value] = []
    for e in sorted(entries, key=_path_bytes):
        f = e.facts
        facts = [f.machine, list(f.needed), f.soname, f.interp, list(f.runpath)] if f else None
        rows.append([os.fsencode(e.path), *e[1:10], os.fsencode(e.target), facts])
    return canonical.encode({"format": FORMAT, "entries": rows, "extra": dict(extra or {})})


def _path_bytes(e: Entry) -> bytes:
    return os.fsencode(e.path)


def decode(data: bytes) -> tuple[list[Entry], dict[str, Value]]:
    """The entries and the extra fields of a `meta` file; StoreError for what no builder writes."""
    value = canonical.decode(data)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise StoreError("A meta file is of a format that this fpack does not know", hint="run fpack gc")
    try:
        entries = [_entry(*row) for row in value["entries"]]
        extra: dict[str, Value] = value["extra"]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise StoreError("A meta file is not one that fpack made", why=str(error)) from None
    names = [os.fsencode(entry.path) for entry in entries]
    if extra.__class__ is not dict or any(a >= b for a, b in zip(names, names[1:], strict=False)):
        raise StoreError("A meta file is not one that fpack made", why="its entries are not in order")
    return entries, extra


def _entry(
    path: bytes,
    kind: str,
    mode: int,
    uid: int,
    gid: int,
    user: str,
    group: str,
    size: int,
    blake3: bytes,
    sha256: bytes,
    target: bytes,
    facts: list[Value] | None,
) -> Entry:
    """A row as an entry; ValueError or TypeError if it is none."""
    if not _PATH.match(b"/" + path):
        raise ValueError(f"{path!r} is not a path below the tree")
    if not mode.__class__ is uid.__class__ is gid.__class__ is size.__class__ is int:
        raise TypeError(f"{path!r} has no numbers where they belong")
    if not (0 <= mode <= 0o7777 and 0 <= uid <= MAX_ID and 0 <= gid <= MAX_ID and size >= 0):
        raise ValueError(f"a number of {path!r} is out of range")
    if not user.__class__ is group.__class__ is str:
        raise TypeError(f"the owner of {path!r} has no name")
    if kind == FILE:
        good = len(blake3) == len(sha256) == 32 and not target
    else:
        good = not size and not blake3 and not sha256 and (bool(target) if kind == SYMLINK else kind == DIRECTORY)
    if not good or b"\0" in target:
        raise ValueError(f"{path!r} is neither a file nor a directory nor a symlink")
    found = None
    if facts is not None:
        machine, needed, soname, interp, runpath = facts
        if machine.__class__ is not int or any(x.__class__ is not str for x in (soname, interp, *needed, *runpath)):
            raise TypeError(f"what {path!r} loads is not told in words")
        found = Facts(machine, tuple(needed), soname, interp, tuple(runpath))
    to = os.fsdecode(target)
    return Entry(os.fsdecode(path), kind, mode, uid, gid, user, group, size, blake3, sha256, to, found)


def read(directory: Path) -> tuple[list[Entry], dict[str, Value]]:
    """The table of an output of two entries, `data` and `meta`, that lies in `directory` on disk.

    Its files are safe to open at their paths below `data` with `open_regular`. StoreError if that cannot be said.
    """
    with open_regular(directory / "meta") as file:
        entries, extra = decode(file.read())
    _check_folders(directory, entries)
    return entries, extra


def _check_folders(directory: Path, entries: Iterable[Entry]) -> None:
    """StoreError unless every directory on the way to an entry is one on disk."""
    data = f"{os.fspath(directory)}/data"
    seen: set[str] = set()
    places = [os.fspath(directory), data]
    for entry in entries:
        folder = entry.path if entry.kind == DIRECTORY else entry.path.rpartition("/")[0]
        while folder and folder not in seen:
            seen.add(folder)
            places.append(f"{data}/{folder}")
            folder = folder.rpartition("/")[0]
    for place in places:
        try:
            mode = os.lstat(place).st_mode
        except OSError as error:
            raise StoreError("A meta file names what is not there", where=place, why=error.strerror or "") from None
        if not stat.S_ISDIR(mode):
            raise StoreError("A meta file names what lies behind a symlink or a file", where=place)
