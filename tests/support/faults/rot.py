"""Bits that a disk flips: in the content of files, in names, modes and targets of symlinks, below a directory."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple


class Flip(NamedTuple):
    """A flipped bit: a kind, a path, and a text that says which bit."""

    kind: str
    path: Path
    what: str


def flip(folder: Path, kind: str, chance: random.Random) -> Flip | None:
    """Flip one bit of a kind below a home of `program.Fpack`; None if there is nothing of this kind."""
    choose, change = KINDS[kind]
    found = sorted(path for path in choose(folder) if not path.is_socket())
    if not found:
        return None
    path = chance.choice(found)
    return Flip(kind, path, change(path, chance))


def content(path: Path, chance: random.Random) -> str:
    """Flip a bit of a file in place: all hard links have it, and no time changes."""
    status = os.stat(path)
    bit = chance.randrange(8 * status.st_size)
    os.chmod(path, 0o600)
    with open(path, "r+b", buffering=0) as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))
    os.chmod(path, stat.S_IMODE(status.st_mode))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return f"bit {bit}"


def name(path: Path, chance: random.Random) -> str:
    """Flip a bit of a file's name."""
    raw = bytearray(os.fsencode(path.name))
    while True:
        changed = bytearray(raw)
        changed[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        if not {0, 47} & set(changed) and bytes(changed) not in (b".", b".."):
            break
    with _writable(path.parent):
        os.rename(os.fsencode(path), os.fsencode(path.parent) + b"/" + bytes(changed))
    return f"name {bytes(changed)!r}"


def mode(path: Path, chance: random.Random) -> str:
    """Flip a permission of a file or directory."""
    bit = 1 << chance.randrange(12)
    os.chmod(path, stat.S_IMODE(os.lstat(path).st_mode) ^ bit)
    return f"mode bit {bit:o}"


def target(path: Path, chance: random.Random) -> str:
    """Flip a bit of a symlink's target."""
    raw = bytearray(os.fsencode(os.readlink(path)))
    while True:
        changed = bytearray(raw)
        changed[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        if 0 not in changed:
            break
    with _writable(path.parent):
        os.unlink(path)
        os.symlink(bytes(changed), path)
    return f"target {bytes(changed)!r}"


class _writable:
    """A directory that can be changed meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._mode = stat.S_IMODE(os.stat(self._path).st_mode)
        os.chmod(self._path, 0o700)

    def __exit__(self, *_: object) -> None:
        os.chmod(self._path, self._mode)


def _below(*parts: str, ending: str = "", named: str = "") -> Callable[[Path], Iterator[Path]]:
    """Yield the files that are not empty below a folder's folders."""

    def choose(folder: Path) -> Iterator[Path]:
        for part in parts:
            for path in (folder / part).rglob("*"):
                if named not in ("", path.name) or not path.name.endswith(ending) or path.is_symlink():
                    continue
                if path.is_file() and path.stat().st_size:
                    yield path

    return choose


def _trees(folder: Path) -> Iterator[Path]:
    return (path for path in (folder / "store/store").rglob("*"))


def _data(folder: Path) -> Iterator[Path]:
    return (path for path in _below("store/store")(folder) if "/data/" in str(path))


def _outputs(folder: Path) -> Iterator[Path]:
    return (path for path in _below("store/store")(folder) if "/data/" not in str(path) and path.name != "meta")


Change = Callable[[Path, random.Random], str]
KINDS: dict[str, tuple[Callable[[Path], Iterator[Path]], Change]] = {
    "file of a tree": (_data, content),
    "table": (_below("store/store", named="meta"), content),
    "output": (_outputs, content),
    "blob": (_below("store/store", named="blob"), content),
    "pool": (_below("store/files"), content),
    "name": (_trees, name),
    "mode": (lambda folder: (path for path in _trees(folder) if not path.is_symlink()), mode),
    "symlink": (lambda folder: (path for path in _trees(folder) if path.is_symlink()), target),
    "database": (_below("store/db"), content),
    "index": (_below(".cache/fpack/debian", ending=".packages"), content),
    "offsets": (lambda folder: (p for p in _below(".cache/fpack/debian")(folder) if ".offsets" in p.name), content),
    "release": (_below(".cache/fpack/debian", ending=".InRelease"), content),
    "cache": (_below(".cache/fpack/modules", ".cache/fpack/builds", ".cache/fpack/shells"), content),
}
