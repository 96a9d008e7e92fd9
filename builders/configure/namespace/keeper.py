"""Answer fpack's requests: mount the tree, run commands in it, and report what they changed."""

from __future__ import annotations

import base64
import errno
import os
import socket
import stat
from typing import Any

from fpack.builders.sandbox import linux

from . import scratch
from .changes import PIECE, FileHasher, Signature, open_below, parent_of, walk
from .command import become_init
from .messages import InvalidRequest, receive, send
from .stage import mount_stage, raise_loopback, write_seed
from .watch import CommandWatch

_OPAQUE = "user.overlay.opaque"
_ROWS = 500  # rows of a table in one message


class Keeper:
    """Process 1 of a run. tree: the descriptor of the lower tree, or -1."""

    def __init__(self, channel: socket.socket, tree: int) -> None:
        self._channel = channel
        self._tree = tree
        self._setup: dict[str, Any] = {}
        self._top = -1  # the directory that receives all changes
        self._own_namespace = -1
        self._baseline: dict[str, Signature] = {}
        self._state: dict[str, Signature] = {}
        self._changed: dict[str, int] = {}  # the last command that changed a path
        self._commands = 0
        self._rows: list[str] = []

    def serve(self) -> None:
        """Answer requests."""
        actions = {"set up": self._set_up, "run": self._run, "read": self._read, "table": self._table,
                   "send": self._send_files}  # fmt: skip
        while True:
            request = receive(self._channel)
            try:
                actions[request["do"]](request)
            except OSError as error:
                send(self._channel, {"error": _reason(error)})
            except InvalidRequest as refused:
                send(self._channel, {"error": str(refused)})

    def _set_up(self, request: dict[str, Any]) -> None:
        """Mount the tree, write the seed into it, and remember the state before the first command."""
        self._setup = request
        mount_stage(request, self._tree)
        os.close(self._tree)
        raise_loopback()
        name = str(request["host"]).encode()
        linux.check(linux.libc.sethostname(name, len(name)), "the host name")
        self._own_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        seeder = os.fork()
        if not seeder:
            status, text = 1, ""
            try:
                write_seed(request)
                status = 0
            except OSError as error:
                text = _reason(error)
            finally:
                if status:
                    send(self._channel, {"error": text or "the seed cannot be written"})
                os._exit(status)
        if os.waitpid(seeder, 0)[1]:
            return
        top = "/merged" if request["copy"] else "/upper/changes"
        self._top = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._state = self._baseline = walk(self._top)
        send(self._channel, {"ok": True})

    def _run(self, request: dict[str, Any]) -> None:
        """Run a command to its end, or kill it at a limit. Report its output, then its status."""
        log, log_write = os.pipe2(os.O_CLOEXEC)
        # This process is in the command's IPC namespace, to measure what is in it.
        linux.unshare(linux.NEWPID | linux.NEWIPC, "namespaces")
        scratch.mount(self._setup["limits"]["size"])
        pid = os.fork()
        if not pid:
            try:
                become_init(request, self._setup, log_write)
            except BaseException as error:
                os.write(log_write, f"fpack: {_reason(error)}\n".encode(errors="backslashreplace"))
            finally:
                os._exit(125)
        os.close(log_write)
        # A process can create a process namespace only from its own.
        linux.check(linux.libc.setns(self._own_namespace, linux.NEWPID), "the process namespace")
        watch = CommandWatch(self._channel, pid, log, self._setup["limits"])
        status = watch.finish()
        linux.unmount(scratch.PATH)
        state = walk(self._top)
        for path in state.keys() | self._state.keys():
            if state.get(path) != self._state.get(path):
                self._changed[path] = self._commands
        self._state = state
        self._commands += 1
        send(self._channel, {"status": status, "exceeded": watch.exceeded})

    def _read(self, request: dict[str, Any]) -> None:
        """Send the content of a file, or null if there is none."""
        content = None
        try:
            with open(open_below(self._top, request["path"]), "rb") as file:
                content = base64.b64encode(file.read(request["most"])).decode()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
        send(self._channel, {"content": content})

    def _table(self, request: dict[str, Any]) -> None:
        """Send a row for each path that the commands changed, sorted."""
        rows: list[list[Any]] = []
        self._rows = sorted(self._changed)
        hasher = FileHasher(self._top, int(self._setup["limits"]["size"]))
        for path in self._rows:
            before, now = self._baseline.get(path), self._state.get(path)
            if before != now:
                rows.append([*self._row(path, now, hasher), self._changed[path]])
            if len(rows) == _ROWS:
                send(self._channel, {"rows": rows})
                rows = []
        send(self._channel, {"rows": rows, "end": True})

    def _row(self, path: str, now: Signature | None, hasher: FileHasher) -> list[Any]:
        """Return [path, kind, mode, uid, gid, size, SHA-256, target, opaque]. kind: f, d, l, s or, if removed, `-`."""
        if now is None:
            return [path, "-", 0, 0, 0, 0, "", "", False]
        if stat.S_ISCHR(now[0]):
            return [path, "-" if now[1] == 0 else "s", 0, 0, 0, 0, "", "", False]
        mode, uid, gid = now[:3]
        permissions = stat.S_IMODE(mode)
        if stat.S_ISDIR(mode):
            return [path, "d", permissions, uid, gid, 0, "", "", self._opaque(path)]
        if stat.S_ISLNK(mode):
            directory, name = parent_of(self._top, path)
            try:
                target = os.readlink(name, dir_fd=directory)
            finally:
                os.close(directory)
            return [path, "l", 0o777, uid, gid, 0, "", target, False]
        if stat.S_ISREG(mode):
            size, digest = hasher.file(path, now)
            return [path, "f", permissions, uid, gid, size, digest, "", False]
        return [path, "s", permissions, uid, gid, 0, "", "", False]

    def _opaque(self, path: str) -> bool:
        if self._setup["copy"]:
            return False
        fd = open_below(self._top, path, os.O_DIRECTORY)
        try:
            return os.getxattr(fd, _OPAQUE) == b"y"
        except OSError:
            return False
        finally:
            os.close(fd)

    def _send_files(self, request: dict[str, Any]) -> None:
        """Send the contents of files, one after the other, without any length: the table has the sizes."""
        for path, size in request["files"]:
            with open(open_below(self._top, path), "rb", buffering=0) as file:
                while size and (piece := file.read(min(size, PIECE))):
                    self._channel.sendall(piece)
                    size -= len(piece)
            if size:
                raise InvalidRequest(f"{path} became shorter")


def _reason(error: BaseException) -> str:
    """Return what failed. An OSError names what it was about, if it knows."""
    if not isinstance(error, OSError):
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
