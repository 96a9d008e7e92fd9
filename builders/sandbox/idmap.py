"""Mount root's directories, in a private mount namespace, for a process that is not root.

Root's shells and services use directories of the machine, such as a project or a home. An id-mapped mount shows the
directory's owner as the sandbox's user, and files that this user creates belong to the owner. So no process in a
sandbox has the machine's uid 0. Sources: mount_setattr(2), open_tree(2), move_mount(2), user_namespaces(7).
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fpack.store import processes

_NEWNS, _NEWUSER = 0x20000, 0x10000000
_REC, _PRIVATE, _NOSUID, _NODEV = 16384, 1 << 18, 2, 4
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442  # the numbers are the same on all machines
_CLONE, _CLOEXEC, _RECURSIVE, _EMPTY_PATH, _FROM_EMPTY = 1, 0o2000000, 0x8000, 0x1000, 4
_AT_FDCWD = -100
_IDMAP, _RDONLY = 0x100000, 1  # MOUNT_ATTR_*

_libc = ctypes.CDLL(None, use_errno=True)


class Bind(NamedTuple):
    """A directory or file to mount. target: below the stage. owned: show its owner as the sandbox's user."""

    source: str
    target: str
    owned: bool


class BindError(Exception):
    """A source that cannot be mounted, or a machine that does not allow it. The text tells which and why."""


class _Attributes(ctypes.Structure):
    """struct mount_attr."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


def show(stage: str, binds: Sequence[Bind], uid: int, devices: bool = False) -> None:
    """Enter a private mount namespace in which `binds` are mounted below `stage`. Raise BindError if that fails.

    uid: the user and group as which the owners of `owned` sources appear. devices: allow device files below `stage`.
    """
    _call(_libc.unshare(_NEWNS), "a mount namespace cannot be made")
    _call(_libc.mount(b"none", b"/", None, ctypes.c_ulong(_REC | _PRIVATE), None), "the mounts cannot be made private")
    # Open all sources before the stage hides directories of the machine.
    trees = [_tree(bind, uid) for bind in binds]
    flags = ctypes.c_ulong(_NOSUID if devices else _NOSUID | _NODEV)
    _call(_libc.mount(b"none", stage.encode(), b"tmpfs", flags, b"mode=0755,size=1m"), f"{stage} cannot be hidden")
    for bind, (tree, is_directory) in zip(binds, trees, strict=True):
        if is_directory:
            os.makedirs(bind.target, 0o755)
        else:
            os.makedirs(os.path.dirname(bind.target), 0o755, exist_ok=True)
            os.close(os.open(bind.target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        to = os.fsencode(bind.target)
        _call(_libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, to, _FROM_EMPTY), f"{bind.source} cannot be shown")
        os.close(tree)


def detached(source: str, users: int) -> int:
    """Return a descriptor of a read-only mount of a directory, which is attached nowhere. Raise BindError on failure.

    users: a user namespace, whose ids the files have: what root owns belongs to root of that namespace.
    """
    tree = _libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(source), _CLONE | _CLOEXEC)
    _call(tree, f"{source} cannot be opened")
    attributes = _Attributes(_IDMAP | _RDONLY, 0, 0, users)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    if _libc.syscall(_MOUNT_SETATTR, tree, b"", _EMPTY_PATH, ctypes.byref(attributes), size):
        code = ctypes.get_errno()
        os.close(tree)
        raise BindError(f"the file system of {source} cannot show its files as another user's: {os.strerror(code)}")
    return int(tree)


def become(uid: int) -> None:
    """Give up root permanently: set the user and group to `uid`, without supplementary groups."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _tree(bind: Bind, uid: int) -> tuple[int, bool]:
    """Open a source as a detached mount. Return its descriptor, and whether it is a directory."""
    flags = _CLONE | _CLOEXEC | _RECURSIVE
    tree = _libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(bind.source), flags)
    _call(tree, f"{bind.source} cannot be opened")
    status = os.fstat(tree)
    if bind.owned:
        users = _user_namespace(swapped(status.st_uid, uid, "uid"), swapped(status.st_gid, uid, "gid"))
        try:
            _map_owner(tree, users, bind.source, status.st_mode)
        finally:
            os.close(users)
    return tree, status.st_mode & 0o170000 == 0o040000


def _map_owner(tree: int, users: int, source: str, mode: int) -> None:
    attributes = _Attributes(_IDMAP, 0, 0, users)
    size = ctypes.sizeof(attributes)
    code = 0
    for flags in (_EMPTY_PATH | _RECURSIVE, _EMPTY_PATH):
        if _libc.syscall(_MOUNT_SETATTR, tree, b"", flags, ctypes.byref(attributes), ctypes.c_size_t(size)) == 0:
            return
        code = ctypes.get_errno()
    if mode & 0o1007 == 0o1007:
        return  # a directory like /tmp, in which everyone can write, needs no mapping
    if code in (errno.EINVAL, errno.ENOSYS, errno.EPERM):
        raise BindError(f"the file system of {source} cannot show its files as another user's: {os.strerror(code)}")
    raise BindError(f"{source}: {os.strerror(code)}")


def swapped(owner: int, shown: int, kind: str = "uid", table: str | None = None) -> str:
    """Return a map of ids, in the form of /proc/PID/uid_map, that swaps two ids and keeps all others.

    table: the ids that this process may map; by default the content of /proc/self/uid_map.
    """
    if table is None:
        with open(f"/proc/self/{kind}_map", encoding="ascii") as file:
            table = file.read()
    lines = []
    for line in table.splitlines():
        first, _, count = map(int, line.split())
        at, end = first, first + count
        for one in sorted({owner, shown}):
            if not at <= one < end:
                continue
            if one > at:
                lines.append((at, at, one - at))
            lines.append((one, shown if one == owner else owner, 1))
            at = one + 1
        if at < end:
            lines.append((at, at, end - at))
    return "".join("{} {} {}\n".format(*line) for line in lines)


def _user_namespace(users: str, groups: str) -> int:
    """Create a user namespace with these maps. Return a descriptor of it."""
    ready, tell = os.pipe2(os.O_CLOEXEC)

    def wait() -> int:
        if _libc.unshare(_NEWUSER) == 0:
            os.write(tell, b"x")
        os.close(tell)
        signal.pause()
        return 0

    pid = processes.fork(wait)
    try:
        os.close(tell)
        if not os.read(ready, 1):
            raise BindError("a user namespace cannot be made")
        for name, text in (("uid_map", users), ("gid_map", groups)):
            with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as file:
                file.write(text)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise BindError(f"a user namespace cannot be made: {error.strerror}") from None
    finally:
        os.close(ready)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _call(result: int, words: str) -> None:
    if result < 0:
        raise BindError(f"{words}: {os.strerror(ctypes.get_errno())}")


def chosen(name: bytes, ids: Iterable[str] | None = None) -> int:
    """Choose the number of the user who runs root's sandboxes of one project, or 0 if root has no other users.

    name: the project. ids: the lines of /proc/self/uid_map. The numbers do not overlap those of builds.
    """
    from zlib import crc32

    if ids is None:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            ids = file.readlines()
    ranges = [(int(first), int(count)) for first, _, count in (line.split() for line in ids)]
    for base, span in _NUMBERS:
        number = base + crc32(name) % span
        if any(first <= number < first + count for first, count in ranges):
            return number
    return 0


# Ranges beside the numbers of builds: (first, count). The second is for a root with only 65,536 users.
_NUMBERS = ((872_480_768, 1 << 20), (65_001, 499))
