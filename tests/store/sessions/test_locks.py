"""Test the locks of paths."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from fpack.store.locks import path_locks
from fpack.store.path import StorePath

ONE, SAME, OTHER = (StorePath(hash_ * 16, "a") for hash_ in ("ab", "ab", "zz"))


def is_free(root: Path, *paths: StorePath) -> bool:
    with path_locks(root, paths, wait=False) as is_held:
        return is_held


def test_a_path_is_locked_once_and_others_are_free(tmp_path: Path) -> None:
    with path_locks(tmp_path, [ONE, OTHER]) as is_held:
        assert is_held and not is_free(tmp_path, SAME) and not is_free(tmp_path, OTHER)
    with path_locks(tmp_path, [ONE]):
        assert not is_free(tmp_path, OTHER, SAME) and is_free(tmp_path, OTHER)  # what was taken in vain is free again
    assert is_free(tmp_path, ONE, OTHER)
    assert os.listdir(tmp_path / "locks") == ["paths"]


def test_the_locks_are_free_after_an_error_and_after_a_copy_of_the_process(tmp_path: Path) -> None:
    with pytest.raises(KeyError), path_locks(tmp_path, [ONE]):
        raise KeyError
    with path_locks(tmp_path, [ONE]):
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
    try:
        assert is_free(tmp_path, ONE)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_second_holder_waits(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with path_locks(tmp_path, [SAME]):
            order.append("second")

    with path_locks(tmp_path, [ONE]):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
