"""Rebuild a derivation outside the store and compare the outputs with those in the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.builders.protocol import Builder, BuildError, BuiltAll
from fpack.store import derivation as derivations
from fpack.store import path as store_path
from fpack.store.derivation import Derivation, Output, output_name
from fpack.store.errors import StoreError
from fpack.store.locks import build_lock
from fpack.store.path import StorePath
from fpack.store.sessions.recovery import COMPARED
from fpack.store.store import Store

from .reporter import Reporter
from .task import Assemble, StoreTask, build_at_once


class RebuiltOutput(NamedTuple):
    """An output's name and store path, and its rebuilt tree on disk. same: both have the same store path.

    made: the store path of the rebuilt tree.
    """

    output: str
    path: StorePath
    rebuilt: Path
    same: bool
    made: StorePath


class Rebuilder:
    """A context manager that rebuilds the derivation `digest` any number of times, and deletes the trees on exit.

    realise: builds inputs that the store lacks, such as those of an output that came from a cache.
    """

    def __init__(
        self,
        store: Store,
        digest: bytes,
        reporter: Reporter,
        assemble: Assemble,
        realise: Callable[[Sequence[Output]], Sequence[StorePath]] | None = None,
    ) -> None:
        self._store = store
        self._digest = digest
        self._reporter = reporter
        self._assemble = assemble
        self._realise = realise
        self._tasks: list[StoreTask] = []
        self._key = COMPARED + digest.hex()
        self._lock = build_lock(store.root, self._key)
        drv = store.derivation(digest)
        if drv is None:
            raise StoreError("The derivation to rebuild is not in the store", hint="build it first, with fpack build")
        self.drv: Derivation = drv
        self.paths: Mapping[str, StorePath] = {name: self._built(Output(digest, name)) for name in drv.outputs}
        infos = map(store.info, self.paths.values())
        self._last = max((info.registered for info in infos if info), default=0)  # the second in which it was built
        built = {}
        for i in drv.inputs:
            other = store.derivation(i.derivation)
            assert other is not None
            built[i] = (derivations.placeholder(i.derivation, other.name, i.name), self._built(i))
        self._resolved = derivations.resolve(drv, built)

    def __enter__(self) -> Rebuilder:
        if not self._lock.try_acquire():
            self._reporter.waiting(self._digest)
            self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for task in self._tasks:
                task.clean(succeeded=True)
        finally:
            self._lock.release()

    def run(self, builder: Builder) -> list[RebuiltOutput]:
        """Rebuild all outputs and compare them."""
        # Start in a later second than all that it is compared with, so that an output that contains the time differs.
        # File systems may still give files a time of the last 10 ms.
        time.sleep(min(max(0.0, self._last + 1.05 - time.time()), 1.05))
        stop = threading.Event()
        task = StoreTask(self._store, self._resolved, self._digest, self._key, self._reporter, stop, self._assemble)
        self._tasks.append(task)
        try:
            built = build_at_once(builder, task, self._built)
        finally:
            task.build_log.close()
            self._last = int(time.time())
        outputs = built.outputs if isinstance(built, BuiltAll) else (("out", built),)
        rebuilt = []
        for name, output in outputs:
            full = output_name(self.drv.name, name)
            path = output.path or store_path.make(full, output.writer.finish(), list(output.references))
            rebuilt.append(RebuiltOutput(name, self.paths[name], output.writer.disk, path == self.paths[name], path))
        return rebuilt

    def _built(self, wanted: Output | Derivation) -> StorePath:
        output = wanted if isinstance(wanted, Output) else Output(derivations.digest(wanted.encode()))
        path = self._store.database.built(output)
        if path is not None and self._store.keep([path]):
            return path
        if self._realise is None:
            hint = "build the derivation first, with fpack build"
            raise BuildError("An input of the derivation is no longer in the store", hint=hint)
        if isinstance(wanted, Derivation):
            self._store.plan({output.derivation: wanted.encode()})
        [path] = self._realise([output])
        return path
