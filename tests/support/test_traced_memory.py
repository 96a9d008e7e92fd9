"""The memory that a function takes is measured without that of other threads."""

from __future__ import annotations

import threading

import pytest
from support.traced_memory import peak_memory


def test_what_the_function_holds_at_once_is_measured() -> None:
    assert 3 << 20 < peak_memory(lambda: [bytes(1 << 20) for _ in range(3)]) < 4 << 20
    assert 1 << 20 < peak_memory(lambda: [len(bytes(1 << 20)) for _ in range(3)]) < 2 << 20


def test_other_threads_and_functions_before_do_not_count() -> None:
    ended = threading.Event()

    def allocate() -> None:
        while not ended.is_set():
            bytes(8 << 20)

    thread = threading.Thread(target=allocate)
    thread.start()
    try:
        peak_memory(lambda: bytes(8 << 20))
        assert peak_memory(lambda: sum(range(100_000))) < 1 << 20
    finally:
        ended.set()
        thread.join()


def test_an_error_is_told() -> None:
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        peak_memory(lambda: 1 // 0)
