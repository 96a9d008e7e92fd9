"""Test that files read of a store path are compared with the digest in the database, one by one and as a whole."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from fpack.store.derivation import Output
from fpack.store.errors import DamagedPath, StoreError
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.pool import FileNode
from fpack.store.path import StorePath, make
from fpack.store.store import Store
from support.faults import rot

FILES = {"a": b"one", "b": b"", "big": random.Random(1).randbytes(3 << 20), "below/c": b"three"}


def add(store: Store, name: str, files: dict[str, bytes], references: list[StorePath] | None = None) -> StorePath:
    writer = store.writer()
    for path, content in files.items():
        writer.file(path, [content], path == "a")
    writer.symlink("link", "a")
    return store.register(name, writer, references or [], name.encode(), Output(name.encode().ljust(20)))


@pytest.fixture(params=["in this process", "in another process"])
def path(store: Store, request: pytest.FixtureRequest) -> StorePath:
    path = add(store, "x", FILES)
    if request.param == "in another process":
        store._trees.__init__(store._recorded, store.disk)  # type: ignore[misc]
    return path


def copied(tree: CheckedTree, name: str) -> bytes:
    """Copy a file of a tree in many pieces."""
    found = bytearray()
    tree.copy(name, bytearray(1000), found.extend)
    return bytes(found)


def test_good_files_are_read(store: Store, path: StorePath) -> None:
    tree = store.tree(path)
    assert tree.read("a") == b"one" and tree.read("b") == b""
    assert b"".join(tree.chunks("big")) == FILES["big"]
    assert copied(tree, "big") == FILES["big"] and copied(tree, "b") == b""
    tree.check()
    assert isinstance(tree.node(), dict) and tree.proven


@pytest.mark.parametrize("name", ["a", "big"])
def test_a_flipped_bit_in_a_file(store: Store, path: StorePath, name: str) -> None:
    rot.content(store.disk(path) / name, random.Random(2))
    with pytest.raises(DamagedPath) as caught:
        list(store.tree(path).chunks(name))
    assert caught.value.where == str(store.disk(path) / name) and "fpack store repair" in caught.value.hint
    with pytest.raises(DamagedPath):
        copied(store.tree(path), name)
    with pytest.raises(DamagedPath):
        store.tree(path).read(name)
    with pytest.raises(DamagedPath):
        store.tree(path).node()


@pytest.mark.parametrize("change", [rot.name, rot.content, rot.mode])
def test_another_file_is_not_taken_for_good(store: Store, tmp_path: Path, change: rot.Change) -> None:
    """Without knowledge of the other entries, one file cannot be proven alone."""
    path = add(store, "x", FILES)
    place = store.disk(path) / "below/c"
    store._trees.__init__(store._recorded, store.disk)  # type: ignore[misc]
    if change is rot.mode:
        os.chmod(place, 0o555)
    else:
        change(place, random.Random(3))
    with pytest.raises(DamagedPath):
        store.tree(path).read("a")


def test_a_mode_decides(store: Store, path: StorePath) -> None:
    os.chmod(store.disk(path) / "a", 0o444)
    with pytest.raises(DamagedPath):
        store.tree(path).read("a")


def test_a_file_that_is_missing_or_a_link_is_an_error(store: Store, path: StorePath) -> None:
    with pytest.raises(StoreError):
        store.tree(path).read("none")
    with pytest.raises(StoreError):
        store.tree(path).read("link")
    with pytest.raises(StoreError, match="more than 2 bytes"):
        store.tree(path).read("a", 2)


def test_a_file_as_a_path(store: Store) -> None:
    writer = store.writer()
    writer.file("", [b"content"])
    path = store.register("file", writer, [], b"f", Output(b"f".ljust(20)))
    store._trees.__init__(store._recorded, store.disk)  # type: ignore[misc]
    assert b"".join(store.tree(path).chunks("")) == b"content"
    rot.content(store.disk(path), random.Random(1))
    with pytest.raises(DamagedPath):
        list(store.tree(path).chunks(""))


def test_a_path_that_is_not_valid(store: Store) -> None:
    absent = make("absent", bytes(32), [])
    tree = CheckedTree(absent, store.disk(absent), lambda: None, {}, set())
    with pytest.raises(StoreError, match="not in the store"):
        tree.compare("", FileNode(bytes(32), 0, False))
