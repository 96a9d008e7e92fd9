"""Run jobs in worker threads, count the running jobs, and receive their results."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable

from fpack.store import threads

from .job import Job
from .run import Result

NETWORK_JOBS = 12
_REGISTERING = 16  # runs that wait for the disk


class JobWorkers:
    """Two pools of workers: for builders that use the network, and for all others, of which `cores` run at a time."""

    def __init__(self, cores: int) -> None:
        self._limits = {True: NETWORK_JOBS, False: cores}
        self._pools = {
            True: threads.Workers(NETWORK_JOBS + _REGISTERING, "download"),
            False: threads.Workers(cores + _REGISTERING, "build"),
        }
        self._running = {True: 0, False: 0}
        self._registering = {True: 0, False: 0}  # built, not yet registered: another job may run meanwhile
        # A result without content tells that the job's work has ended.
        self._results: queue.SimpleQueue[tuple[Job, Result | None]] = queue.SimpleQueue()

    @property
    def is_busy(self) -> bool:
        """True while a job runs."""
        return any(self._running.values()) or any(self._registering.values())

    def has_room(self, network: bool) -> bool:
        """Return whether another job may start."""
        return self._running[network] < self._limits[network] and self._registering[network] < _REGISTERING

    def start(self, job: Job) -> None:
        """Run a job until it has a result."""
        assert job.run is not None
        self._running[job.network] += 1
        job.work = self._pools[job.network].submit(job.run.go, lambda: self._results.put((job, None)))

    def on_registering(self, job: Job) -> Callable[[], None]:
        """Return what the run of a job calls when only its registration is left."""
        return lambda: self._results.put((job, Result(registering=True)))

    def receive(self, timeout: float, jobs: Iterable[Job]) -> tuple[Job, Result] | None:
        """Return the next result, if one arrives in time. Every exception of a worker becomes a result.

        jobs: all jobs, whose work is checked if no notification arrives.
        """
        try:
            job, result = self._results.get(timeout=timeout)
        except queue.Empty:
            # A worker that lacks memory may fail to send its notification.
            found = next((job for job in jobs if job.work is not None and job.work.done), None)
            if found is None:
                return None
            try:
                # What the job said before it was done comes first: else it would count as registering for ever.
                job, result = self._results.get_nowait()
            except queue.Empty:
                job, result = found, None
        if result is not None:
            return job, result
        work, job.work = job.work, None
        if work is None:
            return None
        work.wait()
        if work.error is not None:
            assert job.run is not None
            return job, Result(error=job.run.explain(work.error))
        return job, work.result()

    def is_registering(self, job: Job, result: Result) -> bool:
        """Update the counts of running jobs. Return True if the job began to register and has no result yet."""
        if result.registering:
            job.registering = True
            self._running[job.network] -= 1
            self._registering[job.network] += 1
            return True
        (self._registering if job.registering else self._running)[job.network] -= 1
        job.registering = False
        return False

    def close(self) -> None:
        """End the workers when their work ends."""
        for pool in self._pools.values():
            pool.close()
