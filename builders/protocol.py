"""The one interface between the scheduler and the builder kinds.

A kind is one module with one `Builder`. The scheduler gives it a `Task` and takes a `Built`. A builder that finds out
while it runs what else it needs is a generator: it yields a `Need`, is suspended without holding a worker, and is
resumed with the store paths in the same order.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import FpackError
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath


class BuildError(FpackError):
    """A build that failed; the derivation's name is in `where`."""


class Cancelled(FpackError):
    """A build was told to stop."""

    exit_code = 130


class Need(NamedTuple):
    """Outputs to build before the builder goes on: of known derivations, or the `out` of new ones."""

    wanted: Sequence[Output | Derivation]


class Built(NamedTuple):
    """An output: the finished writer that holds its tree, and the store paths that it needs at run time.

    path: its store path, where it mentions itself.
    """

    writer: TreeWriter
    references: tuple[StorePath, ...] = ()
    path: StorePath | None = None


class BuiltAll(NamedTuple):
    """The outputs of a derivation that has several, by name; each may reference those before it."""

    outputs: tuple[tuple[str, Built], ...]


class Task(Protocol):
    """What a builder may do: read its arguments and inputs, write one tree, report."""

    name: str
    args: Mapping[str, Value]  # of the resolved derivation: store paths, no placeholders of inputs
    candidates: tuple[Output, ...]
    outputs: tuple[str, ...]

    def disk(self, path: StorePath | str) -> Path:
        """Where a store path (or a file below one, as text) lies on this machine's disk."""
        ...

    def view(self, root: StorePath) -> Path:
        """A `root` output and its slices as one directory, to be bound as `/`."""
        ...

    def payload(self, slice_: StorePath) -> StorePath | None:
        """The payload that a slice was cut from, if that is known and there."""
        ...

    def closure(self, paths: Sequence[StorePath]) -> list[StorePath]:
        """The store paths and all that they reference, transitively, sorted."""
        ...

    def writer(self) -> TreeWriter:
        """A new tree in a private directory; it is deleted unless it is returned in a `Built`."""
        ...

    def scratch(self) -> Path:
        """A private empty directory for temporary files, deleted when the build ends."""
        ...

    def resume_dir(self) -> Path:
        """A private directory that is kept after a failure and given to the next try of the same build."""
        ...

    def progress(self, done: int, total: int) -> None:
        """Bytes done of bytes to do (0: unknown)."""
        ...

    def log(self, line: str) -> None:
        """One line for the build's log."""
        ...

    def check(self) -> None:
        """Raise Cancelled if the build is to stop. Long loops call it at least each 100 ms."""
        ...


Steps = Generator[Need, list[StorePath], Built | BuiltAll]


class Builder(Protocol):
    """One kind of build."""

    kind: str
    network: bool  # waits for the network rather than the processor: run many at once

    def key(self, drv: Derivation) -> Value:
        """What the realisation of the resolved `drv` depends on; by default all of it (`whole`)."""
        ...

    def build(self, task: Task) -> Built | BuiltAll | Steps:
        """Make the outputs."""
        ...


# Of each kind's builder, 1 where nothing is said. Raised when the same arguments come to another output than an earlier
# fpack made, so that no store is left with what it made.
VERSIONS = {
    "layer": 4,  # 2: large streams have smaller jobs of the compressor. 3, 4: the entries of the manifest's formats
    "image": 3,  # 2: its layers have their entries beside them. 3: it notes what its layers leave out
    "manifest": 2,  # its format
    "root": 3,  # 2: a shell that a unit starts is not the program. 3: a path is taken from one slice
}


def whole(drv: Derivation) -> Value:
    """The key of a kind whose output depends on its kind, name, arguments and candidates."""
    return ["derivation 1", VERSIONS.get(drv.kind, 1), drv.encode()]


def generation() -> int:
    """31 bits that change with `VERSIONS`: what one generation noted of derivations, another cannot use."""
    return zlib.crc32(repr(sorted(VERSIONS.items())).encode()) >> 1
