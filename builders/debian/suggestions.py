"""What to say when a release has no package of a name: who provides it, what is near, and which release has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .index import Cache
from .local_indexes import locked, newest
from .lock import Lock
from .merged_index import Merged
from .suites import Suite


def hint(universe: Merged, name: str, others: Sequence[str] = ()) -> str:
    """What to do about a name that `universe` has no package of. others: releases that have one."""
    providers = [package.name for package in universe.providers(name)]
    if providers:
        shown = ", ".join(providers[:5])
        return f"it is a virtual package; {shown} provide{'' if len(providers) > 1 else 's'} it"
    if others:
        return f"{' and '.join(others)} {'has' if len(others) == 1 else 'have'} it, as in debian.{others[0]}.{name}"
    nearest = universe.nearest(name)
    return f"did you mean {' or '.join(nearest)}?" if nearest else ""


def elsewhere(
    cache: Cache, lock: Lock, releases: Mapping[str, Sequence[Suite]], arch: str, name: str, release: str
) -> list[str]:
    """The releases besides `release` that have a package, as far as the lock and the cache tell."""
    found = []
    for other, suites in releases.items():
        if other == release:
            continue
        indexes = locked(cache, lock, other, suites, arch) or newest(cache, suites, arch)
        if any(each.opened.packages(name) for each in indexes):
            found.append(other)
    return found
