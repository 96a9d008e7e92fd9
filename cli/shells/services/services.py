"""Run services beside a shell: start them, wait until they are ready, and stop them when the last shell exits.

A service's data, log, and the locks by which several shells of a project share it are in `services/NAME` of the
project's directory (project_directory.py). A service runs in its own sandbox with its own root, and sees nothing of the
host but the project.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fpack.cli.shells import session
from fpack.cli.shells.cache import CachedShell, Service
from fpack.cli.shells.model import ShellOptions
from fpack.cli.shells.project_directory import ProjectDirectory
from fpack.cli.shells.sandbox.launch import Launch
from fpack.cli.shells.sandbox.supervisor import start, told_command
from fpack.cli.shells.session import ReadyShell
from fpack.store.errors import FpackError
from fpack.store.files.remove import remove_tree

from .sockets import socket_directory

_GRACE = 15.0  # seconds to stop
_POLL = 0.05  # seconds
_LINES = 12  # lines of the log in an error


class ServiceError(FpackError):
    """A service did not start."""


@contextlib.contextmanager
def running(
    shell: CachedShell, options: ShellOptions, note: Callable[[str], None]
) -> Iterator[tuple[ShellOptions, dict[str, str]]]:
    """Run a shell's services. Yield the shell's options, and its variables, with those of the services added."""
    started: list[_RunningService] = []
    try:
        for service in shell.services:
            one = _RunningService(shell, service)
            started.append(one)
            one.start(note)
        for one in started:
            one.wait(note)
        exports: dict[str, str] = {}
        for one in started:
            exports |= {name: one.expanded(text) for name, text in one.service.exports.items()}
        # The shell may not show these directories otherwise.
        directories = (directory for one in started for directory in (os.fspath(one.data), one.short))
        options = options._replace(share=(*options.share, *directories))
        yield options, exports
    finally:
        for one in reversed(started):
            one.leave(note)


class _RunningService:
    """A service as this process uses it. data, short: the directories $DATA and $RUN."""

    def __init__(self, shell: CachedShell, service: Service) -> None:
        self.service = service
        project = ProjectDirectory(shell.project)
        self.directory = Path(project.create("services", service.name))
        self.data, self.log = Path(project.create("services", service.name, "data")), self.directory / "log"
        self._turn = _open(self.directory / "turn")
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        self.short = socket_directory(shell.project, service.name, os.fspath(self.directory / "run"))
        fcntl.flock(self._turn, fcntl.LOCK_UN)
        self._child = 0
        inside = ShellOptions(container=True, share=(os.fspath(self.data), self.short), user=_other_than_root())
        self._ready = ReadyShell(shell, inside, service.closure)
        self._users = _open(self.directory / "users")

    def expanded(self, text: str) -> str:
        """Replace $DATA and $RUN in a text by the service's directories."""
        return text.replace("$DATA", os.fspath(self.data)).replace("$RUN", self.short)

    def start(self, note: Callable[[str], None]) -> None:
        """Start the service, unless another shell did."""
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._users, fcntl.LOCK_SH)
            if self._alive():
                return
            note(f"{self.service.name}: starting; its log is {self.log}")
            self._launch()
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def _launch(self) -> None:
        script = f"set -eu\n{self.service.prepare}\n{self.service.start}\n"
        told, tell = os.pipe2(os.O_CLOEXEC)
        output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            launch = self._launching(script, init=True)
            if launch.outside:
                os.fchown(output, launch.outside, -1)  # the service may reopen /dev/stderr
            self._child = start(launch, output, tell)
        finally:
            os.close(output)
            os.close(tell)
        command = told_command(told)
        os.close(told)
        if command:
            (self.directory / "pid").write_text(f"{command} {_started(command)}\n", "ascii")

    def _launching(self, script: str, init: bool = False) -> Launch:
        env = {name: self.expanded(value) for name, value in self._ready.plan().env.items()}
        env |= {"DATA": os.fspath(self.data), "RUN": self.short}
        return self._ready.prepared(["/bin/sh", "-c", script, self.service.name], env, init)

    def wait(self, note: Callable[[str], None]) -> None:
        """Wait until the service is ready. Raise ServiceError, with the end of the log, if it does not become ready."""
        begun = time.monotonic()
        launch = self._launching(self.service.ready)
        while True:
            nothing = os.open(os.devnull, os.O_WRONLY)
            child = start(launch, nothing)
            os.close(nothing)
            if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 and self._alive():
                break
            if not self._alive():
                raise self._failed("it exited")
            if time.monotonic() - begun > self.service.seconds:
                raise self._failed(f"it is not ready after {self.service.seconds} s")
            time.sleep(_POLL)
        if self._child:
            note(f"{self.service.name}: ready")

    def _failed(self, why: str) -> ServiceError:
        try:
            lines = self.log.read_bytes()[-8000:].decode("utf-8", "replace").splitlines()[-_LINES:]
        except OSError:
            lines = []
        text = "\n".join([why, *lines])
        return ServiceError(
            f"The service {self.service.name} did not start", where=str(self.log), why=text,
            hint="fpack shell --no-services enters the shell without it",
        )  # fmt: skip

    def leave(self, note: Callable[[str], None]) -> None:
        """Stop the service if no other shell uses it."""
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        fcntl.flock(self._users, fcntl.LOCK_UN)
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            self._stop(note)
        finally:
            os.close(self._users)
            os.close(self._turn)

    def _stop(self, note: Callable[[str], None]) -> None:
        command = self._alive()
        if command:
            with contextlib.suppress(ProcessLookupError):
                os.kill(command, getattr(signal, self.service.stop, signal.SIGTERM))
            end = time.monotonic() + _GRACE
            while self._alive() and time.monotonic() < end:
                time.sleep(_POLL)
            if self._alive():
                note(f"{self.service.name}: it did not stop and is killed")
                with contextlib.suppress(ProcessLookupError):
                    os.kill(command, signal.SIGKILL)
        if self._child:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._child, 0)
        with contextlib.suppress(FileNotFoundError):
            (self.directory / "pid").unlink()
        with contextlib.suppress(OSError):
            remove_tree(Path(self.short))

    def _alive(self) -> int:
        """Return the pid of the service, or 0 if it has ended."""
        try:
            pid, started = (self.directory / "pid").read_text("ascii").split()
        except (OSError, ValueError):
            return 0
        if self._child:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._child, os.WNOHANG)
        return int(pid) if _started(int(pid)) == started else 0


def _started(pid: int) -> str:
    """Return the start time of a process in the kernel's ticks; empty if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _other_than_root() -> str:
    """Return the user of a service: databases refuse to run as root, and in a user namespace they need not."""
    return "service:1000" if os.getuid() == 0 else ""


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def enter_with(shell: CachedShell, options: ShellOptions, note: Callable[[str], None], lease: int) -> int:
    """Enter a shell with its services. Return the exit status."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    hangup = signal.signal(signal.SIGHUP, _interrupt)
    try:
        with running(shell, options, note) as (changed, exports):
            return session.go(shell, changed, exports, note, lease)
    except KeyboardInterrupt:
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGHUP, hangup)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
