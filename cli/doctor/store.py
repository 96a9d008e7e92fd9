"""Check the store: its directory, its database, and what processes and crashes have left in it.

Each check takes milliseconds, also for a store of 100,000 paths: nothing is hashed. `fpack store verify` does that.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.store import DAY
from fpack.store.db.clock import Timeline
from fpack.store.errors import FpackError, counted
from fpack.store.files import mounts
from fpack.store.files.owners import check_store
from fpack.store.root import default_root, obstacle
from fpack.store.sessions.deferred_sync import SYNCED

from .machine import OK, PROBLEM, WARNING, CheckResult, existing, failed

if TYPE_CHECKING:
    from fpack.store.database import Database

_OLD_PARTIAL = 7 * DAY
_MAX_QUICK_CHECK = 64 << 20  # bytes of a database that SQLite checks in a moment
_MAX_LISTED = 3
_DIRECTORIES = ("store", "files", "tmp", "db")  # those that every build writes to


def store_directory() -> CheckResult:
    """Check the store's directory, and that it can be written."""
    path = default_root()
    why = "FPACK_ROOT" if os.environ.get("FPACK_ROOT") else "the default"
    if not (path / "db").is_dir():
        try:
            check_store(os.fspath(path))
        except FpackError as error:
            return failed("store", error)
        if (found := obstacle(os.fspath(path))) is not None:
            return failed("store", found)
        if os.access(existing(path), os.W_OK | os.X_OK):
            return CheckResult("store", OK, f"{path} ({why}), which the first build creates")
        hint = "set FPACK_ROOT to a directory that you can write to"
        return CheckResult("store", PROBLEM, f"{path} ({why}) cannot be created", hint)
    for name in _DIRECTORIES:
        if refusal := _unwritable(path / name):
            hint = "it belongs to another user, or its disk is mounted read-only or full"
            return CheckResult("store", PROBLEM, f"{path / name} cannot be written: {refusal}", hint)
    return CheckResult("store", OK, f"{path} ({why})")


def _unwritable(directory: Path) -> str:
    """Return why a directory cannot be written, or an empty string. A missing one is made by the next build."""
    probe = directory / f".fpack-doctor-{os.urandom(6).hex()}"
    try:
        probe.touch()
        probe.unlink()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return error.strerror or str(error)
    return ""


def mount(path: Path, proc: Path = Path("/proc")) -> Iterator[CheckResult]:
    """Check how the store's file system is mounted, and that it is one file system."""
    _, point, options = mounts.mount_of(existing(path).resolve(), proc)
    if "noexec" in options:
        hint = "set FPACK_ROOT to a directory on another file system"
        yield CheckResult("mount", PROBLEM, f"{point} is mounted noexec: no program of the store can run", hint)
    devices = {}
    for name in ("store", "files", "tmp", "trash"):
        with contextlib.suppress(OSError):
            devices[name] = os.stat(path / name).st_dev
    if len(set(devices.values())) > 1:
        text = f"{' and '.join(devices)} of {path} are on different file systems: files cannot be linked between them"
        yield CheckResult("mount", PROBLEM, text, "move the whole store to one file system")


def database() -> Iterator[CheckResult]:
    """Check the store's database against itself, and its paths against the directory of trees."""
    from fpack.store.database import Database

    root = default_root()
    path = root / "db" / "fpack.sqlite"
    if not (root / "db").is_dir():
        return
    try:
        opened = Database(path)
        try:
            yield from _database(opened, root)
        finally:
            opened.close()
    except FpackError as error:
        yield failed("database", error)


def _database(opened: Database, root: Path) -> Iterator[CheckResult]:
    from fpack.cli.ui.render import megabytes

    rebuild = "fpack store rebuild-database makes it again from db/journal and the trees"
    size = opened.path.stat().st_size
    trouble = opened.trouble() if size <= _MAX_QUICK_CHECK else ""
    if trouble:
        yield CheckResult("database", PROBLEM, f"{opened.path} is damaged: {trouble}", rebuild)
        return
    count, total, latest = opened.totals()
    unchecked = "" if size <= _MAX_QUICK_CHECK else "; too large for a quick check: fpack store verify checks it"
    yield CheckResult("database", OK, f"{counted(count, 'path')}, {megabytes(total)}{unchecked}")
    if doubt := Timeline(time.time(), [latest] if latest else []).doubt:
        hint = "set this machine's clock; if it is right, run fpack gc --trust-clock"
        yield CheckResult("clock", WARNING, doubt, hint)
    if count and not opened.journal.exists():
        text = "db/journal is missing: a lost database could not be made again completely"
        yield CheckResult("journal", WARNING, text, "the next build writes it")
    links = {entry.name.removeprefix("named-") for entry in _scan(root / "roots")}
    if lost := sorted(opened.named_roots().keys() - links):
        text = f"named roots have no link in roots/: {_some(lost)}"
        yield CheckResult("roots", WARNING, text, "fpack gc makes the links again")
    yield from _trees(opened, root)


