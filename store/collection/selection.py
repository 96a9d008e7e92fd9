"""Decide which paths to keep, why, and in which order the others may be deleted: pure functions of database rows.

A path is live if a root references it, directly or transitively. Build inputs of live paths (the inputs, their inputs,
and so on) are kept while the disk has room. Of the other paths, the least recently used is deleted first. A path is
deleted only after all paths that reference it.
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
    """The reason why a path is kept: a root, or a referrer, which references the path or whose build used it."""

    root: Root | None = None
    referrer: bytes = b""
    is_input: bool = False  # the path is an input of the build of `referrer`


class PathRow(NamedTuple):
    """A valid path, without its name. used: the time of its last known use, in seconds."""

    references: tuple[bytes, ...]
    size: int
    registered: float
    used: float


class BuildGraph(NamedTuple):
    """The recorded builds. makers: path -> derivations. outputs: derivation -> paths. bodies: digest -> encoding."""

    makers: Mapping[bytes, Sequence[bytes]]
    outputs: Mapping[bytes, Sequence[bytes]]
    bodies: Mapping[bytes, bytes]


class Selection(NamedTuple):
    """The kept paths with reasons, the paths that may be deleted, and the needed derivations.

    live: the paths that roots reference. inputs: the paths that only builds used. dead: all other paths. `inputs` and
    `dead` are in the order in which they may be deleted.
    """

    live: Mapping[bytes, KeepReason]
    inputs: Mapping[bytes, KeepReason]
    dead: Sequence[bytes]
    derivations: set[bytes]


def select(paths: Mapping[bytes, PathRow], roots: Iterable[Root], builds: BuildGraph) -> Selection:
    """Divide the paths into live paths, build inputs and dead paths."""
    live = reached(paths, roots)
    inputs, derivations = _inputs(paths, live, builds)
    dead = paths.keys() - live.keys() - inputs.keys()
    order = deletion_order(paths, dead)
    ordered = {hash_: inputs[hash_] for hash_ in deletion_order(paths, inputs)}
    return Selection(live, ordered, order, derivations)


def reached(paths: Mapping[bytes, PathRow], roots: Iterable[Root]) -> dict[bytes, KeepReason]:
    """Return the paths that roots reference, directly or transitively."""
    found: dict[bytes, KeepReason] = {}
    for root in roots:
        _mark(paths, found, root.path, KeepReason(root))
    return found


def _mark(
    paths: Mapping[bytes, PathRow],
    found: dict[bytes, KeepReason],
    hash_: bytes,
    reason: KeepReason,
    others: Container[bytes] = (),
) -> list[bytes]:
    """Add a valid path and all that it references, except `others`, to `found`. Return the added paths."""
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
    """Return the paths that builds of live paths used, and the derivations of all these builds."""
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
    """Return the given derivations, and all derivations that these name as inputs or candidates, transitively."""
    seen: set[bytes] = set()
    todo = list(digests)
    while todo:
        digest = todo.pop()
        if digest not in seen and digest in bodies:
            seen.add(digest)
            todo += build_uses(bodies[digest])[0]
    return seen


def build_uses(body: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return the derivations of a build's inputs and candidates, or the hashes of the paths that its derivation names.

    A derivation that a builder made while it ran has no inputs, and names store paths instead.
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
    """Sort paths by last use, the oldest first, and each path after the chosen paths that reference it.

    A use of a path counts as a use of every chosen path that it references.
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
    """Yield a path and its reason, then the referrer in that reason and its reason, and so on up to a root."""
    while (reason := reasons.get(hash_)) is not None:
        yield hash_, reason
        if reason.root is not None:
            return
        hash_ = reason.referrer


def until(order: Sequence[bytes], size: Callable[[bytes], int], wanted: int) -> list[bytes]:
    """Return the shortest beginning of `order` whose sizes add up to at least `wanted` bytes, or all paths."""
    found = []
    for hash_ in order:
        if wanted <= 0:
            break
        found.append(hash_)
        wanted -= size(hash_)
    return found
