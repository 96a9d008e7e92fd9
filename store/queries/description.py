"""Describe single paths: closures, referrers, the derivations that made them, and the roots that keep them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from fpack.store import base32
from fpack.store.collection import roots
from fpack.store.collection.survey import Policy, Survey, describe_root, survey
from fpack.store.database import PathInfo
from fpack.store.db.clock import Timeline
from fpack.store.derivation import Output
from fpack.store.graph import reachable
from fpack.store.path import StorePath
from fpack.store.store import Store


class PathDescription(NamedTuple):
    """A description of a path.

    closure: the path and all that it references, transitively. closure_size: the bytes of the closure's files. origins:
    the derivation outputs that have this path, the latest first. referrers: the paths that reference it. kept_by: the
    roots that keep it from gc. reason: why gc keeps it, as in `gc --explain`, or "" if gc may delete it.
    """

    info: PathInfo
    disk: Path
    references: tuple[StorePath, ...]
    closure: tuple[StorePath, ...]
    closure_size: int
    origins: tuple[Output, ...]
    referrers: tuple[StorePath, ...]
    kept_by: tuple[str, ...]
    reason: str


class Describer:
    """A reader of descriptions of paths. It reads the whole table of paths once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._infos = {base32.decode(info.path.hash): info for info in store.database.paths()}
        self._users: dict[bytes, list[bytes]] = {}
        for hash_, info in self._infos.items():
            for reference in info.references:
                if reference != hash_:
                    self._users.setdefault(reference, []).append(hash_)
        self._roots: dict[bytes, list[str]] = {}
        self._survey: Survey | None = None
        with store.database.reading() as db:
            for root in roots.find(store.root, db, Timeline(time.time())):
                self._roots.setdefault(root.path, []).append(describe_root(root))

    def describe(self, info: PathInfo) -> PathDescription:
        hash_ = base32.decode(info.path.hash)
        closure = reachable([hash_], self._references)
        keepers = reachable([hash_], self._referrers)
        kept_by = sorted({name for found in keepers for name in self._roots.get(found, ())})
        return PathDescription(
            info,
            self._store.disk(info.path),
            self._paths(reference for reference in info.references if reference != hash_),
            self._paths(closure),
            sum(self._infos[found].size for found in closure),
            tuple(self._store.database.outputs_of(info.path)),
            self._paths(self._users.get(hash_, ())),
            tuple(kept_by),
            f"is kept by {kept_by[0]}" if kept_by else self._reason(hash_),
        )

    def _reason(self, hash_: bytes) -> str:
        """Return why gc keeps a path that no root keeps. The first call reads all derivations."""
        if self._survey is None:
            with self._store.database.reading() as db:
                self._survey = survey(self._store.root, db, time.time(), Policy())
        return self._survey.why(hash_)

    def referrers(self, path: StorePath, transitive: bool) -> tuple[StorePath, ...]:
        """Return the paths that reference a path, directly or transitively, without the path itself, sorted."""
        hash_ = base32.decode(path.hash)
        if not transitive:
            return self._paths(self._users.get(hash_, ()))
        return self._paths(reachable([hash_], self._referrers) - {hash_})

    def _referrers(self, hash_: bytes) -> list[bytes]:
        return self._users.get(hash_, [])

    def _references(self, hash_: bytes) -> list[bytes]:
        return [reference for reference in self._infos[hash_].references if reference in self._infos]

    def _paths(self, hashes: Iterable[bytes]) -> tuple[StorePath, ...]:
        found = [self._infos[hash_].path for hash_ in hashes if hash_ in self._infos]
        return tuple(sorted(found, key=lambda path: (path.name, path.hash)))
