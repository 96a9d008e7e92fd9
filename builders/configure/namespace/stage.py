"""Mount the tree in which a run's commands work, with nothing of the host beside it."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from fpack.builders.sandbox import linux

from . import scratch

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_STAGES = ("/mnt", "/srv", "/media", "/opt", "/tmp", "/var/tmp")
_DEVICES = ("full", "null", "random", "urandom", "zero")
DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
                 "stderr": "/proc/self/fd/2"}  # fmt: skip


def mount_stage(request: dict[str, Any], tree: int) -> None:
    """Make a private root of this process, with the mounted tree at /merged and nothing of the host."""
    linux.mount("none", "/", None, linux.RECURSIVE_PRIVATE)
    lower = -1
    if request["lower"] == "mount":
        lower = tree
    elif not request["copy"]:
        lower = linux.check(linux.open_tree(linux.AT_FDCWD, request["view"]), "the tree")
    stage = next((path for path in _STAGES if os.path.isdir(path)), "/tmp")
    linux.mount_tmpfs(stage, "mode=0755,size=1m")
    for name in ("lower", "order", "upper", "merged", "dev", "proc", os.path.basename(scratch.PATH)):
        os.mkdir(f"{stage}/{name}", 0o755)
    linux.mount("proc", f"{stage}/proc", "proc", linux.DATA)
    make_devices(f"{stage}/dev")
    limits = request["limits"]
    room = f"mode=0755,size={limits['size'] + request['room']},nr_inodes={limits['files'] + request['inodes']}"
    if request["copy"]:
        linux.mount_tmpfs(f"{stage}/merged", room)
        linux.pivot_root(stage)
        _copy(os.dup(tree), os.open("/merged", _DIRECTORY), _lists_newest_first("/merged"))
        return
    if lower >= 0:
        linux.check(linux.move_mount(lower, f"{stage}/lower"), "the lower tree")
        if lower != tree:
            os.close(lower)
    linux.mount_tmpfs(f"{stage}/upper", room)
    linux.pivot_root(stage)
    os.mkdir("/upper/changes", 0o755)
    os.mkdir("/upper/work", 0o755)
    # Directories of the store list their entries in the order of its file system, and some scripts write what they find
    # in that order. An overlay lists a directory in the order of its lowest layer, whose files are empty and hidden.
    linux.mount_tmpfs("/order", f"mode=0755,size=1g,nr_inodes={request['entries'] + 4096}")
    _sort(os.open("/lower", _DIRECTORY), os.open("/order", _DIRECTORY), _lists_newest_first("/order"))
    options = "lowerdir=/lower:/order,upperdir=/upper/changes,workdir=/upper/work,userxattr"
    linux.mount("none", "/merged", "overlay", linux.NOSUID | linux.NODEV, options)


def make_devices(
    directory: str,
    more: Sequence[str] = (),
    links: Mapping[str, str] = DEVICE_LINKS,
    directories: Sequence[str] = ("shm",),
) -> None:
    """Mount a /dev that has only devices without effects, and `more`, read-only. links: its symlinks."""
    linux.mount("none", directory, "tmpfs", linux.NOSUID, "mode=0755,size=64k")
    for name in (*_DEVICES, *more):
        os.close(os.open(f"{directory}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        linux.mount(f"/dev/{name}", f"{directory}/{name}", None, linux.BIND)
    for name, target in links.items():
        os.symlink(target, f"{directory}/{name}")
    for name in directories:
        os.mkdir(f"{directory}/{name}", 0o755)
    linux.mount("none", directory, None, linux.REMOUNT_READ_ONLY | linux.NOSUID)


def _lists_newest_first(directory: str) -> bool:
    """Return whether the file system of an empty directory lists the newest entry first, as some kernels do."""
    paths = [f"{directory}/{name}" for name in "ab"]
    for path in paths:
        os.mkdir(path)
    newest_first = os.listdir(directory) == ["b", "a"]
    for path in paths:
        os.rmdir(path)
    return newest_first


def _entries(directory: int, newest_first: bool) -> list[os.DirEntry[str]]:
    """Return the entries in the order in which a file system must get them to list them by name."""
    with os.scandir(directory) as entries:
        return sorted(entries, key=lambda entry: os.fsencode(entry.name), reverse=newest_first)


def _sort(source: int, target: int, newest_first: bool) -> None:
    """Make the names of a tree in another, so that each directory lists them by name. Close both directories."""
    for entry in _entries(source, newest_first):
        if entry.is_dir(follow_symlinks=False):
            os.mkdir(entry.name, 0o755, dir_fd=target)
            flags = _DIRECTORY | os.O_NOFOLLOW
            below = os.open(entry.name, flags, dir_fd=source), os.open(entry.name, flags, dir_fd=target)
            _sort(*below, newest_first)
        else:
            os.mknod(entry.name, 0o600, dir_fd=target)
    os.close(source)
    os.close(target)


def _copy(source: int, target: int, newest_first: bool) -> None:
    """Copy a tree between two open directories, so that each directory lists its entries by name. Close both."""
    for entry in _entries(source, newest_first):
        status = entry.stat(follow_symlinks=False)
        name = entry.name
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(name, 0o755, dir_fd=target)
            flags = _DIRECTORY | os.O_NOFOLLOW
            _copy(os.open(name, flags, dir_fd=source), os.open(name, flags, dir_fd=target), newest_first)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        else:
            _copy_file(name, source, target, stat.S_IMODE(status.st_mode))
    os.close(source)
    os.close(target)


def _copy_file(name: str, source: int, target: int, mode: int) -> None:
    here = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
    there = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target)
    try:
        while os.sendfile(there, here, None, 1 << 30):
            pass
        os.fchmod(there, mode)
    finally:
        os.close(here)
        os.close(there)


def raise_loopback() -> None:
    """Bring the loopback device up, which a new network namespace has down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, 0x8914, struct.pack("16sH14s", b"lo", 0x1 | 0x40, b""))  # SIOCSIFFLAGS: up, running


def write_seed(request: dict[str, Any]) -> None:
    """In a child: change modes and owners, and remove and write files of the tree, below its own root."""
    os.chroot("/merged")
    os.chdir("/")
    os.umask(0o022)
    for path in request["remove"]:
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        else:
            os.unlink(path)
    for path, mode, uid, gid in request["apply"]:
        os.chown(path, uid, gid, follow_symlinks=False)
        os.chmod(path, mode)
    for path, content, mode, uid, gid in request["seed"]:
        if content is None:
            os.makedirs(path, 0o755, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(fd, "wb", buffering=0) as file:
                data = memoryview(base64.b64decode(content))
                while data:
                    data = data[file.write(data) :]
        os.chown(path, uid, gid, follow_symlinks=False)
        os.chmod(path, mode)
