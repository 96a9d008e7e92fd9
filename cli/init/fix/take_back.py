"""Take back the changes of a round that did not help: the next build fails in the same way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .changed_file import CallKey, ChangedFile
from .failures import first_line

if TYPE_CHECKING:
    from fpack.builders.debian.contents.needs import BuildNeed
    from fpack.builders.exec.hints import Remedy
    from fpack.builders.kinds.exec import PhaseFailed


class Round(NamedTuple):
    """The changes of a file for one failed build.

    call: the one whose build failed, and that was changed. before, after: the file's text. steps: how many steps
    preceded. added: the packages that were added, each for its need; none if something else was changed. change: the
    number of the change of the call, or None if packages were added or tests left out.
    """

    call: CallKey
    failed: PhaseFailed
    before: str
    after: str
    steps: int
    added: Sequence[Remedy] = ()
    change: int | None = None


def take_back(
    file: ChangedFile,
    last: Round,
    failed: PhaseFailed,
    needs: Collection[BuildNeed],
    add: Callable[[Sequence[Remedy]], None],
) -> bool:
    """Take back what did not help. needs: those that the next build still names. add: adds packages to the file.

    Return whether the file was changed. A file that was changed otherwise since is left alone.
    """
    if file.read().text != last.after:
        return False
    if last.added:
        useful = [remedy for remedy in last.added if remedy.need not in needs]
        if len(useful) == len(last.added):
            return False
        what = ", ".join(remedy.packages[0] for remedy in last.added if remedy.need in needs)
    else:
        if (failed.phase, first_line(failed)) != (last.failed.phase, first_line(last.failed)):
            return False
        useful, what = [], "the last change"
    file.take_back(last.before, last.steps, f"take back {what}, without which the build fails in the same way")
    if useful:
        add(useful)
    return True
