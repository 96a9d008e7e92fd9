"""Read the state of a store for garbage collection, and explain why paths are kept."""

from __future__ import annotations

import os
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from math import isinf
from pathlib import Path
from typing import NamedTuple

from fpack.store import base32
from fpack.store.path import StorePath

from . import roots as root_links
from .selection import BuildGraph, KeepReason, PathRow, Root, Selection, chain, select

DAY = 86400
_HASH = 20


class Policy(NamedTuple):
    """The limits and goals of a collection.

    older_than: the minimum age, in seconds, of deleted paths. keep_recent: the number of days for which a path is kept
    after its last use. max_size: stop when the store has this many bytes. min_free: stop when the disk has this many
    free bytes. If both are None, all unneeded paths are deleted. inputs: whether to keep the paths that only builds of
    live paths used; None: while the disk has room.
    """

    older_than: float = 0
    keep_recent: float = 0
    max_size: int | None = None
    min_free: int | None = None
    inputs: bool | None = None

    @property
    def has_goal(self) -> bool:
        """True if a collection ends when a size is reached."""
        return self.max_size is not None or self.min_free is not None


class Survey(NamedTuple):
    """The paths of a store, their names, the inputs of builds, and the kept paths with reasons."""

    names: Mapping[bytes, str]
    paths: Mapping[bytes, PathRow]
    builds: BuildGraph
    selection: Selection

    def path(self, hash_: bytes) -> StorePath:
        """Return the path of a hash."""
        return StorePath(base32.encode(hash_), self.names[hash_])

    def keepers(self) -> dict[str, int]:
        """Return the bytes of the files of live paths, by the kind of the root that keeps each path."""
        kinds: dict[bytes, str] = {}
        found: dict[str, int] = defaultdict(int)
        # A path comes after the referrer in its reason.
        for hash_, reason in self.selection.live.items():
            kinds[hash_] = kind = reason.root.kind if reason.root is not None else kinds[reason.referrer]
            found[kind] += self.paths[hash_].size
        return dict(found)

    def why(self, hash_: bytes) -> str:
        """Return why a path is kept, as a sentence without its subject, or "" if the path is not kept."""
        reasons: dict[bytes, KeepReason] = {**self.selection.inputs, **self.selection.live}
        steps = list(chain(reasons, hash_))
        if not steps:
            return ""
        root = steps[-1][1].root
        assert root is not None
        if len(steps) == 1:
            return f"is kept by {described(root)}"
        (_, first), (parent, _) = steps[:2]
        verb = "was used by the build of" if first.is_input else "is referenced by"
        return f"{verb} {self.path(parent)}, kept by {described(root)}"


def described(root: Root) -> str:
    """Describe a root in words."""
    return {
        "result": f"the result {root.name}",
        "root": f"the root {root.name}",
        "pack": f"the last pack of {root.name}",
        "process": f"process {root.name}",
        "shell": "an open shell",
        "young": root.name,
        "recent": root.name,
    }[root.kind]


def survey(root: Path, db: sqlite3.Connection, now: float, policy: Policy) -> Survey:
    """Read all paths, builds and roots, within a transaction, and select the paths to keep."""
    used = {path: (day + 1) * DAY for path, day in db.execute("SELECT path, max(day) FROM uses GROUP BY path")}
    names: dict[bytes, str] = {}
    paths: dict[bytes, PathRow] = {}
    for hash_, name, refs, size, registered in db.execute("SELECT hash, name, refs, size, registered FROM paths"):
        names[hash_] = name
        references = tuple([refs[at : at + _HASH] for at in range(0, len(refs), _HASH)]) if refs else ()
        # A clock that was ahead can leave times in the future. Such paths count as registered now.
        paths[hash_] = PathRow(references, size, min(registered, now), min(max(registered, used.get(hash_, 0)), now))
    kept = [*root_links.links(root), *root_links.rows(db, now), *_spared(paths, now, policy)]
    builds = _builds(db)
    return Survey(names, paths, builds, select(paths, kept, builds))


def _spared(paths: Mapping[bytes, PathRow], now: float, policy: Policy) -> list[Root]:
    """Return roots for the paths that are too young, or were used too recently, to be deleted."""
    found = []
    if policy.older_than:
        name = f"its age: less than {policy.older_than / DAY:g} days"
        found += [Root("young", name, h) for h, row in paths.items() if row.registered > now - policy.older_than]
    if policy.keep_recent:
        days = policy.keep_recent
        name = "keep-recent = none, which keeps all paths" if isinf(days) else f"its use in the last {days:g} days"
        found += [Root("recent", name, h) for h, row in paths.items() if row.used > now - policy.keep_recent * DAY]
    return found


def _builds(db: sqlite3.Connection) -> BuildGraph:
    makers: dict[bytes, list[bytes]] = defaultdict(list)
    outputs: dict[bytes, list[bytes]] = defaultdict(list)
    for derivation, path in db.execute("SELECT derivation, path FROM outputs"):
        makers[path].append(derivation)
        outputs[derivation].append(path)
    return BuildGraph(makers, outputs, dict(db.execute("SELECT digest, body FROM derivations")))


def first_planned(root: Path) -> int:
    """Return the highest derivation id at the start of the oldest running session; 0 if it is unknown.

    A session may be about to build later derivations. Without a session, the result is higher than all ids.
    """
    lowest = 1 << 62
    for entry in os.scandir(root / "tmp"):
        if entry.name.endswith(".lock"):
            try:
                text = Path(entry.path).read_text("ascii")
            except FileNotFoundError:
                continue
            except (OSError, ValueError):
                text = ""
            lowest = min(lowest, int(text) if text.isdecimal() else 0)
    return lowest
