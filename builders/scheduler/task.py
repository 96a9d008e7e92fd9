"""Implement the `Task` of `protocol.py` on the store."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from fpack.builders.protocol import Builder, Built, BuiltAll, Cancelled
from fpack.store.derivation import Derivation, Output
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.remove import remove_tree
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath, parse
from fpack.store.store import Store

from .build_log import BuildLog
from .reporter import Reporter

Assemble = Callable[[Store, StorePath], Path]


class MissingOutput(Exception):
    """An output that a build needs was deleted. It must be built again before the build can start."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self.output = output


class StoreTask:
    """A builder's task.

    drv: the resolved derivation. digest: identifies it in reports. key: hexadecimal, names the resume directory.
    assemble: combines a root and its slices into one directory.
    """

    def __init__(
        self,
        store: Store,
        drv: Derivation,
        digest: bytes,
        key: str,
        reporter: Reporter,
        stop: threading.Event,
        assemble: Assemble,
    ) -> None:
        self.name = drv.name
        self.args = drv.args
        self.candidates = drv.candidates
        self.outputs = drv.outputs
        self.build_log = BuildLog(store.root / "logs" / f"{digest.hex()}.zst")
        self._store = store
        self._digest = digest
        self._key = key
        self._reporter = reporter
        self._stop = stop
        self._assemble = assemble
        self._temporary: list[Path] = []

    def disk(self, path: StorePath | str) -> Path:
        """Return the location of a store path on disk."""
        return self._store.disk(path)

    def tree(self, path: StorePath | str) -> CheckedTree:
        """Return a reader of a store path."""
        return self._store.tree(parse(path) if isinstance(path, str) else path)

    def view(self, root: StorePath) -> Path:
        """Return a root and its slices as one directory."""
        return self._assemble(self._store, root)

    def payload(self, slice_: StorePath) -> StorePath | None:
        """Return the payload that a slice was cut from, kept from gc, or None. Raise MissingOutput if gc deleted it."""
        for digest in self._store.database.made_by(slice_):
            drv = self._store.derivation(digest)
            if drv is None or drv.kind != "slice":
                continue
            if not drv.inputs:
                return parse(str(drv.args["payload"]))
            found = self._store.database.built(drv.inputs[0])
            if found is None or not self._store.keep([found]):
                raise MissingOutput(drv.inputs[0])
            return found
        return None

    def closure(self, paths: Sequence[StorePath]) -> list[StorePath]:
        """Return the store paths and everything that they reference, transitively, sorted."""
        return self._store.closure(paths)

    def writer(self) -> TreeWriter:
        """Start a new tree. `clean` deletes it unless it was registered."""
        writer = self._store.writer()
        self._temporary.append(writer.disk)
        return writer

    def scratch(self) -> Path:
        """Create a private empty directory."""
        path = self._store.session.fresh()
        os.mkdir(path, 0o700)
        self._temporary.append(path)
        return path

    def resume_dir(self) -> Path:
        """Return a private directory that survives a failed build. The build's lock keeps other processes out."""
        path = self._store.root / "partial" / self._key
        try:
            path.mkdir(mode=0o700, exist_ok=True)
        except FileNotFoundError:
            # Something deleted the directory of all partial downloads.
            path.parent.mkdir(mode=0o755, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=True)
        return path

    def progress(self, done: int, total: int) -> None:
        """Report progress in bytes."""
        self._reporter.progress(self._digest, done, total)

    def log(self, line: str) -> None:
        """Write a line to the log file and report it."""
        self.build_log.write(line)
        self._reporter.log(self._digest, line)

    def warn(self, text: str) -> None:
        """Report a problem that does not fail the build."""
        self._reporter.warning(self._digest, text)

    def check(self) -> None:
        """Raise Cancelled if the build must stop."""
        if self._stop.is_set():
            raise Cancelled("Interrupted")

    def clean(self, succeeded: bool) -> None:
        """Delete the run's temporary files and, if it succeeded, its resume directory. Raise the first OSError."""
        first: OSError | None = None
        resumed = [self._store.root / "partial" / self._key] if succeeded else []
        for path in [*self._temporary, *resumed]:
            try:
                remove_tree(path)
            except OSError as error:
                first = first or error
        if first is not None:
            raise first


def build_at_once(
    builder: Builder, task: StoreTask, available: Callable[[Output | Derivation], StorePath]
) -> Built | BuiltAll:
    """Build without suspending: `available` returns each output that the builder requests while it runs."""
    steps = builder.build(task)
    if isinstance(steps, (Built, BuiltAll)):
        return steps
    answer: list[StorePath] | None = None
    while True:
        try:
            need = next(steps) if answer is None else steps.send(answer)
        except StopIteration as stop:
            built: Built | BuiltAll = stop.value
            return built
        answer = [available(wanted) for wanted in need.wanted]
