"""Realise derivations: look up known outputs and build the others in parallel, one build per core.

One thread schedules; workers only build. The scheduler first looks up a derivation by its digest. If that fails, it
realises the inputs, resolves the derivation and looks up its key; if the rebuilt inputs are unchanged, this lookup
succeeds (early cutoff). Otherwise the builder runs. A lock on the key ensures that two processes build an output once.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence

from blake3 import blake3
from fpack.builders.protocol import AbsentDerivation, Builder, BuildError, Cancelled, Need
from fpack.store import canonical
from fpack.store import derivation as derivations
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import DamagedPath, FpackError
from fpack.store.files import bus_error
from fpack.store.locks import build_lock
from fpack.store.path import StorePath
from fpack.store.store import Store

from . import failures
from .failures import is_fatal
from .foresight import Foresight
from .job import DependencyFailed, Job
from .job_workers import JobWorkers
from .malloc import return_freed_memory
from .reporter import BuildOutcome, Reporter
from .run import Run, known
from .substitution import Offer, Substituter, SubstitutionRun
from .task import Assemble

_CLAIM_POLL = 0.3  # seconds between looks at a build of another machine
_POLL = 0.1  # seconds between attempts to take a lock that another process holds
_CHECK = 1.0  # seconds between checks of the workers if no result arrives
_GRACE = 5.0  # seconds that builders have to stop


class Scheduler:
    """A scheduler for one call of `realise`.

    bodies: encoded derivations that may not be in the database yet, by digest. assemble: combines a root and its slices
    into one directory. substituter: the caches, which are asked before anything is built. local_kinds: the kinds of
    derivations for which they are not asked. is_of_archive: tells what they need not have, as each machine finds it in
    an archive.
    """

    def __init__(
        self,
        store: Store,
        builders: Mapping[str, Builder],
        reporter: Reporter,
        *,
        assemble: Assemble,
        bodies: Mapping[bytes, bytes] | None = None,
        jobs: int = 0,
        keep_going: bool = False,
        substituter: Substituter | None = None,
        local_kinds: Collection[str] = (),
        is_of_archive: Callable[[Derivation], bool] = lambda drv: False,
    ) -> None:
        self._store = store
        self._builders = builders
        self._reporter = reporter
        self._assemble = assemble
        self._substituter = substituter
        self._local_kinds = local_kinds
        self._is_of_archive = is_of_archive
        self._wanted: set[bytes] = set()  # the digests of the derivations that `realise` was asked for
        self._bodies = dict(bodies or {})
        self._written = False
        self._keep_going = keep_going
        self.cut_off: dict[str, list[str]] = {}  # derivations not rebuilt: name -> rebuilt inputs that are unchanged
        self._jobs: dict[bytes, Job] = {}
        self._stop = threading.Event()
        self._failed = False
        self._fatal: FpackError | None = None  # the first fatal error of the store, which ends all builds
        self._ready: dict[bool, deque[Job]] = {True: deque(), False: deque()}
        self._foresight = Foresight(builders)
        self._delayed: list[tuple[float, Job]] = []
        self._settled: deque[Job] = deque()
        self._workers = JobWorkers(jobs or len(os.sched_getaffinity(0)))

    def realise(self, outputs: Sequence[Output]) -> list[StorePath]:
        """Build outputs and return their paths in order. Raise BuildsFailed, or Cancelled on Ctrl-C."""
        if (paths := self._store.built(outputs)) is not None:
            return paths
        return_freed_memory()
        bus_error.install()
        try:
            self._wanted = {output.derivation for output in outputs}
            wanted = [self._want(output.derivation) for output in outputs]
            self._check(outputs)
            left = list(wanted)
            # Only the last job is checked in each round, so that the cost per job does not grow with their number.
            while left or self._workers.is_busy:
                if left and (left[-1].paths is not None or left[-1].error is not None):
                    left.pop()
                    continue
                if self._failed and not self._keep_going and not self._workers.is_busy:
                    break
                # A wanted job can fail by one input while its other inputs are still building: wait for them.
                if left:
                    self._start()
                self._settle()
                self._check_progress()
                self._step()
                self._settle()
        except KeyboardInterrupt:
            self._abort()
            raise Cancelled("Interrupted", hint="run the same command again to continue") from None
        except BaseException:
            self._abort()
            raise
        finally:
            self._end()
        failures.check(self._jobs.values(), self._fatal)
        return [job.paths[o.name] for job, o in zip(wanted, outputs, strict=True) if job.paths is not None]

    # Methods of the scheduling thread.

    def _drv(self, digest: bytes) -> Derivation:
        body = self._bodies.get(digest) or self._store.database.derivation(digest)
        if body is None:
            hint = "run the same command again"
            raise AbsentDerivation("A derivation is not in the store", where=digest.hex(), hint=hint)
        return derivations.decode(body)

    def _want(self, digest: bytes) -> Job:
        """Return the job of a derivation; create it and the jobs of its inputs. A loop, since graphs can be deep."""
        if job := self._jobs.get(digest):
            return job
        if not self._written:
            # Store the derivations before building, so that each output's origin can be explained later.
            self._store.plan(self._bodies)
            self._written = True
        todo = [digest]
        while todo:
            now = todo[-1]
            job = self._jobs.get(now)
            if job is None:
                job = self._look_up(now)
                if job.paths is None and not self._substitute_whole(job):
                    missing = [i.derivation for i in job.drv.inputs if i.derivation not in self._jobs]
                    todo += reversed(missing)
                    job.planned = True
                    continue
            todo.pop()
            if job.planned:
                job.planned = False
                self._wait(job, [self._jobs[i.derivation] for i in job.drv.inputs])
                if not job.waits:
                    self._resolve(job)
        self._settle()
        return self._jobs[digest]

    def _check(self, outputs: Sequence[Output]) -> None:
        """Raise BuildError if one of the outputs is not declared by its derivation."""
        for output in outputs:
            drv = self._jobs[output.derivation].drv
            if output.name not in drv.outputs:
                has = ", ".join(drv.outputs)
                raise BuildError(f"{drv.name} has no output {output.name!r}", where=drv.name, hint=f"it has: {has}")

    def _look_up(self, digest: bytes) -> Job:
        job = self._jobs[digest] = Job(digest, self._drv(digest))
        found = {name: self._store.database.built(Output(digest, name)) for name in job.drv.outputs}
        paths = {name: path for name, path in found.items() if path is not None}
        if len(paths) == len(found) and self._store.keep(paths.values()):
            job.paths = paths
        else:
            self._reporter.planned(digest, job.drv.kind, job.drv.name)
        return job

    def _substitute_whole(self, job: Job) -> bool:
        """Queue the transfer of a derivation's outputs if a cache has them, so that its inputs are not needed."""
        if self._substituter is None or not self._is_substitutable(job):
            return False
        return self._substitute(job, self._substituter.of_derivation(job.digest, job.drv.outputs))

    def _is_substitutable(self, job: Job) -> bool:
        return job.drv.kind not in self._local_kinds

    def _substitute(self, job: Job, offer: Offer | None) -> bool:
        if offer is None or job.refused or not self._is_substitutable(job):
            return False
        job.run = SubstitutionRun(offer, self._store, job.drv, job.digest, job.key, self._reporter, self._stop)
        job.network = True
        self._ready[True].append(job)
        return True

    def _build_instead(self, job: Job) -> None:
        """Build a derivation whose outputs no cache gave. Caches are not asked for it again."""
        job.run = None
        job.refused = True
        if job.resolved is not None:
            self._queue(job)
            return
        inputs = [self._want(i.derivation) for i in job.drv.inputs]
        self._wait(job, inputs)
        if not job.waits:
            self._resolve(job)

    def _wait(self, job: Job, others: Sequence[Job]) -> None:
        for other in others:
            other.early = False
            if other.error is not None:
                job.error = job.error or DependencyFailed(other)
            elif other.paths is None:
                other.after.append(job)
                job.waits += 1

    def _resolve(self, job: Job) -> None:
        """Resolve a job whose inputs are all built: look up the resolved derivation, or queue the job."""
        self._foresight.forget(job)
        if job.error is None:
            try:
                self._check(job.drv.inputs)
            except BuildError as error:
                job.error = error
        if job.error is not None:
            self._fail(job, job.error)
            return
        built = {}
        for i in job.drv.inputs:
            other = self._jobs[i.derivation]
            assert other.paths is not None
            built[i] = (derivations.placeholder(i.derivation, other.drv.name, i.name), other.paths[i.name])
        job.resolved = derivations.resolve(job.drv, built)
        builder = self._builders.get(job.drv.kind)
        if builder is None:
            kinds = ", ".join(sorted(self._builders))
            what = f"There is no builder of kind {job.drv.kind!r}"
            self._fail(job, BuildError(what, where=job.drv.name, hint=f"known kinds: {kinds}"))
            return
        try:
            key = builder.key(job.resolved)
        except BuildError as error:  # its arguments are invalid
            self._fail(job, error)
            return
        job.key = blake3(canonical.encode(key)).digest(20)
        if self._cut_off(job):
            return
        if self._substituter is None or not self._substitute(job, self._substituter.of_key(job.key, job.drv.outputs)):
            self._queue(job)

    def _queue(self, job: Job) -> None:
        job.network = self._builders[job.drv.kind].network
        self._ready[job.network].append(job)

    def _cut_off(self, job: Job) -> bool:
        assert job.resolved is not None
        paths = known(self._store, job.key, job.digest, job.resolved)
        if paths is None:
            return False
        rebuilt = [self._jobs[i.derivation].drv.name for i in job.drv.inputs if self._jobs[i.derivation].built]
        self.cut_off[job.drv.name] = rebuilt
        self._done(job, paths, BuildOutcome.CUT_OFF)
        return True

    def _start(self) -> None:
        """Hand ready jobs to workers."""
        now = time.monotonic()
        due = [job for when, job in self._delayed if when <= now]
        self._delayed = [(when, job) for when, job in self._delayed if when > now]
        for job in due:
            if not self._cut_off(job):
                self._ready[job.network].append(job)
        self._start_ready()
        while not self._failed and not self._ready[False] and self._workers.has_room(False):
            if (digest := self._foresight.next()) is None:
                break
            if digest not in self._jobs:
                self._want(digest).early = True
                self._start_ready()

    def _start_ready(self) -> None:
        for network in (True, False):
            while self._ready[network] and self._workers.has_room(network):
                if self._failed and not self._keep_going:
                    return
                job = self._ready[network].popleft()
                if job.run is None:
                    assert job.resolved is not None
                    if self._substituter is not None and not self._claim(job, self._substituter):
                        continue
                    builder = self._builders[job.drv.kind]
                    lock = build_lock(self._store.root, job.key.hex())
                    task = (self._store, job.resolved, job.digest, job.key, self._reporter, self._stop)
                    job.run = Run(builder, lock, *task, self._assemble, self._workers.on_registering(job))
                self._reporter.started(job.digest)
                self._workers.start(job)

    def _claim(self, job: Job, substituter: Substituter) -> bool:
        """Claim a build that other machines may do, too. Return False if the job was queued in another way.

        What caches are not asked for, such as a payload, and packages of an archive are made on each machine, and not
        pushed unless they are wanted.
        """
        shared = self._is_substitutable(job) and not self._is_of_archive(job.drv)
        if job.claimed or not (shared or job.digest in self._wanted):
            return True
        if not substituter.claim(job.key):
            self._reporter.waiting(job.digest)
            self._delayed.append((time.monotonic() + _CLAIM_POLL, job))
            return False
        # Another machine may have finished it since the last look.
        if self._substitute(job, substituter.of_key(job.key, job.drv.outputs)):
            substituter.built(job.key, job.digest, None)
            return False
        job.claimed = True
        return True

    def _check_progress(self) -> None:
        """Raise BuildError if builders wait for each other's outputs, since no result will arrive."""
        if self._failed or self._delayed or self._workers.is_busy or any(self._ready.values()):
            return
        if stuck := [job.drv.name for job in self._jobs.values() if job.waits and job.error is None]:
            raise BuildError(
                "Builds wait for each other's outputs", where=", ".join(stuck[:5]), hint="this is a bug in fpack"
            )

    def _step(self) -> None:
        """Process one result; return after a timeout if none arrives."""
        received = self._workers.receive(_POLL if self._delayed else _CHECK)
        if received is None:
            return
        job, result = received
        if result.busy:
            self._reporter.waiting(job.digest)
            self._delayed.append((time.monotonic() + _POLL, job))
        elif result.absent:
            self._build_instead(job)
        elif result.error is not None and job.early and not self._stop.is_set() and not is_fatal(result.error):
            # It is built again if it is really wanted.
            del self._jobs[job.digest]
            self._reporter.finished(job.digest, BuildOutcome.SKIPPED, "")
        elif result.error is not None:
            self._end_claim(job, None)
            self._fail(job, result.error)
        elif result.need is not None:
            self._suspend(job, result.need)
        else:
            assert result.paths is not None
            self._end_claim(job, result.paths)
            self._done(job, result.paths, result.outcome)

    def _end_claim(self, job: Job, paths: Mapping[str, StorePath] | None) -> None:
        if job.claimed and self._substituter is not None:
            job.claimed = False
            self._substituter.built(job.key, job.digest, paths)

    def _suspend(self, job: Job, need: Need) -> None:
        new = {}
        digests = []
        for wanted in need.wanted:
            if isinstance(wanted, Output):
                digests.append(wanted.derivation)
            else:
                body = wanted.encode()
                digests.append(derivations.digest(body))
                new[digests[-1]] = body
        if new:
            self._bodies.update(new)
            self._store.plan(new)
        jobs = [self._want(digest) for digest in digests]
        names = [wanted.name if isinstance(wanted, Output) else "out" for wanted in need.wanted]
        self._check([Output(*pair) for pair in zip(digests, names, strict=True)])
        job.wanted = list(zip(jobs, names, strict=True))
        self._wait(job, jobs)
        # A cache may have what is foreseen: then it is not worth building.
        if need.parts and job.waits and self._substituter is None:
            foreseen = self._foresight.learn(job, need.parts)
            self._bodies.update(foreseen)
            self._store.plan(foreseen)
        if not job.waits:
            self._resume(job)

    def _resume(self, job: Job) -> None:
        if job.error is not None:
            assert job.run is not None
            job.run.drop()
            self._fail(job, job.error)
            return
        assert job.run is not None
        job.run.answer = [other.paths[name] for other, name in job.wanted if other.paths is not None]
        # At the front of the queue: a suspended job holds a lock.
        self._ready[job.network].appendleft(job)

    def _done(self, job: Job, paths: Mapping[str, StorePath], outcome: BuildOutcome) -> None:
        job.paths = paths
        job.built = True
        self._reporter.finished(job.digest, outcome, str(next(iter(paths.values()))))
        self._settled.append(job)

    def _fail(self, job: Job, error: FpackError) -> None:
        job.error = error if error.where else error.with_(where=job.drv.name)
        skipped = isinstance(error, (DependencyFailed, Cancelled))
        self._failed = True
        if is_fatal(error) and self._fatal is None:
            self._fatal = job.error
            self._keep_going = False
        if not self._keep_going:
            self._stop.set()
        outcome = BuildOutcome.DAMAGED if isinstance(error, DamagedPath) else BuildOutcome.FAILED
        self._reporter.finished(job.digest, BuildOutcome.SKIPPED if skipped else outcome, "")
        self._settled.append(job)

    def _settle(self) -> None:
        """Notify the jobs that wait for finished ones. A loop, since a notified job can finish at once."""
        while self._settled:
            job = self._settled.popleft()
            after, job.after = job.after, []
            for other in after:
                if job.error is not None and other.error is None:
                    other.error = DependencyFailed(job)
                other.waits -= 1
                if not other.waits and other.paths is None:
                    if other.run is None:
                        self._resolve(other)
                    else:
                        self._resume(other)

    # The end.

    def _abort(self) -> None:
        """Stop the builders and wait for them up to _GRACE seconds. A second Ctrl-C ends the process at once."""
        self._stop.set()
        end = time.monotonic() + _GRACE
        try:
            while self._workers.is_busy and time.monotonic() < end:
                self._workers.receive(0.1)
        except KeyboardInterrupt:
            os._exit(130)

    def _end(self) -> None:
        self._workers.close()
        for job in self._jobs.values():
            if job.run is not None and not job.run.running:
                job.run.drop()
