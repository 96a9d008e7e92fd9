"""A full disk: a collection works on it, and nothing on it is called damage."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.store import gc
from fpack.store.db import journal
from fpack.store.derivation import Output
from fpack.store.errors import FpackError, StoreFull
from fpack.store.files import space
from fpack.store.store import Store
from support.processes.program import Fpack
from support.stores.small_trees import add

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")


@pytest.fixture
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Yield a small disk: its size is the parameter, or 12m."""
    path = tmp_path / "disk"
    path.mkdir()
    options = f"size={getattr(request, 'param', '12m')},nr_inodes=2000"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def filled(root: Path, count: int = 40) -> None:
    """Make a store of paths that nothing keeps, except the first one, and fill the disk."""
    with contextlib.closing(Store(root)) as store:
        paths = []
        for n in range(count):
            writer = store.writer()
            writer.file("file", [b"%d" % n * 10_000])
            paths.append(store.register(f"p{n}", writer, [], b"%d" % n, Output(b"%020d" % n)))
        gc.add_root(store, root.parent / "result", store.disk(paths[0]))
    fill(root.parent)


def fill(directory: Path) -> None:
    """Write until nothing more can be written, by bytes and by inodes."""
    with open(directory / "filler", "wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    try:
        for n in range(5000):
            (directory / f"inode{n}").touch()
    except OSError:
        pass
    with pytest.raises(OSError, match="No space"):
        (directory / "more").touch()


def test_a_collection_works_on_a_full_disk(disk: Path) -> None:
    filled(disk / "store")
    done = Fpack(disk.parent / "home")("gc", "--json", env={"FPACK_ROOT": str(disk / "store")})
    assert '"kept": 1' in done.stdout and '"freed": 0' not in done.stdout
    assert (disk / "result" / "file").is_file()
    assert len(os.listdir(disk / "store/store")) == 1
    (disk / "more").write_bytes(bytes(500_000))


@pytest.mark.parametrize("disk", ["600k", "1500k", "5m"], indirect=True)
def test_a_collection_works_on_a_disk_that_is_not_much_larger_than_the_database(disk: Path) -> None:
    """The log of the process that fills the disk is most of the store."""
    with contextlib.suppress(FpackError, OSError):
        filled(disk / "store", 1000)
    fill(disk)
    assert len(os.listdir(disk / "store/store")) > 2
    done = Fpack(disk.parent / "home")("gc", "--json", env={"FPACK_ROOT": str(disk / "store")})
    assert '"kept": 0' in done.stdout and os.listdir(disk / "store/store") == []
    (disk / "more").write_bytes(bytes(100_000))


@pytest.mark.parametrize("disk", ["600k"], indirect=True)
def test_a_collection_that_finds_no_room_says_what_helps(disk: Path) -> None:
    with contextlib.suppress(FpackError, OSError):
        filled(disk / "store", 1000)
    space.release(disk / "store")
    fill(disk)
    fpack = Fpack(disk.parent / "home")
    message = fpack.fails("gc", env={"FPACK_ROOT": str(disk / "store")})
    assert "The disk " in message and "delete or move other files" in message
    for path in disk.iterdir():
        if path.is_file():
            path.unlink()
    assert '"kept": 0' in fpack("gc", "--json", env={"FPACK_ROOT": str(disk / "store")}).stdout


def test_a_collection_works_without_a_reserve(disk: Path) -> None:
    """The reserve was used before, or there never was room for one: what needs no database goes first."""
    (disk / "store/partial").mkdir(parents=True)
    (disk / "store/locks").mkdir()
    (disk / "store").chmod(0o700)
    for name in range(20):
        (disk / f"store/partial/{name}").write_bytes(bytes(100_000))
    filled(disk / "store")
    space.release(disk / "store")
    fill(disk)
    done = Fpack(disk.parent / "home")("gc", "--json", env={"FPACK_ROOT": str(disk / "store")})
    assert '"kept": 1' in done.stdout
    assert len(os.listdir(disk / "store/store")) == 1


def test_the_reserve_is_made_again(disk: Path) -> None:
    store = Store(disk / "store")
    add(store, "a", "one")
    assert (disk / "store" / space.RESERVE / "0").stat().st_size >= 1 << 18
    store.close()
    fill(disk)
    Fpack(disk.parent / "home")("gc", env={"FPACK_ROOT": str(disk / "store")})
    for path in disk.iterdir():
        if path.is_file():
            path.unlink()
    assert not list((disk / "store" / space.RESERVE).iterdir())
    store = Store(disk / "store")
    gc.collect(store)
    store.close()
    reserve = (disk / "store" / space.RESERVE / "0").stat()
    assert reserve.st_size >= 1 << 18 and reserve.st_blocks * 512 >= reserve.st_size


def test_a_full_disk_is_called_full(disk: Path) -> None:
    filled(disk / "store", 3)
    store = None
    try:
        store = Store(disk / "store")
        add(store, "new", "x" * 100_000)
    except FpackError as error:
        assert isinstance(error, StoreFull) or "full" in str(error) or "No space" in str(error)
        assert "fpack gc" in error.hint and "move" not in error.hint
    except OSError as error:
        assert error.errno == 28
    else:
        raise AssertionError("the disk is not full")
    finally:
        for path in disk.iterdir():
            if path.is_file():
                path.unlink()
        if store is not None:
            store.close()
    store = Store(disk / "store")
    assert store.database.trouble() == "" and len(store.database.paths()) == 3
    add(store, "new", "x" * 100_000)
    store.close()


def test_a_collection_in_rounds_deletes_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "f")
    paths = []
    for n in range(60):
        paths.append(add(store, f"p{n}", f"text {n}", paths[-2:]))
    store.close()
    store = Store(tmp_path / "f")
    gc.add_root(store, tmp_path / "result", store.disk(paths[9]))
    monkeypatch.setattr(space, "room", lambda root: space.Room(1 << 40, 0, None))
    monkeypatch.setattr(gc, "_ROUND", 4)
    states = []
    real = store.database.forget

    def forget(db: object, hashes: list[tuple[bytes]]) -> None:
        states.append(len(hashes))
        real(db, hashes)  # type: ignore[arg-type]

    monkeypatch.setattr(store.database, "forget", forget)
    done = gc.collect(store)
    assert states == [4, 32, 14] and len(done.deleted) == 50 and done.kept == 10
    for info in store.database.paths():
        assert len(store.database.infos(info.references)) == len(set(info.references))
    assert sum(row[0] == "path" for row in journal.rows_of(journal.read(store.root / "db/journal"))) == 10
    store.close()
