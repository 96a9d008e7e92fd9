"""gc deletes what nothing needs, and nothing else, beside whatever else is going on."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from fpack.store import gc
from fpack.store.collection import deletion
from fpack.store.collection import roots as collection_roots
from fpack.store.collection.selection import Root
from fpack.store.collection.survey import Survey
from fpack.store.path import StorePath
from fpack.store.store import Store
from support.stores.small_trees import add


def reopened(store: Store) -> Store:
    store.close()
    return Store(store.root)


def test_a_live_process_keeps_what_it_made_and_what_it_looked_up(tmp_path: Path) -> None:
    one, two = Store(tmp_path / "f"), Store(tmp_path / "f")
    a = add(one, "a", "one")
    b = add(one, "b", "two", [a])
    assert gc.collect(two).deleted == ()
    assert two.keep([b])
    one.close()
    assert gc.collect(Store(tmp_path / "f")).deleted == ()
    two.close()
    last = Store(tmp_path / "f")
    assert set(gc.collect(last).deleted) == {a, b}
    assert not last.keep([b])
    assert not last.disk(a).exists() and not last.disk(b).exists()
    last.close()


def test_a_result_keeps_its_closure_until_its_link_is_gone(tmp_path: Path) -> None:
    store = Store(tmp_path / "f")
    a = add(store, "a", "one")
    b = add(store, "b", "two", [a])
    c = add(store, "c", "three")
    gc.add_root(store, tmp_path / "result", store.disk(b))
    store = reopened(store)
    assert gc.collect(store, dry_run=True).deleted == (c,)
    assert store.info(c) is not None
    blocks = [path.stat().st_blocks for path in (store.disk(c), store.disk(c) / "file")]
    done = gc.collect(store)
    assert done.deleted == (c,) and done.kept == 2 and done.freed == sum(blocks) * 512
    assert (tmp_path / "result" / "file").read_text() == "two"
    (tmp_path / "result").unlink()
    assert set(gc.collect(store).deleted) == {a, b}
    assert list((store.root / "roots").iterdir()) == []
    store.close()


def test_a_result_link_that_was_replaced_by_something_else_is_no_root(tmp_path: Path) -> None:
    store = Store(tmp_path / "f")
    a = add(store, "a", "one")
    gc.add_root(store, tmp_path / "result", store.disk(a))
    (tmp_path / "result").unlink()
    (tmp_path / "result").symlink_to("/etc")
    store = reopened(store)
    assert gc.collect(store).deleted == (a,)
    assert os.path.isdir("/etc")
    store.close()


def test_what_was_deleted_is_made_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "f")
    a = add(store, "a", "one")
    store = reopened(store)
    gc.collect(store)
    assert store.database.realised(b"one", "out") is None
    assert add(store, "a", "one") == a
    store.close()


def test_young_paths_can_be_spared(tmp_path: Path) -> None:
    store = Store(tmp_path / "f")
    add(store, "a", "one")
    store = reopened(store)
    assert gc.collect(store, older_than=3600).deleted == ()
    store.close()


def test_strangers_in_the_store_are_deleted(store: Store) -> None:
    (store.root / "store" / "not a path").mkdir()
    (store.root / "store" / ("0" * 32 + "-orphan")).mkdir()
    gc.collect(store)
    assert list((store.root / "store").iterdir()) == []


def test_gc_beside_registration_never_breaks_a_valid_path(tmp_path: Path) -> None:
    root = tmp_path / "f"
    Store(root).close()
    stop = threading.Event()
    problems: list[str] = []

    def make(start: int) -> None:
        n = 0
        while not stop.is_set():
            store = Store(root)
            paths = [add(store, "x", f"text {(start + n + i) % 7}") for i in range(3)]
            for path in paths:
                if not (store.disk(path) / "file").is_file():
                    problems.append(f"{path} is gone")
            store.close()
            n += 1

    threads = [threading.Thread(target=make, args=(i * 3,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(15):
        collector = Store(root)
        gc.collect(collector)
        collector.close()
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []


def test_rows_are_durable_before_trees_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a loss of power leaves rows of trees that are gone."""
    store = Store(tmp_path / "f")
    add(store, "a", "one")
    store = reopened(store)
    events: list[str] = []
    store.database._db.set_trace_callback(events.append)
    real = os.rename

    def rename(a: object, b: object) -> None:
        if "trash" in os.fspath(b):  # type: ignore[call-overload]
            events.append("rename")
        real(a, b)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "rename", rename)
    gc.collect(store)
    first = events.index("rename")
    forgotten = max(n for n, text in enumerate(events) if text.startswith("DELETE FROM paths"))
    commit = events.index("COMMIT", forgotten)
    level = [text for text in events[:forgotten] if text.startswith("PRAGMA synchronous")][-1]
    assert forgotten < commit < first and level == "PRAGMA synchronous = FULL"
    store.close()


