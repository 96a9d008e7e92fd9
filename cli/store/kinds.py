"""Check a kind of derivation that a command line names."""

from __future__ import annotations

from collections.abc import Callable, Collection

from fpack.cli.errors import UsageError
from fpack.store.errors import did_you_mean


def check_kind(kind: str | None, recorded: Callable[[], Collection[str]]) -> None:
    """Raise UsageError for a kind that does not exist. recorded: returns the kinds in the store, also former ones."""
    from fpack.builders.kinds.table import kinds

    known = kinds()
    if kind is None or kind in known or kind in recorded():
        return
    why = f"the kinds are {', '.join(known)}"
    raise UsageError(f"There is no kind {kind!r}", why=why, hint=did_you_mean(kind, known) or "give one of them")
