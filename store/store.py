"""Register trees in the store on disk, look paths up, and keep paths alive.

Registration writes a tree to a temporary directory, syncs it, renames it into place and then commits its row. A crash
at any moment leaves a working store. The next process that writes deletes what a crashed process left behind.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.store.files.owners import check_store, make_directories
from fpack.store.files.pool import MTIME, Pool
from fpack.store.files.remove import remove_tree
from fpack.store.files.sync import GroupSync, sync_directory, sync_file_system
from fpack.store.files.writer import TreeWriter

from . import base32, derivation
from .database import Database, PathInfo, insert_path, insert_realisation
from .derivation import Derivation, Output
from .errors import StoreError
from .locks import FileLock
from .path import STORE, StorePath, make, parse
from .recovery import sweep
from .root import SHARED, default_root

_DIRECTORIES = ("store", "files", "tmp", "locks", "logs", "roots", "trash", "partial", "db")  # `db` is made last


class FinishedOutput(NamedTuple):
    """An output to register.

    path: set if the tree mentions its own path, so that the path is not `make` of the tree.
    """

    name: str
    writer: TreeWriter
    references: Sequence[StorePath]
    output: Output
    path: StorePath | None = None


class Store:
    """The store below `root`, which is created if it does not exist."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()
        check_store(os.fspath(self.root), [*_DIRECTORIES, "db/fpack.sqlite"])
        if not (self.root / "db").is_dir():
            self._make_directories()
        self.database = Database(self.root / "db" / "fpack.sqlite")
        self.pool = Pool(self.root / "files")
        self._session: Session | None = None
        self._opening = threading.Lock()
        self._prefix = f"{self.root}/store/"
        self._written = GroupSync(lambda: sync_file_system(self.root))
        self._placed = GroupSync(lambda: sync_directory(self.root / "store"))

    def _make_directories(self) -> None:
        try:
            # A private file of a project stays private in the store. A store at /fpack is readable by everybody.
            make_directories(os.fspath(self.root), 0o755 if self.root == Path(SHARED) else 0o700)
            check_store(os.fspath(self.root))
            for directory in _DIRECTORIES:
                (self.root / directory).mkdir(mode=0o755, exist_ok=True)
        except OSError as error:
            raise StoreError(
                "The store cannot be created", where=str(self.root), why=str(error.strerror),
                hint="set FPACK_ROOT to a directory that you can write to",
            ) from None  # fmt: skip

    def close(self) -> None:
        """End the session and delete its temporary roots and files."""
        if self._session:
            self._session.end()
            self._session = None
        self.database.close()

    @property
    def session(self) -> Session:
        """The session of this process. The first use begins it, after it deletes what crashed sessions left behind."""
        if self._session is None:
            with self._opening:
                if self._session is None:
                    sweep(self.root, self.database, self.pool)
                    self._session = Session(self)
        return self._session

    def disk(self, path: StorePath | str) -> Path:
        """Return the path on disk of a store path, or of a file below a store path that is given as text."""
        if isinstance(path, StorePath):
            return Path(self._prefix + path.base)
        rest = path[len(STORE) + 1 :]
        base, _, below = rest.partition("/")
        if not path.startswith(STORE + "/") or ".." in below.split("/"):
            raise StoreError(f"{path!r} is not in the store")
        place = Path(self._prefix + parse(base).base)
        # A symlink in a tree may lead anywhere; its target is not part of the store.
        for part in below.split("/") if below else ():
            if place.is_symlink():
                raise StoreError(f"{path!r} leads through a symlink")
            place /= part
        return place

    def info(self, path: StorePath) -> PathInfo | None:
        """Return the database row of a path, or None if it is not valid."""
        return self.database.info(base32.decode(path.hash))

    def keep(self, paths: Iterable[StorePath]) -> bool:
        """Protect paths and their closures from gc while this process lives. Return False if one is invalid."""
        return self.database.keep(self.session.name, paths)

    def closure(self, paths: Iterable[StorePath]) -> list[StorePath]:
        """Return the paths and all paths that they reference, transitively, sorted."""
        todo = [base32.decode(p.hash) for p in paths]
        seen: dict[bytes, StorePath] = {}
        while todo:
            hash_ = todo.pop()
            if hash_ in seen:
                continue
            info = self.database.info(hash_)
            if info is None:
                raise StoreError(f"The store has no path with hash {base32.encode(hash_)}")
            seen[hash_] = info.path
            todo += info.references
        return sorted(seen.values())

    def writer(self) -> TreeWriter:
        """Begin a new tree in this session's private directory."""
        return TreeWriter(self.pool, self.session.fresh())

    def derivation(self, digest: bytes) -> Derivation | None:
        """Return the derivation with this digest, or None if it was not recorded."""
        body = self.database.derivation(digest)
        return derivation.decode(body) if body is not None else None

    def register(
        self, name: str, writer: TreeWriter, references: Sequence[StorePath], key: bytes, output: Output
    ) -> StorePath:
        """Make the writer's tree a valid path, and record it as the output of `key` and of a derivation."""
        return self.register_all(key, [FinishedOutput(name, writer, references, output)])[0]

    def register_all(self, key: bytes, outputs: Sequence[FinishedOutput]) -> list[StorePath]:
        """Make the outputs of one derivation valid paths, all or none. An output may reference those before it."""
        made = []
        for entry in outputs:
            tree = entry.writer.finish()
            references = sorted(set(entry.references))
            path = entry.path or make(entry.name, tree, references)
            made.append((entry, tree, references, path))
        with contextlib.ExitStack() as locks:
            # The locks exclude gc and processes that register the same paths.
            for stripe in sorted({path.hash[:2] for *_, path in made}):
                locks.enter_context(FileLock(self.root / "locks" / f"path-{stripe}", transient=False))
            new = [(path, entry.writer) for entry, _, _, path in made if self.info(path) is None]
            if new:
                self._written.sync()
                for path, writer in dict(new).items():
                    self._place(path, writer)
                self._placed.sync()
            with self.database.transaction() as db:
                for entry, tree, references, path in made:
                    hashes = [base32.decode(r.hash) for r in references]
                    for reference in hashes:
                        if not db.execute("SELECT 1 FROM paths WHERE hash = ?", [reference]).fetchone():
                            raise StoreError(f"{path} references a path that is not in the store")
                    insert_path(db, path, tree, entry.writer.size, int(time.time()), hashes)
                    insert_realisation(db, key, entry.output, path)
                    row = (self.session.name, base32.decode(path.hash))
                    db.execute("INSERT OR IGNORE INTO temporary_roots VALUES (?, ?)", row)
        for entry, *_ in made:
            remove_tree(entry.writer.disk)
        return [path for *_, path in made]

    def adopt(self, key: bytes, output: Output, path: StorePath) -> None:
        """Record a valid path as the output of a derivation (an early cutoff)."""
        with self.database.transaction() as db:
            insert_realisation(db, key, output, path)

    def _place(self, path: StorePath, writer: TreeWriter) -> None:
        target = self.disk(path)
        if os.path.lexists(target):
            # A crash left it, or a running gc has not deleted it yet.
            os.rename(target, self.root / "trash" / os.urandom(8).hex())
        # A symlink to a directory may lead anywhere, so it is not treated as a directory.
        directory = stat.S_ISDIR(os.lstat(writer.disk).st_mode)
        if directory:
            # Renaming a directory to another parent needs write permission on the directory.
            os.chmod(writer.disk, 0o755)
        os.rename(writer.disk, target)
        if directory:
            os.chmod(target, 0o555)
            os.utime(target, (MTIME, MTIME))


class Session:
    """The use of the store by one process: a locked file, a directory for temporary files, temporary roots."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.name = f"{os.getpid()}-{os.urandom(6).hex()}"
        self.directory = store.root / "tmp" / self.name
        self._count = 0
        self._lock = FileLock(store.root / "tmp" / f"{self.name}.lock")
        try:
            self._lock.acquire()
            self.directory.mkdir(mode=0o700)
        except OSError as error:
            raise StoreError(
                "The store cannot be written", where=str(store.root), why=str(error.strerror),
                hint="check the owner of the directory and the free space on its disk",
            ) from None  # fmt: skip

    def fresh(self) -> Path:
        """Return an unused path in the session's directory."""
        self._count += 1
        return self.directory / f"{self._count}-{os.urandom(4).hex()}"

    def end(self) -> None:
        """Delete the session's files and temporary roots."""
        with contextlib.suppress(OSError):
            remove_tree(self.directory)
        with self._store.database.transaction() as db:
            db.execute("DELETE FROM temporary_roots WHERE session = ?", [self.name])
        self._lock.release()
