"""Trust only files owned by the user or root, in directories where nobody else can put something else in their place.

Root is no exception: what another user can write, root must not run.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from functools import lru_cache

from fpack.store.errors import StoreError
from fpack.store.files.presence import is_present

SHARED_STORE = "FPACK_SHARED_STORE"
_LINKS = 40  # as many as the kernel follows
_GROUP, _ALL = 0o020, 0o002


class ExposedPath:
    """A path that another user can change. why: a sentence about `path` that begins with `it`."""

    __slots__ = ("path", "why")

    def __init__(self, path: str, why: str) -> None:
        self.path = path
        self.why = why


def exposed(path: str) -> ExposedPath | None:
    """Find the first part of `path` by which another user could put something else in its place; None if there is none.

    If the path does not exist yet, its existing parents are checked. A directory with the sticky bit, such as /tmp, may
    be writable by all, because nobody can rename another user's files in it. Links are followed, and must be trusted
    too.
    """
    at, links = "", 0
    todo = ["/", *(path if path.startswith("/") else f"{os.getcwd()}/{path}").split("/")][::-1]
    while todo:
        name = todo.pop()
        if name == "..":
            at = os.path.dirname(at).rstrip("/")
        if name in ("", ".", ".."):
            continue
        part = "/" if name == "/" else f"{at}/{name}"
        try:
            status = os.lstat(part)
            target = os.readlink(part) if stat.S_ISLNK(status.st_mode) else None
        except OSError:
            return None
        if target is None:
            why = open_to_others(status, as_parent=True)
            if why:
                return ExposedPath(part, why)
            at = part.rstrip("/")
            continue
        links += 1
        if links > _LINKS or not _is_own(status.st_uid):
            return ExposedPath(part, f"it is a link that belongs to user {status.st_uid}")
        todo += target.split("/")[::-1]
        at = "" if target.startswith("/") else at
    return None


def open_to_others(status: os.stat_result, *, as_parent: bool = False) -> str:
    """Return why others can change a file or the entries of a directory, or "" if they cannot.

    as_parent: the directory is only a parent of the store or cache. Then the sticky bit is enough, and the group may
    write if only this user belongs to it, as with a umask of 002.
    """
    mode = status.st_mode
    if not _is_own(status.st_uid, as_parent):
        return f"it belongs to user {status.st_uid}"
    if as_parent and stat.S_ISDIR(mode) and mode & stat.S_ISVTX:
        return ""
    if mode & _ALL:
        return f"everybody can write to it: its mode is {mode & 0o7777:04o}"
    if mode & _GROUP and not (as_parent and _is_private(status.st_gid)):
        return f"group {status.st_gid} can write to it: its mode is {mode & 0o7777:04o}"
    return ""


def _is_own(uid: int, as_parent: bool = False) -> bool:
    return uid in (os.geteuid(), 0) or (as_parent and _is_unmapped(uid))


@lru_cache(256)
def _is_unmapped(uid: int) -> bool:
    """Return whether `uid` stands for all users outside of this user namespace, including the machine's root."""
    try:
        with open("/proc/sys/kernel/overflowuid", encoding="ascii") as number, open("/proc/self/uid_map") as ranges:
            rows = [list(map(int, row.split())) for row in ranges]
            return uid == int(number.read()) and not any(r[0] <= uid < r[0] + r[2] for r in rows)
    except (OSError, ValueError):
        return False


@lru_cache(256)
def _is_private(gid: int) -> bool:
    """Return whether a group has this user as its only member."""
    import grp
    import pwd

    try:
        own = pwd.getpwuid(os.geteuid())
        members = set(grp.getgrgid(gid).gr_mem) | {user.pw_name for user in pwd.getpwall() if user.pw_gid == gid}
        return members == {own.pw_name}
    except KeyError:
        return False


def make_directories(path: str, mode: int = 0o700) -> None:
    """Make a directory and its missing parents. The parents are private for any umask."""
    above = os.path.dirname(path)
    if above and above != path and not os.path.isdir(above):
        make_directories(above)
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not stat.S_ISDIR(os.stat(path).st_mode):
            raise


def check_store(root: str, names: Iterable[str] = ()) -> list[str]:
    """Raise StoreError if other users can change or replace a store or one of the entries `names` in it.

    Return those of `names` that do not exist. The store need not exist yet. FPACK_SHARED_STORE names a store that is
    shared on purpose and is not checked.
    """
    shared = os.environ.get(SHARED_STORE)
    if shared and os.path.realpath(shared) == os.path.realpath(root):
        return [name for name in names if not is_present(f"{root}/{name}")]
    missing = []
    found = exposed(root)
    if found and found.path != root:
        raise _refused("Another user can put another store in the place of this one", root, found)
    for name in ("", *names):
        directory = f"{root}/{name}" if name else root
        try:
            status = os.stat(directory)
        except (FileNotFoundError, NotADirectoryError):
            missing += [name] if name else []
            continue
        except OSError as error:
            hint = "name another store with FPACK_ROOT"
            raise StoreError("The store cannot be read", where=directory, why=str(error.strerror), hint=hint) from None
        if why := open_to_others(status):
            everybody = "Everybody" if status.st_mode & _ALL else "A group"
            what = f"{everybody} can change the store" if _is_own(status.st_uid) else "The store is another user's"
            raise _refused(what, root, ExposedPath(directory, why))
        if os.path.islink(directory) and (found := exposed(directory)):
            raise _refused("Another user can put another store in the place of this one", root, found)
    return missing


def _refused(what: str, root: str, found: ExposedPath) -> StoreError:
    """Return the error for a store that others can change. found: the path that they can change, and why."""
    return StoreError(
        what,
        where=found.path,
        why=found.why,
        hint="name another store with FPACK_ROOT; or, if whoever can write to it may run programs as you: "
        f"{SHARED_STORE}={root}",
    )


def is_believed(status: os.stat_result, *also: int) -> bool:
    """Return whether a file belongs to this user, to root or to one of the users `also`."""
    return status.st_uid in (os.geteuid(), 0, *also)


def find_above(directory: str, name: str) -> str | None:
    """Find the nearest directory at or above `directory` that has a file `name` of a trusted owner.

    The owner of `directory` is trusted too, because this user chose to work there. Files of other users in its parent
    directories, such as /tmp, are ignored.
    """
    at = directory
    try:
        owner = os.stat(directory).st_uid
    except OSError:
        owner = -1
    while True:
        candidate = f"{at.rstrip('/')}/{name}"
        try:
            found = os.stat(candidate)
            if stat.S_ISREG(found.st_mode) and all(is_believed(s, owner) for s in (found, os.lstat(candidate))):
                return at
        except (OSError, ValueError):
            pass
        above = os.path.dirname(at)
        if above == at:
            return None
        at = above


def danger(directory: str) -> str:
    """Return why a directory is not safe for files that this user executes, reads or connects to, or "" if it is safe.

    A safe directory belongs to the user, is writable by nobody else, and cannot be replaced except by the user and
    root. Raise FileNotFoundError if it does not exist.
    """
    status = os.lstat(directory)
    if not stat.S_ISDIR(status.st_mode):
        return "it is not a directory, or it is a link to one"
    if status.st_uid != os.geteuid():
        return f"it belongs to user {status.st_uid}"
    if why := open_to_others(status):
        return why
    found = exposed(directory)
    return f"{found.path}: {found.why}" if found else ""
