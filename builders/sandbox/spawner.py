"""Start sandboxes from a small process, because forking a large process with threads is slow and unsafe.

This module runs in a process of its own and uses only the standard library. It reads requests from standard input, a
packet socket: JSON with file descriptors. Each request has its own socket. The reply is `p`, the process id and `s`,
and at the end the sandbox's wait status. A byte on this socket, or its end, kills the sandbox. When standard input
ends, this process ends, and with it every sandbox. The argument is the maximum size of a file, which this process sets
as its own limit: a limit set from outside would come too late.

`requests.SandboxRequest` starts a sandbox. `requests.MemoryRequest` asks for the memory of a sandbox's System V
objects, and is answered on its own socket, too. It is asked here because only a process without threads can enter the
namespaces.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import json
import os
import resource
import select
import signal
import socket
import sys

from .small_process import be_killed_first, ipc_memory, receive

TYPE_CHECKING = False  # `typing` is slow to import; type checkers take this name as true
if TYPE_CHECKING:
    from .requests import MemoryRequest, SandboxRequest

MAX_REQUEST = 1 << 16  # bytes
FDS = 5  # of a request: its socket, the log, the phases, bubblewrap's arguments, the system call filter
# Numbers of the kernel: flags of mount(2), of namespaces (ioctl_ns(2)), and of prctl(2), from their headers.
_NEWNS, _PRIVATE, _BIND, _REC = 0x20000, 1 << 18, 4096, 16384
_NOSUID, _NODEV, _DETACH = 2, 4, 2
_NEWUSER, _NEWIPC, _GET_USERNS = 0x10000000, 0x08000000, 0xB701
_SUBREAPER, _AMBIENT, _CLEAR = 36, 47, 4
_ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
# Signals to reset, because a build must not depend on those that the user's shell or nohup ignores. SIGXFSZ stays
# ignored, as in Python, so that a program can report that a file is too large.
_DEFAULT_SIGNALS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGXFSZ}
# Directories of which one is covered by mounts that only builds see. Builds see these directories of the machine
# nowhere else.
_STAGES = ("/mnt", "/srv", "/media", "/opt")
# Mount points below these directories are of no use to a build, and can be many.
_UNNEEDED = ("/sys/", "/snap/", "/var/lib/docker/", "/var/lib/containers/")

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Serve requests until the client closes the socket. The argument is the maximum size of a build's file."""
    gc.disable()
    _settle(int(sys.argv[1]))
    be_killed_first()
    # Ambient capabilities would survive a change of user that keeps root as the saved user.
    libc.prctl(_AMBIENT, _CLEAR, 0, 0, 0)
    control = socket.socket(fileno=0)
    libc.prctl(_SUBREAPER, 1, 0, 0, 0)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(wake_read, select.POLLIN)
    jobs: dict[int, socket.socket] = {}  # the socket of each sandbox, by process id
    works: dict[int, str] = {}  # the mount point of its work directory, by process id
    doomed: dict[int, int] = {}  # sandboxes that are killed but not yet reaped: process id by its socket's number
    while True:
        for number, _ in poll.poll(50 if doomed else None):
            if number == wake_read:
                os.read(wake_read, 4096)
            elif number == 0:
                data, fds = receive(control, MAX_REQUEST, FDS)
                if not data:
                    return
                decoded = json.loads(data)
                if "ipc" in decoded:
                    memory_request: MemoryRequest = decoded
                    _tell_ipc_memory(memory_request["ipc"], fds[0])
                    continue
                request: SandboxRequest = decoded
                job = socket.socket(fileno=fds[0])
                poll.register(fds[0], select.POLLIN)
                trouble = _show(request)
                pid = _start(request, fds[1:], trouble)
                jobs[pid] = job
                works[pid] = request["work"]
                job.send(b"p%ds" % pid)
                for fd in fds[1:]:
                    os.close(fd)
            else:
                poll.unregister(number)
                doomed[number] = next(pid for pid, job in jobs.items() if job.fileno() == number)
        for pid in doomed.values():
            _kill(pid)
        _reap(jobs, works, doomed, poll)


def _tell_ipc_memory(pid: int, answer: int) -> None:
    """Write the bytes of a process's System V objects to a descriptor, in a child. Write nothing if it fails."""
    child = os.fork()
    if not child:
        try:
            os.write(answer, b"%d" % _ipc_memory(pid))
        finally:
            os._exit(0)
    os.close(answer)


