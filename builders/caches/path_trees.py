"""The trees of paths while they are fetched, and which of them can be made valid."""

from __future__ import annotations

from collections.abc import Container, Sequence

from fpack.light_typing import NamedTuple
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath

from .format.records import PathRecord
from .ranges import CachedPath


class PathTree:
    """The tree of a path, which one thread writes and several may wait for. writer: set when it is written."""

    __slots__ = ("cached", "error", "registered", "writer")

    def __init__(self, cached: CachedPath) -> None:
        self.cached = cached
        self.writer: TreeWriter | None = None
        self.error: Exception | None = None
        self.registered = False


class PlannedPath(NamedTuple):
    """A path that is to be made valid. transfer: bytes to read for it."""

    record: PathRecord
    content: PathTree
    transfer: int


def registrable(
    left: Sequence[PlannedPath], missing: Container[StorePath]
) -> tuple[int, list[PlannedPath], list[PlannedPath]]:
    """Return how many paths are not read, those that can be registered, and the others.

    missing: the paths of all of them. Raise the error of a path that no cache gave.
    """
    unread = 0
    ready: list[PlannedPath] = []
    rest: list[PlannedPath] = []
    found: set[StorePath] = set()
    for planned in left:
        record, content, _ = planned
        if content.error is not None:
            raise content.error
        if content.writer is None:
            unread += 1
            rest.append(planned)
        elif any(other in missing and other not in found for other in record.references):
            rest.append(planned)
        else:
            found.add(record.path)
            ready.append(planned)
    return unread, ready, rest
