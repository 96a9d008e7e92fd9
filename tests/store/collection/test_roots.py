"""Roots of all sorts: each keeps its path, says so, and can be removed."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.store import DAY, base32, gc, leases
from fpack.store.collection import roots
from fpack.store.collection.survey import Policy
from fpack.store.db.clock import Timeline
from fpack.store.errors import InvalidName, StoreError
from fpack.store.path import StorePath
from fpack.store.rebuild import rebuild_database
from fpack.store.store import Store
from support.stores.small_trees import add


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Yield a store with one path, which no process uses."""
    store = Store(tmp_path / "f")
    add(store, "a", "one")
    store.close()
    store = Store(tmp_path / "f")
    yield store
    store.close()


def only(store: Store) -> StorePath:
    (info,) = store.database.paths()
    return info.path


def why(store: Store) -> str:
    return gc.survey_store(store, Policy()).why(base32.decode(only(store).hash))


def test_without_a_root_there_is_no_reason(store: Store) -> None:
    assert why(store) == ""
    assert gc.collect(store).kept == 0


def test_a_named_root_keeps_its_path_until_it_is_removed(store: Store) -> None:
    path = only(store)
    roots.add_named(store.root, store.database, "tools", path)
    assert why(store) == "is kept by the root tools"
    assert gc.collect(store).kept == 1
    with pytest.raises(StoreError, match="no root tool") as caught:
        roots.remove_named(store.root, store.database, "tool")
    assert "tools" in caught.value.hint
    roots.remove_named(store.root, store.database, "tools")
    assert gc.collect(store).deleted == (path,)


def test_a_named_root_moves_with_the_store(store: Store, tmp_path: Path) -> None:
    roots.add_named(store.root, store.database, "tools", only(store))
    shutil.move(store.root, tmp_path / "elsewhere")
    moved = Store(tmp_path / "elsewhere")
    assert gc.collect(moved).kept == 1
    moved.close()
    (tmp_path / "elsewhere").rename(store.root)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "-x", "a\0b"])
def test_names_cannot_lead_elsewhere(store: Store, name: str) -> None:
    with pytest.raises(InvalidName):
        roots.add_named(store.root, store.database, name, only(store))
    with pytest.raises(InvalidName):
        roots.remove_named(store.root, store.database, name)


def test_a_result_is_named_by_its_link(store: Store, tmp_path: Path) -> None:
    roots.add_link(store.root, tmp_path / "result", store.disk(only(store)))
    assert why(store) == f"is kept by the result {tmp_path / 'result'}"


@pytest.mark.parametrize("call", ["lstat", "readlink"])
@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES, errno.ESTALE])
def test_a_result_that_cannot_be_read_is_not_taken_for_a_deleted_one(
    store: Store, tmp_path: Path, call: str, error: int
) -> None:
    link, real, path = tmp_path / "result", getattr(os, call), only(store)
    roots.add_link(store.root, link, store.disk(path))

    def failing(name: str | os.PathLike[str]) -> object:
        if os.fspath(name) == os.fspath(link):
            raise OSError(error, os.strerror(error), os.fspath(name))
        return real(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, call, failing)
        if call == "readlink":
            with pytest.raises(StoreError, match="cannot be read") as caught:
                gc.collect(store)
            assert caught.value.where == str(link) and caught.value.why == os.strerror(error)
        else:
            assert gc.collect(store).kept == 1
    assert gc.collect(store).kept == 1 and link.resolve() == store.disk(path)


def test_the_last_pack_is_kept_until_it_expires(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = only(store)
    store.pin(path, "/project", "image")
    assert why(store) == "is kept by the last pack of image of /project"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 29 * DAY)
    assert gc.collect(store).kept == 1
    monkeypatch.setattr(time, "time", lambda: now + 31 * DAY)
    assert gc.collect(store).deleted == (path,)
    assert store.database._rows("SELECT count(*) FROM pins") == [(0,)]


def test_a_later_pack_of_the_same_name_frees_the_earlier_one(store: Store) -> None:
    path = only(store)
    store.pin(path, "/project", "image")
    other = add(store, "b", "two")
    store.pin(other, "/project", "image")
    assert gc.collect(store).deleted == (path,)


def test_a_pin_for_ever_does_not_expire(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FPACK_GC_KEEP_PACKS", "none")
    store.pin(only(store), "/project", "image")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 10_000 * DAY)
    assert gc.collect(store).kept == 1


def test_processes_and_shells_are_named(store: Store) -> None:
    lease = leases.begin(store, "shell", [only(store)])
    assert lease is not None and why(store) == "is kept by an open shell"
    os.close(lease)
    assert store.keep([only(store)])
    assert why(store) in (f"is kept by process {os.getpid()}", "is kept by an open shell")


def test_what_another_path_references_is_said_to_be(store: Store) -> None:
    path = only(store)
    other = add(store, "b", "two", [path])
    reason = gc.survey_store(store, Policy()).why(base32.decode(path.hash))
    assert reason == f"is referenced by {other}, kept by process {os.getpid()}"


def test_a_named_root_outlives_the_directory_of_links(store: Store) -> None:
    path = only(store)
    for name in ("tools", "other"):
        roots.add_named(store.root, store.database, name, path)
    shutil.rmtree(store.root / "roots")
    store.close()
    store = Store(store.root)
    with store.database.reading() as db:
        found = roots.find(store.root, db, Timeline(time.time()))
    assert {root.name for root in found if root.kind == "root"} == {"tools", "other"}
    roots.remove_named(store.root, store.database, "other")
    done = gc.collect(store)
    assert done.kept == 1 and done.roots == ("tools",) and gc.collect(store).roots == ()
    assert (store.root / "roots/named-tools").resolve() == store.disk(path)
    # The database and the links are lost.
    store.close()
    shutil.rmtree(store.root / "roots")
    (store.root / "db/fpack.sqlite").unlink()
    assert rebuild_database(store.root).roots == ("tools",)
    store = Store(store.root)
    assert store.database.named_roots().keys() == {"tools"} and gc.collect(store).kept == 1
    roots.remove_named(store.root, store.database, "tools")
    assert gc.collect(store).kept == 0 and not list((store.root / "roots").iterdir())
    store.close()


def test_a_named_root_of_an_earlier_format_is_recorded(store: Store) -> None:
    os.symlink(Path("../store", only(store).base), store.root / "roots/named-old")
    assert gc.collect(store).roots == () and store.database.named_roots().keys() == {"old"}
    (store.root / "roots/named-old").unlink()
    assert gc.collect(store).roots == ("old",)
