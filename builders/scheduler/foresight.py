"""Queue the derivations that waiting jobs will probably request, to build them while nothing else can be built."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from fpack.builders.protocol import Builder, BuildError
from fpack.store import derivation as derivations
from fpack.store.path import StorePath

from .job import Job


class Foresight:
    """The foreseen derivations, by the job that will request them. builders: by kind."""

    def __init__(self, builders: Mapping[str, Builder]) -> None:
        self._builders = builders
        self._queues: dict[Job, deque[bytes]] = {}
        self._known: set[bytes] = set()

    def learn(self, job: Job, parts: Sequence[StorePath]) -> dict[bytes, bytes]:
        """Queue what the jobs that wait for `job` will request for parts of its output. Return the new derivations."""
        new: dict[bytes, bytes] = {}
        for other in job.after:
            builder = self._builders.get(other.drv.kind)
            if other.run is not None or builder is None:
                continue
            try:
                found = builder.foresee(other.drv, parts)
            except BuildError:  # its arguments are invalid, which its build reports
                continue
            for foreseen in found:
                body = foreseen.encode()
                digest = derivations.digest(body)
                if digest not in self._known:
                    self._known.add(digest)
                    self._queues.setdefault(other, deque()).append(digest)
                    new[digest] = body
        return new

    def forget(self, job: Job) -> None:
        """Drop what is queued for a job: it will request what it really needs."""
        self._queues.pop(job, None)

    def next(self) -> bytes | None:
        """Return the next derivation and remove it from its queue."""
        for job, queue in list(self._queues.items()):
            if queue:
                return queue.popleft()
            del self._queues[job]
        return None
