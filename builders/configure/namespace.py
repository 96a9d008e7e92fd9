"""Run maintainer scripts in namespaces of their own, and report what they changed.

This module runs as a script and uses only the standard library. Standard input is a stream socket to fpack. Three
processes share the work:

- The parent creates a user namespace, in which fpack maps the ids, and kills everything when fpack closes the socket.
- The keeper is process 1 of the run. It has no access to the host's files once it has mounted the tree: a read-only
  lower tree, which the store has, and an upper directory in memory, in an overlay. It runs no code of a package.
- Each command gets a process 1 of its own. Its end kills whatever the command started, so the keeper reads the upper
  directory when nobody writes to it.

Messages are JSON with a length of four bytes before it. fpack sends a request, the keeper answers. Paths are text with
surrogate escapes. fpack treats all answers as hostile, because scripts choose the names and contents of files.
"""

from __future__ import annotations

import array
import base64
import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import os
import resource
import select
import signal
import socket
import stat
import struct
import sys
import time
from typing import Any

NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
DETACH = 2
_OPEN_TREE, _MOVE_MOUNT = 428, 429  # the numbers are the same on all machines
_CLONE, _CLOEXEC, _FROM_EMPTY, _AT_FDCWD = 1, 0o2000000, 4, -100
_PIVOT_ROOT = {"x86_64": 155}  # 41 on all newer architectures
_DEATH_SIGNAL, _DUMPABLE, _SECCOMP, _DROP_BOUND, _NO_NEW_PRIVILEGES, _AMBIENT = 1, 4, 22, 24, 38, 47
_CAPABILITIES = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
# chown, dac_override, dac_read_search, fowner, fsetid, kill, setgid, setuid, net_bind_service, sys_chroot
_KEPT = (0, 1, 2, 3, 4, 5, 6, 7, 10, 18)
_LAST_CAPABILITY = 63
_STAGES = ("/mnt", "/srv", "/media", "/opt", "/tmp", "/var/tmp")
_DEVICES = ("full", "null", "random", "urandom", "zero")
_DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
                 "stderr": "/proc/self/fd/2"}  # fmt: skip
_SEALED = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus")
_OPAQUE = "user.overlay.opaque"
MAX_DEPTH = 64  # of a tree in the store
_ROWS = 500  # rows of a table in one message
_WATCH = 0.25  # seconds between measurements of a command
_PATIENCE = 9  # times its limit that a command may wait for a processor
_PIECE = 1 << 18
_PAGE = os.sysconf("SC_PAGE_SIZE")

libc = ctypes.CDLL(None, use_errno=True)


class InvalidRequest(Exception):
    """A request that cannot be served. The text tells why."""


# ---- the parent


def main() -> None:
    """Serve one run. End, with everything in it, when fpack closes the socket."""
    channel = socket.socket(fileno=0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _write_oom_score()
    try:
        _check(libc.unshare(NEWUSER | NEWNS | NEWPID | NEWNET | NEWIPC | NEWUTS | NEWCGROUP), "namespaces")
    except OSError as error:
        _send(channel, {"error": f"namespaces cannot be made: {error.strerror}"})
        return
    _send(channel, {"ready": True})
    tree = _receive_tree(channel)
    # The ids are mapped now. This process was the caller's user, or root; it becomes root of the namespace.
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    libc.prctl(_AMBIENT, 4, 0, 0, 0)
    keeper = os.fork()
    if not keeper:
        libc.prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_DUMPABLE, 0, 0, 0, 0)
        status = 1
        try:
            Keeper(channel, tree).serve()
            status = 0
        finally:
            os._exit(status)
    end = os.pidfd_open(keeper)
    poll = select.poll()
    poll.register(end, select.POLLIN)
    poll.register(0, 0)  # the end of the socket
    poll.poll()
    try:
        os.kill(keeper, signal.SIGKILL)
    except ProcessLookupError:
        pass
    os.waitpid(keeper, 0)


