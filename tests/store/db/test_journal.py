"""The journal: what was written is read again, whatever happens to other parts of the file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from fpack.store.db import journal
from fpack.store.store import Store
from hypothesis import given
from hypothesis import strategies as st
from support.stores.small_trees import add

BATCHES: list[list[list[object]]] = [
    [["derivation", bytes([n]) * (n * 40)], ["output", b"d" * 20, "out", b"p" * 20]] for n in range(6)
]
DATA = b"".join(journal.record(batch) for batch in BATCHES)


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "journal"
    path.write_bytes(data)
    return path


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = written(tmp_path, b"")
    for batch in BATCHES:
        assert journal.append(path, batch)
    assert list(journal.read(path)) == BATCHES


def test_there_is_nothing_to_append_to_or_to_read(tmp_path: Path) -> None:
    assert not journal.append(tmp_path / "journal", BATCHES[0])
    assert not (tmp_path / "journal").exists() and list(journal.read(tmp_path / "journal")) == []


def test_a_cut_at_any_byte_loses_only_the_last_record(tmp_path_factory: object, tmp_path: Path) -> None:
    ends = [len(b"".join(journal.record(b) for b in BATCHES[:n])) for n in range(len(BATCHES) + 1)]
    for cut in range(len(DATA) + 1):
        found = list(journal.read(written(tmp_path, DATA[:cut])))
        assert found == BATCHES[: sum(end <= cut for end in ends) - 1]


@given(st.integers(0, len(DATA) * 8 - 1), st.binary(max_size=30))
def test_a_flipped_bit_or_rubbish_loses_only_one_record(bit: int, rubbish: bytes) -> None:
    import tempfile

    data = bytearray(DATA)
    data[bit // 8] ^= 1 << bit % 8
    with tempfile.TemporaryDirectory() as directory:
        found = list(journal.read(written(Path(directory), bytes(data))))
        assert len(found) == len(BATCHES) - 1 and all(batch in BATCHES for batch in found)
        data = bytearray(DATA)
        data[len(journal.record(BATCHES[0])) : len(journal.record(BATCHES[0]))] = rubbish
        assert list(journal.read(written(Path(directory), bytes(data)))) == BATCHES


def test_the_journal_has_every_row_of_the_database(store: Store) -> None:
    a = add(store, "a", "one")
    add(store, "b", "two", [a])
    store.plan({b"d" * 20: b"body"})
    store.pin(a, "/project", "image")
    store.database.use_generation(7)
    path = store.root / "db/journal"
    appended = list(journal.rows_of(journal.read(path)))
    store.database.rewrite_journal()
    rewritten = list(journal.rows_of(journal.read(path)))
    assert ["settle", 7] in rewritten and ["settle", 7] in appended
    assert {row[0] for row in rewritten} == {"path", "derivation", "realisation", "pin", "settle"}
    assert all(row in appended for row in rewritten)


def test_a_transaction_that_is_rolled_back_leaves_no_rows_behind(store: Store) -> None:
    a = add(store, "a", "one")
    try:
        with store.database.transaction() as db:
            store.database.insert_pin(db, a, "/project", "image", 1)
            raise KeyError
    except KeyError:
        pass
    store.pin(a, "/other", "image")
    pins = [row for row in journal.rows_of(journal.read(store.root / "db/journal")) if row[0] == "pin"]
    assert [row[2] for row in pins] == ["/other"]


def test_derivations_are_written_once(store: Store) -> None:
    store.database.add_derivations({b"a" * 20: b"one"})
    store.database.add_derivations({b"a" * 20: b"one", b"b" * 20: b"two"})
    rows = list(journal.rows_of(journal.read(store.root / "db/journal")))
    assert [row for row in rows if row[0] == "derivation"] == [["derivation", b"one"], ["derivation", b"two"]]


def test_a_lost_journal_gets_all_rows_and_a_new_one_those_of_its_first_commit(tmp_path: Path) -> None:
    path = tmp_path / "db/journal"
    first = Store(tmp_path)  # this connection makes the tables
    assert not path.exists()
    first.database.add_derivations({b"a" * 20: b"one"})
    assert [row[0] for row in journal.rows_of(journal.read(path))] == ["settle", "derivation"]
    path.unlink()
    first.database.add_derivations({b"b" * 20: b"two"})
    assert [row[1] for row in journal.rows_of(journal.read(path)) if row[0] == "derivation"] == [b"one", b"two"]
    first.close()


def test_a_lost_journal_gets_the_rows_of_another_process_beside_the_one_that_made_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "db/journal"
    first = Store(tmp_path)
    other = Store(tmp_path)
    other.database.add_derivations({b"a" * 20: b"one"})
    path.unlink()
    first.database.add_derivations({b"b" * 20: b"two"})
    assert [row[1] for row in journal.rows_of(journal.read(path)) if row[0] == "derivation"] == [b"one", b"two"]
    first.close()
    other.close()


def test_a_batch_is_small_whatever_the_database_holds(tmp_path: Path) -> None:
    db = sqlite3.connect(":memory:")
    from fpack.store.db import schema

    schema.upgrade(db)
    db.executemany(
        "INSERT INTO derivations (digest, body) VALUES (?, ?)", ((b"%d" % n, b"x" * 9000) for n in range(500))
    )
    journal.rewrite(tmp_path / "journal", db)
    sizes = [
        sum(len(row[1]) for row in batch if isinstance(row[1], bytes)) for batch in journal.read(tmp_path / "journal")
    ]
    assert sum(sizes) == 500 * 9000 and max(sizes) < 2 << 20
