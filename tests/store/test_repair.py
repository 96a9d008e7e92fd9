"""A damaged tree is replaced in one step, and only by a tree of the same digest."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.store import repair
from fpack.store.errors import StoreError
from fpack.store.files.writer import TreeWriter
from fpack.store.repair import replace_tree
from fpack.store.store import Store
from fpack.store.verify import check
from support.stores import add


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "f")
    yield store
    store.close()


def written(store: Store, text: str) -> TreeWriter:
    writer = store.writer()
    writer.file("file", [text.encode()])
    return writer


def damage(disk: Path) -> None:
    disk.chmod(0o755)
    (disk / "file").unlink()
    (disk / "extra").write_text("left by nobody")
    disk.chmod(0o555)


@pytest.mark.parametrize("exchange", [True, False])
def test_a_tree_is_replaced(store: Store, exchange: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not exchange:
        monkeypatch.setattr(repair, "_swap", lambda one, two: False)
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


def test_another_tree_does_not_replace_it(store: Store) -> None:
    path = add(store, "a", "one")
    damage(store.disk(path))
    with pytest.raises(StoreError, match="another digest"):
        replace_tree(store, path, written(store, "two"))
    assert (store.disk(path) / "extra").exists()
    store.invalidate([path])
    with pytest.raises(StoreError, match="no longer valid"):
        replace_tree(store, path, written(store, "one"))
