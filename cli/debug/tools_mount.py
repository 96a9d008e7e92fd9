"""Mount the tools of a session so that no process of the container can write to them, whatever its capabilities.

Whoever may mount may also make a read-only mount writable, and rootless, the store's files belong to the container's
root. The kernel locks the flags of mounts when it copies them to a mount namespace of another user namespace. Source:
mount_namespaces(7), "Restrictions on mount namespaces".
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from fpack.builders.sandbox import idmap, linux
from fpack.store import processes

from .process import ContainerProcess


def detached(disk: str, process: ContainerProcess) -> int:
    """Return a mount of a directory, which is attached nowhere and stays read-only. Raise OSError on failure.

    A helper process in the container's user namespace copies it from a further one, in which a second helper made it.
    """

    def copy() -> int:
        os.chdir(disk)
        if process.namespaces & linux.NEWUSER:
            linux.check(linux.libc.setns(process.descriptor, linux.NEWUSER), "the container's user namespace")
            # Only a user of this namespace can make another one in it.
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
        namespace = _from_helper(_make)
        linux.check(linux.libc.setns(namespace, linux.NEWNS), "the mount namespace of the tools")
        linux.unshare(linux.NEWNS, "a mount namespace")
        return idmap.detached("/")

    return _from_helper(copy)


def _make() -> int:
    """Mount the working directory read-only on `/` of new namespaces. Return a descriptor of the mount namespace."""
    linux.unshare(linux.NEWUSER | linux.NEWNS, "a user namespace")
    linux.mount("none", "/", None, linux.RECURSIVE_PRIVATE)
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    idmap.attach(idmap.detached("."), "/")
    return namespace


def _from_helper(work: Callable[[], int]) -> int:
    """Run `work` in a process of its own. Return the descriptor that it returns. Raise OSError if it fails."""
    ours, theirs = socket.socketpair()

    def send() -> int:
        ours.close()
        try:
            socket.send_fds(theirs, [b"."], [work()])
        except (OSError, idmap.BindError) as error:
            theirs.send(_text(error).encode("utf-8", "backslashreplace"))
        return 0

    pid = processes.fork(send)
    theirs.close()
    try:
        data, fds, _, _ = socket.recv_fds(ours, 4096, 1)
    finally:
        ours.close()
        os.waitpid(pid, 0)
    if not fds:
        raise OSError(0, data.decode("utf-8", "replace") or "the helper process ended")
    return fds[0]


def _text(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    return str(error)
