"""Work is divided among processes, its results all arrive, and a process that dies is an error."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from fpack.store.errors import DiskError, StoreError, StoreFull, StoreReadOnly
from fpack.store.parallel import spread
from support.processes.children import children


def squares(number: int) -> Iterator[Any]:
    yield [number, number * number]


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 1000, 20_000])
def test_each_number_once(jobs: int, count: int) -> None:
    assert sorted(spread(count, squares, jobs)) == [[n, n * n] for n in range(count)]


def test_large_results() -> None:
    assert sum(len(each) for each in spread(20, lambda n: [bytes(1_000_000)], 2)) == 20_000_000


def test_several_processes_work() -> None:
    assert os.getpid() not in set(spread(100, lambda n: [os.getpid()], 2))
    assert set(spread(100, lambda n: [os.getpid()], 1)) == {os.getpid()}


def test_a_process_that_dies() -> None:
    def die(number: int) -> Iterator[Any]:
        if number == 50:
            os.kill(os.getpid(), signal.SIGKILL)
        yield number

    with pytest.raises(StoreError, match="signal 9"):
        list(spread(100, die, 2))

    def fail(number: int) -> Iterator[Any]:
        raise MemoryError
        yield

    with pytest.raises(StoreError, match="status 126"):
        list(spread(100, fail, 2))


def test_a_reader_that_stops_leaves_no_process() -> None:
    before = children()
    results = spread(1000, lambda n: [bytes(100_000)], 2)
    next(results)
    assert children() - before
    results.close()  # type: ignore[attr-defined]
    assert not children() - before


PROGRAM = """
import os, time
from fpack.store.parallel import spread
for each in spread(100_000, lambda n: [bytes(10_000)], 2):
    print("begun", flush=True)
    time.sleep(60)
"""


def test_workers_end_with_the_process_that_started_them() -> None:
    leader = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, start_new_session=True)
    assert leader.stdout is not None and leader.stdout.readline() == b"begun\n"
    leader.kill()
    leader.wait()
    # The workers hold standard output: its end is theirs.
    assert leader.stdout.read() == b""
    leader.stdout.close()


# One call for each line: print writes a line and its end one after the other, and the workers share the pipe.
BUSY = """
import os, time
from fpack.store.parallel import spread
def work(number):
    os.write(1, b"begun\\n")
    time.sleep(3)
    os.write(1, b"late\\n")
    return []
list(spread(2, work, 2))
"""


def test_a_worker_without_results_ends_with_the_process_that_started_it() -> None:
    leader = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, start_new_session=True)
    assert leader.stdout is not None
    assert [leader.stdout.readline(), leader.stdout.readline()] == [b"begun\n"] * 2
    leader.kill()
    leader.wait()
    assert leader.stdout.read() == b""
    leader.stdout.close()


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, StoreFull), (errno.EDQUOT, StoreFull), (errno.EIO, DiskError), (errno.EROFS, StoreReadOnly)],
)
@pytest.mark.parametrize("jobs", [2, 3])
def test_an_error_of_the_disk_in_a_copy_keeps_its_class(number: int, kind: type[StoreError], jobs: int) -> None:
    def work(item: int) -> Iterator[int]:
        yield item
        if item == 3:
            raise OSError(number, os.strerror(number), 7)

    with pytest.raises(kind) as caught:
        list(spread(10, work, jobs))
    assert caught.value.fatal and caught.value.hint
