"""Repair damaged store paths: build their recorded derivations outside the store, and replace the damaged trees.

A tree is replaced only by a tree that has the recorded digest. So a build that gives another output, for example
because of a damaged input, changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from fpack.builders.protocol import Builder, BuildError, Built, BuiltAll, Cancelled
from fpack.store import derivation as derivations
from fpack.store import path as store_path
from fpack.store.derivation import Derivation, Output, output_name
from fpack.store.errors import FpackError, StoreError
from fpack.store.path import StorePath
from fpack.store.repair import replace_tree
from fpack.store.store import Store

from .reporter import BuildOutcome, Reporter
from .scheduler import Scheduler
from .task import Assemble, StoreTask, build_at_once

_MAX_DERIVATIONS = 4  # number of derivations that are tried for a path, the latest first

Finder = Callable[[Collection[StorePath]], Collection[StorePath]]


class RepairFailure(NamedTuple):
    """A path that could not be repaired, and the error."""

    path: StorePath
    error: FpackError


class Repairer:
    """A repair of one store.

    damaged: the damaged paths. find_damage: returns the damaged paths among the given ones. It checks further paths
    that a build uses; None if all paths of the store were checked.
    """

    def __init__(
        self,
        store: Store,
        builders: Mapping[str, Builder],
        reporter: Reporter,
        *,
        assemble: Assemble,
        damaged: Collection[StorePath],
        find_damage: Finder | None = None,
    ) -> None:
        self._store = store
        self._builders = builders
        self._reporter = reporter
        self._assemble = assemble
        self._damaged = set(damaged)
        self._intact: set[StorePath] = set()
        self._find_damage = find_damage
        self._active: set[StorePath] = set()
        self._errors: dict[StorePath, FpackError] = {}
        self.repaired: list[StorePath] = []

    def run(self) -> list[RepairFailure]:
        """Repair the damaged paths. Return the paths that could not be repaired."""
        for path in sorted(self._damaged):
            try:
                self._repair(path)
            except Cancelled:
                raise
            except FpackError:
                continue  # self._errors has the error
        return [RepairFailure(path, self._errors[path]) for path in sorted(self._damaged)]

    def _repair(self, path: StorePath) -> None:
        """Repair a path if it is damaged. Raise FpackError on failure."""
        if path not in self._damaged:
            return
        if path in self._errors:
            raise self._errors[path]
        if path in self._active:
            raise StoreError("Damaged paths need each other", where=str(path))
        self._active.add(path)
        error: FpackError = StoreError("No derivation is recorded that made the path", where=str(path))
        try:
            for digest in self._store.database.made_by(path)[:_MAX_DERIVATIONS]:
                try:
                    self._rebuild(digest, path)
                    return
                except Cancelled:
                    raise
                except FpackError as failure:
                    error = failure
                except OSError as failure:
                    error = StoreError(failure.strerror or str(failure), where=str(failure.filename or path))
        finally:
            self._active.discard(path)
        self._errors[path] = error
        raise error

    def _rebuild(self, digest: bytes, wanted: StorePath) -> None:
        drv = self._store.derivation(digest)
        if drv is None:
            raise StoreError("The derivation that made the path is not in the store", where=str(wanted))
        builder = self._builders.get(drv.kind)
        if builder is None:
            raise BuildError(f"There is no builder of kind {drv.kind!r}", where=drv.name)
        resolved = self._resolve(drv)
        self._repair_mentioned(resolved)
        self._reporter.planned(digest, drv.kind, drv.name)
        self._reporter.started(digest)
        task = StoreTask(
            self._store, resolved, digest, f"repair-{digest.hex()}", self._reporter, threading.Event(), self._assemble
        )
        outcome = BuildOutcome.FAILED
        try:
            self._replace(digest, drv, build_at_once(builder, task, self._input), wanted)
            outcome = BuildOutcome.BUILT
        finally:
            task.clean(succeeded=outcome is BuildOutcome.BUILT)
            task.build_log.close()
            self._reporter.finished(digest, outcome, str(wanted))

    def _resolve(self, drv: Derivation) -> Derivation:
        built = {}
        for entry in drv.inputs:
            other = self._store.derivation(entry.derivation)
            if other is None:
                raise StoreError("The derivation of an input is not in the store", where=drv.name)
            built[entry] = (derivations.placeholder(entry.derivation, other.name, entry.name), self._available(entry))
        return derivations.resolve(drv, built)

    def _repair_mentioned(self, resolved: Derivation) -> None:
        """Repair the closures of the paths that the arguments mention, because some of them are not inputs."""
        text = resolved.encode().decode("utf-8", "replace")
        mentioned = (StorePath(*reference) for reference in store_path.find_references(text))
        self._repair_all(self._store.closure({path for path in mentioned if self._store.info(path) is not None}))

    def _input(self, wanted: Output | Derivation) -> StorePath:
        if isinstance(wanted, Output):
            return self._available(wanted)
        body = wanted.encode()
        self._store.plan({derivations.digest(body): body})
        return self._available(Output(derivations.digest(body)))

    def _replace(self, digest: bytes, drv: Derivation, built: Built | BuiltAll, wanted: StorePath) -> None:
        """Replace the damaged outputs of a derivation. Raise BuildError if `wanted` is not one of the built outputs."""
        outputs = built.outputs if isinstance(built, BuiltAll) else (("out", built),)
        paths = []
        for name, output in outputs:
            tree = output.writer.finish()
            full = output_name(drv.name, name)
            path = output.path or store_path.make(full, tree, sorted(set(output.references)))
            paths.append(path)
            if path in self._damaged and self._store.database.built(Output(digest, name)) == path:
                replace_tree(self._store, path, output.writer)
                self._damaged.discard(path)
                self._errors.pop(path, None)
                self._intact.add(path)
                self.repaired.append(path)
        if wanted not in paths:
            why = f"it gave {', '.join(map(str, paths))}"
            raise BuildError("Building the path again gives another output", where=str(wanted), why=why)

    def _available(self, output: Output) -> StorePath:
        """Return the path of an output. Build it if the store lacks it, and repair its closure."""
        path = self._store.database.built(output)
        if path is None:
            path = self._realise(output)
        self._repair_all(self._store.closure([path]))
        if not self._store.keep([path]):
            raise BuildError("An input was deleted while it was used", where=str(path), hint="try again")
        return path

    def _repair_all(self, paths: Collection[StorePath]) -> None:
        new = set(paths) - self._intact - self._damaged
        if self._find_damage is not None and new:
            self._damaged |= set(self._find_damage(new))
        self._intact |= new - self._damaged
        for path in paths:
            self._repair(path)

    def _realise(self, output: Output) -> StorePath:
        """Repair the existing inputs of an output that the store lacks, transitively, and build the output."""
        seen: set[bytes] = set()
        todo = [output.derivation]
        while todo:
            digest = todo.pop()
            drv = self._store.derivation(digest)
            if digest in seen or drv is None:
                continue
            seen.add(digest)
            for entry in drv.inputs:
                path = self._store.database.built(entry)
                if path is None:
                    todo.append(entry.derivation)
                else:
                    self._repair_all(self._store.closure([path]))
        scheduler = Scheduler(self._store, self._builders, self._reporter, assemble=self._assemble)
        (path,) = scheduler.realise([output])
        return path
