"""Leases: a path lives while any of several processes holds one, and not longer."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from fpack.store import leases
from fpack.store.derivation import Output
from fpack.store.errors import StoreBusy, StoreReadOnly
from fpack.store.gc import collect
from fpack.store.path import StorePath
from fpack.store.rebuild import rebuild_database
from fpack.store.store import Store
from support.attacks.strangers import acting_as, give


def made(store: Store, name: str = "thing") -> StorePath:
    writer = store.writer()
    writer.file("", [name.encode()])
    path = store.register(name, writer, [], name.encode().ljust(32), Output(name.encode().ljust(32), "out"))
    with store.database.transaction() as db:
        db.execute("DELETE FROM temporary_roots")  # as if the process that made it had ended
    return path


def test_a_path_lives_as_long_as_the_lease(store: Store) -> None:
    path = made(store)
    lease = leases.begin(store, "one", [path])
    assert lease is not None
    collect(store)
    assert store.info(path) is not None
    os.close(lease)
    collect(store)
    assert store.info(path) is None and not list((store.root / "locks").glob("lease-*"))


def test_the_lease_of_another_user_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with acting_as("user") as place:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(place))  # root's settings cannot be read
        store = Store(place / "f")
        path, other = made(store), made(store, "other")
        for name, kept in (("theirs", path), ("ours", other)):
            lease = leases.begin(store, name, [kept])
            assert lease is not None
            os.close(lease)
        theirs = store.root / "locks/lease-theirs"
        give(theirs)
        for name in "az":  # before and after the lease, whatever the order in which a directory is listed
            (store.root / f"locks/lease-{name}").mkdir()
        collect(store)
        assert store.info(path) is not None and theirs.exists(), "it may be held"
        assert store.info(other) is None and not (store.root / "locks/lease-ours").exists()
        with leases.alone(store.root, "theirs") as alone:
            assert not alone
        assert leases.take(store.root, "theirs") is None
        with pytest.raises(StoreReadOnly):
            leases.begin(store, "theirs", [path])
        store.close()
        with pytest.raises(StoreBusy):
            rebuild_database(store.root)


def test_a_lease_can_be_held_by_another_process_than_began_it(store: Store) -> None:
    path = made(store)
    first = leases.begin(store, "one", [path])
    assert first is not None
    code = (
        "import sys\nfrom fpack.store import leases\n"
        "assert leases.take(sys.argv[1], 'one') is not None\nprint('held', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(store.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=store.root
    ) as other:
        assert other.stdin is not None and other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        os.close(first)
        collect(store)
        assert store.info(path) is not None
        other.stdin.close()
        assert other.wait(20) == 0
    collect(store)
    assert store.info(path) is None


def test_a_lease_that_is_over_cannot_be_taken(store: Store) -> None:
    path = made(store)
    assert leases.take(store.root, "one") is None
    lease = leases.begin(store, "one", [path])
    assert lease is not None
    other = leases.take(store.root, "one")
    assert other is not None
    os.close(lease)
    os.close(other)
    collect(store)
    assert leases.take(store.root, "one") is None


def test_there_is_no_lease_on_what_is_gone(store: Store) -> None:
    path = made(store)
    collect(store)
    assert leases.begin(store, "one", [path]) is None


def test_a_lease_that_was_deleted_while_it_was_opened_is_begun_anew(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(store)
    place = store.root / "locks" / "lease-one"
    real = leases.fcntl.flock
    swept = []

    def flock(fd: int, how: int) -> None:
        if not swept:
            swept.append(place.unlink())
        real(fd, how)

    monkeypatch.setattr(leases.fcntl, "flock", flock)
    lease = leases.begin(store, "one", [path])
    assert lease is not None and os.fstat(lease).st_ino == place.stat().st_ino
    collect(store)
    assert store.info(path) is not None


def test_the_last_day_of_a_lease_is_a_use_of_its_paths(store: Store) -> None:
    path = made(store)
    lease = leases.begin(store, "one", [path])
    assert lease is not None
    os.close(lease)
    long_ago = 1000 * 86400
    file = store.root / "locks/lease-one"
    os.utime(file, (long_ago, long_ago))
    leases.sweep(store)
    assert store.database.used_on(path, "", "shell") == 1000
    lease = leases.begin(store, "one", [path])
    assert lease is not None
    os.utime(file, (long_ago, long_ago))
    other = leases.take(store.root, "one")
    assert other is not None and file.stat().st_mtime > long_ago
    os.close(lease)
    os.close(other)
    leases.sweep(store)
    assert store.database.used_on(path, "", "shell") > 1000
