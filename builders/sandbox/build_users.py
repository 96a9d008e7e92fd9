"""Give each build that root runs a user number that no other build of the machine has.

A number is in use on the whole machine, whatever store a build belongs to. So it is locked in a directory of root's
that no other user can make, enter or fill.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from fpack.store.files.owners import exposed, open_to_others
from fpack.store.locks import FileLock

from .bwrap import SandboxError

COUNT = 1000  # users for builds, one a build
_BASES = (872_415_232, 64_000)  # where the build users' numbers begin; the first that this machine has
_NAME = "fpack-users"


@contextlib.contextmanager
def build_user(locks: Path) -> Iterator[int | None]:
    """Hold the number of a user that no other build of this machine has; None if builds run as the caller.

    locks: the store's own directory of locks. It is used as well: a shell has its own `/run`, but shares the store.
    """
    if not _separate():
        yield None
        return
    base = _first_user()
    if base is None:
        raise SandboxError(
            "A build has no user to run as",
            why="it must not run as root, and this user namespace has no other users, or too few",
            hint="run fpack as another user than root",
        )
    directory = lock_directory(lock_directories())
    for uid in range(base, base + COUNT):
        with contextlib.ExitStack() as held:
            wanted = (FileLock(directory / f"{uid}"), FileLock(locks / f"user-{uid - base}"))
            if all(_try(held, lock) for lock in wanted):
                yield uid
                return
    raise SandboxError("Too many builds run at once", why=f"there are {COUNT} users for them")


def _try(held: contextlib.ExitStack, lock: FileLock) -> bool:
    taken = lock.try_acquire()
    if taken:
        held.callback(lock.release)
    return taken


def lock_directories() -> list[Path]:
    """List where the directory of locks may be, best first; every process of this root gets the same list."""
    outer = _ranges()[0][1]
    found = [Path("/run", _NAME)]
    if outer:
        # Root of a user namespace, who cannot write to the machine's /run.
        found.append(Path(f"/run/user/{outer}", _NAME))
    return [*found, Path(f"/dev/shm/{_NAME}-{outer}")]


def lock_directory(candidates: list[Path]) -> Path:
    """Return the first of some directories that this user can make, or has made; SandboxError if there is none.

    If another user made one, the next is not used either: two processes could otherwise lock in two directories, and
    give two builds one number.
    """
    why = "none of the directories can be written"
    for directory in candidates:
        if not os.access(directory.parent, os.W_OK):
            continue  # the machine's root owns it, who is not in this user namespace
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:
            pass
        except OSError:
            continue
        try:
            status = os.lstat(directory)
        except OSError:
            continue
        found = exposed(os.fspath(directory))
        why = "it is not a directory" if not stat.S_ISDIR(status.st_mode) else open_to_others(status)
        why = found.why if found else why
        if not why:
            return directory
        raise SandboxError(
            "The users of builds cannot be locked",
            where=found.path if found else str(directory),
            why=why,
            hint=f"delete {directory}; fpack makes it again when root runs it",
        )
    raise SandboxError(
        "The users of builds cannot be locked",
        where=" ".join(map(str, candidates)),
        why=why,
        hint="make /run writable for root",
    )


@lru_cache
def _separate() -> bool:
    """Return whether builds get users of their own: root can change to others."""
    if os.geteuid() != 0:
        return False
    ranges = _ranges()
    # Root of a namespace that has nobody else is its maker to the kernel, and that one is not root.
    return not (len(ranges) == 1 and ranges[0][2] == 1 and ranges[0][1] != 0)


@lru_cache  # a process that starts builds stays in its user namespace
def _ranges() -> list[tuple[int, int, int]]:
    with open("/proc/self/uid_map", encoding="ascii") as file:
        rows = [tuple(map(int, line.split())) for line in file]
    return [(row[0], row[1], row[2]) for row in rows]


@lru_cache
def _first_user() -> int | None:
    """Return the number of the first user that builds may have here."""
    ranges = _ranges()
    for base in _BASES:
        if any(first <= base and base + COUNT <= first + count for first, _, count in ranges):
            return base
    return None
