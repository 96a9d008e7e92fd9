"""One builder's run, from its lock to its registration, suspended and resumed as the builder asks."""

from __future__ import annotations

import errno
import threading
import traceback
from collections.abc import Callable, Mapping
from types import GeneratorType
from typing import NamedTuple

from fpack.builders.protocol import Builder, BuildError, Built, BuiltAll, Need, Steps
from fpack.store.derivation import Derivation, Output, output_name
from fpack.store.errors import FpackError, StoreError
from fpack.store.locks import FileLock
from fpack.store.path import StorePath
from fpack.store.store import FinishedOutput, Store

from .reporter import Outcome, Reporter
from .task import Assemble, StoreTask


class Result(NamedTuple):
    """What a worker comes back with: outputs by name, a need, an error, or the news that another process is at it."""

    paths: Mapping[str, StorePath] | None = None
    need: Need | None = None
    error: FpackError | None = None
    busy: bool = False
    outcome: Outcome = Outcome.BUILT
    leaving: bool = False  # no result yet: it is built, and does not use a processor any more


class Run:
    """`go` is called by one worker at a time, again after each need with `answer` set.

    leave: is called when all that is left to do is to register what was built.
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
        leave: Callable[[], None] = lambda: None,
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
        self._leave = leave

    def go(self) -> Result:
        """Build until there is a result. No exception leaves it."""
        self.running = True
        try:
            result = self._go()
        except FpackError as error:
            result = Result(error=error)
        except OSError as error:
            result = Result(error=_explain(error, self._drv.name))
        except MemoryError:
            result = Result(error=StoreError("There is not enough memory", where=self._drv.name, hint="try -j 1"))
        except Exception as error:
            # A fault of ours: the log has what is needed to mend it, the user gets a sentence.
            for line in traceback.format_exc().splitlines():
                self._task.said.write(line)
            result = Result(
                error=BuildError(
                    f"fpack failed while it made {self._drv.name}",
                    why=f"{error.__class__.__name__}: {error}",
                    hint=f"this is a fault in fpack; the log {self._task.said.place} says where",
                )
            )
        if result.need is None and not result.busy:
            self._finish(succeeded=result.error is None)
        self.running = False
        return result

    def drop(self) -> None:
        """End a run that will not be resumed."""
        if self._begun:
            if self._steps is not None:
                self._steps.close()
            self._finish(succeeded=False)

    def _go(self) -> Result:
        if not self._begun:
            if not self._lock.try_acquire():
                return Result(busy=True)
            self._begun = True
            # Another process may have made it between the look-up and the lock.
            paths = known(self._store, self._key, self._digest, self._drv)
            if paths is not None:
                return Result(paths=paths, outcome=Outcome.CUT_OFF)
            self._task.check()
            made = self._builder.build(self._task)
            if isinstance(made, GeneratorType):
                self._steps = made
                return self._advance(None)
            assert isinstance(made, (Built, BuiltAll))
            return self._register(made)
        return self._advance(self.answer)

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
        # What follows waits for the disk: another build may begin meanwhile.
        self._leave()
        each = built.outputs if isinstance(built, BuiltAll) else (("out", built),)
        if sorted(name for name, _ in each) != sorted(self._drv.outputs):
            made, asked = ", ".join(name for name, _ in each), ", ".join(self._drv.outputs)
            raise BuildError(
                f"A builder of kind {self._drv.kind!r} makes other outputs than are asked of it",
                why=f"it makes {made}, and the derivation has {asked}",
            )
        finished = [
            FinishedOutput(
                output_name(self._drv.name, name), b.writer, b.references, Output(self._digest, name), b.path
            )
            for name, b in each
        ]
        paths = self._store.register_all(self._key, finished)
        return Result(paths={name: path for (name, _), path in zip(each, paths, strict=True)})

    def _finish(self, succeeded: bool) -> None:
        if self._begun:
            self._begun = False
            self._task.clean(succeeded)
            self._task.said.close()
            self._lock.release()


def known(store: Store, key: bytes, digest: bytes, drv: Derivation) -> dict[str, StorePath] | None:
    """What the resolved derivation of this key came out as, if all of it is there; kept, and noted as outputs."""
    paths = {}
    for name in drv.outputs:
        path = store.database.realised(key, name)
        if path is None:
            return None
        paths[name] = path
    if not store.keep(paths.values()):
        return None
    for name, path in paths.items():
        store.adopt(key, Output(digest, name), path)
    return paths


def _explain(error: OSError, name: str) -> FpackError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            "The disk is full", where=name, why=str(error.filename or ""),
            hint="free some room, or run fpack gc, and run the same command again: it carries on",
        )  # fmt: skip
    if error.errno == errno.EMFILE:
        return StoreError("Too many files are open", where=name, hint="raise the limit with ulimit -n")
    return StoreError(f"{error.strerror or error}", where=str(error.filename or name))
