"""Mount root's directories, in a private mount namespace, for a process that is not root.

Root's shells and services use directories of the machine, such as a project or a home. An id-mapped mount shows the
directory's owner as the sandbox's user, and files that this user creates belong to the owner. So no process in a
sandbox has the machine's uid 0. Sources: mount_setattr(2), open_tree(2), move_mount(2), user_namespaces(7).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from fpack.store import processes

from . import linux


class Bind(NamedTuple):
    """A directory or file to mount. target: below the stage. owned: show its owner as the sandbox's user."""

    source: str
    target: str
    owned: bool


class BindError(Exception):
    """A source that cannot be mounted, or a machine that does not allow it. The text tells which and why."""


def show(stage: str, binds: Sequence[Bind], uid: int, devices: bool = False) -> None:
    """Enter a private mount namespace in which `binds` are mounted below `stage`. Raise BindError if that fails.

    uid: the user and group as which the owners of `owned` sources appear. devices: allow device files below `stage`.
    """
    _call(linux.libc.unshare(linux.NEWNS), "a mount namespace cannot be made")
    private = linux.libc.mount(b"none", b"/", None, ctypes.c_ulong(linux.RECURSIVE_PRIVATE), None)
    _call(private, "the mounts cannot be made private")
    # Open all sources before the stage hides directories of the machine.
    trees = [_open_bind(bind, uid) for bind in binds]
    flags = ctypes.c_ulong(linux.NOSUID if devices else linux.NOSUID | linux.NODEV)
    _call(linux.libc.mount(b"none", stage.encode(), b"tmpfs", flags, b"mode=0755,size=1m"), f"{stage} cannot be hidden")
    for bind, tree in zip(binds, trees, strict=True):
        if tree.is_directory:
            os.makedirs(bind.target, 0o755)
        else:
            os.makedirs(os.path.dirname(bind.target), 0o755, exist_ok=True)
            os.close(os.open(bind.target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        _call(linux.move_mount(tree.mount, bind.target), f"{bind.source} cannot be shown")
        os.close(tree.mount)
        for path, mount in tree.below:
            _mount_below(bind.target, path, mount)


def detached(source: str, users: int = -1) -> int:
    """Return a descriptor of a read-only mount of a directory, which is attached nowhere. Raise BindError on failure.

    users: a user namespace, whose ids the files have: what root owns belongs to root of that namespace; -1: the ids
    stay.
    """
    tree = linux.open_tree(linux.AT_FDCWD, source)
    _call(tree, f"{source} cannot be opened")
    attributes = linux.READ_ONLY if users < 0 else linux.ID_MAPPED | linux.READ_ONLY
    if code := _map_owner(tree, max(users, 0), attributes=attributes):
        os.close(tree)
        raise _unmappable(source, code)
    return tree


def become(uid: int) -> None:
    """Give up root permanently: set the user and group to `uid`, without supplementary groups."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def attach(mount: int, path: str) -> None:
    """Mount what `detached` returned at a path, and close the descriptor. Raise BindError on failure."""
    _call(linux.move_mount(mount, path), f"{path} cannot be mounted")
    os.close(mount)


class _BindTree(NamedTuple):
    """A source as a detached mount. below: paths in it, and the mounts for them, outer ones first."""

    mount: int
    is_directory: bool
    below: list[tuple[str, int]]


def _open_bind(bind: Bind, uid: int) -> _BindTree:
    """Open a source, with the mounts below it."""
    mount = linux.open_tree(linux.AT_FDCWD, bind.source, linux.RECURSIVE)
    _call(mount, f"{bind.source} cannot be opened")
    status = os.fstat(mount)
    is_directory = stat.S_ISDIR(status.st_mode)
    if not bind.owned:
        return _BindTree(mount, is_directory, [])
    maps = {"uid_map": swapped(status.st_uid, uid, "uid"), "gid_map": swapped(status.st_gid, uid, "gid")}

    def write(pid: int) -> None:
        for name, text in maps.items():
            with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as file:
                file.write(text)

    users = user_namespace(write)
    try:
        if _map_owner(mount, users, linux.RECURSIVE) == 0:
            return _BindTree(mount, is_directory, [])
        # The kernel maps all mounts of a tree or none. Some, such as /proc or an overlay, cannot be mapped.
        single = linux.open_tree(linux.AT_FDCWD, bind.source)
        if single >= 0:
            os.close(mount)
            mount = single
        code = _map_owner(mount, users)
        # A directory like /tmp, in which everyone can write, needs no mapping.
        if code and status.st_mode & 0o1007 != 0o1007:
            raise _unmappable(bind.source, code)
        return _BindTree(mount, is_directory, list(_mounts_below(bind.source, users)) if single >= 0 else [])
    finally:
        os.close(users)


def _map_owner(mount: int, users: int, flags: int = 0, attributes: int = linux.ID_MAPPED) -> int:
    """Map the ids of a detached mount as the user namespace `users` does. Return 0, or the error number."""
    return ctypes.get_errno() if linux.set_attributes(mount, attributes, users, flags) else 0


def _unmappable(source: str, code: int) -> BindError:
    return BindError(f"the file system of {source} cannot show its files as another user's: {os.strerror(code)}")


def _mounts_below(source: str, users: int) -> Iterator[tuple[str, int]]:
    """Clone each visible mount below a directory, and map the ids of those that the kernel can map.

    Users may be able to write to the directory, so the mount that is opened is compared with the mount that is listed.
    """
    top = os.path.realpath(source)
    with open("/proc/self/mountinfo", "rb") as file:
        rows = [line.split(b" ", 5) for line in file]
    for number, _, _, _, point, _ in rows:
        path = os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), point))
        if not path.startswith(f"{top}/"):
            continue
        try:
            with _opened(top, path[len(top) + 1 :]) as fd:
                with open(f"/proc/self/fdinfo/{fd}", "rb") as info:
                    is_listed = b"mnt_id:\t%s\n" % number in info.read()
                mount = linux.open_tree(fd, "", linux.EMPTY_PATH) if is_listed else -1
        except OSError:
            continue
        if mount >= 0:
            _map_owner(mount, users)
            yield path[len(top) + 1 :], mount


def _mount_below(top: str, path: str, mount: int) -> None:
    """Attach a mount at a path below a directory, or drop it if the path is gone."""
    with contextlib.suppress(OSError), _opened(top, path) as fd:
        linux.move_mount(mount, "", fd)
    os.close(mount)


@contextlib.contextmanager
def _opened(top: str, path: str) -> Iterator[int]:
    """Open a path below a directory without symlinks. Raise OSError on failure."""
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(top, flags)
    try:
        for name in path.split("/"):
            inner = os.open(name, flags, dir_fd=fd)
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)


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


def user_namespace(write: Callable[[int], None]) -> int:
    """Create a user namespace. Return a descriptor of it. Raise BindError if that fails.

    write: writes its maps, given the number of a process that is in it.
    """
    ready, tell = os.pipe2(os.O_CLOEXEC)

    def wait() -> int:
        if linux.libc.unshare(linux.NEWUSER) == 0:
            os.write(tell, b"x")
        os.close(tell)
        signal.pause()
        return 0

    pid = processes.fork(wait)
    try:
        os.close(tell)
        if not os.read(ready, 1):
            raise BindError("a user namespace cannot be made")
        write(pid)
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
