"""Run jobs in worker threads, count the running jobs, and receive their results.

A job is one derivation that is being built; its run builds it and registers its outputs.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable

from fpack.store import threads

from .job import Job
from .run import Result

NETWORK_JOBS = 12  # at a time
# Jobs that are built, and that wait for the disk while their outputs are registered. They do not count as running, so
# that the processors have work meanwhile.
_REGISTERING = 16


class JobWorkers:
    """Two pools of workers: for builders that use the network, and for all others, of which `cores` run at a time.

    A worker changes the state of its attempt, and then sends the attempt as a message. Only the state counts: a message
    may be lost for want of memory, arrive late or arrive in another order, and each attempt ends exactly once.
    """

    def __init__(self, cores: int) -> None:
        # The keys say whether the jobs use the network.
        self._limits = {True: NETWORK_JOBS, False: cores}
        self._pools = {
            True: threads.Workers(NETWORK_JOBS + _REGISTERING, "download"),
            False: threads.Workers(cores + _REGISTERING, "build"),
        }
        self._running = {True: 0, False: 0}
        self._registering = {True: 0, False: 0}  # built, not yet registered: another job may run meanwhile
        self._attempts: dict[Job, _JobAttempt] = {}
        self._messages: queue.SimpleQueue[_JobAttempt] = queue.SimpleQueue()

    @property
    def is_busy(self) -> bool:
        """True while a job runs."""
        return bool(self._attempts)

    def has_room(self, network: bool) -> bool:
        """Return whether another job may start."""
        return self._running[network] < self._limits[network] and self._registering[network] < _REGISTERING

    def start(self, job: Job) -> None:
        """Run a job until it has a result."""
        assert job.run is not None and job not in self._attempts
        self._running[job.network] += 1
        attempt = self._attempts[job] = _JobAttempt(job)
        try:
            attempt.work = self._pools[job.network].submit(job.run.go, lambda: self._messages.put(attempt))
        except BaseException:
            self._end(attempt)
            raise

    def on_registering(self, job: Job) -> Callable[[], None]:
        """Return what the run of a job calls, in its worker, when only its registration is left."""

        def note() -> None:
            attempt = self._attempts[job]
            attempt.registering = True
            with contextlib.suppress(MemoryError):
                self._messages.put(attempt)

        return note

    def receive(self, timeout: float) -> tuple[Job, Result] | None:
        """Return the next result, if one arrives in time. Every exception of a worker becomes a result.

        Return None as well if the number of jobs that may start has changed.
        """
        try:
            attempt = self._messages.get(timeout=timeout)
        except queue.Empty:
            # A worker that lacks memory may fail to send its message.
            changed = next((attempt for attempt in self._attempts.values() if attempt.has_changed), None)
            if changed is None:
                return None
            attempt = changed
        job, work = attempt.job, attempt.work
        if self._attempts.get(job) is not attempt or work is None:
            return None  # a message of an attempt that has ended
        if not work.done:
            if attempt.has_changed:
                self._running[job.network] -= 1
                self._registering[job.network] += 1
                attempt.counts_as_registering = True
            return None
        self._end(attempt)
        if work.error is not None:
            assert job.run is not None
            return job, Result(error=job.run.explain(work.error))
        return job, work.result()

    def _end(self, attempt: _JobAttempt) -> None:
        del self._attempts[attempt.job]
        counts = self._registering if attempt.counts_as_registering else self._running
        counts[attempt.job.network] -= 1

    def close(self) -> None:
        """End the workers when their work ends."""
        for pool in self._pools.values():
            pool.close()


class _JobAttempt:
    """One call of a job's run by a worker. registering: set by the worker when only the registration is left."""

    __slots__ = ("counts_as_registering", "job", "registering", "work")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.registering = False
        self.counts_as_registering = False
        self.work: threads.ThreadJob[Result] | None = None

    @property
    def has_changed(self) -> bool:
        """True if the state of the worker differs from what is counted."""
        return self.registering != self.counts_as_registering or (self.work is not None and self.work.done)
