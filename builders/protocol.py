"""Define the interface between the scheduler and the derivation kinds.

Each kind is one module with one `Builder`. The scheduler passes a `Task` to the builder and receives a `Built`. A
builder that discovers further inputs while it runs is a generator: it yields a `Need`, is suspended without occupying
a worker, and is resumed with the store paths in the order of the `Need`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from fpack.light_typing import TYPE_CHECKING, NamedTuple, Protocol
from fpack.store.canonical import Value
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from pathlib import Path

    from fpack.store.derivation import Derivation, Output
    from fpack.store.files.checked_tree import CheckedTree
    from fpack.store.files.writer import TreeWriter
    from fpack.store.path import StorePath


class BuildError(FpackError):
    """A failed build. `where` holds the derivation's name.

    field: the field of a container whose value is wrong, or "" if there is none.
    """

    field = ""


class AbsentDerivation(BuildError):
    """A derivation that is requested, and that neither the command nor the store has."""


class Cancelled(FpackError):
    """A build that was cancelled."""

    exit_code = 130


class Need(NamedTuple):
    """Outputs to build before the builder continues: an Output of a known derivation, or the `out` of a new one.

    parts: store paths that the builder's own output will hold, as far as it knows them now. See `foresee`.
    """

    wanted: Sequence[Output | Derivation]
    parts: tuple[StorePath, ...] = ()


class Built(NamedTuple):
    """A built output: the finished writer that holds its tree, and the store paths that it needs at run time.

    path: the output's store path if the output contains its own path, else None.
    """

    writer: TreeWriter
    references: tuple[StorePath, ...] = ()
    path: StorePath | None = None


class BuiltAll(NamedTuple):
    """The outputs of a derivation with several outputs, as (name, output). An output may reference earlier ones."""

    outputs: tuple[tuple[str, Built], ...]


class Task(Protocol):
    """The operations available to a builder: read arguments and inputs, write trees, report progress."""

    name: str
    args: Mapping[str, Value]  # of the resolved derivation: placeholders of inputs are replaced by store paths
    candidates: tuple[Output, ...]
    outputs: tuple[str, ...]

    def disk(self, path: StorePath | str) -> Path:
        """Return the location on disk of a store path, or of a file below a store path, given as text."""

    def tree(self, path: StorePath | str) -> CheckedTree:
        """Return a reader of a store path that compares what it reads with the path's digest.

        Builders read with it everything that goes into their output.
        """

    def view(self, root: StorePath) -> Path:
        """Return a directory that combines a `root` output and its slices, to be bound as `/`."""

    def payload(self, slice_: StorePath) -> StorePath | None:
        """Return the payload that a slice was cut from; None if it is unknown or no longer in the store."""

    def closure(self, paths: Sequence[StorePath]) -> list[StorePath]:
        """Return the store paths and everything that they reference, transitively, sorted."""

    def writer(self) -> TreeWriter:
        """Start a new tree in a private directory. It is deleted unless the builder returns it in a `Built`."""

    def scratch(self) -> Path:
        """Create a private empty directory for temporary files. It is deleted when the build ends."""

    def resume_dir(self) -> Path:
        """Return a private directory that survives a failed build and is reused by the next attempt."""

    def progress(self, done: int, total: int) -> None:
        """Report progress in bytes. total: 0 if unknown."""

    def log(self, line: str) -> None:
        """Append a line to the build log."""

    def warn(self, text: str) -> None:
        """Tell the user of a problem that does not fail the build. The build log does not get it."""

    def check(self) -> None:
        """Raise Cancelled if the build must stop. Long loops call this at least every 100 ms."""


Steps = Generator[Need, "list[StorePath]", Built | BuiltAll]


class Builder(Protocol):
    """A derivation kind's builder."""

    network: bool  # limited by the network, not the processor: more of them run at once

    def key(self, drv: Derivation) -> Value:
        """Return everything that the output of the resolved `drv` depends on."""

    def build(self, task: Task) -> Built | BuiltAll | Steps:
        """Build the outputs."""

    def foresee(self, drv: Derivation, parts: Sequence[StorePath]) -> Sequence[Derivation]:
        """Return the derivations that a build of `drv` will probably request for these parts of an input.

        They are built while nothing else can be, before the input itself is built. `drv` is not resolved.
        """


EMULATOR = "emulator"  # an argument that is no part of the key: who runs programs never changes an output


class BaseBuilder:
    """A builder whose output depends on its version and on the whole derivation, and that needs no network.

    version: incremented when a change makes the builder produce a different output for the same arguments, so that
    outputs of earlier versions of fpack are not reused. limits: the argument that can fail a build but never changes
    its output, and is not part of the key; "" for none.
    """

    version: int
    network = False
    limits = ""

    def key(self, drv: Derivation) -> Value:
        """Return the version, and the derivation's kind, name, arguments and candidates."""
        unkeyed = (self.limits, EMULATOR)
        if not drv.args.keys().isdisjoint(unkeyed):
            drv = drv._replace(args={name: value for name, value in drv.args.items() if name not in unkeyed})
        return ["derivation 1", self.version, drv.encode()]

    def foresee(self, drv: Derivation, parts: Sequence[StorePath]) -> Sequence[Derivation]:
        """Foresee nothing."""
        return ()
