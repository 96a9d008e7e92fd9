"""Repair damaged store paths: build their recorded derivations outside the store, and replace the damaged trees.

A tree is replaced only by a tree that has the recorded digest. So a build that gives another output, for example
because of a damaged input, changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from fpack.builders.protocol import Builder, BuildError, Built, BuiltAll, Cancelled
from fpack.store import base32
from fpack.store import derivation as derivations
from fpack.store import path as store_path
from fpack.store.derivation import Derivation, Output, output_name
from fpack.store.errors import FpackError, StoreError
from fpack.store.files.disk_errors import path_of
from fpack.store.locks import build_lock
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


class _RepairNeeded(Exception):
    """A damaged path that must be repaired first. The build that needs it then starts again from the beginning."""

    def __init__(self, path: StorePath) -> None:
        super().__init__(path)
        self.path = path


class _Attempt:
    """A path to repair: the derivations that are left to try, the latest first, and the last error."""

    def __init__(self, path: StorePath, makers: list[bytes]) -> None:
        self.path = path
        self.makers = makers
        self.error: FpackError | None = None


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
        self._whole: set[bytes] = set()  # hashes of paths whose closures are intact
        self._find_damage = find_damage
        self._active: set[StorePath] = set()  # paths whose repair has begun
        self._errors: dict[StorePath, FpackError] = {}
        self.repaired: list[StorePath] = []

    def run(self) -> list[RepairFailure]:
        """Repair the damaged paths. Return the paths that could not be repaired."""
        for path in sorted(self._damaged):
            self._repair(path)
        return [RepairFailure(path, self._errors[path]) for path in sorted(self._damaged)]

    def _repair(self, path: StorePath) -> None:
        """Repair a path, after the damaged paths that its builds need. A loop, because these chains can be long."""
        stack = [_Attempt(path, self._makers(path))]
        while stack:
            attempt = stack[-1]
            self._active.add(attempt.path)
            try:
                if attempt.path in self._damaged and attempt.path not in self._errors:
                    self._try(attempt)
            except _RepairNeeded as needed:
                stack.append(_Attempt(needed.path, self._makers(needed.path)))
                continue
            self._active.discard(attempt.path)
            stack.pop()

    def _makers(self, path: StorePath) -> list[bytes]:
        return self._store.database.made_by(path)[:_MAX_DERIVATIONS]

    def _try(self, attempt: _Attempt) -> None:
        """Repair a path by the first derivation that can be built. Raise _RepairNeeded to build another path first."""
        path = attempt.path
        while attempt.makers:
            try:
                self._rebuild(attempt.makers[0], path)
                return
            except Cancelled:
                raise
            except FpackError as failure:
                attempt.error = failure
            except OSError as failure:
                attempt.error = StoreError(failure.strerror or str(failure), where=path_of(failure) or str(path))
            del attempt.makers[0]
        what = "The store has no record of the derivation that made the path"
        self._errors[path] = attempt.error or StoreError(what, where=str(path))

    def _rebuild(self, digest: bytes, wanted: StorePath) -> None:
        drv = self._store.derivation(digest)
        if drv is None:
            raise StoreError("The derivation that made the path is not in the store", where=str(wanted))
        builder = self._builders.get(drv.kind)
        if builder is None:
            raise BuildError(f"There is no builder of kind {drv.kind!r}", where=drv.name)
        resolved = self._resolve(drv)
        self._require_mentioned(resolved)
        self._reporter.planned(digest, drv.kind, drv.name)
        key = f"repair-{digest.hex()}"
        # Another process may repair the path at the same time.
        lock = build_lock(self._store.root, key)
        if not lock.try_acquire():
            self._reporter.waiting(digest)
            lock.acquire()
        self._reporter.started(digest)
        task = StoreTask(self._store, resolved, digest, key, self._reporter, threading.Event(), self._assemble)
        outcome = BuildOutcome.FAILED
        try:
            self._replace(digest, drv, build_at_once(builder, task, self._input), wanted)
            outcome = BuildOutcome.BUILT
        except _RepairNeeded:
            outcome = BuildOutcome.SKIPPED
            raise
        finally:
            try:
                task.clean(succeeded=outcome is BuildOutcome.BUILT)
                task.build_log.close()
            finally:
                lock.release()
            self._reporter.finished(digest, outcome, str(wanted))

    def _resolve(self, drv: Derivation) -> Derivation:
        built = {}
        for entry in drv.inputs:
            other = self._store.derivation(entry.derivation)
            if other is None:
                raise StoreError("The derivation of an input is not in the store", where=drv.name)
            built[entry] = (derivations.placeholder(entry.derivation, other.name, entry.name), self._available(entry))
        return derivations.resolve(drv, built)

    def _require_mentioned(self, resolved: Derivation) -> None:
        """Require the paths that the arguments mention, because some of them are not inputs."""
        text = resolved.encode().decode("utf-8", "replace")
        mentioned = (StorePath(*reference) for reference in store_path.find_references(text))
        self._require(path for path in mentioned if self._store.info(path) is not None)

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
            why = f"the build made {', '.join(map(str, paths))}"
            raise BuildError("The derivation that made the path now has another output", where=str(wanted), why=why)

    def _available(self, output: Output) -> StorePath:
        """Return the path of an output, whose closure is intact. Build it if the store lacks it."""
        path = self._store.database.built(output)
        if path is None:
            path = self._realise(output)
        self._require([path])
        if not self._store.keep([path]):
            raise BuildError("An input was deleted while it was used", where=str(path), hint="try again")
        return path

    def _require(self, paths: Iterable[StorePath]) -> None:
        """Check the closures of paths. Raise _RepairNeeded for a damaged path that is still to be repaired.

        Raise FpackError if its repair failed, or waits for this one.
        """
        todo = {base32.decode(path.hash) for path in paths}
        passed: set[bytes] = set()
        while todo := todo - self._whole - passed:
            infos = self._store.database.infos(todo)
            if missing := todo - infos.keys():
                raise StoreError(f"The store has no path with hash {base32.encode(min(missing))}")
            level = {info.path for info in infos.values()}
            new = level - self._intact - self._damaged
            if self._find_damage is not None and new:
                self._damaged |= set(self._find_damage(new))
            self._intact |= new - self._damaged
            for path in sorted(level & self._damaged):
                if path in self._errors:
                    raise self._errors[path]
                if path in self._active:
                    raise StoreError("Damaged paths need each other to be built", where=str(path))
                raise _RepairNeeded(path)
            passed |= todo
            todo = {reference for info in infos.values() for reference in info.references}
        self._whole |= passed

    def _realise(self, output: Output) -> StorePath:
        """Build an output that the store lacks. The existing inputs, transitively, must be intact."""
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
                    self._require([path])
        scheduler = Scheduler(self._store, self._builders, self._reporter, assemble=self._assemble)
        (path,) = scheduler.realise([output])
        return path
