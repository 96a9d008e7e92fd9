"""Keep a sandbox: enter its namespaces, mount the files of an image, start the command, and observe it.

The keeper keeps all capabilities in its namespaces, and runs no code of the image. The files are a read-only lower
tree, which the store has, and an upper directory in memory.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import stat
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

from fpack.builders.configure.namespace.stage import DEVICE_LINKS, make_devices, write_seed
from fpack.builders.sandbox import emulation, idmap, linux, observer
from fpack.cli.shells.sandbox import attendance
from fpack.store import processes

from . import first_process, ports
from .first_process import FAILED, NOT_EXECUTABLE, NOT_FOUND, PASSED
from .model import SandboxUsers, Trial

_STAGES = ("/mnt", "/srv", "/media", "/opt", "/tmp")
_HOST_NAME = b"fpack"  # as in /etc/hosts of the tree


class TrialKeeper:
    """The process that keeps the sandbox.

    watch: the observer's filter; empty: do not observe. names: observe names. report: a pipe. binder: the socket for
    `ports.bind`. emulator: a descriptor of the emulator that the trial has, if it has one.
    """

    def __init__(
        self,
        trial: Trial,
        users: SandboxUsers,
        trees: Sequence[int],
        code: bytes,
        watch: bytes,
        names: bool,
        report: int,
        binder: socket.socket,
        emulator: int = -1,
    ) -> None:
        self._trial = trial
        self._users = users
        self._trees = trees
        self._code = code
        self._watch = watch
        self._names = names
        self._report = report
        self._binder = binder
        self._emulator = emulator
        self._init = 0

    def keep(self, parent: int) -> int:
        """Run the command. Return its exit status."""
        try:
            self._enter(parent)
            terminals: Any = nullcontext()
            if self._trial.uid and not self._users.single and not self._users.outside:
                terminals = attendance.terminals(self._trial.uid)
            with terminals:
                return self._run()
        except (OSError, idmap.BindError) as error:
            words = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else error
            self._tell(f"error {words}")
            return FAILED

    def _enter(self, parent: int) -> None:
        """Enter the namespaces, and mount the files."""
        linux.check(linux.libc.setns(self._users.namespace, linux.NEWUSER), "the user namespace")
        if not self._users.single:
            os.setgroups([])
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
        linux.libc.prctl(linux.DUMPABLE, 0, 0, 0, 0)
        linux.unshare(linux.NEWNS | linux.NEWIPC | linux.NEWUTS | linux.NEWCGROUP, "namespaces")
        linux.libc.prctl(linux.DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(FAILED)
        linux.check(linux.libc.sethostname(_HOST_NAME, len(_HOST_NAME)), "the host name")
        if self._trial.emulator:
            emulation.register(self._trial.emulator[0], self._emulator)
            os.close(self._emulator)
        self._mount()

    def _mount(self) -> None:
        tree = self._trial.tree
        linux.mount("none", "/", None, linux.RECURSIVE_PRIVATE)
        trees = list(self._trees) or [idmap.detached(source) for source in tree.sources]
        stage = next(path for path in _STAGES if os.path.isdir(path) and not os.path.islink(path))
        linux.mount_tmpfs(stage, "mode=0755,size=1m")
        lowers = [f"lower{number}" for number in range(len(tree.lowers))]
        for name in (*lowers, "upper", "merged", "dev", "proc"):
            os.mkdir(f"{stage}/{name}", 0o755)
        for name, fd in zip(lowers, trees, strict=False):
            idmap.attach(fd, f"{stage}/{name}")
        linux.mount_tmpfs(f"{stage}/upper", "mode=0755")
        # The kernel lets a user namespace mount a new /proc only where one is visible.
        linux.mount("/proc", f"{stage}/proc", None, linux.RECURSIVE_BIND)
        make_devices(f"{stage}/dev", ("tty",), {**DEVICE_LINKS, "ptmx": "pts/ptmx"}, ("shm", "pts"))
        linux.pivot_root(stage)
        os.mkdir("/upper/changes", 0o755)
        os.mkdir("/upper/work", 0o755)
        layers = ":".join(f"/{name}" for name in lowers)
        options = f"lowerdir={layers},upperdir=/upper/changes,workdir=/upper/work,userxattr"
        linux.mount("none", "/merged", "overlay", linux.NOSUID | linux.NODEV, options)
        for name in ("dev", "proc"):
            # With a symlink of the image, the kernel's file systems would lie where nothing makes them read-only.
            if not stat.S_ISDIR(os.lstat(f"/merged/{name}").st_mode):
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), f"/{name} of the image")
        self._write()
        for (path, _), fd in zip(tree.paths, trees[len(lowers) :], strict=True):
            _attach(fd, f"/merged{path}")
        for path, target in tree.links:
            os.symlink(target, f"/merged{path}")

    def _write(self) -> None:
        """In a child, below its own root: write the files that differ from the disk."""
        tree, uid, gid = self._trial.tree, self._trial.uid, self._trial.gid
        apply = [(path, mode, uid, gid) for path, mode, _, _ in tree.apply] if self._users.single else tree.apply
        seed = [(path, content, mode, 0, 0) for path, content, mode in tree.seed]
        if self._users.single:
            seed = [(path, content, mode, uid, gid) for path, content, mode, _, _ in seed]
        child = processes.fork(lambda: _written({"remove": tree.absent, "apply": apply, "seed": seed}))
        if os.waitpid(child, 0)[1]:
            raise OSError(0, "the image's files cannot be changed")

    def _run(self) -> int:
        ours, theirs = socket.socketpair()
        proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        linux.unshare(linux.NEWPID, "a process namespace")
        trial, users, code, watch = self._trial, self._users, self._code, self._watch
        self._init = processes.fork(lambda: first_process.become(trial, users, code, watch, theirs))
        theirs.close()
        for number in PASSED:
            signal.signal(number, self._forward)
        end = os.pidfd_open(self._init)
        poll = select.poll()
        for fd in (end, ours.fileno()):
            poll.register(fd, select.POLLIN)
        watched: observer.Observer | None = None
        why = ""
        while True:
            ready = dict(poll.poll())
            if watched is not None and watched.listener in ready:
                if ready[watched.listener] & select.POLLIN:
                    watched.serve()
                else:
                    poll.unregister(watched.listener)
            elif ours.fileno() in ready:
                data, fds, _, _ = socket.recv_fds(ours, 256, 1)
                poll.unregister(ours.fileno())
                if fds:
                    bind = partial(ports.bind, self._binder)
                    watched = observer.Observer(fds[0], proc, trial.ports.first, bind)
                    poll.register(fds[0], select.POLLIN)
                elif self._names:
                    why = data.decode("utf-8", "replace")
            elif end in ready:
                break
        status = os.waitstatus_to_exitcode(os.waitpid(self._init, 0)[1])
        status = 128 - status if status < 0 else status
        self._finish(watched, why, status)
        return status

    def _programs(self) -> list[bytes]:
        """Return the names at which the command's program is looked for."""
        word = self._trial.words[0]
        directories = [""] if "/" in word else [f"{path}/" for path in self._trial.env["PATH"].split(":")]
        found = [os.fsencode(f"{directory}{word}") for directory in directories]
        return [name for name in found if name.startswith(b"/") and len(name) <= observer.MAX_LENGTH]

    def _finish(self, watched: observer.Observer | None, why: str, status: int) -> None:
        """Report the names that do not exist now."""
        names: list[bytes] = []
        if watched is not None and self._names:
            root = os.open("/merged", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            # The memory of a process that has not executed the program yet is fpack's own, and is not readable.
            names = [name for name in (*self._programs(), *watched.names) if observer.absent(root, name)]
            if not watched.reads and status not in (NOT_FOUND, NOT_EXECUTABLE):
                why = "the memory of the program cannot be read"
        self._tell("ok " + why, names)

    def _tell(self, reason: str, names: Sequence[bytes] = ()) -> None:
        data = memoryview(b"\0".join([reason.encode("utf-8", "replace").replace(b"\0", b" "), *names]))
        with suppress(BrokenPipeError):
            while data:
                data = data[os.write(self._report, data) :]

    def _forward(self, number: int, frame: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._init, number)


def _written(request: dict[str, Any]) -> int:
    try:
        write_seed(request)
    except OSError as error:
        os.write(2, f"fpack: {error.filename}: {error.strerror}\n".encode("utf-8", "backslashreplace"))
        return 1
    return 0


def _attach(tree: int, path: str) -> None:
    """Mount a store path at its place, which is created."""
    if stat.S_ISDIR(os.fstat(tree).st_mode):
        if not os.path.lexists(path) or not stat.S_ISDIR(os.lstat(path).st_mode):
            os.mkdir(path, 0o755)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
    idmap.attach(tree, path)
