"""Find the payloads that built programs load from the root that they were built in.

NEEDED entries, interpreters and `#!` lines are resolved in the root as the loader and the kernel resolve them, down to
the libraries of libraries. The result has payloads and no slices, because an image or a shell chooses its own slices.
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
from fpack.store.files.presence import is_present
from fpack.store.files.regular_file import open_regular, read_small
from fpack.store.path import STORE, StorePath, parse

_PROGRAMS = ("usr/local/bin", "usr/bin", "usr/sbin")


def linked(
    task: Task, root: StorePath, outputs: Sequence[Mapping[str, LoadFacts]]
) -> tuple[list[set[StorePath]], list[str]]:
    """Return the payloads that each output's programs load from the root, and a warning for each missing file.

    outputs: the facts of each output's programs by path.
    """
    if not any(outputs):
        return [set() for _ in outputs], []
    view = _RootDirectory(task, root)
    own = {path.rpartition("/")[2] for programs in outputs for path in programs}
    missing: dict[str, str] = {}
    found = []
    for programs in outputs:
        slices: set[StorePath] = set()
        for path, facts in programs.items():
            for what, found_path in _loads(facts, view):
                if found_path is not None:
                    slices |= view.closure(found_path)
                elif (
                    not what.startswith(STORE)
                    and what.rpartition("/")[2] not in own
                    and not _in_store(task, facts, what)
                ):
                    missing.setdefault(what, path)
        found.append({payload for slice_ in slices if (payload := task.payload(slice_)) is not None})
    return found, [f"{path or 'the output'} loads {what}, which is not in the root" for what, path in missing.items()]


def _loads(facts: LoadFacts, view: _RootDirectory) -> Iterator[tuple[str, str | None]]:
    """Yield each name that a file loads, with its path in the root or None."""
    if facts.interp:
        yield facts.interp, view.find(facts.interp) if not facts.interp.startswith(STORE) else None
    if facts.machine:
        for name in facts.needed:
            yield name, view.library(name, facts)
    else:
        for name in facts.needed:
            yield name, next((path for directory in _PROGRAMS if (path := view.find(f"{directory}/{name}"))), None)


def _in_store(task: Task, facts: LoadFacts, what: str) -> bool:
    """Tell whether a name is a store path or is found along the run path. $ORIGIN counts as found."""
    if what.startswith(STORE + "/"):
        return True
    for directory in facts.runpath:
        if directory.startswith(("$ORIGIN", "${ORIGIN}")):
            return True
        if directory.startswith(STORE + "/"):
            try:
                disk_path = task.disk(directory)
            except FpackError:
                continue
            if is_present(disk_path / what):
                return True
    return False


class _RootDirectory:
    """A root as one directory on disk."""

    def __init__(self, task: Task, root: StorePath) -> None:
        self._top = os.fspath(task.view(root))
        _, extra = meta.load(task.tree(root))
        self._slices = [(parse(item["path"]), task.disk(parse(item["path"])) / "data") for item in extra["slices"]]
        self._library_directories = list(dict.fromkeys(["usr/local/lib", *self._configured(), *self._standard()]))
        self._closures: dict[str, set[StorePath]] = {}

    def _standard(self) -> Iterator[str]:
        triplets = {machine.triplet for machine in MACHINES.values()}
        for name in _names(f"{self._top}/usr/lib"):
            if name in triplets:
                yield f"usr/lib/{name}"
        yield from (*ld_paths.DEFAULTS, "usr/lib32")

    def _configured(self) -> Iterator[str]:
        configuration = f"{self._top}/{ld_paths.CONFIGURATION}"
        for name in _names(configuration):
            with contextlib.suppress(StoreError):
                yield from ld_paths.configured_directories(read_small(Path(configuration, name)))

    def find(self, path: str) -> str | None:
        """Resolve the symlinks of a path in the root. Return a relative path, or None if it does not exist."""
        return resolve(path, self._target, lambda p: is_present(f"{self._top}/{p}"))

    def _target(self, path: str) -> str | None:
        try:
            return os.readlink(f"{self._top}/{path}")
        except OSError:
            return None

    def library(self, name: str, facts: LoadFacts) -> str | None:
        """Return the path in the root at which the loader finds a library for a file, or None."""
        if "/" in name:
            return self.find(name)
        own = [path.strip("/") for path in facts.runpath if path.startswith("/") and not path.startswith(STORE)]
        for directory in (*own, *self._library_directories):
            path = self.find(f"{directory}/{name}")
            if path is not None:
                other = _facts(f"{self._top}/{path}")
                if other is not None and other.machine == facts.machine:
                    return path
        return None

    def closure(self, path: str) -> set[StorePath]:
        """Return the slices that have a file of the root or a file that it loads, directly or indirectly."""
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
            slices.update(slice_ for slice_, data in self._slices if is_present(data / now))
            facts = _facts(f"{self._top}/{now}")
            if facts is not None and facts.machine:
                todo += [other for _, other in _loads(facts, self) if other is not None]
        self._closures[path] = slices
        return slices


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


@lru_cache(4096)
def _facts(path: str) -> LoadFacts | None:
    try:
        with open_regular(Path(path)) as file:
            head = file.read(elf.HEAD)
        return elf.facts(head, path)
    except (StoreError, OSError):
        return None
