"""Report failed builds: which of them a user must see, and which of them end all others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fpack.builders.protocol import Cancelled
from fpack.store.errors import FpackError, StoreError

from .job import DependencyFailed, Job


class BuildsFailed(FpackError):
    """One or more failed builds. failures: (derivation's name, error), the first failure first."""

    def __init__(self, failures: Sequence[tuple[str, FpackError]]) -> None:
        first = failures[0][1]
        count = len(failures)
        what = first.what if count == 1 else f"{count} builds failed"
        super().__init__(what, where=first.where or failures[0][0], why=first.why, hint=first.hint)
        self.failures = list(failures)
        self.exit_code = first.exit_code


def is_fatal(error: FpackError) -> bool:
    """Return whether every other build would fail in the same way."""
    return isinstance(error, StoreError) and error.fatal


def check(jobs: Iterable[Job], fatal: FpackError | None) -> None:
    """Raise BuildsFailed if builds failed by themselves. fatal: the error that ended all others."""
    failures = [
        (job.drv.name, job.error)
        for job in jobs
        if job.error is not None and not isinstance(job.error, DependencyFailed)
    ]
    if fatal is not None:
        raise BuildsFailed([failure for failure in failures if failure[1] is fatal][:1])
    if failures:
        raise BuildsFailed([f for f in failures if not isinstance(f[1], Cancelled)] or failures)
