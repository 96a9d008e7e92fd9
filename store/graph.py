"""Follow the references between the store's paths, in both directions: pure functions of the database's rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from . import base32
from .database import PathInfo
from .path import StorePath


def live(references: Mapping[bytes, Sequence[bytes]], kept: Iterable[bytes]) -> set[bytes]:
    """Return the hashes of `kept` and of all that they reference, transitively, as far as they are valid.

    references: of each valid path, by hash.
    """
    seen: set[bytes] = set()
    todo = [hash_ for hash_ in kept if hash_ in references]
    while todo:
        hash_ = todo.pop()
        if hash_ not in seen:
            seen.add(hash_)
            todo += [reference for reference in references[hash_] if reference in references]
    return seen


def dependents(infos: Iterable[PathInfo], paths: Iterable[StorePath]) -> list[StorePath]:
    """Return the valid ones of `paths` and all paths that reference them, transitively, sorted."""
    by_hash: dict[bytes, StorePath] = {}
    users: dict[bytes, list[bytes]] = {}
    for info in infos:
        hash_ = base32.decode(info.path.hash)
        by_hash[hash_] = info.path
        for reference in info.references:
            users.setdefault(reference, []).append(hash_)
    seen: set[bytes] = set()
    todo = [base32.decode(path.hash) for path in paths]
    while todo:
        hash_ = todo.pop()
        if hash_ not in seen:
            seen.add(hash_)
            todo += users.get(hash_, ())
    return sorted(by_hash[hash_] for hash_ in seen if hash_ in by_hash)
