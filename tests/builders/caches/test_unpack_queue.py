"""The queue of parts to unpack: one thread unpacks what several have read."""

import threading

import pytest
from fpack.builders.caches import unpack_queue
from fpack.builders.caches.unpack_queue import UnpackQueue


def test_what_is_read_meanwhile_is_unpacked_together() -> None:
    begun, more = threading.Event(), threading.Event()
    calls: list[list[int]] = []

    def unpack(items: list[int]) -> None:
        calls.append(items)
        begun.set()
        assert more.wait(60)

    queue = UnpackQueue(unpack)
    first = threading.Thread(target=queue.add, args=([1], 1))
    first.start()
    assert begun.wait(60)
    queue.add([2, 3], 2)  # returns at once
    queue.add([4], 1)
    more.set()
    first.join(60)
    assert calls == [[1], [2, 3, 4]]


def test_readers_wait_while_too_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack_queue, "MOST", 2)
    begun, more, added = threading.Event(), threading.Event(), threading.Event()

    def unpack(items: list[int]) -> None:
        begun.set()
        assert more.wait(60)

    queue = UnpackQueue(unpack)

    def third() -> None:
        queue.add([3], 2)
        added.set()

    threads = [threading.Thread(target=queue.add, args=([1], 2)), threading.Thread(target=third)]
    threads[0].start()
    assert begun.wait(60)
    queue.add([2], 2)
    threads[1].start()
    assert not added.wait(0.1)
    more.set()
    for thread in threads:
        thread.join(60)
    assert added.is_set()


def test_an_error_ends_only_the_thread_that_has_it() -> None:
    calls: list[list[int]] = []

    def unpack(items: list[int]) -> None:
        calls.append(items)
        if len(calls) == 1:
            raise ValueError("broken")

    queue = UnpackQueue(unpack)
    with pytest.raises(ValueError, match="broken"):
        queue.add([1], 1)
    queue.add([2], 1)
    assert calls == [[1], [2]]
