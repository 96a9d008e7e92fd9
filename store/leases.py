"""Leases: what keeps paths alive for as long as any of several processes works with them, at the cost of one lock.

A lease is a file below `locks/` that its holders lock for sharing, and rows of temporary roots by its name. Who takes
one that exists needs no database. Who collects garbage tries to lock the file for itself: that succeeds only when
nobody holds the lease, which is then over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from .path import StorePath
    from .store import Store

_PREFIX = "lease-"


def take(root: Path | str, name: str) -> int | None:
    """Hold a lease that was begun and is not over; the open file whose closing ends the hold, or None."""
    try:
        fd = os.open(f"{root}/locks/{_PREFIX}{name}", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    return _held(fd, f"{root}/locks/{_PREFIX}{name}")


def begin(store: Store, name: str, paths: Iterable[StorePath]) -> int | None:
    """Hold a lease on `paths`, making it if need be; None if one of them is not valid any more."""
    place = f"{store.root}/locks/{_PREFIX}{name}"
    while True:
        fd = _held(os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), place)
        if fd is not None:
            break
    if store.database.keep(_PREFIX + name, paths):
        return fd
    os.close(fd)
    return None


@contextlib.contextmanager
def alone(root: Path | str, name: str) -> Iterator[bool]:
    """Hold a lease, which need not have begun, with nobody else; False if somebody holds it. Who takes it waits."""
    place = f"{root}/locks/{_PREFIX}{name}"
    made = False
    try:
        fd = os.open(place, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        try:
            fd = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            made = True
        except OSError:
            yield False  # somebody was first, or the store is not this user's
            return
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            made = False
            yield False
        else:
            yield True
    finally:
        if made:
            os.unlink(place)  # it has begun for nobody, and would keep nothing
        os.close(fd)


def sweep(store: Store) -> None:
    """End the leases that nobody holds."""
    for place in sorted((store.root / "locks").glob(f"{_PREFIX}*")):
        fd = os.open(place, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            continue
        with store.database.transaction() as db:
            db.execute("DELETE FROM temporary_roots WHERE session = ?", [place.name])
        os.unlink(place)
        os.close(fd)


def _held(fd: int, place: str) -> int | None:
    """Lock an open file for sharing; None, and it is closed, if it is not the file at `place` any more."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        held, there = os.fstat(fd), os.stat(place)
        if (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino):
            return fd
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None