def _trees(opened: Database, root: Path) -> Iterator[CheckResult]:
    """Compare the names of the valid paths with those of the trees."""
    try:
        there = set(os.listdir(root / "store"))
    except OSError as error:
        yield CheckResult("trees", PROBLEM, f"{root / 'store'} cannot be read: {error.strerror}")
        return
    valid = opened.names()
    gone = sorted(valid - there)
    if gone:
        some = ", ".join(gone[:_MAX_LISTED]) + (f" and {len(gone) - _MAX_LISTED} more" if gone[_MAX_LISTED:] else "")
        hint = "fpack store repair makes them again; a build that needs one does, too"
        yield CheckResult("trees", PROBLEM, f"{counted(len(gone), 'path')} without a tree: {some}", hint)
    left = len(there - valid)
    if left:
        trees = counted(left, "tree is", "trees are")
        yield CheckResult("trees", OK, f"{trees} not valid: fpack gc deletes such trees")


def processes(proc: Path = Path("/proc")) -> Iterator[CheckResult]:
    """Report the processes that use the store, and what crashed ones have left behind."""
    root = default_root()
    users, dead = _sessions(root)
    stopped = [pid for pid in users if _state(proc, pid) in ("T", "t")]
    if stopped:
        listed = ", ".join(stopped)
        text = f"process {listed} uses the store and is stopped: what it builds, others wait for"
        yield CheckResult("processes", WARNING, text, f"kill -CONT {' '.join(stopped)}, or end it")
    elif users:
        count = "1 process uses" if len(users) == 1 else f"{len(users)} processes use"
        yield CheckResult("processes", OK, f"{count} the store: {', '.join(users[:10])}")
    if dead:
        count = "a crashed process has" if dead == 1 else f"{dead} crashed processes have"
        yield CheckResult("leftovers", OK, f"{count} left temporary files, which the next build deletes")
    yield from _leftovers(root)


def _sessions(root: Path) -> tuple[list[str], int]:
    """Return the ids of the processes that use the store, and the number of crashed ones that have left something."""
    import fcntl

    users: list[str] = []
    dead = 0
    for entry in _scan(root / "tmp"):
        if not entry.name.endswith(".lock"):
            continue
        try:
            fd = os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            dead += os.pread(fd, len(SYNCED), 0) != SYNCED.encode()
        except BlockingIOError:
            users.append(entry.name.partition("-")[0])
        finally:
            os.close(fd)
    return sorted(users), dead


def _state(proc: Path, pid: str) -> str:
    try:
        return (proc / pid / "stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _leftovers(root: Path) -> Iterator[CheckResult]:
    old = 0
    for entry in _scan(root / "partial"):
        with contextlib.suppress(OSError):
            old += entry.stat(follow_symlinks=False).st_mtime < time.time() - _OLD_PARTIAL
    trash = sum(1 for _ in _scan(root / "trash"))
    if old:
        downloads = counted(old, "download was", "downloads were")
        yield CheckResult("leftovers", OK, f"{downloads} interrupted over a week ago", "run fpack gc")
    if trash and not _is_locked(root / "locks" / "gc"):
        left = counted(trash, "tree is", "trees are")
        yield CheckResult("leftovers", OK, f"a collection was interrupted: {left} left", "run fpack gc")


def _is_locked(path: Path) -> bool:
    import fcntl

    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


def roots() -> Iterator[CheckResult]:
    """Report results whose links are gone, or lead to what this store does not have."""
    root = default_root()
    here = f"{root}/store/"
    gone, dangling, elsewhere = [], [], []
    for entry in _scan(root / "roots"):
        if entry.name.startswith((".", "named-")):
            continue
        try:
            link = os.readlink(entry.path)
        except OSError:
            continue
        try:
            target = os.readlink(link)
        except OSError:
            gone.append(link)
            continue
        if not target.startswith(here):
            elsewhere.append(link)
        elif not os.path.lexists(here + target[len(here) :].partition("/")[0]):
            dangling.append(link)
    if dangling:
        text = f"{_some(dangling)}: the path that the result leads to is gone"
        yield CheckResult("results", WARNING, text, "fpack build makes it again")
    if elsewhere:
        text = f"{_some(elsewhere)}: the link leads out of this store, so it keeps nothing in it"
        hint = "if the store or the project was moved, fpack build makes the link again"
        yield CheckResult("results", WARNING, text, hint)
    if gone:
        results = counted(len(gone), "result was", "results were")
        yield CheckResult("results", OK, f"{results} deleted: the next gc deletes the paths")


def _some(names: list[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:_MAX_LISTED]) + (f" and {len(names) - _MAX_LISTED} more" if names[_MAX_LISTED:] else "")


def _scan(directory: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError:
        return []
