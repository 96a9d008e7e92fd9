"""Formats of the database: an older one is upgraded in one transaction, a newer one is left alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.store.database import Database
from fpack.store.db import schema
from fpack.store.derivation import Output
from fpack.store.errors import StoreError
from fpack.store.store import Store
from support.stores.small_trees import add

ROOT = "fpack"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Yield the database of a store of format 1, with one path."""
    store = Store(tmp_path / ROOT)
    add(store, "a", "one")
    store.close()
    path = store.root / "db/fpack.sqlite"
    with sqlite3.connect(path) as db:
        for table in ("uses", "pins", "history", "named_roots", "unsynced"):
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version = 1")
    db.close()
    (store.root / "db/journal").unlink()
    yield path


def version(path: Path) -> int:
    db = sqlite3.connect(path)
    (found,) = db.execute("PRAGMA user_version").fetchone()
    db.close()
    return int(found)


def test_an_older_database_is_upgraded_and_keeps_its_rows(path: Path) -> None:
    store = Store(path.parent.parent)
    assert version(path) == schema.FORMAT
    built = store.database.built(Output(b"one".ljust(20)))
    assert built is not None and store.info(built)
    assert store.database.history() == []
    store.pin(built, "/project", "image")
    store.used([built], "/project", "image")
    store.close()


def test_the_first_commit_after_an_upgrade_writes_the_whole_journal(path: Path) -> None:
    from fpack.store.db import journal

    store = Store(path.parent.parent)
    add(store, "b", "two")
    store.close()
    kinds = [row[0] for row in journal.rows_of(journal.read(path.with_name("journal")))]
    assert kinds.count("path") == 2 and kinds.count("output") == 2


def test_an_upgrade_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(schema.STEPS, 1, schema.STEPS[1] + "; CREATE TABLE paths (id INTEGER)")
    with pytest.raises(StoreError):
        Database(path)
    assert version(path) == 1
    db = sqlite3.connect(path)
    assert "uses" not in [name for (name,) in db.execute("SELECT name FROM sqlite_master")]
    db.close()


def test_a_database_that_cannot_be_upgraded_is_read_as_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(db: sqlite3.Connection) -> int:
        error = sqlite3.OperationalError("attempt to write a readonly database")
        error.sqlite_errorcode = sqlite3.SQLITE_READONLY
        raise error

    monkeypatch.setattr(schema, "upgrade", refuse)
    database = Database(path)
    assert len(database.paths()) == 1 and database.history() == []
    database.close()


def test_a_newer_database_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {schema.FORMAT + 1}")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"format {schema.FORMAT + 1}") as caught:
        Database(path)
    assert "update fpack" in caught.value.hint and path.read_bytes() == before


def test_every_format_has_a_step_to_the_next() -> None:
    assert sorted(schema.STEPS) == list(range(schema.FORMAT))
