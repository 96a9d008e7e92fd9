"""Prune the cache of shells: delete the directories of deleted shells, and outdated parts of others.

A directory is pruned while its lease is held exclusively: nobody is in the shell, and newcomers wait.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator

from fpack.builders.sandbox.isolation import Isolation, filter_name
from fpack.store import DAY, leases

from . import cache, session
from .cache import CachedShell

_BUILD = "build"  # may hold a user's work
_KEPT = 30 * DAY


def prune(store: str) -> None:
    """Prune this user's shells that belong to a store, or to no store any more."""
    try:
        paths = sorted(entry.path for entry in os.scandir(cache.directory()) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    for path in paths:
        shell = cache.stored(path)
        if shell is not None and shell.store == store:
            with leases.alone(store, shell.lease) as alone:
                if alone:
                    _delete(path, shell)
        elif (_age(path) > DAY) if shell is None else not os.path.isdir(shell.store):
            # A directory without an entry belongs to another version, or is being created.
            _delete(path, None)
    _delete_dumps(os.path.join(os.path.dirname(cache.directory()), "zsh"))


def _delete_dumps(directory: str) -> None:
    """Delete old completion dumps of zsh, which zsh recreates for roots that are still used."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(directory):
            if _age(entry.path) > _KEPT:
                os.unlink(entry.path)


def _delete(directory: str, shell: CachedShell | None) -> None:
    for path in list(_unused(directory, shell)):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                os.unlink(path)
    with contextlib.suppress(OSError):
        os.rmdir(directory)


def _unused(path: str, shell: CachedShell | None) -> Iterator[str]:
    """Yield the unused files of a shell's directory: all of them if its shell, view or project is missing."""
    here = shell
    if shell is None or not os.path.isdir(shell.closure.view) or not os.path.isdir(shell.project or "/"):
        here = None
    closures = [here.closure, *(service.closure for service in here.services)] if here is not None else []
    scripts = {session.scripts_name(closure) for closure in closures}
    accounts = tuple(session.etc_prefix(closure.view) for closure in closures)
    filters = {filter_name(Isolation(0, 0, closed)) for closed in (False, True)}
    for entry in os.scandir(path):
        name = entry.name
        if here is None:
            used = name == _BUILD
        elif name.startswith("etc-"):
            used = name.startswith(accounts)
        elif name.startswith("own-"):
            used = name in scripts
        elif name.startswith("filter-"):
            used = name in filters
        elif name.startswith("resolv-"):
            used = _age(entry.path) < DAY
        elif name.startswith("shims-"):
            used = _has_root(entry.path)
        else:
            # An incomplete directory of a killed process.
            used = not name.startswith(".made-") or _age(entry.path) < DAY
        if not used:
            yield entry.path


def _has_root(shims: str) -> bool:
    """Return whether the root that shims enter still exists: an open terminal may have the shims on its PATH."""
    try:
        with open(f"{shims}/args", "rb") as file:
            words = file.read().split(b"\0")
        return all(os.path.exists(words[i + 1]) for i, word in enumerate(words) if word == b"--ro-bind")
    except OSError:
        return False


def _age(path: str) -> float:
    try:
        return time.time() - os.stat(path).st_mtime
    except OSError:
        return 0
