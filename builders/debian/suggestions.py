"""Suggest alternatives for a missing package: its providers, similar names, and releases that have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .index import IndexCache
from .local_indexes import locked, newest
from .lock import Lock
from .merged_index import MergedIndex
from .suites import Suite


def hint(universe: MergedIndex, name: str, others: Sequence[str] = ()) -> str:
    """Return a hint for a name without a package in `universe`. others: the releases that have the package."""
    providers = [package.name for package in universe.providers(name)]
    if providers:
        shown = ", ".join(providers[:5])
        return f"it is a virtual package; {shown} provide{'' if len(providers) > 1 else 's'} it"
    if others:
        return f"{' and '.join(others)} {'has' if len(others) == 1 else 'have'} it, as in debian.{others[0]}.{name}"
    nearest = universe.nearest(name)
    return f"did you mean {' or '.join(nearest)}?" if nearest else ""


def elsewhere(
    cache: IndexCache, lock: Lock, releases: Mapping[str, Sequence[Suite]], arch: str, name: str, release: str
) -> list[str]:
    """Return the other releases that have a package, according to the locked and cached indexes."""
    found = []
    for other, suites in releases.items():
        if other == release:
            continue
        indexes = locked(cache, lock, other, suites, arch) or newest(cache, suites, arch)
        if any(index.opened.packages(name) for index in indexes):
            found.append(other)
    return found