def _ipc_memory(pid: int) -> int:
    """Enter the IPC namespace of a process permanently. Return the bytes of its objects in memory and swap."""
    ipc = os.open(f"/proc/{pid}/ns/ipc", os.O_RDONLY | os.O_CLOEXEC)
    if os.fstat(ipc).st_ino == os.stat("/proc/self/ns/ipc").st_ino:
        return 0  # the process has not entered its own namespace yet
    owner = fcntl.ioctl(ipc, _GET_USERNS)
    for fd, kind in ((owner, _NEWUSER), (ipc, _NEWIPC)):
        if libc.setns(fd, kind):
            raise OSError(ctypes.get_errno(), "setns")
    return ipc_memory()


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def _kill(pid: int) -> None:
    """Kill the first process of a sandbox. The kernel then kills all others, and bubblewrap ends."""
    for child in _children(pid) or [pid]:
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _reap(jobs: dict[int, socket.socket], works: dict[int, str], doomed: dict[int, int], poll: select.poll) -> None:
    """Send the wait statuses of the sandboxes that have ended, and forget them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        job = jobs.pop(pid, None)
        if job is None:
            continue
        if os.WIFSIGNALED(status):
            # bubblewrap itself was killed, so its orphans have become children of this process.
            for orphan in _children(os.getpid()):
                if orphan not in jobs:
                    try:
                        os.kill(orphan, signal.SIGKILL)
                        os.waitpid(orphan, 0)
                    except (ChildProcessError, ProcessLookupError):
                        pass
        _hide(works.pop(pid))
        number = job.fileno()
        if number in doomed:
            del doomed[number]
        else:
            poll.unregister(number)
        try:
            job.send(str(status).encode())
        except OSError:
            pass
        job.close()


def _start(request: SandboxRequest, fds: list[int], trouble: str) -> int:
    """Start a sandbox and return its process. On failure, write the reason to its log and return a failing process."""
    if not trouble:
        try:
            return _spawn(request, fds)
        except OSError as error:
            trouble = f"{error.filename or request['bwrap']}: {error.strerror}"
    os.write(fds[0], f"fpack: {trouble}\n".encode())
    pid = os.fork()
    if not pid:
        os._exit(126)
    return pid


def _spawn(request: SandboxRequest, fds: list[int]) -> int:
    """Start bubblewrap by posix_spawn, which is five times faster than a fork."""
    log, phases, arguments, filter_ = fds
    uid = request["uid"]
    # Each sandbox needs its own file description, since several read the same filter at once.
    own = [os.open(f"/proc/self/fd/{filter_}", os.O_RDONLY | os.O_CLOEXEC)]
    try:
        own.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        # bubblewrap gets them as 0 to 5: input, output, errors, phases, its arguments, its filter. They are moved above
        # 100 first, so that no move overwrites another. execve closes all others.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in (own[1], log, log, phases, arguments, own[0])]
        own += high
        if emulator := request["emulator"]:
            return _spawn_emulated(request, emulator, high)
        moves = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(high)]
        if uid is not None:
            os.setgroups([])
            # Keep root as the saved user to switch back; execve overwrites the child's saved user.
            os.setresgid(uid, uid, 0)
            os.setresuid(uid, uid, 0)
        return os.posix_spawn(
            request["bwrap"],
            _command(request),
            _ENVIRONMENT,
            file_actions=moves,
            setsigdef=_DEFAULT_SIGNALS,
            setsigmask=(),
        )
    finally:
        if uid is not None:
            os.setresuid(0, 0, 0)
            os.setresgid(0, 0, 0)
        for fd in own:
            os.close(fd)


def _spawn_emulated(request: SandboxRequest, emulator: tuple[str, str], fds: list[int]) -> int:
    """Start bubblewrap in a namespace in which the kernel runs the programs of the root by an emulator."""
    uid = request["uid"]
    # The build's user may not reach the emulator's path; opened by root, it needs no path.
    if uid is not None:
        os.setresuid(0, 0, 0)
    interpreter = os.open(emulator[1], os.O_RDONLY | os.O_CLOEXEC)
    pid = os.fork()
    if pid:
        os.close(interpreter)
        return pid
    try:
        for number, fd in enumerate(fds):
            os.dup2(fd, number, inheritable=True)
        for signal_ in _DEFAULT_SIGNALS - {signal.SIGCHLD}:
            signal.signal(signal_, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if uid is not None:
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        _emulate(emulator[0], interpreter)
        os.execve(request["bwrap"], _command(request), _ENVIRONMENT)
    except OSError as error:
        os.write(2, f"fpack: {error.filename or request['bwrap']}: {error.strerror}\n".encode())
    finally:
        os._exit(126)


def _emulate(rule: str, interpreter: int) -> None:
    """Let the kernel run the programs of the root by an emulator, from here on."""
    from .emulation import enter

    enter(rule, interpreter)


def _command(request: SandboxRequest) -> list[str]:
    """Return the words that start bubblewrap, which reads its arguments from descriptor 4."""
    return [request["bwrap"], "--args", "4", "--", *request["command"]]


def at_terminal(request: SandboxRequest, filter_: bytes, options: bytes) -> None:
    """Replace this process by a sandbox that keeps its terminal. options: encoded for bubblewrap."""
    for number, data in ((4, options), (5, filter_)):
        fd = os.memfd_create("sandbox")
        os.write(fd, data)
        os.lseek(fd, 0, os.SEEK_SET)
        os.dup2(fd, number, inheritable=True)
    if trouble := _show(request):
        raise OSError(trouble)
    emulator = request["emulator"]
    interpreter = os.open(emulator[1], os.O_RDONLY | os.O_CLOEXEC) if emulator else -1
    uid = request["uid"]
    _settle(request["size"])
    for number in _DEFAULT_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    if emulator:
        _emulate(emulator[0], interpreter)
    os.execve(request["bwrap"], _command(request), _ENVIRONMENT)


def _settle(size: int) -> None:
    """Set the properties of this process that all sandboxes inherit. size: the maximum bytes of a file."""
    os.chdir("/")
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    size = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


# The mount points of `_show`: one for each root of this process's builds and each build that runs. They end with this
# process's mount namespace, and those of a build when it ends.
_shown: set[str] = set()


def _show(request: SandboxRequest) -> str:
    """As root, mount directories that only root can reach below a directory that everyone can reach.

    The mounts are visible only to this process and the builds. Return an error text, or "".
    """
    if request["uid"] is None:
        return ""
    mounts = request["stage"]
    try:
        if not _shown:
            if libc.unshare(_NEWNS):
                code = ctypes.get_errno()
                return f"a mount namespace cannot be made: {os.strerror(code)}"
            _mount(None, "/", None, _REC | _PRIVATE)
            _shown.add("")
            _thin_out(request["bwrap"], *mounts.values())
            _mount("tmpfs", request["at"], "tmpfs", _NOSUID | _NODEV, "mode=0755,size=1m")
        for target, source in mounts.items():
            if target not in _shown:
                os.mkdir(target, 0o755)
                _mount(source, target, None, _BIND)
                _shown.add(target)
    except OSError as error:
        return str(error)
    return ""


def _thin_out(*needed: str) -> None:
    """Unmount what no sandbox needs, since bubblewrap reads the list of all mounts for each bind mount."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        points = [line.split(" ")[4] for line in file]
    for point in reversed(points):
        if f"{point}/".startswith(_UNNEEDED) and not any(f"{path}/".startswith(f"{point}/") for path in needed):
            libc.umount2(os.fsencode(point), _DETACH)


def _hide(name: str) -> None:
    """Unmount the directory of one build."""
    if name in _shown:
        _shown.remove(name)
        libc.umount2(name.encode(), _DETACH)
        try:
            os.rmdir(name)
        except OSError:
            pass


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    raw = (text.encode() if text is not None else None for text in (source, target, kind))
    source_, target_, kind_ = raw
    if libc.mount(source_, target_, kind_, ctypes.c_ulong(flags), data.encode() if data else None):
        code = ctypes.get_errno()
        raise OSError(code, f"{target}: {os.strerror(code)}")


def stage_directory(*needed: str) -> str:
    """Return the directory for the mounts of `_show`. None of the needed paths lies in it."""
    for directory in _STAGES:
        inside = any(path.startswith(directory + "/") for path in needed)
        if os.path.isdir(directory) and not os.path.islink(directory) and not inside:
            return directory
    return "/tmp"
