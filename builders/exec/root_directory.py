"""Resolve names in a root on disk as the loader and the kernel resolve them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from fpack.builders.machines import MACHINES
from fpack.builders.payload import elf, ld_paths, meta
from fpack.builders.payload.meta import LoadFacts
from fpack.builders.payload.symlinks import resolve
from fpack.builders.protocol import Task
from fpack.store.errors import StoreError
from fpack.store.files.presence import is_present
from fpack.store.files.regular_file import open_regular, read_small
from fpack.store.path import STORE, StorePath, parse

_PROGRAMS = ("usr/local/bin", "usr/bin", "usr/sbin")


class RootDirectory:
    """A root as one directory on disk, in which names are resolved as the loader and the kernel resolve them."""

    def __init__(self, task: Task, root: StorePath) -> None:
        self._top = os.fspath(task.view(root))
        _, extra = meta.load(task.tree(root))
        self._slices = [(parse(item["path"]), task.disk(parse(item["path"])) / "data") for item in extra["slices"]]
        self._packages = [item["package"] for item in extra["slices"]]
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
                other = file_facts(f"{self._top}/{path}")
                if other is not None and other.machine == facts.machine:
                    return path
        return None

    def facts(self, path: str) -> LoadFacts | None:
        """Return what the file at a resolved path of the root loads, or None if it is no program or library."""
        return file_facts(f"{self._top}/{path.lstrip('/')}")

    def package(self, path: str) -> str:
        """Return the name of the first package that has a file of the root, "" if none has."""
        slices = zip(self._packages, self._slices, strict=True)
        return next((package for package, (_, data) in slices if is_present(data / path.lstrip("/"))), "")

    def loads(self, facts: LoadFacts) -> Iterator[tuple[str, str | None]]:
        """Yield each name that a file loads, with its path in the root or None."""
        if facts.interp:
            yield facts.interp, self.find(facts.interp) if not facts.interp.startswith(STORE) else None
        if facts.machine:
            for name in facts.needed:
                yield name, self.library(name, facts)
        else:
            for name in facts.needed:
                yield name, next((path for directory in _PROGRAMS if (path := self.find(f"{directory}/{name}"))), None)

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
            facts = file_facts(f"{self._top}/{now}")
            if facts is not None and facts.machine:
                todo += [other for _, other in self.loads(facts) if other is not None]
        self._closures[path] = slices
        return slices


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


@lru_cache(4096)
def file_facts(path: str) -> LoadFacts | None:
    """Return what a file on disk loads, or None if it is no program, library or script."""
    try:
        with open_regular(Path(path)) as file:
            head = file.read(elf.HEAD)
        return elf.facts(head, path)
    except (StoreError, OSError):
        return None
