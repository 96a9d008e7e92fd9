"""The one interface behind which builds run: on this machine, or elsewhere.

`run(spec, work)` takes a description of a run and leaves what the run made in the work's `out`. It returns when no
process of the run is alive any more. All executors pass one suite of tests, `tests/builders/sandbox/test_executor.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from .spec import Spec


class Finished(NamedTuple):
    """How a run ended. status: of its command, 128 and more for a signal. phase: the last that began.

    exceeded: the limit that ended it, in words, or "".
    """

    status: int
    phase: str = ""
    exceeded: str = ""


class Work(NamedTuple):
    """What a run uses of this machine.

    place: a private directory of the run; after it, `out` in it holds what was made and `build` what else was written.
    view: the assembled root. store: the folder of the store's trees. locks: where locks between processes lie.
    log: takes what the run says, as bytes in pieces. phase: is told each phase as it begins. check: raises to stop it.
    """

    place: Path
    view: Path
    store: Path
    locks: Path
    log: Callable[[bytes], None]
    phase: Callable[[str], None]
    check: Callable[[], None]


class Executor(Protocol):
    """Runs builds."""

    def prepare(self, spec: Spec, work: Work) -> None:
        """Lay out the work's directories; `run` does it itself where it was not done."""
        ...

    def run(self, spec: Spec, work: Work) -> Finished:
        """Run a spec to its end. Its errors are SandboxErrors; a command that fails is no error."""
        ...

    def inside(self, spec: Spec, work: Work, command: tuple[str, ...]) -> int:
        """Run a command at the caller's terminal in the sandbox that a work was run in; its exit status."""
        ...
