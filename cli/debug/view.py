"""Show a container's files with tools beside them, in a private copy of its mount namespace.

The container's processes do not see the copy, and nothing is written to their files: the new `/` is in memory, and has
the entries of the container's `/` as mounts and symlinks. So this also works if `/` is read-only, or has no directory
to mount on. Sources: fsopen(2), fsmount(2), open_tree(2), move_mount(2), mount_setattr(2), namespaces(7).
"""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Iterator

from fpack.builders.rootfs.relocation import PREFIX
from fpack.builders.sandbox import linux

TERMINALS = f"{PREFIX}-tty"  # the directory of the session's own terminals
MAX_ENTRIES = 1000  # of the container's `/`
# The numbers are the same on all machines.
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_SET_STRING, _CREATE, _CLOSE_ON_EXEC = 1, 6, 1


def build(tools: int, terminal: bool) -> int:
    """Make the root of this process, which is in a private mount namespace of the container. Return what was left out.

    tools: a detached mount of the tools. terminal: mount terminals of the session's own.
    """
    linux.mount("none", "/", None, linux.RECURSIVE_PRIVATE)
    old = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    new = _memory(os.fstat(old))
    _move(new, linux.AT_FDCWD, "/")
    entries, left_out = _entries(old)
    for entry in entries:
        _show(old, new, entry)
    _directory(new, PREFIX[1:], tools)
    os.mkdir(TERMINALS[1:], 0o755, dir_fd=new)
    # The new file system is mounted on the container's `/`, so this process is not in a chroot to the kernel.
    os.fchdir(new)
    os.chroot(".")
    if terminal:
        linux.mount("none", TERMINALS, "devpts", linux.NOSUID, "newinstance,ptmxmode=0666,mode=0600")
    linux.check(linux.set_attributes(new, linux.READ_ONLY | linux.NO_SET_ID | linux.NO_DEVICES), "the root")
    for fd in (old, new):
        os.close(fd)
    return left_out


def _entries(old: int) -> tuple[list[os.DirEntry[str]], int]:
    """Return those entries of `/` that are shown, and how many are not. Directories go first."""
    count = 0

    def all_entries() -> Iterator[os.DirEntry[str]]:
        nonlocal count
        with os.scandir(old) as found:
            for entry in found:
                if f"/{entry.name}" not in (PREFIX, TERMINALS):
                    count += 1
                    yield entry

    # There may be millions.
    shown = heapq.nsmallest(
        MAX_ENTRIES, all_entries(), key=lambda entry: (not entry.is_dir(follow_symlinks=False), entry.name)
    )
    return shown, count - len(shown)


def _memory(like: os.stat_result) -> int:
    """Return a detached file system in memory, whose root has the mode and owner of another directory."""
    context = linux.check(linux.libc.syscall(_FSOPEN, b"tmpfs", _CLOSE_ON_EXEC), "a file system in memory")
    for key, value in ((b"mode", b"0755"), (b"size", b"4m")):
        linux.check(linux.libc.syscall(_FSCONFIG, context, _SET_STRING, key, value, 0), "a file system in memory")
    linux.check(linux.libc.syscall(_FSCONFIG, context, _CREATE, None, None, 0), "a file system in memory")
    new = linux.check(linux.libc.syscall(_FSMOUNT, context, _CLOSE_ON_EXEC, 0), "a file system in memory")
    os.close(context)
    try:
        os.fchown(new, like.st_uid, like.st_gid)
        os.fchmod(new, stat.S_IMODE(like.st_mode))
    except OSError:
        pass  # its owner is not in the container's user namespace
    return new


def _show(old: int, new: int, entry: os.DirEntry[str]) -> None:
    """Show an entry of the container's `/`, unless it is gone or changes meanwhile.

    No file system below `/` is asked for anything, since it may not answer.
    """
    name = entry.name
    try:
        if entry.is_symlink():
            os.symlink(os.readlink(name, dir_fd=old), name, dir_fd=new)
            return
        tree = linux.check(linux.open_tree(old, name, linux.NOFOLLOW | linux.RECURSIVE), name)
        try:
            if entry.is_dir(follow_symlinks=False):
                _directory(new, name, tree)
            else:
                os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=new))
                _move(tree, new, name)
        finally:
            os.close(tree)
    except OSError:
        pass


def _directory(new: int, name: str, tree: int) -> None:
    os.mkdir(name, 0o755, dir_fd=new)
    _move(tree, new, name)


def _move(tree: int, directory: int, name: str) -> None:
    linux.check(linux.move_mount(tree, name, directory), f"mount {name}")
