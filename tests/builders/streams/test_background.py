"""Test generators in background threads: pieces, errors, and no remaining thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

import pytest
from fpack.builders.streams.background import ahead


class Source:
    """A source of pieces, with an optional error at the end. made: pieces produced. closed: whether it was closed."""

    def __init__(self, count: int, error: BaseException | None = None) -> None:
        self.made = 0
        self.closed = False
        self._count = count
        self._error = error

    def __call__(self) -> Generator[bytes, None, None]:
        try:
            for number in range(self._count):
                self.made += 1
                yield b"%d" % number
            if self._error is not None:
                raise self._error
        finally:
            self.closed = True


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Generator[None, None, None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("count", [0, 1, 4, 5, 1000])
def test_the_pieces_are_the_same(count: int) -> None:
    source = Source(count)
    assert list(ahead(source())) == [b"%d" % number for number in range(count)]
    assert source.closed


@pytest.mark.parametrize("error", [ValueError("damaged"), KeyboardInterrupt()])
def test_an_error_comes_after_the_pieces_before_it(error: BaseException) -> None:
    source = Source(3, error)
    found = []
    with pytest.raises(type(error)) as caught:
        for piece in ahead(source()):
            found.append(piece)
    assert caught.value is error and found == [b"0", b"1", b"2"] and source.closed


def test_it_does_not_get_far_ahead() -> None:
    source = Source(1000)
    stream = ahead(source())
    next(stream)
    end = time.monotonic() + 60
    while source.made < 6:  # the one that was taken, four that wait, and one that has no room
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.1)
    assert source.made == 6
    stream.close()
    assert source.closed and source.made < 14


def test_who_leaves_early_ends_the_source() -> None:
    source = Source(1000)
    stream = ahead(source())
    for _ in range(10):
        next(stream)
    stream.close()
    assert source.closed and source.made < 30
    assert list(stream) == []


def test_one_that_was_never_begun_makes_nothing() -> None:
    source = Source(10)
    ahead(source()).close()
    assert source.made == 0
