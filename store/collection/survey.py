"""Read the state of a store for garbage collection, and explain why paths are kept.

A `Root`, from selection.py, is a reason to keep a path. An argument `root` of type Path is the directory of the store.
"""

from __future__ import annotations

import os
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from math import isinf
from pathlib import Path
from typing import Any, NamedTuple

from fpack.store import DAY, base32
from fpack.store.database import LATEST, split_hashes
from fpack.store.db.clock import Timeline
from fpack.store.errors import counted
from fpack.store.path import StorePath

from . import roots as root_links
from .selection import BuildGraph, KeepReason, PathRow, Root, Selection, chain, reached, select

# The columns that tell a row from another one that later gets the same id, by table.
_COLUMNS = {"paths": "id, hash", "outputs": "id, derivation, path"}
_ABOVE_ALL_IDS = 1 << 62


class Policy(NamedTuple):
    """The limits and goals of a collection.

    older_than: the minimum age, in seconds, of deleted paths. keep_recent: the number of days for which a path is kept
    after its last use. max_size: stop when the store has this many bytes. min_free: stop when the disk has this many
    free bytes. If both are None, all unneeded paths are deleted. inputs: whether to keep the paths that only builds of
    live paths used; None: while the disk has room. trust_clock: believe the clock even if it contradicts the store.
    """

    older_than: float = 0
    keep_recent: float = 0
    max_size: int | None = None
    min_free: int | None = None
    inputs: bool | None = None
    trust_clock: bool = False

    @property
    def has_goal(self) -> bool:
        """True if a collection ends when a size is reached."""
        return self.max_size is not None or self.min_free is not None


class Survey(NamedTuple):
    """The paths of a store, their names, the inputs of builds, and the kept paths with reasons.

    timeline: counts the ages of paths.
    """

    names: Mapping[bytes, str]
    paths: Mapping[bytes, PathRow]
    builds: BuildGraph
    selection: Selection
    timeline: Timeline

    def path(self, hash_: bytes) -> StorePath:
        return StorePath(base32.encode(hash_), self.names[hash_])

    def keepers(self) -> dict[str, int]:
        """Return the bytes of the files of live paths, by the kind of the root that keeps each path."""
        kinds: dict[bytes, str] = {}
        found: dict[str, int] = defaultdict(int)
        # `live` has each path after the referrer that keeps it, so the kind of the referrer is known here.
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
            return f"is kept by {describe_root(root)}"
        (_, first), (parent, _) = steps[:2]
        verb = "was used by the build of" if first.is_input else "is referenced by"
        return f"{verb} {self.path(parent)}, kept by {describe_root(root)}"


def describe_root(root: Root) -> str:
    """Return a noun phrase for a root, such as `the result /home/ann/app/result`, for messages."""
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
    """Read all paths, builds and roots, within a transaction, and select the paths to keep.

    now: the time in seconds since 1970.
    """
    # Uses are recorded by the day. The end of the day counts, so that no path looks older than it is.
    used = {path: (day + 1) * DAY for path, day in db.execute("SELECT path, max(day) FROM uses GROUP BY path")}
    names: dict[bytes, str] = {}
    paths: dict[bytes, PathRow] = {}
    for hash_, name, refs, size, registered in db.execute("SELECT hash, name, refs, size, registered FROM paths"):
        names[hash_] = name
        # A clock that was ahead can leave times in the future. Such paths count as registered now.
        last_use = min(max(registered, used.get(hash_, 0)), now)
        paths[hash_] = PathRow(split_hashes(refs), size, min(registered, now), last_use)
    times = {*used.values(), *(row.registered for row in paths.values()), *(at for (at,) in db.execute(LATEST))}
    timeline = Timeline(now, times, trusted=policy.trust_clock)
    kept = [*root_links.find(root, db, timeline), *_spared(paths, timeline, policy)]
    builds = _builds(db)
    return Survey(names, paths, builds, select(paths, kept, builds), timeline)


def last_rows(db: sqlite3.Connection) -> dict[str, tuple[Any, ...]]:
    """Return the row with the highest id of each table that `first_new` knows, within a transaction."""
    return {
        table: db.execute(f"SELECT {columns} FROM {table} ORDER BY id DESC LIMIT 1").fetchone() or (0,)
        for table, columns in _COLUMNS.items()
    }


def first_new(db: sqlite3.Connection, last: Mapping[str, tuple[Any, ...]], table: str) -> int:
    """Return an id below the ids of all rows that were added to a table since `last_rows`, within a transaction."""
    row = last[table]
    # SQLite uses an id again only after the row with the highest id was deleted.
    same = db.execute(f"SELECT {_COLUMNS[table]} FROM {table} WHERE id = ?", [row[0]]).fetchone()
    return row[0] if same == row else 0


def kept_since(
    db: sqlite3.Connection, found: Survey, last: Mapping[str, tuple[Any, ...]]
) -> Mapping[bytes, KeepReason]:
    """Return the paths that are needed now, but were not live in a survey, within a transaction.

    Other processes may have added temporary roots and registered paths since the survey. The caller prevents new links.
    last: the result of `last_rows` at the time of the survey.
    """
    needed = root_links.rows(db, found.timeline)
    for hash_, refs in db.execute("SELECT hash, refs FROM paths WHERE id > ?", [first_new(db, last, "paths")]):
        if hash_ not in found.paths:
            # The kind is never shown: such a root only spares paths in this collection.
            needed += [Root("new", "", reference) for reference in split_hashes(refs)]
    return reached(found.paths, (root for root in needed if root.path not in found.selection.live))


def _spared(paths: Mapping[bytes, PathRow], timeline: Timeline, policy: Policy) -> list[Root]:
    """Return roots for the paths that are too young, or were used too recently, to be deleted."""
    found = []
    age = timeline.age
    if policy.older_than:
        name = f"its age: less than {counted(policy.older_than / DAY, 'day')}"
        found += [Root("young", name, h) for h, row in paths.items() if age(row.registered) < policy.older_than]
    if policy.keep_recent:
        days = policy.keep_recent
        last = "the last day" if days == 1 else f"the last {days:g} days"
        name = "keep-recent = none, which keeps all paths" if isinf(days) else f"its use in {last}"
        found += [Root("recent", name, h) for h, row in paths.items() if age(row.used) < policy.keep_recent * DAY]
    return found


def _builds(db: sqlite3.Connection) -> BuildGraph:
    """Read which derivation made which path."""
    makers: dict[bytes, list[bytes]] = defaultdict(list)
    outputs: dict[bytes, list[bytes]] = defaultdict(list)
    for derivation, path in db.execute("SELECT derivation, path FROM outputs"):
        makers[path].append(derivation)
        outputs[derivation].append(path)
    return BuildGraph(makers, outputs, dict(db.execute("SELECT digest, body FROM derivations")))


def first_planned(root: Path) -> int:
    """Return the highest derivation id at the start of the oldest running session; 0 if it is unknown.

    A session may be about to build later derivations. Without a session, the result is higher than all ids. The lock
    file of each session holds this id as text; it is empty until the session has read the id.
    """
    lowest = _ABOVE_ALL_IDS
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
