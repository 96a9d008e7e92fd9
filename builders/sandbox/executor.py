"""Define the interface of executors, which run builds on this machine or elsewhere.

`run(spec, work)` runs a description and leaves the outputs in the work's `out`. It returns after all processes of the
run have ended. All executors must pass `tests/builders/sandbox/test_executor.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from .spec import Spec


class RunResult(NamedTuple):
    """The result of a run. status: the command's exit status, or 128 plus the signal. phase: the last one that began.

    exceeded: a description of the limit that ended the run, or "".
    """

    status: int
    phase: str = ""
    exceeded: str = ""


class Work(NamedTuple):
    """The resources of a run on this machine.

    directory: a private directory; after the run, `out` in it holds the outputs and `build` all other files. view: the
    assembled root. store: the directory of the store's trees. locks: the directory of locks between processes.
    log: receives the output of the run in pieces. phase: receives the name of each phase as it begins. check: raises an
    exception to stop the run.
    """

    directory: Path
    view: Path
    store: Path
    locks: Path
    log: Callable[[bytes], None]
    phase: Callable[[str], None]
    check: Callable[[], None]


class Executor(Protocol):
    """A runner of builds."""

    def prepare(self, spec: Spec, work: Work) -> None:
        """Create the work's directories. `run` calls it if necessary."""

    def run(self, spec: Spec, work: Work) -> RunResult:
        """Run a spec to its end. Raise SandboxError if it cannot run; a failed command is a normal result."""

    def inside(self, spec: Spec, work: Work, command: tuple[str, ...]) -> int:
        """Run a command at the caller's terminal in the sandbox of a finished run. Return its exit status."""
