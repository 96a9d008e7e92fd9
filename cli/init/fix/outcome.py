"""Define how the rounds of builds and changes end, and report it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fpack.cli.paths import PROJECT_FILE
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.cli.init.introspection.targets import BuildTargets
    from fpack.store.path import StorePath


class Step(NamedTuple):
    """A change of the file. why: what the build lacked. lines: the changed lines, with `-` or `+` before each."""

    package: str
    field: str
    why: str
    lines: Sequence[str]


class FixOutcome(NamedTuple):
    """The end of the rounds. error: of the last build, or None if it succeeded. reason: why the rounds ended.

    targets: what the build system of each package said of its targets.
    """

    steps: Sequence[Step]
    paths: Mapping[str, StorePath]
    error: FpackError | None = None
    reason: str = ""
    targets: Mapping[str, BuildTargets] = {}


class RoundsEnd(Exception):
    """The rounds end here. args: the reason."""


def tell(outcome: FixOutcome) -> FpackError | None:
    """Say how the rounds ended. Return the error of the last build if they did not end with success."""
    from fpack.cli.ui.render import note

    if outcome.reason:
        note(f"stopped: {outcome.reason}")
        return outcome.error or FpackError("The project is not built", why=outcome.reason)
    count = len(outcome.steps)
    changes = (
        f"with {count} change{'' if count == 1 else 's'} of {PROJECT_FILE}" if count else "and nothing was lacking"
    )
    note(f"built, {changes}")
    return None
