"""A damaged tree is replaced in one step, and only by a tree of the same digest."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fpack.store import gc, repair
from fpack.store.collection import roots
from fpack.store.derivation import Output
from fpack.store.errors import StoreError
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath
from fpack.store.repair import replace_tree
from fpack.store.store import Store
from fpack.store.verify import check
from support.stores.small_trees import add


def written(store: Store, text: str) -> TreeWriter:
    writer = store.writer()
    writer.file("file", [text.encode()])
    return writer


def damage(disk: Path) -> None:
    disk.chmod(0o755)
    (disk / "file").unlink()
    (disk / "extra").write_text("left by nobody")
    disk.chmod(0o555)


# The kernel answers EINVAL for unknown flags, as for file systems that cannot exchange names.
FLAGS = {"exchange": repair._RENAME_EXCHANGE, "EINVAL": 1 << 20}


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
def test_a_tree_is_replaced(store: Store, flags: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "_RENAME_EXCHANGE", flags)
    path = add(store, "a", "one")
    disk = store.disk(path)
    damage(disk)
    held = os.open(disk, os.O_RDONLY)
    assert [each.path for each in check(store).damaged] == [path]
    replace_tree(store, path, written(store, "one"))
    assert (disk / "file").read_text() == "one" and check(store).damaged == ()
    assert stat.S_IMODE(disk.stat().st_mode) == 0o555 and disk.stat().st_mtime == 1
    assert os.listdir(held) == [] and [each.name for each in (store.root / "store").iterdir()] == [path.base]
    os.close(held)


def test_a_missing_tree_and_one_that_is_a_file(store: Store) -> None:
    from fpack.store.files.remove import remove_tree

    path = add(store, "a", "one")
    remove_tree(store.disk(path))
    replace_tree(store, path, written(store, "one"))
    remove_tree(store.disk(path))
    store.disk(path).write_text("a file")
    replace_tree(store, path, written(store, "one"))
    assert check(store).damaged == ()


def repair_until(root: Path, path: StorePath, writer: Callable[[Store], TreeWriter], steps: int) -> bool:
    """Repair a path in a process that is killed before its step number `steps`. Return whether it was."""
    if (pid := os.fork()) == 0:
        left = steps

        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                nonlocal left
                if left == 0:
                    os._exit(9)
                left -= 1
                return real(*args, **kwargs)

            return call

        try:
            store = Store(root)
            new = writer(store)
            for name in ("rename", "chmod", "utime", "unlink", "rmdir"):
                setattr(os, name, counted(getattr(os, name)))
            repair._swap = counted(repair._swap)
            replace_tree(store, path, new)
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, 9)
    return code == 9


@pytest.mark.slow
@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
@pytest.mark.parametrize("name", ["file", ""], ids=["directory", "file"])
def test_a_kill_at_any_step_loses_nothing(
    tmp_path: Path, flags: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each step, the next session has the old tree or the new one in its place, and no leftovers."""
    monkeypatch.setattr(repair, "_RENAME_EXCHANGE", flags)

    def writer(store: Store) -> TreeWriter:
        found = store.writer()
        found.file(name, [b"one"])
        return found

    store = Store(tmp_path / "f")
    path = store.register("a", writer(store), [], b"key", Output(b"d" * 20))
    roots.add_named(store.root, store.database, "a", path)
    root, disk = store.root, store.disk(path)
    store.close()
    states = []
    for steps in range(40):
        if name:
            disk.chmod(0o755)
            (disk / "file").unlink()
            (disk / "file").write_text("damage")
        else:
            disk.unlink()
            disk.write_text("damage")
        was_killed = repair_until(root, path, writer, steps)
        store = Store(root)
        assert store.keep([path]) and os.path.lexists(disk), steps
        states.append(check(store).damaged == ())
        gc.collect(store)
        assert [entry.name for entry in (root / "store").iterdir()] == [path.base]
        assert not list((root / "tmp").glob("repair*")) and not list((root / "trash").iterdir())
        store.close()
        if not was_killed:
            break
    assert not was_killed and states == sorted(states) and len(set(states)) == 2, "damaged, and then repaired"


def test_another_tree_does_not_replace_it(store: Store) -> None:
    path = add(store, "a", "one")
    damage(store.disk(path))
    with pytest.raises(StoreError, match="another digest"):
        replace_tree(store, path, written(store, "two"))
    assert (store.disk(path) / "extra").exists()
    store.invalidate([path])
    with pytest.raises(StoreError, match="no longer valid"):
        replace_tree(store, path, written(store, "one"))
