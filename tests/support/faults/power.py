"""A disk that loses power: it records what each step of a store changed, and makes what may be left of it.

Steps are renames, deletions, commits and syncs. After a loss of power the directories are as they were after any step
since the last sync, the database is as it was after any commit since the last durable one, its journal is as it was
after any commit since the journal's last sync, and files that were written since the last sync of the file system are
empty.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fpack.store.database import Database
from fpack.store.db import connection, journal
from fpack.store.files.sync import FileSystemSync
from fpack.store.sessions import deferred_sync
from fpack.store.sessions.session import Session

DIRECTORIES = ("store", "files", "roots", "trash", "tmp", "locks", "logs", "partial", "db")

FULL = 2  # PRAGMA synchronous: a commit syncs the log


class PowerLoss(BaseException):
    """The end of all processes, in the middle of a step."""


class Entry(NamedTuple):
    """A file, directory or link: its mode, its inode, and the content or target."""

    mode: int
    inode: int
    content: bytes


State = dict[str, Entry]


class Disk:
    """The disk of the store at `root`. `steps` counts the steps; power is lost before step `lost_at`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._count = 0
        self.root = directory / "0"
        self.steps = 0
        self.lost_at = -1
        self.directories: list[State] = []
        self.databases: list[bytes] = []
        self.journals: list[bytes] = []
        self.synced: set[int] = set()  # inodes whose content is on the disk

    def settle(self) -> None:
        """Everything so far is on the disk."""
        self.directories = [self._state()]
        self.databases = [self._database()]
        self.synced_journal()
        self.synced = {entry.inode for entry in self.directories[0].values()}

    def _state(self) -> State:
        found: State = {}
        for name in ("store", "files", "roots", "trash"):
            for directory, folders, files in os.walk(self.root / name):
                for each in (*folders, *files):
                    path = f"{directory}/{each}"
                    status = os.lstat(path)
                    content = b""
                    if stat.S_ISLNK(status.st_mode):
                        content = os.fsencode(os.readlink(path))
                    elif stat.S_ISREG(status.st_mode):
                        content = Path(path).read_bytes()
                    found[path[len(f"{self.root}/") :]] = Entry(status.st_mode, status.st_ino, content)
        return found

    def _database(self) -> bytes:
        db = sqlite3.connect(self.root / "db/fpack.sqlite")
        try:
            return db.serialize()
        finally:
            db.close()

    def step(self) -> None:
        """Count a step that begins, or lose power."""
        if self.steps == self.lost_at:
            raise PowerLoss
        self.steps += 1

    def changed(self) -> None:
        """Record what a step left."""
        self.directories.append(self._state())

    def committed(self, durable: bool) -> None:
        """Record a commit."""
        if durable:
            self.databases.clear()
        self.databases.append(self._database())
        self.journals.append(self._journal())

    def _journal(self) -> bytes:
        try:
            return (self.root / "db/journal").read_bytes()
        except FileNotFoundError:
            return b""

    def synced_journal(self) -> None:
        """Record a sync of the journal."""
        self.journals = [self._journal()]

    def synced_all(self) -> None:
        """Record a sync of the whole file system."""
        self.settle()

    def lose(self, directories: int, database: int) -> None:
        """Make what is left after a loss of power at a new place. The arguments choose among the possible states."""
        state = self.directories[directories % len(self.directories)]
        data = self.databases[database % len(self.databases)]
        old = self.root
        self._count += 1
        self.root = self._directory / str(self._count)
        for name in DIRECTORIES:
            (self.root / name).mkdir(parents=True)
        self.root.chmod(0o700)
        inodes: dict[int, str] = {}
        folders = []
        for name, entry in sorted(state.items()):
            path = f"{self.root}/{name}"
            if stat.S_ISDIR(entry.mode):
                os.mkdir(path)
                folders.append((path, entry.mode & 0o7777))
            elif stat.S_ISLNK(entry.mode):
                os.symlink(entry.content, path)
                os.utime(path, (1, 1), follow_symlinks=False)
            elif entry.inode in inodes:
                os.link(inodes[entry.inode], path)
            else:
                Path(path).write_bytes(entry.content if entry.inode in self.synced else b"")
                os.chmod(path, entry.mode & 0o7777)
                os.utime(path, (1, 1))
                inodes[entry.inode] = path
        for path, mode in reversed(folders):
            os.utime(path, (1, 1))
            os.chmod(path, mode)
        (self.root / "db/fpack.sqlite").write_bytes(data)
        if data_of_journal := self.journals[database % len(self.journals)]:
            (self.root / "db/journal").write_bytes(data_of_journal)
        subdirectories = [path for path in old.rglob("*") if path.is_dir() and not path.is_symlink()]
        for path_ in subdirectories:
            path_.chmod(0o700)
        shutil.rmtree(old)
        self.settle()


@contextmanager
def recorded(disk: Disk) -> Iterator[None]:
    """Record the steps of the code within, and lose power where the disk says."""

    def wrapped(real: Callable[..., Any], watched: Callable[..., bool]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not watched(*args):
                return real(*args, **kwargs)
            disk.step()
            result = real(*args, **kwargs)
            disk.changed()
            return result

        return call

    def in_store(*paths: object) -> bool:
        prefix = f"{disk.root}/"
        return any(
            isinstance(path, str | Path) and str(path).startswith((f"{prefix}store", f"{prefix}files"))
            for path in paths
        )

    def sync_all(self: FileSystemSync) -> None:
        disk.step()
        disk.synced_all()

    def sync_database(self: Database) -> None:
        disk.step()
        real_sync(self)
        disk.committed(True)

    def sync_file(path: str | Path) -> None:
        if str(path) == f"{disk.root}/db/journal":
            disk.synced_journal()

    def replace(path: Path, records: Iterable[bytes]) -> None:
        real_replace(path, records)
        disk.synced_journal()

    def sync_later(
        session: Session, file_system: FileSystemSync, after: deferred_sync.Work, *, has_failed: bool
    ) -> None:
        try:
            deferred_sync._finish(session.lock, file_system, after, has_failed)
        finally:
            session.lock.release(keep=True)

    real, real_sync, real_replace = Database.transaction, Database.sync, journal._replace

    @contextmanager
    def transaction(self: Database, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        disk.step()
        level = 0
        with real(self, durable=durable) as db:
            yield db
            (level,) = db.execute("PRAGMA synchronous").fetchone()
        disk.committed(level >= FULL)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rename", wrapped(os.rename, in_store))
        patch.setattr(os, "unlink", wrapped(os.unlink, in_store))
        patch.setattr(FileSystemSync, "sync", sync_all)
        patch.setattr(Database, "sync", sync_database)
        patch.setattr(connection, "sync_file", sync_file)
        patch.setattr(journal, "_replace", replace)
        patch.setattr(Database, "transaction", transaction)
        patch.setattr(deferred_sync, "sync_later", sync_later)
        yield
