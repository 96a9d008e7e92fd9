"""Paths that were fetched are synced after the command, and checked before their use if that was prevented."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fpack.cli.doctor.store import _sessions
from fpack.store import gc, processes
from fpack.store.errors import StoreError
from fpack.store.files.sync import FileSystemSync
from fpack.store.files.tree import scan, tree_digest
from fpack.store.path import StorePath
from fpack.store.sessions import deferred_sync, recovery
from fpack.store.sessions.registration import FinishedOutput
from fpack.store.sessions.session import Session
from fpack.store.store import Store
from support.stores.small_trees import add, overwrite


def fetch(store: Store, name: str, text: str, references: list[StorePath] | None = None) -> StorePath:
    writer = store.writer()
    writer.file("file", [text.encode()])
    return store.register_all(b"", [FinishedOutput(name, writer, references or [], None)], deferred=True)[0]


def abandon(session: Session, file_system: FileSystemSync, after: deferred_sync.Work, *, has_failed: bool) -> None:
    """End the process that should sync."""
    session.lock.release(keep=True)


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill each process that should sync, before it does."""
    monkeypatch.setattr(deferred_sync, "sync_later", abandon)


def finished(root: Path) -> None:
    """Wait for the processes that sync."""
    for path in (root / "tmp").glob("*.lock"):
        with open(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH)


def owing(root: Path) -> int:
    store = Store(root)
    try:
        return len(store.database.unsynced())
    finally:
        store.database.close()


def valid(root: Path) -> Iterator[str]:
    store = Store(root)
    for info in store.database.paths():
        assert tree_digest(scan(os.fspath(store.disk(info.path)))) == info.tree
        yield info.path.name
    store.close()


def test_what_is_fetched_is_synced_by_a_process_that_nobody_waits_for(tmp_path: Path) -> None:
    root = tmp_path / "store"
    code = (
        "import sys; from pathlib import Path; from fpack.store.sessions.registration import FinishedOutput; "
        "from fpack.store.store import Store\n"
        "from fpack.store.files.sync import FileSystemSync\n"
        "store = Store(Path(sys.argv[1])); writer = store.writer(); writer.file('file', [b'one'])\n"
        "store.register_all(b'', [FinishedOutput('a', writer, [], None)], deferred=True)\n"
        "FileSystemSync.sync = lambda self: open(sys.argv[2]).read(1)\n"
        "print(len(store.database.unsynced())); store.close(); print('closed')\n"
    )
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    words = [sys.executable, "-c", code, root, gate]
    # The output ends although the process that syncs still waits: it holds none of its parent's descriptors.
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, cwd=tmp_path)
    assert done.stdout.split() == [b"1", b"closed"]
    (lock,) = (root / "tmp").glob("*.lock")
    assert deferred_sync.state(root, lock.stem) == deferred_sync.LIVING
    assert owing(root) == 1 and lock.exists(), "another command neither waits nor takes the mark away"
    with open(gate, "w"):
        pass
    finished(root)
    assert deferred_sync.state(root, lock.stem) == deferred_sync.SYNCED and lock.stat().st_mode & 0o777 == 0o644
    assert _sessions(root) == ([], 0), "it has not crashed"
    store = Store(root)
    add(store, "b", "two")
    assert not lock.exists() and store.database.unsynced() == []
    store.close()


