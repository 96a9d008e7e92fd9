"""Read and write `meta` files, which record modes, owners, hashes and load facts of a file tree.

Outputs that become part of a root (payloads, slices, generated files) are directories with two entries: `data`, the
tree, and `meta`, a table of the tree sorted by path. The table lists every file and symlink of `data`, and those
directories that are empty or whose mode or owner differs from 0755 root:root; other directories are implied.

A project can pass its own directory in place of such an output, so `read` validates everything: each path is below
`data`, and no symlink is on the way to it.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.errors import BadTree, DamagedPath, NotCanonical, StoreError, malformation
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.pool import FileNode
from fpack.store.files.presence import is_present
from fpack.store.files.regular_file import open_regular, open_stored
from fpack.store.files.tree import CHUNK, Directory, scan

FORMAT = 1
FILE, DIRECTORY, SYMLINK = "f", "d", "l"
MAX_ID = 0xFFFFFFFE
_PATH = re.compile(rb"(?:/(?!\.\.?(?:/|\Z))[^/\0]+)+\Z")  # matches b"/" + path


class LoadFacts(NamedTuple):
    """The files that a program, library or script loads.

    ELF files: `machine` (for example 62, x86-64), `needed` (sonames), `soname`, `interp`, `runpath` ($ORIGIN not
    expanded). Scripts: `interp`, the program after `#!`; for `env NAME`, `interp` is env and `needed` contains NAME.
    commands: the commands of Essential packages that the file calls, see `payload/commands.py`.
    """

    machine: int = 0
    needed: tuple[str, ...] = ()
    soname: str = ""
    interp: str = ""
    runpath: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


class TreeEntry(NamedTuple):
    """A file, directory or symlink of a root. path: relative, such as `usr/bin/psql`. mode: the 12 permission bits.

    user, group: the names in the archive, or "" if only the number is known. size, blake3, sha256: of a file's content.
    target: of a symlink.
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
    facts: LoadFacts | None = None

    @property
    def executable(self) -> bool:
        """True if the file in the store is executable."""
        return bool(self.mode & 0o111)

    @property
    def has_usual_attributes(self) -> bool:
        """True if the mode and the owner are those of most directories: 0755 and root."""
        return (self.mode, self.uid, self.gid) == (0o755, 0, 0)


def encode(entries: Iterable[TreeEntry], extra: Mapping[str, Value] | None = None) -> bytes:
    """Encode a `meta` file: the entries sorted by path, and additional fields of the kind that writes it."""
    rows: list[Value] = []
    for e in sorted(entries, key=_path_bytes):
        f = e.facts
        facts: list[Value] | None = None
        if f is not None:
            facts = [f.machine, list(f.needed), f.soname, f.interp, list(f.runpath)]
            if f.commands:
                facts.append(list(f.commands))
        rows.append([os.fsencode(e.path), *e[1:10], os.fsencode(e.target), facts])
    return canonical.encode({"format": FORMAT, "entries": rows, "extra": dict(extra or {})})


def _path_bytes(e: TreeEntry) -> bytes:
    return os.fsencode(e.path)


def decode(data: bytes, most: int | None = None) -> tuple[list[TreeEntry], dict[str, Value]]:
    """Decode the entries and the extra fields of a `meta` file. Raise StoreError if it is invalid.

    most: the number of values, for the file of others; see `canonical.decode`.
    """
    value = canonical.decode(data, most)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise StoreError("The meta file has a format that this version of fpack does not support", hint="run fpack gc")
    try:
        entries = [_entry(*row) for row in value["entries"]]
        extra: dict[str, Value] = value["extra"]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise StoreError("The meta file is invalid", why=malformation(error)) from None
    names = [os.fsencode(entry.path) for entry in entries]
    if extra.__class__ is not dict or any(a >= b for a, b in zip(names, names[1:], strict=False)):
        raise StoreError("The meta file is invalid", why="its entries are not sorted")
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
) -> TreeEntry:
    """Validate a row and return it as an entry. Raise ValueError, or TypeError for a type, if it is invalid."""
    if not _PATH.match(b"/" + path):
        raise ValueError(f"{_shown(path)} is not a path below the tree")
    if not mode.__class__ is uid.__class__ is gid.__class__ is size.__class__ is int:
        raise ValueError(f"a numeric field of {_shown(path)} is not a number")
    if not (0 <= mode <= 0o7777 and 0 <= uid <= MAX_ID and 0 <= gid <= MAX_ID and size >= 0):
        raise ValueError(f"a number of {_shown(path)} is out of range")
    if not user.__class__ is group.__class__ is str:
        raise ValueError(f"the owner name of {_shown(path)} is not text")
    if kind == FILE:
        good = len(blake3) == len(sha256) == 32 and not target
    else:
        good = not size and not blake3 and not sha256 and (bool(target) if kind == SYMLINK else kind == DIRECTORY)
    if not good or b"\0" in target:
        raise ValueError(f"{_shown(path)} is neither a file nor a directory nor a symlink")
    found = None
    if facts is not None:
        machine, needed, soname, interp, runpath, *more = facts
        commands = more[0] if len(more) == 1 else ()
        words = (soname, interp, *needed, *runpath, *commands)
        if machine.__class__ is not int or len(more) > 1 or any(x.__class__ is not str for x in words):
            raise ValueError(f"the load facts of {_shown(path)} are invalid")
        found = LoadFacts(machine, tuple(needed), soname, interp, tuple(runpath), tuple(commands))
    to = os.fsdecode(target)
    return TreeEntry(os.fsdecode(path), kind, mode, uid, gid, user, group, size, blake3, sha256, to, found)


