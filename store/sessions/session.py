"""Manage one process's use of the store: its lock file, its temporary files and its temporary roots."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from fpack.store.database import Database
from fpack.store.errors import StoreError, StoreReadOnly
from fpack.store.files import space
from fpack.store.files.remove import remove_tree
from fpack.store.locks import FileLock


class Session:
    """The use of the store by one process: a locked file, a directory for temporary files, temporary roots."""

    def __init__(self, root: Path, database: Database) -> None:
        self._root = root
        self._database = database
        self.name = f"{os.getpid()}-{os.urandom(6).hex()}"
        self.directory = root / "tmp" / self.name
        self._count = 0
        self.lock = FileLock(root / "tmp" / f"{self.name}.lock")
        try:
            self.lock.acquire()
            self.directory.mkdir(mode=0o700)
            # gc keeps all derivations with higher ids. Until the id is written, gc keeps all derivations.
            self.lock.write(str(self._database.last_derivation()))
        except OSError as error:
            self.lock.release()
            if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise StoreReadOnly(
                    "The store cannot be written", where=str(root), why=str(error.strerror),
                    hint="check the owner of the store and whether its file system is mounted read-only",
                ) from None  # fmt: skip
            raise

    def fresh(self) -> Path:
        """Return an unused path in the session's directory."""
        self._count += 1
        return self.directory / f"{self._count}-{os.urandom(4).hex()}"

    def end(self, *, is_owing: bool = False) -> None:
        """Delete the session's files and temporary roots. The next session deletes files that cannot be deleted now.

        is_owing: keep the lock, for `deferred_sync.sync_later`, and the temporary roots, as those of a living session.
        """
        try:
            remove_tree(self.directory)
            if is_owing:
                return
            with self._database.transaction() as db:
                db.execute("DELETE FROM temporary_roots WHERE session = ?", [self.name])
        except (OSError, StoreError):
            # The command's own result or error matters more than this one.
            if not is_owing:
                self.lock.release(keep=True)
        else:
            self.lock.release()
            space.hold_back(self._root)  # the database may have grown
