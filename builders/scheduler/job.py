"""Define the state of a derivation that a scheduler works on."""

from __future__ import annotations

from collections.abc import Mapping

from fpack.store.derivation import Derivation
from fpack.store.errors import FpackError
from fpack.store.path import StorePath

from .run import Run
from .substitution import SubstitutionRun


class Job:
    """The state of one derivation."""

    __slots__ = (
        "after", "built", "claimed", "digest", "drv", "early", "error", "key", "network", "paths", "planned", "refused",
        "resolved", "run", "waits", "wanted",
    )  # fmt: skip

    def __init__(self, digest: bytes, drv: Derivation) -> None:
        self.digest = digest
        self.drv = drv
        self.after: list[Job] = []  # jobs that wait for this one
        self.waits = 0  # number of jobs that this one waits for
        self.built = False  # its outputs were not known before this run
        self.early = False  # only foreseen: no other job waits for it
        self.planned = False  # must be built; its inputs are not yet looked up
        self.resolved: Derivation | None = None
        self.key = b""
        self.network = False  # its builder uses the network
        self.run: Run | SubstitutionRun | None = None
        self.refused = False  # a cache offered its outputs and did not give them
        self.claimed = False  # other machines know that this one builds it
        self.wanted: list[tuple[Job, str]] = []  # the outputs that a suspended run needs: (job, output name)
        self.paths: Mapping[str, StorePath] | None = None  # by output name
        self.error: FpackError | None = None


class DependencyFailed(FpackError):
    """The error of a job that has a failed input."""

    def __init__(self, other: Job) -> None:
        super().__init__(f"{other.drv.name} could not be built")
