"""What a file-system tree needs beyond a store tree: modes, owners, hashes and what its files load.

Outputs that end up in a root (payloads, slices, generated files) are directories of two entries: `data`, the tree,
and `meta`, this table of it. A table is sorted by path, names every entry of `data`, and directories only where they
have a mode or an owner that differs from 0755 root:root or are empty; others are implied by what is in them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.errors import StoreError

FORMAT = 1
FILE, DIRECTORY, SYMLINK = "f", "d", "l"


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
    """The entries and the extra fields of a `meta` file."""
    value = canonical.decode(data)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise StoreError("A meta file is of a format that this fpack does not know", hint="run fpack gc")
    entries = []
    for row in value["entries"]:
        f = row[11]
        facts = Facts(f[0], tuple(f[1]), f[2], f[3], tuple(f[4])) if f else None
        entries.append(Entry._make([os.fsdecode(row[0]), *row[1:10], os.fsdecode(row[10]), facts]))
    return entries, value["extra"]


def read(directory: Path) -> tuple[list[Entry], dict[str, Value]]:
    """The table of an output of two entries, `data` and `meta`, that lies in `directory` on disk."""
    return decode((directory / "meta").read_bytes())
