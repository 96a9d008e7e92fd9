"""Read a lock from a file, and write it, merged with what other processes changed."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from fpack.store.files import replace
from fpack.store.files.regular_file import read_bytes

from .records import Lock, LockChanged, LockCorrupt, LockError
from .text import HINT, format_lock, parse_lock

MAX_SIZE = 16 << 20  # bytes; each takes up to 30 of memory while the lock is read


class LockFile:
    """A lock on disk. Change its content, `lock`, in place; `save` writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = self._read()
        self._base = self.lock.copy()

    def _read(self) -> Lock:
        try:
            data = read_bytes(self.path, MAX_SIZE + 1)
            if len(data) > MAX_SIZE:
                why = f"it has more than {MAX_SIZE} bytes"
                raise LockCorrupt("The lock is too large", where=str(self.path), why=why, hint=HINT)
            text = data.decode().replace("\r\n", "\n")
        except FileNotFoundError:
            return Lock()
        except UnicodeDecodeError:
            raise LockError("The lock cannot be read", where=str(self.path), why="it is not UTF-8", hint=HINT) from None
        except OSError as error:
            why = error.strerror or str(error)
            raise LockError("The lock cannot be read", where=str(self.path), why=why) from None
        return parse_lock(text, str(self.path))

    @property
    def changed(self) -> bool:
        """True if there are unsaved changes."""
        return self.lock != self._base

    def save(self) -> None:
        """Write the lock atomically, merged with changes of other processes since it was read.

        Raise LockChanged if another process changed the same entries.
        """
        if not self.changed:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked():
                theirs = self._read()
                new = self.lock if theirs == self._base else self.lock.merged(self._base, theirs)
                if new is None:
                    raise LockChanged(
                        "The lock was changed by another process at the same time",
                        where=str(self.path),
                        hint="run the command again",
                    )
                replace.write(self.path, format_lock(new).encode(), mode=0o644, durable=True)
        except replace.OutsideError as error:
            # With such a symlink, a cloned project could change another project's lock or create files anywhere.
            raise LockError(
                f"The lock {error.what}", why=error.why, hint=f"use --lock {error.real}, or delete the link"
            ) from None
        except OSError as error:
            raise LockError(
                "The lock cannot be written", where=str(self.path), why=error.strerror or "",
                hint="free some space there, or name another file with --lock",
            ) from None  # fmt: skip
        self.lock = new
        self._base = new.copy()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Exclude other writers with flock on the directory, which needs no extra lock file."""
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield
        finally:
            os.close(directory)

    def checked_at(self) -> float:
        """Return when the lock was last written or confirmed to be current (Unix seconds); 0 if there is no file."""
        try:
            return self.path.stat().st_mtime
        except OSError:
            return 0.0

    def confirm(self, now: float) -> None:
        """Record that the lock is current at the time `now`, in the file's modification time."""
        with contextlib.suppress(OSError):
            os.utime(self.path, (now, now))
