"""Test that no message of a worker, lost, late or in another order, leaves a job that counts as running for ever."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fpack.builders.protocol import BuildError
from fpack.builders.scheduler import job_workers
from fpack.builders.scheduler.job import Job
from fpack.builders.scheduler.job_workers import JobWorkers
from fpack.builders.scheduler.run import Result
from fpack.store.derivation import Derivation
from hypothesis import given
from hypothesis import strategies as st
from support.time_limits import WAIT


class Messages(queue.SimpleQueue[Any]):
    """A queue whose reader finds it empty if the test says so, and whose messages come in the order of the test."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Any] = []
        self.held = True
        self.count = threading.Semaphore(0)

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        self.sent.append(item)
        self.count.release()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not self.sent or (self.held and timeout is not None):
            raise queue.Empty
        return self.sent.pop(0)


class Work:
    """A run of a job: it registers, unless told otherwise, and has a result."""

    def __init__(self, registers: bool = True) -> None:
        self.registers = registers
        self.on_registering: Callable[[], None] = lambda: None
        self.error: BaseException | None = None

    def go(self) -> Result:
        if self.registers:
            self.on_registering()
        if self.error is not None:
            raise self.error
        return Result(busy=True)

    def explain(self, error: BaseException) -> BuildError:
        return BuildError(str(error))


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[JobWorkers]:
    monkeypatch.setattr(job_workers.queue, "SimpleQueue", Messages)
    workers = JobWorkers(2)
    yield workers
    workers.close()


def job_of(workers: JobWorkers, registers: bool = True) -> Job:
    job = Job(b"", Derivation("call", "x", {}, ()))
    work: Any = Work(registers)
    work.on_registering = workers.on_registering(job)
    job.run = work
    return job


def messages(workers: JobWorkers) -> Messages:
    """Return the queue, whatever the class calls it."""
    (found,) = (value for value in vars(workers).values() if isinstance(value, Messages))
    return found


def run(workers: JobWorkers, job: Job) -> None:
    """Start a job, and wait until it has sent all its messages."""
    workers.start(job)
    work: Any = job.run
    for _ in range(2 if work.registers else 1):
        assert messages(workers).count.acquire(timeout=WAIT)


def test_a_job_that_was_done_before_its_messages_were_read_is_not_busy(workers: JobWorkers) -> None:
    run(workers, job_of(workers))
    # The wait for a message ended just before the first one came.
    found = [workers.receive(0)]
    messages(workers).held = False
    found += [workers.receive(0) for _ in range(4)]
    assert sum(each is not None for each in found) == 1
    assert not workers.is_busy and workers.has_room(False)


def test_late_messages_of_a_former_attempt_do_not_count_for_the_next_one(workers: JobWorkers) -> None:
    job = job_of(workers)
    run(workers, job)
    assert workers.receive(0) is not None
    late = list(messages(workers).sent)
    messages(workers).sent.clear()
    messages(workers).held = False
    run(workers, job)
    messages(workers).sent[:0] = late
    found = [workers.receive(0) for _ in range(8)]
    assert sum(each is not None for each in found) == 1
    assert not workers.is_busy and workers.has_room(False)


def test_a_job_that_registers_makes_room(workers: JobWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    jobs = [job_of(workers) for _ in range(2)]
    for job in jobs:
        work: Any = job.run
        monkeypatch.setattr(work, "explain", None)
        real = work.on_registering
        work.on_registering = lambda real=real: (real(), go.wait(60))
        assert workers.has_room(False)
        workers.start(job)
        assert messages(workers).count.acquire(timeout=WAIT)
    assert not workers.has_room(False)
    # A message that is lost is noticed.
    messages(workers).sent.clear()
    assert workers.receive(0) is None and workers.receive(0) is None
    assert workers.has_room(False) and workers.is_busy
    go.set()
    for _ in jobs:
        assert messages(workers).count.acquire(timeout=WAIT)
    assert workers.receive(0) is not None and workers.receive(0) is not None
    assert not workers.is_busy


def test_an_exception_is_a_result(workers: JobWorkers) -> None:
    job = job_of(workers)
    work: Any = job.run
    work.error = ValueError("no")
    run(workers, job)
    received = workers.receive(0)
    assert received is not None and received[0] is job
    assert received[1].error is not None and received[1].error.what == "no"


@given(st.lists(st.booleans(), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_each_attempt_has_one_result_whatever_comes_of_its_messages(registers: list[bool], chance: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_workers.queue, "SimpleQueue", Messages)
        workers = JobWorkers(8)
    try:
        jobs = [job_of(workers, each) for each in registers]
        results = []
        for _ in range(2):
            for job in jobs:
                run(workers, job)
            sent = messages(workers).sent
            chance.shuffle(sent)
            del sent[chance.randrange(len(sent) + 1) :]
            for _ in range(8 * len(jobs)):
                messages(workers).held = chance.random() < 0.5
                if (received := workers.receive(0)) is not None:
                    results.append(received[0])
            messages(workers).held = True
            while (received := workers.receive(0)) is not None:
                results.append(received[0])
            assert not workers.is_busy and workers.has_room(False)
        assert sorted(map(id, results)) == sorted(map(id, jobs * 2))
    finally:
        workers.close()
