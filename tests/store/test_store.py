"""Registration, validity, closures and what a crash leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fpack.store import base32
from fpack.store.derivation import Output
from fpack.store.errors import StoreError
from fpack.store.files.remove import remove_tree
from fpack.store.files.sync import GroupSync
from fpack.store.path import StorePath
from fpack.store.sessions.recovery import sweep
from fpack.store.store import Store
from support.stores.small_trees import add


def test_a_registered_path_is_valid_and_found_again(store: Store) -> None:
    path = add(store, "a", "one")
    info = store.info(path)
    assert info is not None and info.size == 3
    assert (store.disk(path) / "file").read_text() == "one"
    assert store.disk(f"{path}/file").read_text() == "one"
    assert store.database.realised(b"one", "out") == path
    assert store.database.built(Output(b"one".ljust(20))) == path


def test_the_same_tree_twice_is_one_path(store: Store) -> None:
    writer = store.writer()
    writer.file("file", [b"one"])
    first = add(store, "a", "one")
    second = store.register("a", writer, [], b"other", Output(b"x" * 20))
    assert first == second
    assert not writer.disk.exists()


def test_a_path_is_the_same_in_another_root(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "elsewhere")
    assert add(store, "a", "one") == add(other, "a", "one")
    other.close()


def test_closures_are_transitive(store: Store) -> None:
    a = add(store, "a", "one")
    b = add(store, "b", "two", [a])
    c = add(store, "c", "three", [b])
    assert set(store.closure([c])) == {a, b, c}
    assert store.closure([a]) == [a]


def test_a_reference_to_nothing_is_refused(store: Store) -> None:
    with pytest.raises(StoreError):
        add(store, "a", "one", [StorePath("0" * 32, "missing")])
    assert store.database.paths() == []


def test_what_lies_in_the_way_is_replaced(store: Store, tmp_path: Path) -> None:
    path = add(store, "a", "one")
    with store.database.transaction() as db:
        db.execute("DELETE FROM paths")
    (store.disk(path) / "file").unlink() if os.getuid() == 0 else None
    assert add(store, "a", "one") == path
    assert (store.disk(path) / "file").read_text() == "one"


@pytest.mark.parametrize("text", ["/fpack/store/" + "0" * 32 + "-a/../../etc/passwd", "/etc/passwd", "relative"])
def test_disk_never_leaves_the_store(store: Store, text: str) -> None:
    from fpack.store.errors import FpackError

    with pytest.raises(FpackError):
        store.disk(text)


def test_a_damaged_database_is_an_error_in_words(tmp_path: Path) -> None:
    store = Store(tmp_path / "fpack")
    add(store, "a", "one")
    store.close()
    place = tmp_path / "fpack" / "db" / "fpack.sqlite"
    place.write_bytes(b"this is no database, and never was one. " * 300)
    for side in ("-wal", "-shm"):
        place.with_name(place.name + side).unlink(missing_ok=True)
    with pytest.raises(StoreError, match="damaged"):
        Store(tmp_path / "fpack")


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "fpack")
    with store.database.transaction() as db:
        db.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(StoreError, match="format 99"):
        Store(tmp_path / "fpack")


def test_a_root_that_cannot_be_made_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be created"):
        Store(tmp_path / "file" / "fpack")


CRASH = """
import os, signal, sys
from pathlib import Path
import fpack.store.store as module
from fpack.store.store import Store
from fpack.store.derivation import Output
store = Store(Path(sys.argv[1]))
calls = 0
def dying(function):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return call
for name in ("rename", "chmod", "utime", "link", "mkdir", "open", "fsync"):
    setattr(os, name, dying(getattr(os, name)))
writer = store.writer()
for i in range(3):
    writer.file(f"d/file{i}", [b"one%d" % i])
