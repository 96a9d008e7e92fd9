"""Decide which paths live, why, and in which order the others may go: pure functions of the database's rows.

A path lives if a root leads to it by references. Paths that a build of a living path used (its inputs, the inputs of
these, and so on) are kept as long as the disk has room. Of the others, the least recently used goes first. A path is
deleted only after everything that references it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgpack
from fpack.store import base32
from fpack.store.path import find_references


class Root(NamedTuple):
    """A reason to keep a path. kind: `result`, `root`, `pack`, `process`, `shell`, `young` or `recent`."""

    kind: str
    name: str
    path: bytes


class KeepReason(NamedTuple):
    """The reason why a path lives: a root, or else the path that references it, or whose build used it."""

    root: Root | None = None
    referrer: bytes = b""
    is_input: bool = False  # of the build of `referrer`


class PathRow(NamedTuple):
    """A valid path, without its name. used: the time of its last known use, in seconds."""

    references: tuple[bytes, ...]
    size: int
    registered: float
    used: float


class BuildGraph(NamedTuple):
    """What builds used. makers: the derivations of a path. outputs: the paths of a derivation. bodies: encodings."""

    makers: Mapping[bytes, Sequence[bytes]]
    outputs: Mapping[bytes, Sequence[bytes]]
    bodies: Mapping[bytes, bytes]


class Selection(NamedTuple):
    """The result: why paths live, which may go (the first one first), and which derivations are needed.

    live: without inputs of builds. inputs: those that only builds used. dead: all others. Both are in an order in which
    they may be deleted.
    """

    live: Mapping[bytes, KeepReason]
    inputs: Mapping[bytes, KeepReason]
    dead: Sequence[bytes]
    derivations: set[bytes]


def select(paths: Mapping[bytes, PathRow], roots: Iterable[Root], builds: BuildGraph) -> Selection:
    """Divide the paths."""
    live: dict[bytes, KeepReason] = {}
    for root in roots:
        _mark(paths, live, root.path, KeepReason(root))
    inputs, derivations = _inputs(paths, live, builds)
    dead = paths.keys() - live.keys() - inputs.keys()
    order = deletion_order(paths, dead)
    ordered = {hash_: inputs[hash_] for hash_ in deletion_order(paths, inputs)}
    return Selection(live, ordered, order, derivations)


def _mark(
    paths: Mapping[bytes, PathRow],
    found: dict[bytes, KeepReason],
    hash_: bytes,
    reason: KeepReason,
    others: Container[bytes] = (),
) -> list[bytes]:
    """Add a valid path and all that it references, except `others`, to `found`. Return what was added."""
    if hash_ in found or hash_ in others or hash_ not in paths:
        return []
    found[hash_] = reason
    added = [hash_]
    for at in added:
        for reference in paths[at].references:
            if reference not in found and reference in paths and reference not in others:
                found[reference] = KeepReason(referrer=at)
                added.append(reference)
    return added


def _inputs(
    paths: Mapping[bytes, PathRow], live: Mapping[bytes, KeepReason], builds: BuildGraph
) -> tuple[dict[bytes, KeepReason], set[bytes]]:
    """Return the paths that builds of living paths used, and the derivations of all these builds."""
    found: dict[bytes, KeepReason] = {}
    seen: set[bytes] = set()
    todo = [(digest, hash_) for hash_ in live for digest in builds.makers.get(hash_, ())]
    while todo:
        digest, user = todo.pop()
        if digest in seen or digest not in builds.bodies:
            continue
        seen.add(digest)
        derivations, used = build_uses(builds.bodies[digest])
        for other in derivations:
            todo.append((other, user))
            used = [*used, *builds.outputs.get(other, ())]
        for hash_ in used:
            for member in _mark(paths, found, hash_, KeepReason(referrer=user, is_input=True), live):
                todo += [(maker, member) for maker in builds.makers.get(member, ())]
    return found, seen


def needed_derivations(bodies: Mapping[bytes, bytes], digests: Iterable[bytes]) -> set[bytes]:
    """Return derivations with all that they name as inputs or candidates, transitively."""
    seen: set[bytes] = set()
    todo = list(digests)
    while todo:
        digest = todo.pop()
        if digest not in seen and digest in bodies:
            seen.add(digest)
            todo += build_uses(bodies[digest])[0]
    return seen


def build_uses(body: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return what a build uses: the derivations of its inputs and candidates, and the hashes of paths that it names.

    A derivation that a builder made while it ran has no inputs, and names the paths themselves.
    """
    try:
        fields = msgpack.unpackb(body, raw=False, strict_map_key=True)
        derivations = [digest for digest, _ in (*fields["inputs"], *fields["candidates"])]
        if derivations:
            return derivations, []
    except (ValueError, TypeError, KeyError, msgpack.UnpackException):
        return [], []  # damaged, or of another format
    named = find_references(body.decode("latin-1"))
    return [], [base32.decode(hash_) for hash_, _ in named]


def deletion_order(paths: Mapping[bytes, PathRow], chosen: Iterable[bytes]) -> list[bytes]:
    """Return paths so that the least recently used is first, and none comes before a chosen path that references it.

    A path was used whenever a chosen path that references it was.
    """
    wanted = set(chosen)
    order: list[bytes] = []
    seen: set[bytes] = set()
    for hash_ in sorted(wanted, key=lambda hash_: (-paths[hash_].used, hash_)):
        if hash_ in seen:
            continue
        # Depth first, without recursion: a path is added when all its references have been.
        seen.add(hash_)
        stack = [(hash_, iter(paths[hash_].references))]
        while stack:
            at, references = stack[-1]
            below = next((r for r in references if r in wanted and r not in seen), None)
            if below is None:
                order.append(at)
                stack.pop()
            else:
                seen.add(below)
                stack.append((below, iter(paths[below].references)))
    return order[::-1]


def chain(reasons: Mapping[bytes, KeepReason], hash_: bytes) -> Iterator[tuple[bytes, KeepReason]]:
    """Yield a path with its reason, then the path that this names with its own, up to a root."""
    while (reason := reasons.get(hash_)) is not None:
        yield hash_, reason
        if reason.root is not None:
            return
        hash_ = reason.referrer


def until(order: Sequence[bytes], size: Callable[[bytes], int], wanted: int) -> list[bytes]:
    """Return the first paths of an order whose sizes add up to `wanted` bytes, or all."""
    found = []
    for hash_ in order:
        if wanted <= 0:
            break
        found.append(hash_)
        wanted -= size(hash_)
    return found
