"""Everything that can be wrong with a store is found and explained, and a good store gives no warning."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from fpack.cli.doctor import installation
from fpack.cli.doctor import store as checks
from fpack.cli.doctor.machine import OK, PROBLEM, WARNING, CheckResult
from fpack.store.files.remove import remove_tree
from fpack.store.gc import add_root
from fpack.store.store import Store
from support.stores.small_trees import add


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("FPACK_ROOT", str(tmp_path / "f"))
    store = Store(tmp_path / "f")
    add(store, "b", "two", [add(store, "a", "one")])
    store.close()
    yield store


def everything() -> list[CheckResult]:
    root = Path(os.environ["FPACK_ROOT"])
    found: Iterable[CheckResult] = [
        checks.store_directory(), *checks.mount(root), *checks.database(), *checks.processes(), *checks.roots(),
        installation.settings(), *installation.caches(),
    ]  # fmt: skip
    return list(found)


def bad() -> list[CheckResult]:
    return [entry for entry in everything() if entry.state != OK]


def test_a_good_store(store: Store) -> None:
    assert bad() == []
    assert next(checks.database()).text.startswith("2 paths, 6 B")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_directory_that_cannot_be_written(store: Store) -> None:
    (store.root / "store").chmod(0o555)
    (found,) = bad()
    (store.root / "store").chmod(0o755)
    assert found.state == PROBLEM and "store cannot be written" in found.text


def test_a_directory_that_is_a_file(store: Store) -> None:
    remove_tree(store.root / "tmp")
    (store.root / "tmp").write_text("")
    found = checks.store_directory()
    assert found.state == PROBLEM and "tmp cannot be written" in found.text


def test_a_mount_on_which_nothing_runs(store: Store, tmp_path: Path) -> None:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "mountinfo").write_text(
        f"1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/a rw\n2 1 0:9 / {tmp_path} rw,noexec,nosuid - ext4 /dev/b rw\n"
    )
    (found,) = checks.mount(store.root, tmp_path / "proc")
    assert found.state == PROBLEM and "noexec" in found.text and str(tmp_path) in found.text


def test_a_store_of_two_file_systems(store: Store) -> None:
    remove_tree(store.root / "tmp")
    (store.root / "tmp").symlink_to("/proc")
    (found,) = checks.mount(store.root)
    assert found.state == PROBLEM and "different file systems" in found.text


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data), 4096):
        data[at : at + 64] = os.urandom(64)
    path.write_bytes(data)


def test_a_damaged_database(store: Store) -> None:
    damage(store.root / "db" / "fpack.sqlite")
    (found,) = checks.database()
    assert found.state == PROBLEM and "damaged" in found.text and "rebuild-database" in found.hint


def test_a_lost_database(store: Store) -> None:
    (store.root / "db" / "fpack.sqlite").unlink()
    (found,) = checks.database()
    assert found.state == PROBLEM and "rebuild-database" in found.hint


def test_a_newer_database(store: Store) -> None:
    import sqlite3

    db = sqlite3.connect(store.root / "db" / "fpack.sqlite")
    db.execute("PRAGMA user_version = 99")
    db.close()
    (found,) = checks.database()
    assert found.state == PROBLEM and "format 99" in found.text and "update fpack" in found.hint


def test_trees_that_are_gone_and_trees_that_are_left(store: Store) -> None:
    (path, *_) = sorted((store.root / "store").iterdir())
    remove_tree(path)
    (store.root / "store" / f"{'0' * 32}-left").mkdir()
    found = [entry for entry in checks.database() if entry.name == "trees"]
    assert [entry.state for entry in found] == [PROBLEM, OK]
    assert (
        path.name in found[0].text and "fpack store repair" in found[0].hint and "1 tree is not valid" in found[1].text
    )


def test_a_journal_that_is_gone_and_a_clock_that_was_ahead(store: Store) -> None:
    (store.root / "db" / "journal").unlink()
    again = Store(store.root)
    with again.database.transaction() as db:
        db.execute("UPDATE paths SET registered = ?", [int(time.time()) + 30 * 86400])
    again.close()
    found = {entry.name: entry for entry in bad()}
    assert set(found) == {"journal", "clock"} and "the store was used on" in found["clock"].text


def test_processes_and_what_they_left(store: Store) -> None:
    tmp = store.root / "tmp"
    (tmp / "999-dead.lock").write_text("0")
    (tmp / "999-dead").mkdir()
    held = os.open(tmp / f"{os.getpid()}-live.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    (store.root / "trash" / "x").mkdir()
    (store.root / "partial" / "old").mkdir()
    os.utime(store.root / "partial" / "old", (1, 1))
    texts = [entry.text for entry in checks.processes()]
    os.close(held)
    assert texts == [
        f"1 process uses the store: {os.getpid()}",
        "a crashed process has left temporary files, which the next build deletes",
        "1 download was interrupted over a week ago",
        "a collection was interrupted: 1 tree is left",
    ]
    assert (tmp / "999-dead.lock").exists()


def test_a_process_that_is_stopped(store: Store) -> None:
    program = (
        "import fcntl, os, sys, time; fd = os.open(sys.argv[1] % os.getpid(), os.O_RDWR | os.O_CREAT);"
        "fcntl.flock(fd, fcntl.LOCK_EX); print('locked', flush=True); time.sleep(60)"
    )
    lock = f"{store.root}/tmp/%d-x.lock"
    child = subprocess.Popen([sys.executable, "-c", program, lock], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None and child.stdout.readline() == b"locked\n"
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        (found,) = checks.processes()
        assert found.state == WARNING and f"kill -CONT {child.pid}" in found.hint
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def test_results_that_lead_nowhere(store: Store, tmp_path: Path) -> None:
    again = Store(store.root)
    (a, b) = sorted(info.path for info in again.database.paths())
    for name, path in (("good", a), ("dangling", b), ("elsewhere", a), ("deleted", a)):
        add_root(again, tmp_path / name, again.disk(path))
    again.close()
    remove_tree(again.disk(b))
    (tmp_path / "elsewhere").unlink()
    (tmp_path / "elsewhere").symlink_to("/etc")
    (tmp_path / "deleted").unlink()
    found = list(checks.roots())
    assert [entry.state for entry in found] == [WARNING, WARNING, OK]
    assert str(tmp_path / "dangling") in found[0].text and str(tmp_path / "elsewhere") in found[1].text
    assert found[2].text.startswith("1 result was deleted") and "good" not in str(found).replace(str(tmp_path), "")
    assert len(list((store.root / "roots").iterdir())) == 4


def test_settings_and_caches(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert installation.settings().state == OK and list(installation.caches()) == []
    (tmp_path / "config" / "fpack").mkdir(parents=True)
    (tmp_path / "config" / "fpack" / "config.toml").write_text("[eval]\nmemory = 'lots'\n")
    assert installation.settings().state == PROBLEM
    (tmp_path / "cache" / "fpack").mkdir(parents=True)
    (tmp_path / "cache" / "fpack").chmod(0o777)
    (found,) = installation.caches()
    assert found.name == "cache" and found.state == WARNING and "XDG_CACHE_HOME" in found.hint
