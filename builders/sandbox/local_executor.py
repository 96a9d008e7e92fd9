"""Run builds on this machine in bubblewrap, which a small server process starts, and enforce their limits.

If root runs a build, the build gets a user number of its own, and directories that only root can reach are mounted for
it in a private mount namespace. If another user runs it, the build has that user's number outside and 1000 inside.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

from blake3 import blake3
from fpack.store import processes
from fpack.store.errors import counted
from fpack.store.files.remove import open_directory
from fpack.store.files.writer import write_all

from . import spawner, usage
from .build_users import build_user
from .bwrap import WHEEL, SandboxError, find_bwrap, forbidden, wheel_of
from .executor import RunResult, Work
from .isolation import encode, filter_of
from .links import split_links
from .requests import MemoryRequest, SandboxRequest
from .spec import ISOLATION, LEFT, STORE, SandboxPaths, Spec, left_running, options

_ANSWER = 1.0  # seconds to wait for a reply of the server
_POLL = 100  # ms between checks of a run
_WATCH = 0.25  # seconds between measurements of its memory
_TAIL = 4096  # the last bytes of the log, in which reasons of a failure are looked for


class LocalExecutor:
    """The executor for all stores of this machine."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By the maximum size of a file.
        self._servers: dict[int, tuple[socket.socket, processes.ServerProcess]] = {}
        self._filter = -1
        self._bwrap: Path | None = None

    def close(self) -> None:
        """End the servers, and with them all running builds."""
        with self._lock:
            for control, _ in self._servers.values():
                control.close()
            for _, process in self._servers.values():
                process.wait()
            self._servers.clear()
            if self._filter >= 0:
                os.close(self._filter)
                self._filter = -1

    def prepare(self, spec: Spec, work: Work) -> None:
        """Create the directories of a work."""
        directory = os.fspath(work.directory)
        for name in ("build", "out", "tmp", "build/home", *(("control",) if spec.control else ())):
            os.mkdir(f"{directory}/{name}", 0o700)
        os.chmod(f"{directory}/out", 0o755)
        for name, text in spec.control:
            program = name.startswith("bin/")
            if program:
                os.makedirs(os.path.dirname(f"{directory}/control/{name}"), exist_ok=True)
            fd = os.open(f"{directory}/control/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
            try:
                write_all(fd, text.encode("utf-8", "surrogateescape"))
                os.fchmod(fd, 0o555 if program else 0o444)
            finally:
                os.close(fd)
        if spec.control:
            for folder, _, _ in os.walk(f"{directory}/control"):
                os.chmod(folder, 0o755)

    def run(self, spec: Spec, work: Work) -> RunResult:
        """Run a spec. All its processes are dead when this method returns or raises."""
        if not os.path.isdir(f"{work.directory}/out"):
            self.prepare(spec, work)
        spec = _laid_links(spec, work)
        with build_user(work.locks) as uid:
            return self._run(spec, work, self._hand_over(work, uid), uid)

    def inside(self, spec: Spec, work: Work, command: tuple[str, ...]) -> int:
        """Run a command in the sandbox of a work, at the caller's terminal. Return its exit status."""
        spec = _laid_links(spec, work)
        with build_user(work.locks) as uid:
            if uid is not None:
                give_tree(work.directory, uid)
            paths = self._hand_over(work, uid)
            request = self._request(spec._replace(command=command), uid, work, paths)
            words = encode(options(spec, paths, terminal=True))
            code = filter_of(ISOLATION)

            def enter() -> int:
                processes.hide_inherited()
                spawner.at_terminal(request, code, words)
                return 126

            pid = processes.fork(enter)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if uid is not None:
                give_tree(work.directory, os.geteuid())
            return status

    def _hand_over(self, work: Work, uid: int | None) -> SandboxPaths:
        """Give the work's directories to the build's user. Return their paths as the build's bubblewrap sees them."""
        if uid is None:
            return SandboxPaths(os.fspath(work.view.parent), os.fspath(work.directory), os.fspath(work.store))
        if os.stat(f"{work.directory}/out").st_uid not in (uid, os.geteuid()):
            # An earlier run of this work had another user number, which another build may have now.
            for name in ("build", "out", "tmp"):
                give_tree(work.directory / name, uid, writable=False)
        for name in ("build", "out", "tmp", "build/home"):
            # An earlier run may have replaced the last component by a symlink.
            os.chown(f"{work.directory}/{name}", uid, uid, follow_symlinks=False)
        os.chmod(work.directory, 0o711)
        if os.stat(work.store).st_mode & 0o555 != 0o555:
            # A build can still reach only those store paths that are mounted for it.
            os.chmod(work.store, 0o755)
        stage = spawner.stage_directory(os.fspath(work.store), os.fspath(self._program()))
        number = blake3(os.fsencode(work.store)).hexdigest(8)
        return SandboxPaths(
            f"{stage}/{number}-{work.view.parent.name[:32]}",
            f"{stage}/{number}-{work.directory.name}",
            f"{stage}/{number}",
        )

    def _program(self) -> Path:
        self._bwrap = self._bwrap or find_bwrap()
        return self._bwrap

    def _request(self, spec: Spec, uid: int | None, work: Work, paths: SandboxPaths) -> SandboxRequest:
        program = self._program()
        at = os.path.dirname(paths.work)
        stage = {paths.view: str(work.view.parent), paths.work: str(work.directory), paths.store: str(work.store)}
        if uid is not None and (needed := wheel_of(program)):
            # Root's Python environment may be inaccessible to other users.
            stage.update({f"{at}/{path.name}": os.fspath(path) for path in needed})
            program = Path(at, WHEEL, program.relative_to(needed[0]))
        return {
            "bwrap": os.fspath(program),
            "command": list(spec.command),
            "uid": uid,
            "at": at,
            "stage": stage,
            "work": paths.work,
            "size": spec.limits.size,
            "emulator": spec.emulator,
        }

    def _run(self, spec: Spec, work: Work, paths: SandboxPaths, uid: int | None) -> RunResult:
        words = encode(options(spec, paths))
        arguments = os.memfd_create("arguments", os.MFD_CLOEXEC)
        log, log_write = os.pipe()
        phases, phases_write = os.pipe()
        job, theirs = socket.socketpair()
        try:
            write_all(arguments, words)
            os.lseek(arguments, 0, os.SEEK_SET)
            request = json.dumps(self._request(spec, uid, work, paths)).encode()
            with self._lock:
                control = self._connect(_rounded(spec.limits.size))
                socket.send_fds(control, [request], [theirs.fileno(), log_write, phases_write, arguments, self._filter])
        except BaseException:
            for fd in (log, phases):
                os.close(fd)
            job.close()
            raise
        finally:
            theirs.close()
            for fd in (log_write, phases_write, arguments):
                os.close(fd)
        with job:
            return _RunMonitor(spec, work, job, log, phases, lambda pid: self._ipc_memory(control, pid)).finish()

    def _ipc_memory(self, control: socket.socket, pid: int) -> int:
        """Return the bytes of a sandbox's System V objects, given one of its processes; 0 if unknown."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs, self._lock, contextlib.suppress(OSError):
                socket.send_fds(control, [json.dumps(MemoryRequest(ipc=pid)).encode()], [theirs.fileno()])
            ours.settimeout(_ANSWER)
            with contextlib.suppress(OSError, ValueError):
                return int(ours.recv(64) or 0)
        return 0

    def _connect(self, size: int) -> socket.socket:
        if size not in self._servers:
            if self._filter < 0:
                code = filter_of(ISOLATION)
                self._filter = os.memfd_create("filter", os.MFD_CLOEXEC)
                os.write(self._filter, code)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                process = processes.serve("sandbox server", [str(size)], theirs.fileno())
            self._servers[size] = ours, process
        return self._servers[size][0]


def _laid_links(spec: Spec, work: Work) -> Spec:
    """Create inputs that are symlinks in the work's store. Return the spec with the other inputs, to mount."""
    mounted, links = split_links((path, f"{work.store}{path.removeprefix(STORE)}") for path in spec.inputs)
    for path, target in links:
        with contextlib.suppress(FileExistsError):  # of a run before this one
            os.symlink(target, f"{work.directory}/out{path.removeprefix(STORE)}")
    return spec._replace(inputs=tuple(path for path, _ in mounted))


class _RunMonitor:
    """A monitor of a run that enforces its limits."""

    def __init__(
        self, spec: Spec, work: Work, job: socket.socket, log: int, phases: int, ipc_memory: Callable[[int], int]
    ) -> None:
        self._spec = spec
        self._ipc_memory = ipc_memory
        self._work = work
        self._job = job
        self._log = log
        self._phases = phases
        self._phase = ""
        self._exceeded = ""
        self._said = 0
        self._tail = b""
        self._pid = 0
        self._held = usage.HeldBytes(0, 0)
        self._began = time.monotonic()
        self._looked = self._began
        self._measured = self._began + 1.0

    def finish(self) -> RunResult:
        """Wait for the run's end, or kill it. Return its result."""
        raised: BaseException | None = None
        status = b""
        poll = select.poll()
        for fd in (self._log, self._phases, self._job.fileno()):
            poll.register(fd, select.POLLIN)
        try:
            while not status:
                for fd, _ in poll.poll(_POLL):
                    if fd == self._job.fileno():
                        status = self._answer() or status
                    elif not self._read(fd):
                        poll.unregister(fd)
                if raised is None and not status:
                    try:
                        self._look()
                    except BaseException as error:
                        raised = error
                        self._kill()
            # All output of the run is in the pipes, since all its processes have ended.
            while self._read(self._log):
                pass
            while self._read(self._phases):
                pass
        finally:
            os.close(self._log)
            os.close(self._phases)
        if raised is not None:
            raise raised
        code = int(status)
        ended = os.waitstatus_to_exitcode(code) if code >= 0 else 1
        self._check_set_up(ended)
        return RunResult(ended if ended >= 0 else 128 - ended, self._phase, self._exceeded)

    def _answer(self) -> bytes:
        data = self._job.recv(64)
        if not data:
            raise SandboxError("The process that starts sandboxes is gone", hint="run the command again")
        if data.startswith(b"p"):
            self._pid = int(data[1:].partition(b"s")[0])
            data = data.partition(b"s")[2]
        return data

    def _read(self, fd: int) -> bool:
        data = os.read(fd, 65536)
        if fd == self._phases:
            for line in data.decode("utf-8", "replace").splitlines():
                if line.startswith(f"{LEFT} "):
                    self._exceeded = self._exceeded or left_running(line)
                else:
                    self._phase = line[:200]
                    self._work.phase(self._phase)
        elif data:
            self._tail = (self._tail + data)[-_TAIL:]
            if self._said <= self._spec.limits.log:
                self._work.log(data)
            self._said += len(data)
        return bool(data)

    def _look(self) -> None:
        self._work.check()
        now = time.monotonic()
        limits = self._spec.limits
        if now - self._began > limits.seconds:
            self._exceed(f"it ran for more than {counted(limits.seconds, 'second')}", "seconds")
        if self._said > limits.log:
            self._exceed(f"it wrote more than {counted(limits.log, 'byte')} to its log", "log")
        if self._pid and now - self._looked > _WATCH:
            self._looked = now
            pids = usage.descendants(self._pid)
            most = limits.memory or usage.machine_memory() * 9 // 10
            if usage.memory(pids, most) + self._held.memory > most:
                self._exceed(f"it used more than {counted(most, 'byte')} of memory", "memory" if limits.memory else "")
            if len(pids) > limits.processes + 2:
                self._exceed(f"it had more than {counted(limits.processes, 'process', 'processes')}", "processes")
        if now > self._measured:
            if self._pid:
                pids = usage.descendants(self._pid)
                self._held = usage.held(pids)
                self._held = self._held._replace(memory=self._held.memory + self._ipc_memory(pids[-1]))
            directories = [os.fspath(self._work.directory / name) for name in ("build", "out", "tmp")]
            used = usage.disk_use(directories, limits.size)
            if used.size + self._held.disk > limits.size:
                self._exceed(f"it wrote more than {counted(limits.size, 'byte')}", "size")
            elif used.files > usage.files_within(limits.size):
                most = usage.files_within(limits.size)
                self._exceed(
                    f"it made more than {counted(most, 'file')}, the most for a limit of {limits.size} bytes", "size"
                )
            # Spend at most a twentieth of the time on measuring, which is slow for a large tree.
            self._measured = time.monotonic() + max(1.0, 20 * (time.monotonic() - now))

    def _exceed(self, words: str, limit: str) -> None:
        """End the build, which exceeds a limit. limit: the field of `limits` that sets it, "" if none does."""
        if not self._exceeded:
            self._exceeded = f"{words}; limits = {{ {limit} = NUMBER }} sets another limit" if limit else words
            self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            self._job.shutdown(socket.SHUT_WR)

    def _check_set_up(self, status: int) -> None:
        """Raise SandboxError if the sandbox could not be set up: bubblewrap printed an error before any phase."""
        if status and not self._phase and not self._exceeded:
            text = self._tail.decode("utf-8", "replace").strip().splitlines()
            if text and text[-1].startswith(("bwrap: ", "fpack: ")):
                raise forbidden(text[-1].removeprefix("fpack: "))


def give_tree(path: Path, uid: int, writable: bool = True) -> None:
    """Change the owner of a directory tree, by descriptors and not through links.

    writable: make its directories accessible to the owner.
    """
    _give_below(open_directory(os.fspath(path), None), uid, writable)


def _give_below(fd: int, uid: int, writable: bool) -> None:
    try:
        os.fchown(fd, uid, uid)
        if writable:
            os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) | 0o700)
        for name in os.listdir(fd):
            if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                _give_below(open_directory(name, fd), uid, writable)
            else:
                os.chown(name, uid, uid, dir_fd=fd, follow_symlinks=False)
    finally:
        os.close(fd)


def _rounded(size: int) -> int:
    """Round a limit up to a power of two, so that few servers are needed. The monitor checks the exact limit."""
    return 1 << min(max(size - 1, 1).bit_length(), 62)
