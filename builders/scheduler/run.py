"""Run one builder: take the lock, build, suspend and resume on each `Need`, and register the outputs."""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from types import GeneratorType
from typing import NamedTuple

from fpack.builders.protocol import Builder, BuildError, Built, BuiltAll, Cancelled, Need, Steps
from fpack.store.derivation import Derivation, Output, output_name
from fpack.store.errors import FpackError, StoreError
from fpack.store.files import disk_errors
from fpack.store.locks import FileLock
from fpack.store.path import StorePath
from fpack.store.sessions.registration import BuildRecord, FinishedOutput
from fpack.store.store import Store

from .reporter import BuildOutcome, Reporter
from .task import Assemble, MissingOutput, StoreTask


class Result(NamedTuple):
    """A worker's result, one of: `paths` (the outputs by name), `need`, `error`, `busy` or `absent`."""

    paths: Mapping[str, StorePath] | None = None
    need: Need | None = None
    error: FpackError | None = None
    busy: bool = False  # another process holds the lock
    absent: bool = False  # no cache gives the outputs
    outcome: BuildOutcome = BuildOutcome.BUILT


class Run:
    """One builder's run. One worker at a time calls `go`; after each need, `answer` is set and `go` called again.

    on_registering: called when the outputs are built and only their registration is left.
    """

    def __init__(
        self,
        builder: Builder,
        lock: FileLock,
        store: Store,
        drv: Derivation,
        digest: bytes,
        key: bytes,
        reporter: Reporter,
        stop: threading.Event,
        assemble: Assemble,
        on_registering: Callable[[], None] = lambda: None,
    ) -> None:
        self.answer: list[StorePath] = []
        self.running = False
        self._builder = builder
        self._lock = lock
        self._store = store
        self._drv = drv
        self._digest = digest
        self._key = key
        self._task = StoreTask(store, drv, digest, key.hex(), reporter, stop, assemble)
        self._steps: Steps | None = None
        self._begun = False
        self._since = 0.0  # when the run began
        self._on_registering = on_registering

    def go(self) -> Result:
        """Build until there is a result. Exceptions become errors; those of the clean-up become warnings."""
        self.running = True
        try:
            try:
                result = self._go()
            except Exception as error:
                result = Result(error=self.explain(error))
            if self._begun and result.error is not None and self._is_failure(result.error):
                self._record_failure()
            if result.need is None and not result.busy:
                self._finish(succeeded=result.error is None)
            return result
        finally:
            self.running = False

    def explain(self, error: BaseException) -> FpackError:
        """Return the error for the user. The log gets the traceback of a bug in fpack."""
        if isinstance(error, FpackError):
            return error
        if isinstance(error, OSError):
            where = self._drv.name
            known = disk_errors.explain(error, where, disk=str(self._store.root))
            return known or StoreError(f"{error.strerror or error}", where=disk_errors.path_of(error) or where)
        if isinstance(error, MemoryError):
            return StoreError("There is not enough memory", where=self._drv.name, hint="try -j 1")
        for line in "".join(traceback.format_exception(error)).splitlines():
            self._task.build_log.write(line)
        return BuildError(
            f"fpack failed while building {self._drv.name}",
            why=f"{error.__class__.__name__}: {error}",
            hint=f"this is a bug in fpack; the log {self._task.build_log.path} has the traceback",
        )

    def drop(self) -> None:
        """Abandon a run that will not be resumed."""
        if self._begun:
            if self._steps is not None:
                with contextlib.suppress(Exception):  # the build has failed already
                    self._steps.close()
            self._finish(succeeded=False)

    def _go(self) -> Result:
        if not self._begun:
            if not self._lock.try_acquire():
                return Result(busy=True)
            self._begun = True
            self._since = time.monotonic()
            # Another process may have built it between the lookup and the lock.
            paths = known(self._store, self._key, self._digest, self._drv)
            if paths is not None:
                return Result(paths=paths, outcome=BuildOutcome.CUT_OFF)
        try:
            return self._build() if self._steps is None else self._advance(self.answer)
        except MissingOutput as missing:
            # The build starts again from the beginning when the output exists.
            self._steps = None
            return Result(need=Need((missing.output,)))

    def _build(self) -> Result:
        self._task.check()
        built = self._builder.build(self._task)
        if isinstance(built, GeneratorType):
            self._steps = built
            return self._advance(None)
        assert isinstance(built, (Built, BuiltAll))
        return self._register(built)

    def _advance(self, answer: list[StorePath] | None) -> Result:
        assert self._steps is not None
        self._task.check()
        try:
            need = next(self._steps) if answer is None else self._steps.send(answer)
        except StopIteration as stop:
            return self._register(stop.value)
        return Result(need=need)

    def _register(self, built: Built | BuiltAll) -> Result:
        self._task.check()
        # Registration waits for the disk: let another build start meanwhile.
        self._on_registering()
        outputs = built.outputs if isinstance(built, BuiltAll) else (("out", built),)
        if sorted(name for name, _ in outputs) != sorted(self._drv.outputs):
            actual, expected = ", ".join(name for name, _ in outputs), ", ".join(self._drv.outputs)
            raise BuildError(
                f"The builder of kind {self._drv.kind!r} returned the wrong outputs",
                why=f"it returned {actual}; the derivation has {expected}",
            )
        finished = [
            FinishedOutput(
                output_name(self._drv.name, name), b.writer, b.references, Output(self._digest, name), b.path
            )
            for name, b in outputs
        ]
        outcome = "fetched" if self._builder.network else "built"
        build = BuildRecord(self._drv.name, self._drv.kind, outcome, time.monotonic() - self._since)
        paths = self._store.register_all(self._key, finished, build)
        return Result(paths={name: path for (name, _), path in zip(outputs, paths, strict=True)})

    @staticmethod
    def _is_failure(error: FpackError) -> bool:
        """Return whether the build itself failed, and not because of an interrupt or a fatal error of the store."""
        return not isinstance(error, Cancelled) and not (isinstance(error, StoreError) and error.fatal)

    def _record_failure(self) -> None:
        # The build's own error matters more than an error of the history.
        with contextlib.suppress(FpackError, OSError):
            seconds = time.monotonic() - self._since
            self._store.record_failure(self._digest, self._drv.name, self._drv.kind, seconds)

    def _finish(self, succeeded: bool) -> None:
        """Delete temporary files, close the log and release the lock. The next session deletes leftovers.

        A failed step must neither undo a finished build nor prevent the other steps. If the build failed, errors of
        steps are not reported.
        """
        if not self._begun:
            return
        self._begun = False
        steps: list[Callable[[], None]] = [partial(self._task.clean, succeeded), self._task.build_log.close]
        for step in (*steps, self._lock.release):
            try:
                step()
            except Exception as error:
                if succeeded:
                    where = disk_errors.path_of(error) if isinstance(error, OSError) else ""
                    why = error.strerror if isinstance(error, OSError) else f"{error.__class__.__name__}: {error}"
                    what = f"temporary files of {self._drv.name} could not be deleted"
                    self._task.warn(": ".join(part for part in (what, where, why) if part))


def known(store: Store, key: bytes, digest: bytes, drv: Derivation) -> dict[str, StorePath] | None:
    """Look up the outputs of a resolved derivation by its key; None unless all are in the store.

    The outputs are protected from garbage collection for this process and recorded as outputs of `digest`.
    """
    paths = {}
    for name in drv.outputs:
        path = store.database.realised(key, name)
        if path is None:
            return None
        paths[name] = path
    if not store.keep(paths.values()):
        return None
    build = BuildRecord(drv.name, drv.kind, "cut-off")
    store.adopt(key, {Output(digest, name): path for name, path in paths.items()}, build)
    return paths
