"""Add, find and remove the roots of garbage collection.

`roots/` holds two kinds of links. A link named by a hash points to a user's result link, and is a root while the result
link points into the store. A link `named-NAME` points to a store path. Its name and path are also a row of the
database, so that the root outlives the link. Other rows keep packed images (`pins`) and the paths that running
processes and open shells use (`temporary_roots`). An argument `root` is the directory of the store.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sqlite3
from pathlib import Path

from fpack import light_hashes
from fpack.light_typing import TYPE_CHECKING
from fpack.store import LEASE, base32
from fpack.store.errors import InvalidName, StoreError, did_you_mean
from fpack.store.files.presence import is_present, link_target
from fpack.store.files.sync import sync_directory
from fpack.store.locks import FileLock
from fpack.store.path import StorePath, check_name, parse

if TYPE_CHECKING:
    from fpack.store.database import Database
    from fpack.store.db.clock import Timeline

    from .selection import Root

_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
_NAMED = "named-"
# The first format of the database with named roots. A database that cannot be written is not upgraded, so it may have
# an earlier one.
_FORMAT_WITH_ROOTS = 3


def mark_lock(root: Path, *, placing: bool) -> FileLock:
    """Return the lock that prevents new roots while a collection finds the roots and deletes unneeded paths.

    placing: True to add or remove a root; several processes may hold the lock for that at once.
    """
    return FileLock(root / "locks" / "mark", transient=False, shared=placing)


def add_link(root: Path, link: Path, target: Path, *, is_root: bool = True) -> None:
    """Make `link` a symlink to `target`, a path in the store, and a root for as long as the symlink points to `target`.

    A path that is valid after this call stays valid. If `is_root` is false or the store cannot be written, only the
    symlink is made.
    """
    link = link.absolute()
    try:
        if is_root:
            _add_result(root, link, target)
            return
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
    _place(link, target)


def _add_result(root: Path, link: Path, target: Path) -> None:
    """Make a result link, and the link in `roots/` that points to it and is named by the hash of its path."""
    with mark_lock(root, placing=True):
        name = light_hashes.blake2b(os.fsencode(link), digest_size=16).hexdigest()
        with contextlib.suppress(OSError):
            # An unchanged link is not written again: writing would change the mtime of its directory.
            if os.readlink(link) == os.fspath(target) and os.readlink(root / "roots" / name) == os.fspath(link):
                return
        _place(link, target)
        _place(root / "roots" / name, link)


def check_root_name(name: str) -> str:
    """Return `name` if a root can have it, else raise InvalidName."""
    try:
        return check_name(name)
    except InvalidName as error:
        hint = "the name comes before the path, as in fpack root add tools ./result"
        raise error.with_(what=f"A root cannot have the name {name[:60]!r}", hint=hint) from None


def add_named(root: Path, database: Database, name: str, path: StorePath, *, replace: bool = True) -> None:
    """Make a path a root by name. Replace an earlier root of this name, or raise StoreError if `replace` is false."""
    link = root / "roots" / f"{_NAMED}{check_root_name(name)}"
    with mark_lock(root, placing=True):
        if is_present(link) and not link.is_symlink():
            raise StoreError("The root cannot be made", where=str(link), why="it is not a link", hint="delete it")
        earlier = database.named_roots().get(name)
        if not replace and earlier not in (None, base32.decode(path.hash)):
            found = database.info(earlier) if earlier else None
            raise StoreError(
                f"There is already a root {name}", why=f"it keeps {found.path.base}" if found else "",
                hint=f"choose another name, or replace it with --force; fpack root remove {name} removes it",
            )  # fmt: skip
        with database.transaction() as db:
            database.insert_root(db, name, base32.decode(path.hash))
        _place_named(root, name, path)


def _place_named(root: Path, name: str, path: StorePath) -> None:
    # A relative link stays valid when the store is moved.
    _place(root / "roots" / f"{_NAMED}{name}", Path("../store", path.base))


def remove_named(root: Path, database: Database, name: str) -> None:
    """Remove a named root. Raise StoreError if there is no root of this name."""
    check_root_name(name)
    with mark_lock(root, placing=True):
        with database.transaction() as db:
            was_recorded = database.delete_root(db, name)
        try:
            os.unlink(root / "roots" / f"{_NAMED}{name}")
        except FileNotFoundError:
            if not was_recorded:
                entries = os.scandir(root / "roots")
                names = [entry.name.removeprefix(_NAMED) for entry in entries if entry.name.startswith(_NAMED)]
                hint = did_you_mean(name, names) or "fpack root list shows the roots"
                raise StoreError(f"There is no root {name}", hint=hint) from None


def restore_named(root: Path, database: Database) -> list[str]:
    """Make the missing links of recorded named roots again, and return their names. Record links without a row.

    Something else than fpack deleted such a link. An earlier format of the database had no rows of named roots.
    """
    with mark_lock(root, placing=False):
        recorded = database.named_roots()
        linked = {found.name: found.path for found in links(root) if found.kind == "root"}
        new = linked.keys() - recorded.keys()
        if new:
            with database.transaction() as db:
                for name in sorted(new):
                    database.insert_root(db, name, linked[name])
        made = []
        for name in sorted(recorded.keys() - linked.keys()):
            if (info := database.info(recorded[name])) is not None:
                _place_named(root, name, info.path)
                made.append(name)
        return made


def find(root: Path, db: sqlite3.Connection, timeline: Timeline) -> list[Root]:
    """Return all roots, each once: those that are links, and those that are rows."""
    return list(dict.fromkeys([*links(root), *rows(db, timeline)]))


def _place(link: Path, target: Path) -> None:
    """Make or replace a symlink in one step, so that no process ever finds it missing, and sync its directory."""
    _delete_leftovers(link)
    while True:
        temporary = link.with_name(f".{link.name}.{os.urandom(4).hex()}")
        try:
            os.symlink(target, temporary)
        except FileNotFoundError:
            if link.parent.name != "roots":
                raise
            link.parent.mkdir(mode=0o755, exist_ok=True)  # something deleted the store's directory
            continue
        try:
            os.replace(temporary, link)
        except FileNotFoundError:
            continue  # another process deleted the temporary link as a leftover of a killed process
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        with contextlib.suppress(PermissionError):  # the directory may be writable but not readable
            sync_directory(link.parent)
        return


def _delete_leftovers(link: Path) -> None:
    """Delete the temporary links that killed processes left beside `link`. Ignore errors."""
    pattern = re.compile(re.escape(f".{link.name}.") + "[0-9a-f]{8}")
    with contextlib.suppress(OSError):
        for name in os.listdir(link.parent):
            if pattern.fullmatch(name) and (link.parent / name).is_symlink():
                with contextlib.suppress(OSError):
                    os.unlink(link.parent / name)


def links(root: Path) -> list[Root]:
    """Return the roots that are links: results and named roots."""
    from .selection import Root  # a warm start of a build imports this module

    found: list[Root] = []
    prefix = f"{root}/store/"
    for entry in sorted(os.scandir(root / "roots"), key=lambda entry: entry.name):
        link = link_target(entry.path)
        if link is None:
            continue
        target: str | None
        if entry.name.startswith(_NAMED):
            target = f"{root}/{link.removeprefix('../')}"
        elif (target := _result_target(link, entry.path)) is None:
            continue
        directory, separator, base = target.rpartition("/store/")
        # After the store was moved, a result link still points to the old location, where there is no store any more.
        # Such a link counts. A link into another store, which exists, does not.
        if target.startswith(prefix) or (separator and not is_present(f"{directory}/store")):
            base = target[len(prefix) :] if target.startswith(prefix) else base
            with contextlib.suppress(InvalidName):
                path = parse(base.partition("/")[0])
                kind, name = ("root", entry.name[len(_NAMED) :]) if entry.name.startswith(_NAMED) else ("result", link)
                found.append(Root(kind, name, base32.decode(path.hash)))
    return found


def _result_target(link: str, entry: str) -> str | None:
    """Return the target of a result link, or None if the link is gone. Raise StoreError if that cannot be known.

    entry: the path in `roots/` that names the link, for the message.
    """
    try:
        return link_target(link)
    except OSError as error:
        hint = f"make it readable, or delete {entry} if its result is not needed"
        what = "A result link cannot be read, so what it keeps is not known"
        raise StoreError(what, where=link, why=error.strerror or "", hint=hint) from None


def forget_gone(root: Path) -> list[str]:
    """Delete the entries of `roots/` whose result link no longer exists, and return the paths of these result links.

    A project that was moved keeps no paths until it is built in its new directory.
    """
    gone = []
    for entry in sorted(os.scandir(root / "roots"), key=lambda entry: entry.name):
        with contextlib.suppress(OSError):
            if not entry.name.startswith((".", _NAMED)) and not is_present(link := os.readlink(entry.path)):
                os.unlink(entry.path)
                gone.append(link)
    return gone


def rows(db: sqlite3.Connection, timeline: Timeline) -> list[Root]:
    """Return the roots that are rows: named roots, packs that have not expired, processes and shells."""
    from .selection import Root

    found = []
    if db.execute("PRAGMA user_version").fetchone()[0] >= _FORMAT_WITH_ROOTS:
        found += [Root("root", name, path) for name, path in db.execute("SELECT name, path FROM named_roots")]
    for path, project, name, expires in db.execute("SELECT path, project, name, expires FROM pins"):
        if timeline.age(expires) < 0:
            found.append(Root("pack", f"{name} of {project}" if project else name, path))
    for session, path in db.execute("SELECT session, path FROM temporary_roots"):
        is_lease = session.startswith(LEASE)
        found.append(Root("shell" if is_lease else "process", session if is_lease else session.partition("-")[0], path))
    return found
