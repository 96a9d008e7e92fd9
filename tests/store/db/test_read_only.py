"""A database that this user may only read: another user's writes never mix into what is read."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from fpack.store.database import Database
from fpack.store.db import read_only
from fpack.store.errors import StoreBusy, StoreReadOnly
from fpack.store.store import Store
from support.attacks.strangers import acting_as, as_root
from support.stores.small_trees import add


def shared(place: Path) -> Path:
    """Make the store of root that everybody may read."""
    os.chown(place, 0, 0)
    store = Store(place / "f")
    add(store, "a", "one")
    store.close()
    for path in (place, place / "f", place / "f/db"):
        path.chmod(0o755)
    for path in (place / "f/db").iterdir():
        path.chmod(0o644)
    return place / "f/db/fpack.sqlite"


def read_all(database: Database) -> list[tuple[bytes]]:
    with database.reading() as db:
        return db.execute("SELECT body FROM derivations").fetchall()


def write(path: Path, text: bytes) -> None:
    """Change many rows in one commit, which the end of the connection copies from the log into the database."""
    with as_root():
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("BEGIN")
        rows = ((b"%d" % n, text) for n in range(400))
        db.executemany("INSERT OR REPLACE INTO derivations (digest, body) VALUES (?, ?)", rows)
        db.execute("COMMIT")
        db.close()


def test_pages_are_not_torn_while_another_user_writes() -> None:
    with acting_as("user") as place:
        with as_root():
            path = shared(place)
        write(path, b"one".ljust(3000))
        database = Database(path)
        with database.reading() as db:
            rows = db.execute("SELECT body FROM derivations")
            found = [rows.fetchone()]
            write(path, b"two".ljust(3000))
            found += rows.fetchall()
        assert len(found) == 400 and len(set(found)) == 1, "one commit wrote all rows"
        database.close()
        database = Database(path)
        assert {body[:3] for (body,) in read_all(database)} == {b"two"}
        database.close()


@pytest.mark.parametrize("log", [False, True], ids=["whole", "with a log"])
def test_a_copy_counts_only_if_nothing_changed_meanwhile(
    tmp_path: Path, log: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE t (n)")
    if not log:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    changes = 2
    real = read_only._copy

    def copy(path: Path) -> sqlite3.Connection | None:
        nonlocal changes
        found = real(path)
        if changes:
            changes -= 1
            db.execute("INSERT INTO t VALUES (1)")
        return found

    monkeypatch.setattr(read_only, "_copy", copy)
    found = read_only.connect(path)
    assert found is not None and found.execute("SELECT count(*) FROM t").fetchone() == (2,)
    with pytest.raises(sqlite3.OperationalError):
        found.execute("INSERT INTO t VALUES (2)")
    found.close()
    monkeypatch.setattr(read_only, "_ATTEMPTS", 3)
    changes = 1 << 20
    with pytest.raises(StoreBusy, match="changes while it is read"):
        read_only.connect(path)
    db.close()


def test_a_user_who_may_only_read_is_told_or_served() -> None:
    with acting_as("user") as place:
        with as_root():
            path = shared(place)
        database = Database(path)  # nobody uses the store, and there is no file of the log
        assert [info.path.name for info in database.paths()] == ["a"]
        with pytest.raises(StoreReadOnly), database.transaction():
            pass
        database.close()
        assert sorted(entry.name for entry in path.parent.iterdir()) == ["fpack.sqlite", "journal", "reserve"]
        with as_root():
            path.chmod(0o600)
        with pytest.raises(StoreReadOnly, match="cannot be opened") as caught:
            Database(path)
        assert caught.value.hint
