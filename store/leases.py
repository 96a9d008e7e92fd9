"""Keep paths alive for as long as any of several processes works with them, at the cost of one file lock.

A lease is a file below `locks/`, which its holders lock for sharing, and rows of temporary roots under its name. A
process that takes an existing lease does not need the database. The garbage collector tries to lock the file
exclusively, which succeeds only if no process holds the lease. Then the collector deletes the lease.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterable, Iterator

from fpack.light_typing import TYPE_CHECKING

from . import DAY, LEASE

if TYPE_CHECKING:
    from pathlib import Path

    from .path import StorePath
    from .store import Store


def take(root: Path | str, name: str) -> int | None:
    """Hold an existing lease. Return a descriptor, which holds the lease while open, or None if there is no lease."""
    try:
        fd = os.open(f"{root}/locks/{LEASE}{name}", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    return _held(fd, f"{root}/locks/{LEASE}{name}")


def begin(store: Store, name: str, paths: Iterable[StorePath]) -> int | None:
    """Hold a lease on `paths`, creating it if needed. Return a descriptor, or None if a path is not valid.

    In a store that cannot be written, no lease is needed: this process cannot collect garbage there.
    """
    if not store.is_writable:
        return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC) if store.keep(paths) else None
    path = f"{store.root}/locks/{LEASE}{name}"
    while True:
        try:
            fd = _held(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), path)
        except PermissionError as error:
            from .db.failures import of_system

            raise of_system(store.root / "locks" / f"{LEASE}{name}", error) from None
        if fd is not None:
            break
    if store.database.keep(LEASE + name, paths):
        return fd
    os.close(fd)
    return None


@contextlib.contextmanager
def alone(root: Path | str, name: str) -> Iterator[bool]:
    """Hold a lease, which need not exist, exclusively; other takers wait. Yield False if another process holds it."""
    path = f"{root}/locks/{LEASE}{name}"
    made = False
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except PermissionError:
        yield False  # it belongs to another user and may be held
        return
    except FileNotFoundError:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            made = True
        except OSError:
            yield False  # another process created the file first, or the store belongs to another user
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
            os.unlink(path)  # the lease has no temporary roots, so it keeps nothing
        os.close(fd)


def sweep(store: Store) -> None:
    """End the leases that no process holds, and record the last use of their paths."""
    for path in sorted((store.root / "locks").glob(f"{LEASE}*")):
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, PermissionError, IsADirectoryError):
            continue  # another process ended it, or it belongs to another user and may be held
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            day = int(min(os.fstat(fd).st_mtime, time.time()) // DAY)
            with store.database.transaction() as db:
                # gc deletes recently used paths last.
                roots = db.execute("SELECT path FROM temporary_roots WHERE session = ?", [path.name]).fetchall()
                store.database.insert_uses(db, [(hash_, "", "shell", day) for (hash_,) in roots])
                db.execute("DELETE FROM temporary_roots WHERE session = ?", [path.name])
            with contextlib.suppress(FileNotFoundError, PermissionError):
                os.unlink(path)
        except BlockingIOError:
            continue
        finally:
            os.close(fd)


def _held(fd: int, path: str) -> int | None:
    """Lock an open file for sharing. Close it and return None if it is no longer the file at `path`."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        held, there = os.fstat(fd), os.stat(path)
        if (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino):
            if abs(time.time() - held.st_mtime) > DAY:
                os.utime(fd)  # the time records the last day on which the lease was held
            return fd
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None