def _write_oom_score() -> None:
    """If memory runs out, let the kernel kill processes of the run before any other."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except OSError:
        pass


def _receive_tree(channel: socket.socket) -> int:
    """Wait for fpack to map the ids. Return the descriptor that it sends: a detached mount or a directory."""
    try:
        data, ancillary, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
    except ConnectionError:
        os._exit(0)
    if not data:
        os._exit(0)
    fds = array.array("i")
    for _, _, part in ancillary:
        fds.frombytes(part[: len(part) - len(part) % 4])
    return fds[0]


def _check(result: int, words: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), words)
    return result


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode()
    channel.sendall(struct.pack(">I", len(data)) + data)


def _receive(channel: socket.socket) -> dict[str, Any]:
    """Return the next request. End the process when fpack has closed the socket."""
    (length,) = struct.unpack(">I", _exactly(channel, 4))
    message: dict[str, Any] = json.loads(_exactly(channel, length))
    return message


def _exactly(channel: socket.socket, size: int) -> bytes:
    pieces = []
    while size:
        piece = channel.recv(min(size, 1 << 20))
        if not piece:
            os._exit(0)
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


# ---- the keeper

Signature = tuple[Any, ...]


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
            request = _receive(self._channel)
            try:
                actions[request["do"]](request)
            except OSError as error:
                where = f"{error.filename}: " if error.filename else ""
                _send(self._channel, {"error": f"{where}{error.strerror}"})
            except InvalidRequest as refused:
                _send(self._channel, {"error": str(refused)})

    def _set_up(self, request: dict[str, Any]) -> None:
        """Mount the tree, write the seed into it, and remember the state before the first command."""
        self._setup = request
        _mount_stage(request, self._tree)
        os.close(self._tree)
        _raise_loopback()
        name = str(request["host"]).encode()
        _check(libc.sethostname(name, len(name)), "the host name")
        self._own_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        seeder = os.fork()
        if not seeder:
            status, text = 1, ""
            try:
                _write_seed(request)
                status = 0
            except OSError as error:
                text = f"{error.filename}: {error.strerror}"
            finally:
                if status:
                    _send(self._channel, {"error": text or "the seed cannot be written"})
                os._exit(status)
        if os.waitpid(seeder, 0)[1]:
            return
        top = "/merged" if request["copy"] else "/upper/changes"
        self._top = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._state = self._baseline = _walk(self._top)
        _send(self._channel, {"ok": True})

    def _run(self, request: dict[str, Any]) -> None:
        """Run a command to its end, or kill it at a limit. Report its output, then its status."""
        log, log_write = os.pipe2(os.O_CLOEXEC)
        _check(libc.unshare(NEWPID), "a process namespace")
        pid = os.fork()
        if not pid:
            try:
                _become_init(request, self._setup, log_write)
            except BaseException as error:
                os.write(log_write, f"fpack: {error}\n".encode())
            finally:
                os._exit(125)
        os.close(log_write)
        # A process can create a process namespace only from its own.
        _check(libc.setns(self._own_namespace, NEWPID), "the process namespace")
        watch = _Watch(self._channel, pid, log, self._setup["limits"])
        status = watch.finish()
        state = _walk(self._top)
        for path in state.keys() | self._state.keys():
            if state.get(path) != self._state.get(path):
                self._changed[path] = self._commands
        self._state = state
        self._commands += 1
        _send(self._channel, {"status": status, "exceeded": watch.exceeded})

    def _read(self, request: dict[str, Any]) -> None:
        """Send the content of a file, or null if there is none."""
        content = None
        try:
            with open(_open(self._top, request["path"]), "rb") as file:
                content = base64.b64encode(file.read(request["most"])).decode()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
        _send(self._channel, {"content": content})

    def _table(self, request: dict[str, Any]) -> None:
        """Send a row for each path that the commands changed, sorted."""
        rows: list[list[Any]] = []
        self._rows = sorted(self._changed)
        hasher = _Hasher(self._top, int(self._setup["limits"]["size"]))
        for path in self._rows:
            before, now = self._baseline.get(path), self._state.get(path)
            if before != now:
                rows.append([*self._row(path, now, hasher), self._changed[path]])
            if len(rows) == _ROWS:
                _send(self._channel, {"rows": rows})
                rows = []
        _send(self._channel, {"rows": rows, "end": True})

    def _row(self, path: str, now: Signature | None, hasher: _Hasher) -> list[Any]:
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
            directory, name = _parent(self._top, path)
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
        fd = _open(self._top, path, os.O_DIRECTORY)
        try:
            return os.getxattr(fd, _OPAQUE) == b"y"
        except OSError:
            return False
        finally:
            os.close(fd)

    def _send_files(self, request: dict[str, Any]) -> None:
        """Send the contents of files, one after the other, without any length: the table has the sizes."""
        for path, size in request["files"]:
            with open(_open(self._top, path), "rb", buffering=0) as file:
                while size and (piece := file.read(min(size, _PIECE))):
                    self._channel.sendall(piece)
                    size -= len(piece)
            if size:
                raise InvalidRequest(f"{path} became shorter")


class _Hasher:
    """Hashes of files, of at most `most` bytes together: sparse files and hard links can exceed any disk."""

    def __init__(self, top: int, most: int) -> None:
        self._top = top
        self._left = most
        self._known: dict[int, tuple[int, str]] = {}

    def file(self, path: str, now: Signature) -> tuple[int, str]:
        inode, size = now[3], now[4]
        if inode in self._known:
            return self._known[inode]
        self._left -= size
        if self._left < 0:
            raise InvalidRequest(f"TOO LARGE {path}")
        hasher = hashlib.sha256()
        count = 0
        with open(_open(self._top, path), "rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                hasher.update(piece)
                count += len(piece)
        self._known[inode] = found = (count, hasher.hexdigest())
        return found


class _Watch:
    """A command that runs. exceeded: the limit that it exceeded, or ""."""

    def __init__(self, channel: socket.socket, pid: int, log: int, limits: dict[str, int]) -> None:
        self.exceeded = ""
        self._channel = channel
        self._pid = pid
        self._log = log
        self._limits = limits
        self._said = 0
        self._waits: dict[str, int] = {}  # how long each process has waited for a processor, in ns
        self._waited = 0.0  # seconds in which the command was ready to run and the machine was busy

    def finish(self) -> int:
        """Forward the output until the command ends. Return its exit status, negative for a signal."""
        began = time.monotonic()
        looked = began
        end = os.pidfd_open(self._pid)
        poll = select.poll()
        for fd, events in ((end, select.POLLIN), (self._log, select.POLLIN), (self._channel.fileno(), 0)):
            poll.register(fd, events)
        running = True
        while running:
            for fd, _ in poll.poll(100):
                if fd == self._channel.fileno():
                    os._exit(0)
                if fd == end:
                    running = False
                elif not self._forward():
                    poll.unregister(self._log)
            now = time.monotonic()
            if now - began > self._limits["seconds"] + min(self._waited, _PATIENCE * self._limits["seconds"]):
                self._exceed(f"it ran for more than {self._limits['seconds']} seconds")
            if now - looked > _WATCH:
                self._measure(now - looked)
                looked = now
        os.close(end)
        # When its process 1 has ended, all processes of the command have.
        status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        while self._forward():
            pass
        os.close(self._log)
        return status

    def _forward(self) -> bool:
        data = os.read(self._log, 1 << 16)
        room = self._limits["log"] - self._said
        if data and room > 0:
            _send(self._channel, {"log": data[:room].decode("latin-1")})
        self._said += len(data)
        if self._said > self._limits["log"]:
            self._exceed(f"it wrote more than {self._limits['log']} bytes to its log")
        return bool(data)

    def _measure(self, seconds: float) -> None:
        """Count the processes of the run and their memory, which this process sees in its own /proc.

        seconds: since the last time. A command that waits for a processor meanwhile has more time.
        """
        pids = [name for name in os.listdir("/proc") if name.isdecimal()]
        if len(pids) > self._limits["processes"] + 2:
            self._exceed(f"it had more than {self._limits['processes']} processes")
        used = waited = 0
        waits: dict[str, int] = {}
        for pid in pids:
            try:
                with open(f"/proc/{pid}/statm", encoding="ascii") as file:
                    _, resident, shared = map(int, file.read().split()[:3])
                used += (resident - shared) * _PAGE
                with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
                    waits[pid] = int(file.read().split()[1])
                waited += waits[pid] - self._waits.get(pid, 0)
            except (OSError, ValueError, IndexError):
                continue
        self._waits = waits
        self._waited += min(waited / 1e9, seconds)
        if used > self._limits["memory"]:
            self._exceed(f"it used more than {self._limits['memory']} bytes of memory")

    def _exceed(self, words: str) -> None:
        if not self.exceeded:
            self.exceeded = words
            os.kill(self._pid, signal.SIGKILL)


# ---- the tree


def _mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    result = libc.mount(
        source.encode(), target.encode(), kind.encode() if kind else None, ctypes.c_ulong(flags), data.encode()
    )
    _check(result, f"mount {target}")


def _pivot_root(new: str) -> None:
    """Make a mount point the root, and detach the old root."""
    os.chdir(new)
    number = _PIVOT_ROOT.get(os.uname().machine, 41)
    _check(libc.syscall(number, b".", b"."), "pivot_root")
    _check(libc.umount2(b".", DETACH), "the old root")
    os.chdir("/")


def _mount_stage(request: dict[str, Any], tree: int) -> None:
    """Make a private root of this process, with the mounted tree at /merged and nothing of the host."""
    _mount("none", "/", None, REC | PRIVATE)
    lower = -1
    if request["lower"] == "mount":
        lower = tree
    elif not request["copy"]:
        lower = _check(libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(request["view"]), _CLONE | _CLOEXEC), "the tree")
    stage = next((path for path in _STAGES if os.path.isdir(path)), "/tmp")
    _mount("none", stage, "tmpfs", NOSUID | NODEV, "mode=0755,size=1m")
    for name in ("lower", "upper", "merged", "dev", "proc"):
        os.mkdir(f"{stage}/{name}", 0o755)
    _mount("proc", f"{stage}/proc", "proc", NOSUID | NODEV | NOEXEC)
    _make_devices(f"{stage}/dev")
    limits = request["limits"]
    room = f"mode=0755,size={limits['size'] + request['room']},nr_inodes={limits['files'] + request['inodes']}"
    if request["copy"]:
        _mount("none", f"{stage}/merged", "tmpfs", NOSUID | NODEV, room)
        _pivot_root(stage)
        _copy(os.dup(tree), os.open("/merged", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        return
    if lower >= 0:
        to = os.fsencode(f"{stage}/lower")
        _check(libc.syscall(_MOVE_MOUNT, lower, b"", _AT_FDCWD, to, _FROM_EMPTY), "the lower tree")
        if lower != tree:
            os.close(lower)
    _mount("none", f"{stage}/upper", "tmpfs", NOSUID | NODEV, room)
    _pivot_root(stage)
    os.mkdir("/upper/changes", 0o755)
    os.mkdir("/upper/work", 0o755)
    options = "lowerdir=/lower,upperdir=/upper/changes,workdir=/upper/work,userxattr"
    _mount("none", "/merged", "overlay", NOSUID | NODEV, options)


def _make_devices(directory: str) -> None:
    """Mount a /dev that has only devices without effects, read-only."""
    _mount("none", directory, "tmpfs", NOSUID, "mode=0755,size=64k")
    for name in _DEVICES:
        os.close(os.open(f"{directory}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        _mount(f"/dev/{name}", f"{directory}/{name}", None, BIND)
    for name, target in _DEVICE_LINKS.items():
        os.symlink(target, f"{directory}/{name}")
    os.mkdir(f"{directory}/shm", 0o755)
    _mount("none", directory, None, BIND | REMOUNT | RDONLY | NOSUID)


def _copy(source: int, target: int) -> None:
    """Copy a tree between two open directories, and close them."""
    with os.scandir(source) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            name = entry.name
            if stat.S_ISDIR(status.st_mode):
                os.mkdir(name, 0o755, dir_fd=target)
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                _copy(os.open(name, flags, dir_fd=source), os.open(name, flags, dir_fd=target))
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


def _raise_loopback() -> None:
    """Bring the loopback device up, which a new network namespace has down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, 0x8914, struct.pack("16sH14s", b"lo", 0x1 | 0x40, b""))  # SIOCSIFFLAGS: up, running


