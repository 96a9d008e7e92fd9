"""A store path that differs from what was registered is not pushed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fpack.store import base32
from fpack.store.errors import DamagedPath, FpackError
from fpack.store.store import Store
from support.stores.caches import Graph, Machine


def changed(disk: Path) -> None:
    (disk / "text").chmod(0o644)
    (disk / "text").write_text("other")


def shorter(disk: Path) -> None:
    (disk / "text").unlink()


def retargeted(disk: Path) -> None:
    (disk / "link").unlink()
    (disk / "link").symlink_to("/etc/passwd")


def special(disk: Path) -> None:
    os.mkfifo(disk / "pipe")


def gone(disk: Path) -> None:
    shutil.rmtree(disk)


@pytest.mark.parametrize("damage", [changed, shorter, retargeted, special, gone])
def test_a_damaged_path_is_not_pushed(producer: Machine, graph: Graph, damage: Callable[[Path], None]) -> None:
    (path,) = producer.build(graph, graph.add("top"))
    disk = producer.store.disk(path)
    disk.chmod(0o755)
    damage(disk)
    with pytest.raises(DamagedPath):
        producer.push([path])
    assert producer.open(producer.cache.repository).record(path.base) is None


def test_what_a_loss_of_power_left_of_a_fetched_path_is_not_pushed(
    producer: Machine, graph: Graph, tmp_path: Path
) -> None:
    """ext4 can show such a file with its size and time, but with zeros as its content."""
    below = graph.add("below")
    low, top = producer.build(graph, below, graph.add("top", uses=[below]))
    store = producer.store
    with store.database.transaction() as db:
        store.database.insert_unsynced(db, "1-0123456789ab", [base32.decode(low.hash)])
    file = store.disk(low) / "text"
    file.chmod(0o644)
    file.write_bytes(bytes(file.stat().st_size))
    file.chmod(0o444)
    os.utime(file, (1, 1))
    with pytest.raises(DamagedPath):  # whoever has opened the store before reads what it pushes
        producer.push([top])
    store.close()
    producer.store = Store(store.root)
    with pytest.raises(FpackError, match="not valid|no path|There is no"):
        producer.push([top])
    assert producer.open(producer.cache.repository).record(low.base) is None
