"""Build something that is built already once more, beside the store, to see whether it comes out the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import GeneratorType
from typing import NamedTuple

from fpack.builders.protocol import Builder, BuildError, Built, BuiltAll, Need
from fpack.store import derivation as derivations
from fpack.store import path as store_path
from fpack.store.derivation import Derivation, Output, output_name
from fpack.store.errors import StoreError
from fpack.store.path import StorePath
from fpack.store.store import Store

from .reporter import Reporter
from .task import Assemble, StoreTask


class Compared(NamedTuple):
    """An output, and where the tree lies that it was when it was built again. same: whether it has the same path."""

    output: str
    path: StorePath
    again: Path
    same: bool


class Again:
    """Builds `digest` again, as often as wanted. Use it as a context manager: the trees go at its end."""

    def __init__(self, store: Store, digest: bytes, reporter: Reporter, assemble: Assemble) -> None:
        self._store = store
        self._digest = digest
        self._reporter = reporter
        self._assemble = assemble
        self._tasks: list[StoreTask] = []
        drv = store.derivation(digest)
        if drv is None:
            raise StoreError("What is to be built again was not built here", hint="build it once first")
        self.drv: Derivation = drv
        self.paths: Mapping[str, StorePath] = {name: self._built(Output(digest, name)) for name in drv.outputs}
        built = {}
        for i in drv.inputs:
            made = store.derivation(i.derivation)
            assert made is not None
            built[i] = (derivations.placeholder(i.derivation, made.name, i.name), self._built(i))
        self._resolved = derivations.resolve(drv, built)

    def __enter__(self) -> Again:
        return self

    def __exit__(self, *_: object) -> None:
        for task in self._tasks:
            task.clean(succeeded=True)

    def run(self, builder: Builder) -> list[Compared]:
        """Build once more, and compare."""
        # What notes the time should note another.
        time.sleep(max(0.0, 1.05 - time.time() % 1))
        key = f"again-{self._digest.hex()}"
        stop = threading.Event()
        task = StoreTask(self._store, self._resolved, self._digest, key, self._reporter, stop, self._assemble)
        self._tasks.append(task)
        try:
            made = builder.build(task)
            if isinstance(made, GeneratorType):
                made = self._drive(made)
        finally:
            task.said.close()
        assert isinstance(made, (Built, BuiltAll))
        each = made.outputs if isinstance(made, BuiltAll) else (("out", made),)
        compared = []
        for name, one in each:
            full = output_name(self.drv.name, name)
            path = one.path or store_path.make(full, one.writer.finish(), list(one.references))
            compared.append(Compared(name, self.paths[name], one.writer.place, path == self.paths[name]))
        return compared

    def _drive(self, steps: GeneratorType[Need, list[StorePath], Built | BuiltAll]) -> Built | BuiltAll:
        answer: list[StorePath] | None = None
        while True:
            try:
                need = next(steps) if answer is None else steps.send(answer)
            except StopIteration as stop:
                made: Built | BuiltAll = stop.value
                return made
            answer = []
            for wanted in need.wanted:
                output = wanted if isinstance(wanted, Output) else Output(derivations.digest(wanted.encode()))
                answer.append(self._built(output))

    def _built(self, output: Output) -> StorePath:
        path = self._store.database.built(output)
        if path is None or not self._store.keep([path]):
            raise BuildError("Something that it is made from is not in the store any more", hint="build it once first")
        return path