def _shown(path: bytes) -> str:
    return "/" + path.decode(errors="backslashreplace")[:200]


def read(directory: Path) -> tuple[list[TreeEntry], dict[str, Value]]:
    """Read the table of the output at `directory` on disk, which has the entries `data` and `meta`.

    It is then safe to open its files below `data` with `open_regular`. Raise StoreError otherwise.
    """
    with open_regular(directory / "meta") as file:
        entries, extra = decode(file.read())
    _check_directories(directory, entries)
    return entries, extra


def load(tree: CheckedTree) -> tuple[list[TreeEntry], dict[str, Value]]:
    """Read the table of an output as `read` does, and compare it with the output's digest.

    Raise DamagedPath if it differs. The digests in the table then prove the files of `data`, which are not read.
    """
    try:
        return _load(tree)
    except DamagedPath:
        raise
    except StoreError:
        tree.node()  # a damaged tree is an error of its own
        raise


def _load(tree: CheckedTree) -> tuple[list[TreeEntry], dict[str, Value]]:
    with open_regular(tree.disk / "meta") as file:
        content = file.read()
    node = FileNode(blake3(content).digest(), len(content), False)
    found = None
    if not tree.proven:
        with contextlib.suppress(StoreError, NotCanonical):
            found = decode(content)
        # Most tables list all of `data`. Where one does not, the whole tree is read.
        if found is None or not tree.prove(_tree_of(tree.disk, found[0], node)):
            tree.node()
    tree.compare("meta", node)
    entries, extra = found or decode(content)
    _check_directories(tree.disk, entries)
    return entries, extra


def _tree_of(directory: Path, entries: Iterable[TreeEntry], table: FileNode) -> Directory:
    """Return the tree of an output with these entries. Read the control files of a package, which the table omits."""
    tree: Directory = {b"data": directory_of(entries), b"meta": table}
    control = directory / "control"
    if is_present(control):
        with contextlib.suppress(BadTree, OSError):
            tree[b"control"] = scan(os.fspath(control))
    return tree


def read_file(path: str | os.PathLike[str], digest: bytes, most: int) -> bytes:
    """Return the first `most` bytes of a file of an output. Raise DamagedPath if its BLAKE3 is not `digest`."""
    hasher, found = blake3(), bytearray()
    with os.fdopen(open_stored(path), "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
            found += chunk[: most - len(found)]
    if hasher.digest() != digest:
        raise DamagedPath(os.fspath(path))
    return bytes(found)


def directory_of(entries: Iterable[TreeEntry]) -> Directory:
    """Return the tree that the entries describe."""
    top: Directory = {}
    directories = {"": top}

    def directory(path: str) -> Directory:
        found = directories.get(path)
        if found is None:
            above, _, name = path.rpartition("/")
            found = directories[path] = {}
            directory(above)[os.fsencode(name)] = found
        return found

    for entry in entries:
        above, _, name = entry.path.rpartition("/")
        if entry.kind == DIRECTORY:
            directory(entry.path)
        elif entry.kind == FILE:
            node = FileNode(entry.blake3, entry.size, entry.executable)
            (directories.get(above) or directory(above))[os.fsencode(name)] = node
        else:
            (directories.get(above) or directory(above))[os.fsencode(name)] = os.fsencode(entry.target)
    return top


def _check_directories(directory: Path, entries: Iterable[TreeEntry]) -> None:
    """Raise StoreError if a parent directory of an entry is missing or not a real directory on disk."""
    data = f"{os.fspath(directory)}/data"
    seen: set[str] = set()
    paths = [os.fspath(directory), data]
    for entry in entries:
        parent = entry.path if entry.kind == DIRECTORY else entry.path.rpartition("/")[0]
        while parent and parent not in seen:
            seen.add(parent)
            paths.append(f"{data}/{parent}")
            parent = parent.rpartition("/")[0]
    for path in paths:
        try:
            mode = os.lstat(path).st_mode
        except OSError as error:
            why = error.strerror or ""
            raise StoreError("The meta file names a path that does not exist", where=path, why=why) from None
        if not stat.S_ISDIR(mode):
            raise StoreError("The meta file names a path below a symlink or a file", where=path)
