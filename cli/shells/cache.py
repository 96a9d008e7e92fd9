"""Cache built shells, so that they can be entered again without evaluation.

A cached shell is named after the request, the directory, and the version of fpack. It holds the shell and what the
evaluation read: files of the project by content, directories by timestamps. It is used only while all of that is
unchanged and its paths are in the store.
"""

from __future__ import annotations

import marshal
import time
from collections.abc import Mapping

from fpack.cli.paths import cache_home
from fpack.cli.workspace.evaluation.log import EvaluationInputs, plain, unchanged
from fpack.light_typing import Any, NamedTuple
from fpack.store.files.owners import check_store

from .model import Closure

FORMAT = 7


class Service(NamedTuple):
    """A program that runs beside a shell.

    closure: its own closure. start, prepare, ready: bash code. exports: variables of the shell. seconds: time limit of
    the start. ports: ports of 127.0.0.1 that it listens on.
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
    """A built shell.

    project: its directory, or empty. lease: name of its lease. store: root of the store on disk. program: what `fpack
    run` runs without a command. programs: names of all programs of the first package. directory: of the prepared
    files. usual: paths of programs that every shell has without listing them. shared: directories of fpack that the
    shell can write to, however it is entered.
    """

    closure: Closure
    project: str
    store: str
    lease: str
    directory: str
    paths: tuple[str, ...]
    program: str = ""
    programs: tuple[str, ...] = ()
    release: str = ""
    services: tuple[Service, ...] = ()
    usual: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


def directory() -> str:
    return f"{cache_home()}/shells"


def load(path: str, now: float | None = None) -> CachedShell | None:
    """Return the shell cached in `path`, or None if there is none or an input of its evaluation changed.

    Raise StoreError if others can change its store, because the shell is entered without opening the store.
    """
    found = _stored(path)
    if found is None or not unchanged(found[0], time.time() if now is None else now):
        return None
    check_store(found[1].store)
    return found[1]


def stored(path: str) -> CachedShell | None:
    """Return the shell cached in `path`, even if an input of its evaluation changed, or None."""
    found = _stored(path)
    return found[1] if found is not None else None


def _stored(path: str) -> tuple[EvaluationInputs, CachedShell] | None:
    from fpack.store.files import disk_cache

    data = disk_cache.read(path, "entry")
    if data is None:
        return None
    try:
        read, entry = marshal.loads(data)
        return EvaluationInputs(*read), _entry(entry)
    except (ValueError, TypeError, EOFError):
        return None


def save(path: str, shell: CachedShell, read: EvaluationInputs) -> None:
    """Cache a shell in `path`, if possible."""
    from pathlib import Path

    from fpack.store.files import disk_cache

    disk_cache.write(Path(path), "entry", marshal.dumps((tuple(read), plain(shell))))


def _entry(value: tuple[Any, ...]) -> CachedShell:
    shell = CachedShell(*value)
    services = tuple(Service(service[0], Closure(*service[1]), *service[2:]) for service in shell.services)
    return shell._replace(closure=Closure(*shell.closure), services=services)
