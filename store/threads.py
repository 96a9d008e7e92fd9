"""Start threads, and hand the result or the exception of each to the thread that waits for it.

This is the only module that starts threads, except for those in STARTERS. A bare thread can lose an exception: the
interpreter prints it and ends the thread, and a thread that waits for a result waits forever. Here each piece of work
is a `ThreadJob`, which always finishes: with a result, with an exception, or with an error because no thread could
start.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

from fpack.light_typing import Any, Generic, TypeVar, cast

T = TypeVar("T")
A = TypeVar("A")

# Modules that start threads themselves, and why.
STARTERS = {
    "fpack.store.threads": "it is this one",
    "fpack.lang.runtime.deep_stack": "an evaluation needs a large stack, and reports its end even without memory",
}


class ThreadJob(Generic[T]):
    """Work that a thread does. It is finished when `done` is true."""

    __slots__ = ("_ended", "_error", "_then", "_value", "_work")

    def __init__(self, work: Callable[[], T], then: Callable[[], object] | None = None) -> None:
        self._work: Callable[[], T] | None = work
        self._then = then
        self._value: T | None = None
        self._error: BaseException | None = None
        self._ended = threading.Event()

    @property
    def done(self) -> bool:
        """True if the work has ended, with a result or with an exception."""
        return self._ended.is_set()

    @property
    def error(self) -> BaseException | None:
        """The exception that ended the work, or None."""
        return self._error

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end of the work, for at most `seconds`. Return whether it has ended."""
        return self._ended.wait(seconds)

    def result(self) -> T:
        """Wait for the end of the work. Return its result, or raise its exception."""
        self._ended.wait()
        if self._error is not None:
            raise self._error
        return cast(T, self._value)

    def _run(self) -> None:
        """Do the work, and note its result or its exception."""
        try:
            assert self._work is not None
            self._value = self._work()
        except BaseException as error:
            self._finish(error)
        else:
            self._finish(None)

    def _finish(self, error: BaseException | None) -> None:
        """Note the outcome, and wake and notify those that wait for it."""
        self._error = error
        self._work = None  # it may refer to large objects
        self._ended.set()
        if self._then is not None:
            try:
                self._then()
            except BaseException:
                pass  # there may be no memory for the notification; the job has the outcome


def start(work: Callable[[], T], name: str) -> ThreadJob[T]:
    """Do `work` in a new daemon thread. name: describes the thread to debuggers."""
    job = ThreadJob(work)
    try:
        threading.Thread(target=job._run, name=name, daemon=True).start()
    except RuntimeError as error:
        job._finish(_no_thread(error))
    return job


class Workers:
    """At most `limit` daemon threads that do submitted jobs in order. They are started when they are needed.

    Use it as a context manager, or call `close` or `stop`, so that the threads end.
    """

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._jobs: deque[ThreadJob[Any]] = deque()
        self._count = 0  # threads
        self._idle = 0  # threads that wait for a job
        self._working = 0
        self._closed = False

    def submit(self, work: Callable[[], T], then: Callable[[], object] | None = None) -> ThreadJob[T]:
        """Add a job. then: called in the job's thread when the job is done, to notify a waiter.

        If memory is short, the notification may be lost, so a waiter must also check `done` from time to time.
        """
        job = ThreadJob(work, then)
        with self._lock:
            self._jobs.append(job)
            if self._idle >= len(self._jobs) or self._count >= self._limit:
                self._filled.notify()
                return job
            self._count += 1
        try:
            threading.Thread(target=self._serve, name=self._name, daemon=True).start()
        except RuntimeError as error:
            with self._lock:
                self._count -= 1
                alone = self._count == 0 and job in self._jobs
                if alone:
                    self._jobs.remove(job)
            # The other threads of the pool take the job when they are free.
            if alone:
                job._finish(_no_thread(error))
        return job

    def map(self, work: Callable[[A], T], items: Iterable[A]) -> list[T]:
        """Do `work` for each item. Return the results in order, or raise the exception of the first failed job."""
        jobs = [self.submit(partial(work, item)) for item in items]
        return [job.result() for job in jobs]

    def close(self) -> None:
        """Let the threads end after the submitted jobs."""
        with self._lock:
            self._closed = True
            self._filled.notify_all()

    def stop(self) -> None:
        """Drop the jobs that have not begun, and wait for the others."""
        with self._lock:
            self._closed = True
            dropped = list(self._jobs)
            self._jobs.clear()
            self._filled.notify_all()
            while self._working:
                self._filled.wait()
        for job in dropped:
            job._finish(RuntimeError("the pool was stopped"))

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _serve(self) -> None:
        """Do submitted jobs, one after the other, until there are none and no more can come."""
        while True:
            with self._lock:
                while not self._jobs:
                    if self._closed:
                        self._count -= 1
                        return
                    self._idle += 1
                    self._filled.wait()
                    self._idle -= 1
                job = self._jobs.popleft()
                self._working += 1
            job._run()
            del job
            with self._lock:
                self._working -= 1
                if self._closed:
                    self._filled.notify_all()


def _no_thread(error: RuntimeError) -> OSError:
    import errno

    return OSError(errno.EAGAIN, f"A thread cannot be started: {error}")