def _write_seed(request: dict[str, Any]) -> None:
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


def _walk(top: int) -> dict[str, Signature]:
    """Return what identifies each entry below a directory and its state.

    A directory's times are left out: they change with its entries. Directories that are too deep for a store are not
    entered.
    """
    found: dict[str, Signature] = {}

    def enter(fd: int, prefix: str, depth: int) -> None:
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    s = entry.stat(follow_symlinks=False)
                    path = prefix + entry.name
                    if stat.S_ISDIR(s.st_mode):
                        found[path] = (s.st_mode, s.st_uid, s.st_gid, s.st_ino)
                        if depth < MAX_DEPTH:
                            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                            enter(os.open(entry.name, flags, dir_fd=fd), path + "/", depth + 1)
                    elif stat.S_ISCHR(s.st_mode):
                        found[path] = (s.st_mode, s.st_rdev)  # a whiteout: all are links to one inode
                    else:
                        found[path] = (
                            s.st_mode, s.st_uid, s.st_gid, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns,
                        )  # fmt: skip
        finally:
            os.close(fd)

    enter(os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=top), "", 1)
    return found


def _parent(top: int, path: str) -> tuple[int, str]:
    """Return an open descriptor of the directory of a path below `top`, reached without symlinks, and the last name."""
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=top)
    *parents, name = path.split("/")
    for part in parents:
        try:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd, name


