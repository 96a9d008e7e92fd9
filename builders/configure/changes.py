"""Decide which changes of maintainer scripts are kept: those that two runs made equally and that belong in an image.

The tables of the runs come from a tree that scripts wrote, so `parse` checks them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fpack.builders.payload import meta
from fpack.builders.payload.globs import Globs
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BuildError
from fpack.store.errors import BadTree
from fpack.store.files.tree import check_target, split

from .lower import LowerTree

REMOVED, SPECIAL = "-", "s"
SET_ID = 0o6000
_KINDS = (meta.FILE, meta.DIRECTORY, meta.SYMLINK, REMOVED, SPECIAL)
_STORED = {0o444: 0o644, 0o555: 0o755}  # modes in the store, and those of most packages' files
# Nothing below these is ever kept: kernel and temporary file systems, state of dpkg, caches, logs, and what identifies
# one machine. A directory that is listed with `/*` may be kept itself.
DROPPED = (
    "/dev/*", "/proc/*", "/run/*", "/sys/*", "/tmp/*", "/var/tmp/*",
    "/var/lib/dpkg", "/var/lib/ucf", "/var/cache/debconf", "/var/cache/apt/*", "/var/cache/ldconfig", "/var/cache/man",
    "/var/lib/apt/*", "/var/backups/*", "/var/run", "/var/lock",
    "/etc/ld.so.cache", "/etc/machine-id", "/var/lib/dbus/machine-id", "/var/lib/systemd/deb-systemd-helper*",
    "/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed",
    "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid", "/etc/.pwd.lock",
    "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-",
    "/usr/sbin/policy-rc.d",
)  # fmt: skip
_BACKUPS = (
    ".dpkg-bak", ".dpkg-dist", ".dpkg-new", ".dpkg-old", ".dpkg-tmp", ".ucf-dist", ".ucf-new", ".ucf-old", "-old",
)  # fmt: skip


class Change(NamedTuple):
    """A path that a run changed. kind: as in a table, or REMOVED or SPECIAL. step: the last command that changed it.

    opaque: a directory that hides everything that the lower tree has there.
    """

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    sha256: bytes
    target: str
    opaque: bool
    step: int


class ScriptCall(NamedTuple):
    """The script that changed a path."""

    package: str
    script: str


class KeptEntry(NamedTuple):
    """An entry of the output. stored: an equal file of the lower tree, if there is one."""

    entry: TreeEntry
    origin: ScriptCall
    stored: TreeEntry | None = None


class Outcome(NamedTuple):
    """The changes that are kept, and those that are not.

    kept: sorted by path. removed: files of the lower tree. unstable: (path, origin, reason). set_id: (path, mode) of
    kept files that scripts gave set-id bits.
    """

    kept: list[KeptEntry]
    removed: list[tuple[str, ScriptCall]]
    unstable: list[tuple[str, ScriptCall, str]]
    set_id: list[tuple[str, int]]


def parse(rows: Iterable[Sequence[Any]], steps: int, most: int) -> dict[str, Change]:
    """Return the table of a run, by path. Raise BuildError if it is malformed or has more than `most` rows.

    Paths that a store cannot hold become SPECIAL.
    """
    found: dict[str, Change] = {}
    for row in rows:
        try:
            path, kind, mode, uid, gid, size, sha256, target, opaque, step = row
            change = Change(path, kind, mode, uid, gid, size, bytes.fromhex(sha256), target, bool(opaque), step)
            os.fsencode(path)
            good = kind in _KINDS and 0 <= step < steps and 0 <= mode <= 0o7777 and size >= 0
            good = good and 0 <= uid <= meta.MAX_ID and 0 <= gid <= meta.MAX_ID
            good = good and (kind != meta.FILE or len(sha256) == 64)
        except (TypeError, ValueError):
            why = f"row {len(found) + 1} has other fields than expected"
            raise BuildError("The changes of maintainer scripts cannot be read", why=why) from None
        if len(found) >= most:
            raise BuildError("Maintainer scripts changed too many paths", why=f"the limit is {most}")
        if not good or path in found:
            why = f"the row of {path!r:.100} is not valid"
            raise BuildError("The changes of maintainer scripts cannot be read", why=why)
        try:
            split(f"data/{path}")
            if kind == meta.SYMLINK:
                check_target(os.fsencode(target))
        except BadTree:
            change = change._replace(kind=SPECIAL)
        found[path] = change
    return found


def decide(
    first: Mapping[str, Change],
    second: Mapping[str, Change],
    lower: LowerTree,
    origins: Sequence[ScriptCall],
    stubs: Sequence[str],
    names: Callable[[int, int], tuple[str, str]],
) -> Outcome:
    """Compare two runs with each other and with the tree before them.

    origins: of each step. stubs: paths that fpack replaced by stubs. names: returns the names of a user and a group.
    """
    dropped = Globs((*DROPPED, *(f"/{path}" for path in stubs)))

    def wanted(path: str, kind: str = "") -> bool:
        if dropped.covers(path) or path.endswith((*_BACKUPS, ".pyc")) or "__pycache__" in path.split("/"):
            return False
        log = path.startswith("var/log/") or (path.startswith("var/") and path.endswith(".log"))
        return not log or kind == meta.DIRECTORY

    unstable: dict[str, tuple[str, ScriptCall, str]] = {}
    stable: dict[str, Change] = {}
    for path in sorted(first.keys() | second.keys(), key=os.fsencode):
        one, two = first.get(path), second.get(path)
        change = one or two
        assert change is not None
        if not wanted(path, change.kind):
            continue
        reason = _difference(one, two) or _conflict(change, lower)
        if reason:
            unstable[path] = (path, origins[change.step], reason)
        else:
            stable[path] = change
    _leave_out_state(stable, unstable, lower)
    removed = {path: origins[change.step] for change in stable.values() for path in _hidden(change, stable, lower)}
    kept, set_id = _entries(stable, lower, origins, names)
    return Outcome(
        kept,
        [(path, removed[path]) for path in sorted(removed, key=os.fsencode) if wanted(path)],
        [unstable[path] for path in sorted(unstable, key=os.fsencode)],
        set_id,
    )


def _difference(one: Change | None, two: Change | None) -> str:
    """Return the reason for which a path cannot be kept, or "" if both runs agree."""
    if one is None or two is None:
        return "only one of two runs changed it"
    for reason, fields in (
        ("kind", (one.kind, two.kind)),
        ("content", ((one.size, one.sha256), (two.size, two.sha256))),
        ("target", (one.target, two.target)),
        ("owner", ((one.uid, one.gid), (two.uid, two.gid))),
        ("mode", (one.mode, two.mode)),
    ):
        if fields[0] != fields[1]:
            return f"two runs differ in its {reason}"
    return "it is no file, directory or symlink" if one.kind == SPECIAL else ""


def _conflict(change: Change, lower: LowerTree) -> str:
    """Return the reason for which a change does not fit into a root whose directories come from packages."""
    if change.kind == meta.DIRECTORY and change.path in lower.files:
        return "it replaces a file by a directory"
    if change.kind in (meta.FILE, meta.SYMLINK) and change.path in lower.directories:
        return "it replaces a directory"
    return ""


def _leave_out_state(
    stable: dict[str, Change], unstable: dict[str, tuple[str, ScriptCall, str]], lower: LowerTree
) -> None:
    """Move from `stable` what is below an unstable path or in a service's new directory with an unstable path.

    Such a directory, which is below /var and belongs to a user other than root, holds the state of one machine, like a
    database, and cannot be used in part.
    """
    whole: dict[str, tuple[str, ScriptCall, str]] = {}
    for path, (_, origin, reason) in unstable.items():
        parents = [path[:at] for at, letter in enumerate(path) if letter == "/"]
        made = next((p for p in parents if p not in lower.directories and p in stable and stable[p].uid), None)
        if path.startswith("var/") and made is not None and "differ" in reason:
            whole[made] = (made, origin, f"two runs differ in it: {path}")
    unstable.update(whole)
    for path in list(stable):
        if any(path[:at] in unstable for at, letter in enumerate(path) if letter == "/") or path in whole:
            del stable[path]
    for path in list(unstable):
        if any(path[:at] in whole for at, letter in enumerate(path) if letter == "/"):
            del unstable[path]


def _hidden(change: Change, stable: Mapping[str, Change], lower: LowerTree) -> list[str]:
    """Return the files of the lower tree that a change removes."""
    if change.kind == REMOVED and change.path in lower.files:
        return [change.path]
    if change.kind == REMOVED and change.path in lower.directories:
        return list(lower.below(change.path))
    if change.opaque and change.path in lower.directories:
        return [path for path in lower.below(change.path) if path not in stable or stable[path].kind == REMOVED]
    return []


def _entries(
    stable: Mapping[str, Change],
    lower: LowerTree,
    origins: Sequence[ScriptCall],
    names: Callable[[int, int], tuple[str, str]],
) -> tuple[list[KeptEntry], list[tuple[str, int]]]:
    """Return the entries of an output, and the modes of those with set-id bits."""
    kept: list[KeptEntry] = []
    set_id: list[tuple[str, int]] = []
    parents = {path.rpartition("/")[0] for path, change in stable.items() if change.kind != REMOVED}
    for path, change in stable.items():
        if change.kind == REMOVED:
            continue
        stored = lower.by_content.get(change.sha256) if change.kind == meta.FILE else None
        mode = _mode(change, lower, stored)
        known = lower.directories.get(path) or lower.files.get(path)
        if known is not None and (known.kind, known.uid, known.gid) == (change.kind, change.uid, change.gid):
            before = lower.set_id.get(path, known.mode)
            same = known.sha256 == change.sha256 and known.target == change.target
            if same and (change.kind == meta.SYMLINK or before == mode):
                continue
        plain = (change.kind, mode, change.uid, change.gid) == (meta.DIRECTORY, 0o755, 0, 0)
        if plain and path in parents and path not in lower.directories:
            continue  # its entries imply it
        if change.kind == meta.FILE and mode & SET_ID:
            set_id.append((path, mode))
            mode &= ~SET_ID
        user, group = names(change.uid, change.gid)
        entry = TreeEntry(
            path, change.kind, mode, change.uid, change.gid, user, group,
            change.size, b"", change.sha256, change.target,
        )  # fmt: skip
        kept.append(KeptEntry(entry, origins[change.step], stored))
    return kept, set_id


def _mode(change: Change, lower: LowerTree, stored: TreeEntry | None) -> int:
    """Return the mode that a file would have if files in the store had the modes of their packages.

    Scripts keep the mode of the store when they edit a file, or copy one and its mode (`cp -p`, `--reference`). If a
    script made a file executable, or the opposite (`chmod a+x`), the mode of its package does not count.
    """
    if change.kind != meta.FILE or change.mode not in _STORED:
        return change.mode
    for source in (lower.files.get(change.path), stored):
        if source is not None and source.kind == meta.FILE and not (source.mode ^ change.mode) & 0o111:
            return lower.set_id.get(source.path, source.mode)
    return _STORED[change.mode]
