"""Shells that were built before, found again without evaluation.

An entry is named by what was asked for, where, and by which fpack. It holds the shell and what the evaluation read:
files of the project by their content, directories by when they changed. It is taken only while all of that is the same,
and while its paths are in the store.
"""

from __future__ import annotations

import marshal
import os
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from blake3 import blake3
from fpack.store.owners import check_store

from .model import Closure

FORMAT = 6
DAY = 86400
# A file that changed again so soon after it was read may look the same.
_TICK = 100_000_000  # ns

Signature = tuple[int, ...]


class Service(NamedTuple):
    """A program beside a shell. closure: its own; start, prepare, ready: bash's. exports: variables of the shell.

    ports: of 127.0.0.1 that it listens on.
    """

    name: str
    closure: Closure
    start: str
    prepare: str = ""
    ready: str = "true"
    stop: str = "SIGTERM"
    exports: Mapping[str, str] = {}
    seconds: int = 60
    ports: tuple[int, ...] = ()


class Entry(NamedTuple):
    """A built shell. project: its directory, or empty. lease: its name. store: the store's root on disk.

    program: what `fpack run` runs without a command; programs: the names of all that the first package has. place: the
    directory with what was prepared for it. usual: the programs, by path, of packages that every shell has and nobody
    listed. shared: directories of fpack's own that are written to in the shell, however it is entered.
    """

    closure: Closure
    project: str
    store: str
    lease: str
    place: str
    paths: tuple[str, ...]
    program: str = ""
    programs: tuple[str, ...] = ()
    release: str = ""
    services: tuple[Service, ...] = ()
    usual: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


class Read(NamedTuple):
    """What an evaluation read. files: (path, signature, digest); directories: (path, signature). expires: seconds."""

    files: tuple[tuple[str, Signature, bytes], ...]
    directories: tuple[tuple[str, Signature], ...]
    recorded: int
    expires: float = 0


def directory(environ: Mapping[str, str] = os.environ) -> str:
    """Where shells are kept."""
    home = environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return f"{home}/fpack/shells"


def name_of(version: str, store: str, what: Iterable[str], project: str, *more: str) -> str:
    """The name of an entry: what was asked for, where, and by which fpack."""
    digest = blake3(f"shell {FORMAT} {version} {sys.hexversion:x}".encode())
    for part in (store, project, *more, *what):
        data = part.encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest(20)


def load(place: str, now: float | None = None) -> Entry | None:
    """The entry in the directory `place`, if there is one and all that it came from is as it was.

    StoreError if others can change the store that it is in: it is entered without the store being opened.
    """
    found = _stored(place)
    if found is None or not unchanged(found[0], time.time() if now is None else now):
        return None
    check_store(found[1].store)
    return found[1]


def stored(place: str) -> Entry | None:
    """The entry in the directory `place`, if there is one, whatever became of what it came from."""
    found = _stored(place)
    return found[1] if found is not None else None


def _stored(place: str) -> tuple[Read, Entry] | None:
    from fpack.lang import diskcache

    data = diskcache.read(place, "entry")
    if data is None:
        return None
    try:
        read, entry = marshal.loads(data)
        return Read(*read), _entry(entry)
    except (ValueError, TypeError, EOFError):
        return None


def save(place: str, entry: Entry, read: Read) -> None:
    """Keep an entry in `place`, if that is possible."""
    from pathlib import Path

    from fpack.lang import diskcache

    diskcache.write(Path(place), "entry", marshal.dumps((tuple(read), plain(entry))))


def plain(value: Any) -> Any:
    """Tuples and dictionaries in place of their named kinds: marshal knows no others."""
    if isinstance(value, tuple):
        return tuple(plain(each) for each in value)
    if isinstance(value, Mapping):
        return dict(value)
    return value


def _entry(value: tuple[Any, ...]) -> Entry:
    entry = Entry(*value)
    services = tuple(Service(each[0], Closure(*each[1]), *each[2:]) for each in entry.services)
    return entry._replace(closure=Closure(*entry.closure), services=services)


# What an evaluation read.


def signature(place: str) -> Signature:
    """What changes when a file or a directory does: size, times, number. Empty if it is not there."""
    try:
        status = os.stat(place)
    except OSError:
        return ()
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_mode)


def digest_of(place: str) -> bytes:
    """The digest of a file's content; empty if it cannot be read."""
    try:
        hasher = blake3()
        with open(place, "rb", buffering=0) as file:
            while chunk := file.read(1 << 20):
                hasher.update(chunk)
        return hasher.digest()
    except OSError:
        return b""


def unchanged(read: Read, now: float) -> bool:
    """Whether all that an evaluation read is as it was. now: seconds."""
    if read.expires and not read.recorded / 1e9 <= now < read.expires:
        return False
    for path, before in read.directories:
        if signature(path) != before:
            return False
    for path, before, digest in read.files:
        found = signature(path)
        settled = bool(found) and found[2] < read.recorded - _TICK
        # Sources differ by their modes, too.
        if (found != before or not settled) and (found[4:] != before[4:] or digest_of(path) != digest):
            return False
    return True


class Recorder:
    """Notes which files and directories Python code opens while it is on, by the interpreter's own audit events."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._directories: set[str] = set()
        self._on = False
        self._begun = 0

    def __enter__(self) -> Recorder:
        self._on = True
        self._begun = time.time_ns()
        sys.addaudithook(self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Note nothing more."""
        self._on = False  # a hook cannot be taken away

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event == "open":
            self._note(self._files, args[0])
        elif event in ("os.scandir", "os.listdir"):
            self._note(self._directories, args[0])

    def _note(self, where: set[str], place: Any) -> None:
        if isinstance(place, (str, bytes, os.PathLike)):
            where.add(os.path.abspath(os.fsdecode(place)))

    def read(self, folders: Iterable[str], also: Iterable[str], expires: float = 0) -> Read:
        """What was read below `folders`, and the files `also`, which may not be there."""
        inside = tuple(f"{folder.rstrip('/')}/" for folder in folders)
        tops = tuple(folder.rstrip("/") for folder in folders)
        files = {p for p in self._files if p.startswith(inside) and os.path.isfile(p)}
        directories = {p for p in self._directories if p.startswith(inside) or p in tops}
        return Read(
            tuple((p, signature(p), digest_of(p)) for p in sorted(files | set(also))),
            tuple((p, signature(p)) for p in sorted(directories)),
            self._begun,
            expires,
        )