def test_a_root_is_placed_before_a_collection_or_after_it(tmp_path: Path) -> None:
    """Else the path of a link that is placed between finding the roots and deleting could be deleted."""
    store, other = Store(tmp_path / "f"), Store(tmp_path / "f")
    a = add(store, "a", "one")
    store = reopened(store)
    placed: list[threading.Thread] = []
    real = collection_roots.links

    def roots(root: Path) -> list[Root]:
        found = real(root)
        if placed:
            return found
        placed.append(threading.Thread(target=gc.add_root, args=(other, tmp_path / "result", other.disk(a))))
        placed[0].start()
        placed[0].join(0.3)
        assert placed[0].is_alive(), "the link was placed during the collection"
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collection_roots, "links", roots)
        assert gc.collect(store).deleted == (a,)
    placed[0].join()
    assert not other.is_there(a)
    store.close()
    other.close()


def test_what_others_write_during_the_marking_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marking takes long in a large store. It holds up no other process, and misses nothing that one does meanwhile."""
    store, other = Store(tmp_path / "f"), Store(tmp_path / "f")
    base, kept, used, dead = (add(store, name, name) for name in ("base", "kept", "used", "dead"))
    above = add(store, "above", "above", [base])
    gone = add(store, "gone", "gone")
    store = reopened(store)
    made: list[StorePath] = []
    real = gc.survey

    def survey(*values: Any) -> Survey:
        found = real(*values)
        if not made:
            assert other.keep([kept, above])
            made.append(add(other, "new", "new", [used]))
            other.invalidate([gone])
        return found

    monkeypatch.setattr(gc, "survey", survey)
    done = gc.collect(store)
    assert set(done.deleted) == {dead, gone}
    for path in (base, above, kept, used, *made):
        assert store.is_there(path), path
    assert not store.is_there(dead) and not store.disk(dead).exists() and not store.disk(gone).exists()
    other.close()
    store.close()


def test_an_id_that_is_used_again_during_the_marking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite gives the highest id to a new row if the row that had it was deleted."""
    store, other = Store(tmp_path / "f"), Store(tmp_path / "f")
    used, last = add(store, "used", "used"), add(store, "last", "last")
    store = reopened(store)
    real = gc.survey

    def survey(*values: Any) -> Survey:
        found = real(*values)
        if other.info(last):
            assert other.keep([used])
            other.invalidate([last])
            add(other, "new", "new", [used])
            with other.database.transaction() as db:
                db.execute("DELETE FROM temporary_roots")
        return found

    monkeypatch.setattr(gc, "survey", survey)
    assert set(gc.collect(store).deleted) == {last}
    assert store.is_there(used)
    other.close()
    store.close()


def test_many_trees_are_deleted_by_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They free the same bytes as one process."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    freed = []
    for small in (0, 1000):
        monkeypatch.setattr(deletion, "_SMALL", small)
        monkeypatch.setattr(deletion, "_PIECE", 4)
        store = Store(tmp_path / str(small))
        paths = {add(store, f"p{number}", f"text {number}") for number in range(40)}
        store = reopened(store)
        done = gc.collect(store)
        assert set(done.deleted) == paths
        freed.append(done.freed)
        for name in ("store", "trash"):
            assert os.listdir(store.root / name) == []
        assert list(store.pool.members()) == []
        store.close()
    assert freed[0] == freed[1] > 0
