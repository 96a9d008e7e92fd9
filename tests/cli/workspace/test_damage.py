"""A damaged path becomes invalid, so that it is built again, and nothing links to its damaged files any more."""

from __future__ import annotations

import random
from pathlib import Path

from fpack.cli.workspace.damage import DamageRepairs, damaged_path, invalidate
from fpack.store.derivation import Output
from fpack.store.errors import DamagedPath
from fpack.store.path import StorePath
from fpack.store.store import Store
from support.faults import rot
from support.fixtures import store as store


def add(store: Store, name: str, files: dict[str, bytes], references: list[StorePath] | None = None) -> StorePath:
    writer = store.writer()
    for path, content in files.items():
        writer.file(path, [content])
    return store.register(name, writer, references or [], name.encode(), Output(name.encode().ljust(20)))


def test_a_damaged_path_becomes_invalid_with_its_dependents_and_leaves_the_pool(store: Store) -> None:
    """A tree with the same file, written afterwards, must not get the damaged inode."""
    one = add(store, "one", {"a": b"shared content"})
    two = add(store, "two", {"b": b"x"}, [one])
    other = add(store, "other", {"b": b"y"})
    rot.content(store.disk(one) / "a", random.Random(1))
    error = DamagedPath(str(store.disk(one) / "a"))
    assert damaged_path(store, error) == one
    assert invalidate(store, one) == sorted([one, two])
    assert store.info(one) is None and store.info(two) is None and store.info(other) is not None
    again = add(store, "one", {"a": b"shared content"})
    assert again == one and (store.disk(again) / "a").read_bytes() == b"shared content"
    store.tree(again).node()


def test_damage_elsewhere_is_nothing_to_repair(store: Store, tmp_path: Path) -> None:
    for where in (str(tmp_path / "x"), f"{store.root}/store/short", f"{store.root}/store"):
        assert damaged_path(store, DamagedPath(where)) is None
        assert not DamageRepairs().make(store, DamagedPath(where))
