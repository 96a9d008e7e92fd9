"""The database: history, pins and uses, and what is noticed when its file is lost, cut off or rotten."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from fpack.store import DAY
from fpack.store.db import journal
from fpack.store.derivation import Derivation, Output, digest
from fpack.store.errors import StoreDamaged, StoreError, StoreFull
from fpack.store.sessions.registration import BuildRecord, FinishedOutput
from fpack.store.store import Store
from support.stores.small_trees import add

BODY = Derivation("text", "thing", {"text": "hello"}).encode()


def test_a_transaction_within_another_is_an_error_and_leaves_the_outer_one_whole(store: Store) -> None:
    path = add(store, "a", "one")
    database = store.database
    before = list(journal.rows_of(journal.read(database.journal)))
    with database.transaction() as db:
        database.insert_pin(db, path, "/project", "image", 5)
        for begin in (database.transaction, database.reading):
            with pytest.raises(StoreError, match="within another"), begin():
                pass
        assert journal.read(database.journal) and list(journal.rows_of(journal.read(database.journal))) == before
        # A damaged derivation cannot be deleted now. The lookup fails without ending the transaction.
        db.execute("INSERT INTO derivations (digest, body) VALUES (?, ?)", [b"d" * 20, b"damaged"])
        assert database.derivation(b"d" * 20) is None
    assert database.pinned_until(path, "/project", "image") == 5
    after = list(journal.rows_of(journal.read(database.journal)))
    assert [row[0] for row in after[len(before) :]] == ["pin"]
    with database.reading(), pytest.raises(StoreError, match="within another"), database.transaction():
        pass
    assert database.derivation(b"d" * 20) is None and not database._rows("SELECT * FROM derivations")


def test_the_history_has_each_build_the_latest_first(store: Store) -> None:
    writer = store.writer()
    writer.file("", [b"x"])
    output = Output(b"d" * 20)
    (path,) = store.register_all(
        b"key", [FinishedOutput("thing", writer, [], output)], BuildRecord("thing", "text", "built", 1.5)
    )
    store.adopt(b"other", {Output(b"e" * 20): path}, BuildRecord("thing", "text", "cut-off"))
    store.record_failure(b"f" * 20, "broken", "exec", 0.25)
    found = store.database.history()
    assert [(e.name, e.kind, e.outcome, e.seconds, e.path) for e in found] == [
        ("broken", "exec", "failed", 0.25, None),
        ("thing", "text", "cut-off", 0.0, path),
        ("thing", "text", "built", 1.5, path),
    ]
    assert abs(found[0].at - time.time()) < 100
    assert [e.outcome for e in store.database.history("thing", 1)] == ["cut-off"]


def test_a_use_is_written_once_a_day(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = add(store, "a", "one")
    before = store.database._db.total_changes
    store.used([path], "/project", "image")
    written = store.database._db.total_changes
    assert written == before + 1
    store.used([path], "/project", "image")
    assert store.database._db.total_changes == written
    tomorrow = time.time() + DAY
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    store.used([path], "/project", "image")
    assert store.database.used_on(path, "/project", "image") == int(tomorrow // DAY)


def test_one_pin_for_each_project_and_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = add(store, "a", "one"), add(store, "b", "two")
    monkeypatch.setenv("FPACK_GC_KEEP_PACKS", "3")
    for path, name in ((a, "image"), (a, "other"), (b, "image")):
        store.pin(path, os.fsdecode(b"/pro\xffject"), name)
    rows = store.database._rows("SELECT path, name, expires FROM pins ORDER BY name")
    assert len(rows) == 2
    assert all(0 < row[2] - time.time() <= 3 * DAY for row in rows if isinstance(row[2], int))


def test_a_damaged_derivation_is_not_handed_out_and_can_be_written_again(store: Store) -> None:
    name = digest(BODY)
    store.database.add_derivations({name: BODY})
    with store.database.transaction() as db:
        db.execute("UPDATE derivations SET body = ?", [BODY.replace(b"hello", b"hallo")])
    assert store.database.derivation(name) is None
    store.database.add_derivations({name: BODY})
    assert store.database.derivation(name) == BODY


def test_what_a_process_planned_is_known_to_it_and_recorded_again_with_its_output(store: Store) -> None:
    name = digest(BODY)
    store.plan({name: BODY})
    with store.database.transaction() as db:
        db.execute("DELETE FROM derivations")
    assert store.derivation(name) == Derivation("text", "thing", {"text": "hello"})
    writer = store.writer()
    writer.file("", [b"x"])
    store.register("thing", writer, [], b"key", Output(name))
    assert store.database.derivation(name) == BODY


@pytest.mark.parametrize("how", ["deleted", "emptied", "cut"])
def test_a_lost_database_is_noticed(tmp_path: Path, how: str) -> None:
    store = Store(tmp_path / "fpack")
    for n in range(200):
        add(store, "a", f"text {n}")
    store.close()
    path = store.root / "db/fpack.sqlite"
    assert not Path(f"{path}-wal").exists()
    size = path.stat().st_size
    if how == "deleted":
        path.unlink()
    else:
        os.truncate(path, 0 if how == "emptied" else size // 8192 * 4096)
    for _ in range(2):
        with pytest.raises(StoreDamaged) as caught:
            Store(tmp_path / "fpack").database.paths()
        assert "fpack store rebuild-database" in caught.value.hint
    assert len(list((store.root / "store").iterdir())) == 200


def test_a_lost_database_without_a_journal_is_noticed(tmp_path: Path) -> None:
    store = Store(tmp_path / "fpack")
    add(store, "a", "one")
    store.close()
    (store.root / "db/fpack.sqlite").unlink()
    (store.root / "db/journal").unlink()
    with pytest.raises(StoreDamaged):
        Store(tmp_path / "fpack")


def test_a_database_in_use_is_not_taken_for_cut_off(store: Store) -> None:
    for n in range(50):
        add(store, "a", f"text {n}")
        other = Store(store.root)
        assert len(other.database.paths()) == n + 1
        other.close()


def test_a_journal_that_cannot_be_written_fails_the_commit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from fpack.store.db import journal

    def full(path: Path, rows: object) -> bool:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal, "append", full)
        with pytest.raises(StoreFull):
            add(store, "a", "one")
    assert store.database.paths() == []
    add(store, "a", "one")
    assert len(store.database.paths()) == 1


def test_a_session_notes_the_last_derivation(store: Store) -> None:
    store.database.add_derivations({b"%d" % n: b"body" for n in range(3)})
    name = store.session.name
    assert (store.root / f"tmp/{name}.lock").read_text() == "3"
    assert not store.keep([add(store, "a", "one"), add(store, "a", "two")._replace(hash="0" * 32)])
