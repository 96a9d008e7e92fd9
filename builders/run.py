"""One builder's run, from its lock to its registration, suspended and resumed as the builder asks."""

from __future__ import annotations

import errno
import os
import threading
import traceback
from types import GeneratorType
from typing import NamedTuple

from fpack.store.derivation import Derivation, Output
from fpack.store.errors import FpackError, StoreError
from fpack.store.locks import FileLock
from fpack.store.path import StorePath
from fpack.store.store import Store

from .protocol import Builder, BuildError, Built, Need, Steps
from .report import Outcome, Reporter
from .task import StoreTask


class Result(NamedTuple):
    """What a worker comes back with: a path, a need, an error, or the news that another process is at it."""

    path: StorePath | None = None
    need: Need | None = None
    error: FpackError | None = None
    busy: bool = False
    outcome: Outcome = Outcome.BUILT


class Run:
    """`go` is called by one worker at a time, again after each need with `answer` set."""

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
    ) -> None:
        self.answer: list[StorePath] = []
        self.running = False
        self._builder = builder
        self._lock = lock
        self._store = store
        self._drv = drv
        self._digest = digest
        self._key = key
        self._task = StoreTask(store, drv, digest, key.hex(), reporter, stop)
        self._steps: Steps | None = None
        self._begun = False

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
            self._task.lines += traceback.format_exc().splitlines()
            result = Result(
                error=BuildError(
                    f"fpack failed while it made {self._drv.name}",
                    why=f"{error.__class__.__name__}: {error}",
                    hint=f"this is a fault in fpack; the log {self._log_file()} says where",
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
            path = self._store.database.realised(self._key, "out")
            if path is not None and self._store.keep([path]):
                self._store.adopt(self._key, Output(self._digest), path)
                return Result(path=path, outcome=Outcome.CUT_OFF)
            self._task.check()
            made = self._builder.build(self._task)
            if isinstance(made, GeneratorType):
                self._steps = made
                return self._advance(None)
            assert isinstance(made, Built)
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

    def _register(self, built: Built) -> Result:
        self._task.check()
        output = Output(self._digest)
        path = self._store.register(self._drv.name, built.writer, built.references, self._key, output)
        return Result(path=path)

    def _finish(self, succeeded: bool) -> None:
        if self._begun:
            self._begun = False
            self._task.clean(succeeded)
            if self._task.lines:
                self._write_log()
            self._lock.release()

    def _log_file(self) -> str:
        return f"{self._store.root}/logs/{self._digest.hex()}.zst"

    def _write_log(self) -> None:
        import zstandard

        text = "".join(f"{line}\n" for line in self._task.lines)
        try:
            with open(
                os.open(self._log_file(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644), "wb"
            ) as file:
                file.write(zstandard.ZstdCompressor().compress(text.encode("utf-8", "replace")))
        except OSError:
            # A full disk must not hide the error that the log was to explain.
            return


def _explain(error: OSError, name: str) -> FpackError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            "The disk is full", where=name, why=str(error.filename or ""),
            hint="free some room, or run fpack gc, and run the same command again: it carries on",
        )  # fmt: skip
    if error.errno == errno.EMFILE:
        return StoreError("Too many files are open", where=name, hint="raise the limit with ulimit -n")
    return StoreError(f"{error.strerror or error}", where=str(error.filename or name))
