"""One run of a builder over the real store: the `Task` of `protocol.py`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from fpack.builders.protocol import Cancelled
from fpack.store.derivation import Derivation
from fpack.store.files.remove import remove_tree
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath, parse
from fpack.store.store import Store

from .build_log import BuildLog
from .reporter import Reporter

Assemble = Callable[[Store, StorePath], Path]


class StoreTask:
    """drv: the resolved derivation. digest: names it in reports. key: the realisation's, hexadecimal.

    assemble: makes a root one directory.
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
        self.said = BuildLog(store.root / "logs" / f"{digest.hex()}.zst")
        self._store = store
        self._digest = digest
        self._key = key
        self._reporter = reporter
        self._stop = stop
        self._assemble = assemble
        self._places: list[Path] = []

    def disk(self, path: StorePath | str) -> Path:
        """Where a store path lies on disk."""
        return self._store.disk(path)

    def view(self, root: StorePath) -> Path:
        """A root as one directory."""
        return self._assemble(self._store, root)

    def payload(self, slice_: StorePath) -> StorePath | None:
        """The payload that a slice was cut from."""
        made = self._store.database.made_by(slice_)
        for digest in made:
            drv = self._store.derivation(digest)
            if drv is None or drv.kind != "slice":
                continue
            if not drv.inputs:
                return parse(str(drv.args["payload"]))
            found = self._store.database.built(drv.inputs[0])
            if found is not None:
                return found
        return None

    def closure(self, paths: Sequence[StorePath]) -> list[StorePath]:
        """The paths and all that they reference, transitively, sorted."""
        return self._store.closure(paths)

    def writer(self) -> TreeWriter:
        """A new tree, deleted at the end unless it was registered."""
        writer = self._store.writer()
        self._places.append(writer.place)
        return writer

    def scratch(self) -> Path:
        """A private empty directory."""
        place = self._store.session.fresh()
        os.mkdir(place, 0o700)
        self._places.append(place)
        return place

    def resume_dir(self) -> Path:
        """A private directory that outlives a failure; the build's lock keeps others out of it."""
        place = self._store.root / "partial" / self._key
        place.mkdir(mode=0o700, exist_ok=True)
        return place

    def progress(self, done: int, total: int) -> None:
        """Report bytes."""
        self._reporter.progress(self._digest, done, total)

    def log(self, line: str) -> None:
        """Keep a line for the log file and report it."""
        self.said.write(line)
        self._reporter.log(self._digest, line)

    def check(self) -> None:
        """Raise Cancelled if the build is to stop."""
        if self._stop.is_set():
            raise Cancelled("Interrupted")

    def clean(self, succeeded: bool) -> None:
        """Delete what the run left in the session's directory, and what it kept for a next try if it succeeded."""
        for place in self._places:
            remove_tree(place)
        if succeeded:
            remove_tree(self._store.root / "partial" / self._key)
