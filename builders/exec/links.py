"""What a built program takes from the root that it was built in: the payloads that it is linked with.

NEEDED entries, interpreters and `#!` lines are resolved against the root as the loader and the kernel do it, down to
the libraries' own libraries. What is recorded are payloads, never slices: a slice's rule belongs to an image or a
shell.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from fpack.builders.payload import elf, ld_paths, meta
from fpack.builders.payload.machines import MACHINES
from fpack.builders.payload.meta import LoadFacts
from fpack.builders.payload.symlinks import resolve
from fpack.builders.protocol import Task
from fpack.store.errors import FpackError, StoreError
from fpack.store.files.regular_file import open_regular
from fpack.store.path import STORE, StorePath, parse

_PROGRAMS = ("usr/local/bin", "usr/bin", "usr/sbin")


def linked(
    task: Task, root: StorePath, outputs: Sequence[Mapping[str, LoadFacts]]
) -> tuple[list[set[StorePath]], list[str]]:
    """The payloads that each output's programs take from the root, and lines about what they lack.

    outputs: the facts of each output's programs by path.
    """
    if not any(outputs):
        return [set() for _ in outputs], []
    view = _View(task, root)
    own = {path.rpartition("/")[2] for programs in outputs for path in programs}
    lacking: dict[str, str] = {}
    found = []
    for programs in outputs:
        slices: set[StorePath] = set()
        for path, facts in programs.items():
            for what, place in _wanted(facts, view):
                if place is not None:
                    slices |= view.closure(place)
                elif (
                    not what.startswith(STORE)
                    and what.rpartition("/")[2] not in own
                    and not _elsewhere(task, facts, what)
                ):
                    lacking.setdefault(what, path)
        found.append({payload for slice_ in slices if (payload := task.payload(slice_)) is not None})
    return found, [f"{path or 'the output'} loads {what}, which is not in the root" for what, path in lacking.items()]


def _wanted(facts: LoadFacts, view: _View) -> Iterator[tuple[str, str | None]]:
    """What a file loads, and where in the root that is."""
    if facts.interp:
        yield facts.interp, view.find(facts.interp) if not facts.interp.startswith(STORE) else None
    if facts.machine:
        for name in facts.needed:
            yield name, view.library(name, facts)
    else:
        for name in facts.needed:
            yield name, next((place for folder in _PROGRAMS if (place := view.find(f"{folder}/{name}"))), None)


def _elsewhere(task: Task, facts: LoadFacts, what: str) -> bool:
    """Whether something is in a store path: named so, or found along a run path. Beside the file itself it may be."""
    if what.startswith(STORE + "/"):
        return True
    for folder in facts.runpath:
        if folder.startswith(("$ORIGIN", "${ORIGIN}")):
            return True
        if folder.startswith(STORE + "/"):
            try:
                place = task.disk(folder)
            except FpackError:
                continue
            if os.path.lexists(place / what):
                return True
    return False


class _View:
    """A root on disk."""

    def __init__(self, task: Task, root: StorePath) -> None:
        self._top = os.fspath(task.view(root))
        _, extra = meta.read(task.disk(root))
        self._slices = [(parse(each["path"]), task.disk(parse(each["path"])) / "data") for each in extra["slices"]]
        self._folders = list(dict.fromkeys(["usr/local/lib", *self._configured(), *self._standard()]))
        self._closures: dict[str, set[StorePath]] = {}

    def _standard(self) -> Iterator[str]:
        triplets = {machine.triplet for machine in MACHINES.values()}
        for name in sorted(os.listdir(f"{self._top}/usr/lib")) if os.path.isdir(f"{self._top}/usr/lib") else ():
            if name in triplets:
                yield f"usr/lib/{name}"
        yield from (*ld_paths.DEFAULTS, "usr/lib32")

    def _configured(self) -> Iterator[str]:
        folder = f"{self._top}/{ld_paths.CONFIGURATION}"
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            with contextlib.suppress(StoreError):
                yield from ld_paths.configured_directories(Path(folder, name))

    def find(self, path: str) -> str | None:
        """What a path of the root leads to through symlinks, relative; None if to nothing."""
        return resolve(path, self._target, lambda p: os.path.lexists(f"{self._top}/{p}"))

    def _target(self, path: str) -> str | None:
        try:
            return os.readlink(f"{self._top}/{path}")
        except OSError:
            return None

    def library(self, name: str, facts: LoadFacts) -> str | None:
        """Where the loader finds a library for a file, as far as that is in the root."""
        if "/" in name:
            return self.find(name)
        own = [folder.strip("/") for folder in facts.runpath if folder.startswith("/") and not folder.startswith(STORE)]
        for folder in (*own, *self._folders):
            place = self.find(f"{folder}/{name}")
            if place is not None:
                other = _facts(f"{self._top}/{place}")
                if other is not None and other.machine == facts.machine:
                    return place
        return None

    def closure(self, path: str) -> set[StorePath]:
        """The slices that have a file of the root, and what that loads, at any distance."""
        if path in self._closures:
            return self._closures[path]
        seen: set[str] = set()
        todo = [path]
        slices: set[StorePath] = set()
        while todo:
            now = todo.pop()
            if now in seen:
                continue
            seen.add(now)
            slices.update(slice_ for slice_, data in self._slices if os.path.lexists(data / now))
            facts = _facts(f"{self._top}/{now}")
            if facts is not None and facts.machine:
                todo += [place for _, place in _wanted(facts, self) if place is not None]
        self._closures[path] = slices
        return slices


@lru_cache(4096)
def _facts(place: str) -> LoadFacts | None:
    try:
        with open_regular(Path(place)) as file:
            head = file.read(elf.HEAD)
        return elf.facts(head, place)
    except (StoreError, OSError):
        return None
