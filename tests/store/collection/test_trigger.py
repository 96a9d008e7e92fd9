"""Automatic collection: it starts when a process begins to write while the disk is low, once in a while."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from fpack.store import automatic, processes
from fpack.store.collection import trigger
from fpack.store.locks import FileLock
from fpack.store.store import Store
from support.processes.children import children
from support.stores.small_trees import add


@pytest.fixture
def low(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk always be almost full."""
    monkeypatch.setenv("FPACK_GC_AUTOMATIC", "1")
    monkeypatch.setenv("FPACK_GC_MIN_FREE", "1000T")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Return the collections that are started; none runs."""
    found: list[tuple[str, ...]] = []
    monkeypatch.setattr(processes, "detach", lambda *args: found.append(args))
    return found


def test_what_nothing_keeps_goes_in_the_background(tmp_path: Path, low: None) -> None:
    before = children()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FPACK_GC_AUTOMATIC", "0")
        store = Store(tmp_path / "f")
        path = add(store, "a", "one")
        store.close()
    store = Store(tmp_path / "f")
    assert store.info(path) and not store.is_collecting
    new = add(store, "b", "two")
    assert store.is_collecting
    while store.info(path) is not None:
        time.sleep(0.02)
    assert store.info(new) is not None, "what this process made is kept"
    while children() - before:  # until the other process has ended, which nobody has to wait for
        time.sleep(0.02)
    store.close()


def test_it_starts_once_in_a_while(
    tmp_path: Path, low: None, started: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        store = Store(tmp_path / "f")
        add(store, "a", "one")
        store.close()
    assert started == [("collection", ["fpack.store.automatic", str(tmp_path / "f")])]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    assert trigger.start_if_low(tmp_path / "f") and len(started) == 2
    # A marker of the future, by a clock that was ahead, does not stop it for ever.
    os.utime(tmp_path / "f/locks/automatic", (now + 10**8, now + 10**8))
    assert trigger.start_if_low(tmp_path / "f") and len(started) == 3


@pytest.mark.parametrize(
    ("variable", "value"), [("FPACK_GC_AUTOMATIC", "0"), ("FPACK_GC_MIN_FREE", "none"), ("FPACK_GC_MIN_FREE", "1")]
)
def test_it_does_not_start(
    tmp_path: Path,
    low: None,
    started: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
) -> None:
    monkeypatch.setenv(variable, value)
    store = Store(tmp_path / "f")
    add(store, "a", "one")
    store.close()
    assert started == []


def test_it_leaves_a_collection_that_runs_alone(tmp_path: Path, low: None, started: list[tuple[str, ...]]) -> None:
    store = Store(tmp_path / "f")
    path = add(store, "a", "one")
    store.close()
    with FileLock(tmp_path / "f/locks/gc"):
        automatic.main(tmp_path / "f")
    store = Store(tmp_path / "f")
    assert store.info(path) is not None
    automatic.main(tmp_path / "f")
    assert store.info(path) is None
    store.close()


def test_a_program_that_cannot_be_started_stops_nothing(
    tmp_path: Path, low: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(processes, "detach", fail)
    store = Store(tmp_path / "f")
    add(store, "a", "one")
    assert not store.is_collecting
    store.close()