def test_the_files_of_an_ended_session_are_those_of_no_crash(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    fetch(store, "a", "one")
    store.close()
    finished(store.root)
    other = Store(store.root)
    assert recovery.sweep(store.root, other.database, other.pool) == 0
    assert list((store.root / "tmp").iterdir()) == [] and other.database.unsynced() == []
    other.close()


@pytest.mark.usefixtures("killed")
def test_damaged_paths_and_what_references_them_are_as_if_never_fetched(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    whole, lost, torn = (fetch(store, name, name * 99) for name in ("whole", "lost", "torn"))
    fetch(store, "needs-torn", "x", [torn])
    built = add(store, "built", "built", [lost])
    store.close()
    overwrite(store.disk(torn) / "file", b"to")
    gone = store.disk(lost)
    gone.chmod(0o755)
    (gone / "file").unlink()
    assert sorted(valid(store.root)) == ["whole"]
    store = Store(store.root)
    assert store.database.unsynced() == [] and store.info(built) is None
    again = fetch(store, "torn", "torn" * 99)
    assert (store.disk(again) / "file").read_bytes() == b"torn" * 99, "the pool's file is gone, too"
    assert again == torn and store.keep([whole])
    store.close()


@pytest.mark.usefixtures("killed")
def test_intact_paths_are_synced_when_they_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    fetch(store, "a", "one")
    store.close()
    calls = []
    monkeypatch.setattr(FileSystemSync, "sync", lambda self: calls.append(1))
    assert list(valid(store.root)) == ["a"] and calls == [1]
    assert owing(store.root) == 0


def test_paths_of_a_failed_sync_count_as_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: FileSystemSync) -> None:
        raise OSError(5, "Input/output error")

    store = Store(tmp_path / "store")
    fetch(store, "a", "one")
    with monkeypatch.context() as patch:
        patch.setattr(FileSystemSync, "sync", fail)
        store.close()
        finished(store.root)
    assert list(valid(store.root)) == []


def test_a_failure_that_this_process_has_seen_is_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    fetch(store, "a", "one")
    monkeypatch.setattr(store._written, "_failure", OSError(5, "Input/output error"))
    store.close()
    finished(store.root)
    assert list(valid(store.root)) == []


def test_the_paths_of_a_living_process_are_not_checked(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    path = fetch(store, "a", "one")
    overwrite(store.disk(path) / "file", b"x")
    other = Store(store.root)
    assert other.info(path) is not None
    other.close()
    store.close()


def link(store: Store, path: StorePath) -> None:
    gc.add_root(store, store.root.parent / "result", store.disk(path))


@pytest.mark.parametrize("use", [link, lambda store, path: store.pin(path, "/project", "image")], ids=["root", "pin"])
def test_what_survives_a_loss_of_power_waits_for_the_disk(
    use: Callable[[Store, StorePath], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deferred_sync, "sync_later", lambda *_, **options: pytest.fail("there is nothing to sync"))
    calls: list[int] = []
    monkeypatch.setattr(FileSystemSync, "sync", lambda self: calls.append(len(store.database.unsynced())))
    store = Store(tmp_path / "store")
    path = fetch(store, "a", "one")
    other = Store(store.root)
    fetch(other, "b", "two")
    use(store, path)
    assert calls == [2] and len(store.database.unsynced()) == 1, "what another process has fetched is its own matter"
    other.settle()
    other.close()
    store.close()


@pytest.mark.usefixtures("killed")
def test_a_store_that_cannot_be_written_is_checked_each_time(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    path = fetch(store, "a", "one")
    store.close()

    def check() -> list[StorePath]:
        return recovery.recover(
            store.root, reader.database, reader.pool, pytest.fail, pytest.fail, is_writable=False
        )  # fmt: skip

    reader = Store.__new__(Store)  # without the check of a store that can be written
    from fpack.store.database import Database

    reader.database, reader.pool = Database(store.database.path), store.pool
    assert check() == [] and len(reader.database.unsynced()) == 1
    overwrite(store.disk(path) / "file", b"x")
    with pytest.raises(StoreError, match="not written to the disk"):
        check()
    reader.database.close()


@pytest.mark.parametrize("obstacle", ["first process", "no process"])
def test_a_sync_without_another_process(obstacle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(work: Callable[[], int]) -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    store = Store(tmp_path / "store")
    fetch(store, "a", "one")
    (lock,) = (store.root / "tmp").glob("*.lock")
    if obstacle == "first process":
        monkeypatch.setattr(os, "getpid", lambda: 1)
        monkeypatch.setattr(processes, "fork", lambda work: pytest.fail("the container would kill it"))
    else:
        monkeypatch.setattr(processes, "fork", refuse)
    store.close()
    assert deferred_sync.state(store.root, lock.stem) == deferred_sync.SYNCED


@pytest.mark.parametrize("settles", [False, True])
def test_what_needs_the_paths_is_made_after_the_sync(
    settles: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(FileSystemSync, "sync", lambda self: calls.append("sync"))
    monkeypatch.setattr(os, "getpid", lambda: 1)  # the process itself syncs
    store = Store(tmp_path / "store")
    store.after_sync(lambda: calls.append("at once"))
    path = fetch(store, "a", "one")
    store.after_sync(lambda: calls.append("later"))
    assert calls == ["at once"]
    if settles:
        store.settle()
    store.close()
    assert calls == ["at once", "sync", "later"] and store.disk(path).exists()


def test_gc_keeps_what_is_not_synced_yet_and_deletes_the_mark_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    path = fetch(store, "a", "one")
    lock = store.session.lock
    with monkeypatch.context() as patch:
        patch.setattr(deferred_sync, "sync_later", lambda *_, **options: None)
        store.close()
    other = Store(store.root)
    gc.collect(other)
    assert other.info(path) is not None
    other.close()
    lock.release(keep=True)
    other = Store(store.root)
    gc.collect(other)
    assert other.database.unsynced() == [] and other.database.paths() == []
    other.close()


def killed_at(count: int, root: Path) -> int:
    """Fetch two paths in a process that is killed at its call number `count` of a C function. Return its status."""
    if (pid := os.fork()) == 0:
        left = count

        def counted(frame: object, event: str, called: object) -> None:
            nonlocal left
            left -= event == "c_call"
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        store = Store(root)
        sys.setprofile(counted)
        fetch(store, "b", "two", [fetch(store, "a", "one")])
        store.close()
        sys.setprofile(None)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("step", [101, pytest.param(5, marks=pytest.mark.long)])
def test_a_kill_at_any_call_leaves_whole_paths(step: int, tmp_path: Path) -> None:
    outcomes = set()
    for count in range(0, 20_000, step):
        status = killed_at(count, tmp_path / str(count))
        outcomes.add((status, *sorted(valid(tmp_path / str(count)))))
        if status == 0:
            break
    assert {(-9,), (-9, "a"), (0, "a", "b")} <= outcomes <= {(-9,), (-9, "a"), (-9, "a", "b"), (0, "a", "b")}


def test_files_of_a_tree_that_was_not_registered_are_not_used(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    path = fetch(store, "a", "one" * 99)
    overwrite(store.disk(path) / "file", bytes(297))  # as after a loss of power on ext4, which also lost the row
    with store.database.transaction() as db:
        store.database.forget(db, [(info,) for info in store.database.references()])
    store.session.lock.release(keep=True)
    other = Store(store.root)
    assert fetch(other, "a", "one" * 99) == path
    assert (other.disk(path) / "file").read_bytes() == b"one" * 99
    other.close()
