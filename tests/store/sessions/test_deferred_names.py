"""Files of fetched trees get their names in the pool after the command, and equal files become one inode."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from blake3 import blake3
from fpack.store import gc, verify
from fpack.store.files.pool import MTIME, FileNode, pool_path
from fpack.store.files.tree import tree_digest
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath, make
from fpack.store.sessions import deferred_names, deferred_sync
from fpack.store.sessions.deferred_names import UnnamedFiles
from fpack.store.sessions.registration import FinishedOutput
from fpack.store.sessions.session import Session
from fpack.store.store import Store
from support.stores.small_trees import add

ONE, TWO = b"one" * 99, b"two" * 99


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(os, "getpid", lambda: 1)  # `close` syncs in this process
    store = Store(tmp_path / "store")
    yield store
    store.close()


def node(content: bytes) -> FileNode:
    return FileNode(blake3(content).digest(), len(content), False)


def fetch(store: Store, name: str, **files: bytes) -> StorePath:
    """Make a tree with a directory of files, as a process of a fetch does, which notes new files."""
    path = make(name, tree_digest({b"d": {file.encode(): node(content) for file, content in files.items()}}), [])
    directory = store.session.fresh()
    directory.mkdir()
    with store.pool.opened() as names:
        pool = UnnamedFiles(store.root / "files", names, directory)
        writer = TreeWriter(pool, directory / path.base)
        writer.small_files("d", [(file.encode(), content, False) for file, content in files.items()])
        store.register_all(b"", [FinishedOutput(name, writer, [], None, path)], deferred=True)
        store.after_sync(partial(deferred_names.add, store.root, store.pool, [pool.taken()]))
    return path


def status(store: Store, path: StorePath, file: str) -> os.stat_result:
    return (store.disk(path) / "d" / file).lstat()


def named(store: Store, content: bytes) -> int:
    """Return the inode of a content in the pool, or 0."""
    path = store.root / "files" / pool_path(node(content).digest, False)
    return path.stat().st_ino if path.exists() else 0


def check(store: Store, *paths: StorePath) -> None:
    """The trees are as if each file had got its name at once."""
    for path in paths:
        directory = (store.disk(path) / "d").lstat()
        assert stat.S_IMODE(directory.st_mode) == 0o555 and directory.st_mtime == MTIME
    assert os.listdir(store.root / "trash") == []
    found = verify.check(store)
    assert (found.damaged, found.pool) == ((), ())


def test_files_get_their_names_when_they_are_synced(store: Store) -> None:
    path = fetch(store, "a", x=ONE, y=TWO)
    assert (named(store, ONE), status(store, path, "x").st_nlink) == (0, 1)
    store.settle()
    assert named(store, ONE) == status(store, path, "x").st_ino
    assert named(store, TWO) == status(store, path, "y").st_ino
    check(store, path)


def test_equal_files_of_two_trees_become_one(store: Store) -> None:
    first, second = fetch(store, "a", x=ONE), fetch(store, "b", x=ONE, y=ONE, z=TWO)
    assert status(store, second, "x").st_ino != status(store, first, "x").st_ino
    store.settle()
    inodes = {status(store, path, file).st_ino for path, file in ((first, "x"), (second, "x"), (second, "y"))}
    assert inodes == {named(store, ONE)}
    check(store, first, second)


def test_what_the_pool_has_is_linked_at_once(store: Store) -> None:
    add(store, "built", ONE.decode())
    path = fetch(store, "a", x=ONE, y=TWO)
    assert status(store, path, "x").st_ino == named(store, ONE) and named(store, TWO) == 0


def test_a_process_that_makes_much_new_still_finds_what_the_pool_has(store: Store) -> None:
    add(store, "built", "built")
    known = {f"known{number}": b"known %d" % number for number in range(99)}
    fetch(store, "known", **known)
    store.settle()
    path = fetch(store, "a", **{f"a{number}": b"new %d" % number for number in range(99)}, **known)
    assert sum(status(store, path, file).st_nlink > 1 for file in known) > 80


def test_files_of_a_tree_that_gc_has_deleted_get_no_names(store: Store) -> None:
    path = fetch(store, "a", x=ONE)
    store.invalidate([path])
    other = Store(store.root)
    gc.collect(other)
    other.close()
    assert not store.disk(path).exists()
    store.close()
    assert named(store, ONE) == 0


class Killed(BaseException):
    """The end of a process."""


@pytest.mark.parametrize("calls", range(5))
def test_a_killed_process_leaves_whole_trees_whose_files_the_next_one_names(
    store: Store, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """It is killed after so many calls that replace a file by a link, of which there are four."""
    first, second = fetch(store, "a", x=ONE), fetch(store, "b", x=ONE)
    left = iter(range(calls))

    def counted(call: Callable[..., None]) -> Callable[..., None]:
        def count(*arguments: object, **named: object) -> None:
            if next(left, None) is None:
                raise Killed
            call(*arguments, **named)

        return count

    def cut_short(session: Session, _: object, after: deferred_sync.Work, **options: object) -> None:
        with monkeypatch.context() as patch, contextlib.suppress(Killed):
            for name in ("fchmod", "rename", "utime"):
                patch.setattr(os, name, counted(getattr(os, name)))
            for work in after:
                work()
        session.lock.release(keep=True)

    with monkeypatch.context() as patch:
        patch.setattr(deferred_sync, "sync_later", cut_short)
        store.close()
    other = Store(store.root)
    assert {status(other, path, "x").st_ino for path in (first, second)} == {named(other, ONE)}
    assert other.session
    check(other, first, second)
    assert sorted(gc.collect(other).deleted) == sorted([first, second])
    other.close()


def test_a_store_that_is_deleted_after_a_fetch_is_not_made_again(store: Store) -> None:
    fetch(store, "a", x=ONE)
    (work,) = store._after
    os.rename(store.root, f"{store.root}-deleted")
    with pytest.raises(FileNotFoundError):
        work()
    assert not store.root.exists()
    os.rename(f"{store.root}-deleted", store.root)
