"""Shells that were built before, found again without evaluation.

An entry is named by what was asked for, where, and by which fpack. It holds the shell and what the evaluation read:
files of the project by their content, directories by when they changed. It is taken only while all of that is the same,
and while its paths are in the store.
"""

from __future__ import annotations

import marshal
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from fpack.cli.paths import cache_home
from fpack.cli.workspace.evaluation_log import EvaluationInputs, plain, unchanged
from fpack.store.files.owners import check_store

from .model import Closure

FORMAT = 6


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


class CachedShell(NamedTuple):
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


def directory() -> str:
    """Return the directory of kept shells."""
    return f"{cache_home()}/shells"


def load(place: str, now: float | None = None) -> CachedShell | None:
    """The entry in the directory `place`, if there is one and all that it came from is as it was.

    StoreError if others can change the store that it is in: it is entered without the store being opened.
    """
    found = _stored(place)
    if found is None or not unchanged(found[0], time.time() if now is None else now):
        return None
    check_store(found[1].store)
    return found[1]


def stored(place: str) -> CachedShell | None:
    """The entry in the directory `place`, if there is one, whatever became of what it came from."""
    found = _stored(place)
    return found[1] if found is not None else None


def _stored(place: str) -> tuple[EvaluationInputs, CachedShell] | None:
    from fpack.store.files import disk_cache

    data = disk_cache.read(place, "entry")
    if data is None:
        return None
    try:
        read, entry = marshal.loads(data)
        return EvaluationInputs(*read), _entry(entry)
    except (ValueError, TypeError, EOFError):
        return None


def save(place: str, entry: CachedShell, read: EvaluationInputs) -> None:
    """Keep an entry in `place`, if that is possible."""
    from pathlib import Path

    from fpack.store.files import disk_cache

    disk_cache.write(Path(place), "entry", marshal.dumps((tuple(read), plain(entry))))


def _entry(value: tuple[Any, ...]) -> CachedShell:
    entry = CachedShell(*value)
    services = tuple(Service(each[0], Closure(*each[1]), *each[2:]) for each in entry.services)
    return entry._replace(closure=Closure(*entry.closure), services=services)


# What an evaluation read.
