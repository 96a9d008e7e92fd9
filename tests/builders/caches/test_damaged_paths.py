"""A store path that differs from what was registered is not pushed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fpack.store.errors import DamagedPath
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
