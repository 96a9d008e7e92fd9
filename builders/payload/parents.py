"""List the directories above relative paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def parents(path: str) -> Iterator[str]:
    """Yield the directories above a path, nearest first."""
    while path := path.rpartition("/")[0]:
        yield path


def all_parents(paths: Iterable[str]) -> set[str]:
    """Return the directories above any of the paths."""
    found: set[str] = set()
    for path in paths:
        while (path := path.rpartition("/")[0]) and path not in found:
            found.add(path)
    return found