print(store.register("a", writer, [], b"key", Output(b"d" * 20)), flush=True)
"""


@pytest.mark.faults
def test_a_kill_at_any_step_leaves_a_store_that_works(tmp_path: Path) -> None:
    finished = killed = 0
    for step in range(1, 60):
        root = tmp_path / str(step)
        Store(root).close()
        code = textwrap.dedent(CRASH)
        done = subprocess.run([sys.executable, "-c", code, str(root), str(step)], capture_output=True, cwd=tmp_path)
        if done.returncode == 0:
            finished += 1
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        killed += 1
        store = Store(root)
        for info in store.database.paths():
            assert sorted(p.name for p in (store.disk(info.path) / "d").iterdir()) == ["file0", "file1", "file2"]
        assert sweep(store.root, store.database, store.pool) <= 1
        writer = store.writer()
        for i in range(3):
            writer.file(f"d/file{i}", [b"one%d" % i])
        path = store.register("a", writer, [], b"key", Output(b"d" * 20))
        assert [p.read_bytes() for p in sorted((store.disk(path) / "d").iterdir())] == [b"one0", b"one1", b"one2"]
        assert store.disk(path).stat().st_mode & 0o777 == 0o555
        store.close()
        assert list((root / "tmp").iterdir()) == []
    assert finished == 1 and killed > 10


def test_what_other_builders_noted_of_derivations_is_forgotten(store: Store) -> None:
    """Else a new version of a builder would change nothing in a store that has what the old one made."""
    store.database.use_generation(7)
    path = add(store, "a", "text")
    with store.database.transaction() as database:
        values = (b"d" * 20, "out", base32.decode(path.hash))
        database.execute("INSERT INTO outputs (derivation, output, path) VALUES (?, ?, ?)", values)
    store.database.use_generation(7)
    assert store.database.built(Output(b"d" * 20)) == path
    store.database.use_generation(8)
    assert store.database.built(Output(b"d" * 20)) is None and store.info(path)


def test_a_hash_is_what_the_database_is_asked_by(store: Store) -> None:
    path = add(store, "a", "one")
    assert store.database.info(base32.decode(path.hash)) is not None
    assert store.database.info(b"0" * 20) is None


def test_what_lies_behind_a_symlink_is_not_in_the_store(store: Store, tmp_path: Path) -> None:
    writer = store.writer()
    writer.file("d/file", [b"x"])
    writer.symlink("out", os.fspath(tmp_path))
    path = store.register("tree", writer, [], b"key", Output(b"d" * 20))
    assert store.disk(f"{path}/d/file").read_bytes() == b"x"
    assert store.disk(f"{path}/out").is_symlink()
    for below in ("out/x", "out/x/y", "../x"):
        with pytest.raises(StoreError):
            store.disk(f"{path}/{below}")


def test_nobody_else_can_write_to_the_store(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = Store(tmp_path / "deep/fpack")
        add(store, "a", "one")
        loose = [p for p in (tmp_path / "deep/fpack").rglob("*") if not p.is_symlink() and p.stat().st_mode & 0o022]
        store.close()
    finally:
        os.umask(before)
    assert loose == []
    assert (tmp_path / "deep/fpack").stat().st_mode & 0o777 == 0o700


def test_a_store_that_everybody_can_change_is_refused(tmp_path: Path) -> None:
    Store(tmp_path / "fpack").close()
    for mode in (0o777, 0o1777):
        (tmp_path / "fpack").chmod(mode)
        with pytest.raises(StoreError, match="Everybody"):
            Store(tmp_path / "fpack")
        (tmp_path / "new").mkdir(exist_ok=True)
        (tmp_path / "new").chmod(mode)
        with pytest.raises(StoreError, match="Everybody"):
            Store(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_store_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path / "fpack").close()
    monkeypatch.setattr("fpack.store.files.owners._is_own", lambda uid, as_parent=False: as_parent)
    with pytest.raises(StoreError, match="another user"):
        Store(tmp_path / "fpack")


def test_one_sync_makes_a_tree_and_its_name_durable(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    placed = []

    def sync(self: GroupSync) -> None:
        placed.append(sorted(os.listdir(store.root / "store")))

    monkeypatch.setattr(GroupSync, "sync", sync)
    path = add(store, "a", "text")
    assert placed == [[path.base]]


def test_a_tree_that_is_valid_already_is_synced_before_it_has_its_place(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = add(store, "a", "text")
    remove_tree(store.disk(path))
    placed = []

    def sync(self: GroupSync) -> None:
        placed.append(os.listdir(store.root / "store"))

    monkeypatch.setattr(GroupSync, "sync", sync)
    assert add(store, "a", "text") == path
    assert placed == [[], [path.base]]