def _open(top: int, path: str, flags: int = os.O_NONBLOCK) -> int:
    directory, name = _parent(top, path)
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=directory)
    finally:
        os.close(directory)


# ---- the first process of a command


def _become_init(request: dict[str, Any], setup: dict[str, Any], log: int) -> None:
    """Isolate this process, which is process 1 of its namespace, run the command, and exit with its status."""
    libc.prctl(_DUMPABLE, 0, 0, 0, 0)
    os.setsid()
    _check(libc.unshare(NEWNS | NEWIPC), "namespaces")
    _mount_command(setup)
    null = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target, inheritable=True)
    os.closerange(3, 1 << 16)
    os.umask(0o022)
    _limit(setup["limits"])
    # This process gives up the same as the command, so that nothing is to be gained by taking it over.
    _give_up(base64.b64decode(setup["filter"]))
    command = os.fork()
    if not command:
        for number in range(1, signal.NSIG):
            if number not in (signal.SIGKILL, signal.SIGSTOP) and signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        try:
            os.execve(request["command"][0], request["command"], request["environment"])
        except OSError as error:
            os.write(2, f"{request['command'][0]}: {error.strerror}\n".encode())
        os._exit(127)
    while True:
        pid, status = os.wait()
        if pid == command:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _mount_command(setup: dict[str, Any]) -> None:
    """Mount the kernel's file systems and empty temporary directories in the tree, and make the tree the root."""
    size = setup["limits"]["size"]
    _mount("proc", "/merged/proc", "proc", NOSUID | NODEV | NOEXEC)
    _set_first_pid(setup["first"])
    _mount("/dev", "/merged/dev", None, BIND | REC)
    for path, mode in (("run", "0755"), ("tmp", "1777"), ("dev/shm", "1777")):
        _mount("none", f"/merged/{path}", "tmpfs", NOSUID | NODEV, f"mode={mode},size={size},nr_inodes=100k")
    os.mkdir("/merged/run/lock", 0o1777)
    os.chmod("/merged/run/lock", 0o1777)
    _pivot_root("/merged")
    for path in _SEALED:
        if os.path.isdir(path) or os.path.isfile(path):
            _mount(path, path, None, BIND)
            _mount("none", path, None, BIND | REMOUNT | RDONLY | NOSUID | NODEV | NOEXEC)


def _set_first_pid(number: int) -> None:
    """Let the numbers of processes begin elsewhere, where the kernel allows it."""
    if number:
        try:
            with open("/merged/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as file:
                file.write(str(number))
        except OSError:
            pass


def _limit(limits: dict[str, int]) -> None:
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, limits["size"]),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_NOFILE, 1024),
        (resource.RLIMIT_MEMLOCK, 64 << 10),
    ):
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def _give_up(code: bytes) -> None:
    """Give up all capabilities but those for files and users, permanently, and apply the system call filter."""
    for number in range(_LAST_CAPABILITY + 1):
        if number not in _KEPT and libc.prctl(_DROP_BOUND, number, 0, 0, 0) and ctypes.get_errno() != errno.EINVAL:
            raise OSError(ctypes.get_errno(), "a capability cannot be given up")
    kept = sum(1 << number for number in _KEPT)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
    sets = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)
    _check(libc.capset(header, sets), "capabilities")
    _check(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no_new_privs")
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_char_p))
    _check(libc.prctl(_SECCOMP, 2, ctypes.byref(program), 0, 0), "the system call filter")


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    main()
