"""A pytest plugin: fail a test that takes too long, with the stacks of its threads, and end a run that takes too long.

Setting up, calling and clearing up a test have a limit each. When it is over, a signal interrupts the main thread in
whatever it waits for. The handler writes the stacks of all threads and the processes that were started meanwhile, kills
these processes, and fails the test. If the test catches the failure and goes on, it is interrupted again each minute.
If it still goes on, or is in code that ignores signals, the process of the worker ends: pytest-xdist reports the test
as crashed, and starts another worker.

A run in parallel has a limit too, if FPACK_TESTS_RUN_SECONDS gives one: the tests that still run are named, with the
stacks of their threads, and the run ends.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import signal
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest

SECONDS = float(os.environ.get("FPACK_TESTS_SECONDS", "600"))  # for each phase of a test
WAIT = SECONDS * 0.9  # for a wait of a test: it fails before the test's limit, and a loaded machine does not reach it
LONG = 6  # times as much for a test that is marked `long`
AGAIN = 60.0
_INTERRUPTS = 3
_OF_PYTEST = re.compile(r'File "([^"]*/(_pytest|pluggy|xdist|execnet)/|<string>"|[^"]*/support/time_limits\.py")')
_TICKS = os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    """A running process. begun: in seconds since the start of the machine."""

    pid: int
    parent: int
    begun: float
    state: str


class PhaseLimit:
    """Limits the phases of tests in the process that runs them. stderr: a descriptor that is not captured."""

    def __init__(self, stderr: int, worker: bool, seconds: float = SECONDS) -> None:
        self._stderr = stderr
        self._seconds = seconds
        self._phase = ""
        self._begun = 0.0
        self._interrupts = 0
        signal.signal(signal.SIGALRM, self._interrupt)
        if worker:
            signal.signal(signal.SIGUSR1, self._leave)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Limit the setting up."""
        with self._limited(item, "setup"):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Limit the test itself."""
        with self._limited(item, "call"):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Limit the clearing up."""
        with self._limited(item, "teardown"):
            return (yield)

    @contextlib.contextmanager
    def _limited(self, item: pytest.Item, phase: str) -> Iterator[None]:
        seconds = self._seconds * (LONG if item.get_closest_marker("long") else 1)
        self._phase = f"{item.nodeid} ({phase})"
        self._begun = time.clock_gettime(time.CLOCK_BOOTTIME)
        self._interrupts = 0
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
        faulthandler.dump_traceback_later(seconds + _INTERRUPTS * AGAIN, exit=True, file=self._stderr)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            faulthandler.cancel_dump_traceback_later()
            self._phase = ""

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """Handle SIGALRM: end the phase."""
        __tracebackhide__ = True
        if not self._phase:
            return
        text = self._end_phase()
        self._interrupts += 1
        if self._interrupts == _INTERRUPTS:
            os._exit(1)
        pytest.fail(text)

    def _leave(self, _number: int, _frame: FrameType | None) -> None:
        """Handle SIGUSR1, by which the process that controls the run ends it: end the phase, and this process."""
        try:
            self._end_phase()
        finally:
            os._exit(1)

    def _end_phase(self) -> str:
        """Write the stacks of all threads, kill the processes that were started in this phase, and return the text."""
        begun = [each for each in descendants(os.getpid()) if each.begun >= self._begun - 1 / _TICKS]
        taken = time.clock_gettime(time.CLOCK_BOOTTIME) - self._begun
        text = f"{self._phase} is not done after {taken:.0f} seconds\n\n{stacks()}\n{table(begun)}"
        with contextlib.suppress(OSError):
            os.write(self._stderr, f"\n{text}\n".encode(errors="replace"))
        for each in begun:
            with contextlib.suppress(OSError):
                os.kill(each.pid, signal.SIGKILL)
        return text


class RunLimit:
    """Ends a run in parallel after some seconds, in the process that controls the workers."""

    def __init__(self, stderr: int, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[str, float] = {}  # tests -> their start
        self._ended = 0
        self._report: list[str] = []
        signal.signal(signal.SIGALRM, self._interrupt)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        faulthandler.dump_traceback_later(seconds + _INTERRUPTS * AGAIN, exit=True, file=stderr)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that a test runs."""
        self._running[nodeid] = time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Note that a test has ended."""
        self._running.pop(nodeid, None)
        self._ended += 1

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Name the tests that ran when the time was over."""
        if self._report:
            terminalreporter.section("the time is over")
            for line in self._report:
                terminalreporter.line(line)

    def pytest_unconfigure(self) -> None:
        """Take the limit away."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        __tracebackhide__ = True
        now = time.monotonic()
        self._report = [f"{now - begun:6.0f} s  {name}" for name, begun in self._running.items()]
        self._report += [f"{self._ended} tests had ended"]
        # The workers write where their threads are, kill what their tests started, and end.
        workers = [each.pid for each in descendants(os.getpid()) if each.parent == os.getpid()]
        for pid in workers:
            os.kill(pid, signal.SIGUSR1)
        end = time.monotonic() + 10
        while time.monotonic() < end and any(
            each.state != "Z" for each in descendants(os.getpid()) if each.pid in workers
        ):
            time.sleep(0.05)
        pytest.exit(f"the tests have taken {self._seconds:.0f} seconds, and are not done", returncode=1)


def stacks() -> str:
    """Return the stacks of all threads of this process, without the frames of pytest."""
    with tempfile.TemporaryFile("w+", errors="replace") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return "".join(line for line in file if not _OF_PYTEST.search(line))


def descendants(ancestor: int) -> list[Process]:
    """Return the processes that descend from a process, parents first."""
    children: dict[int, list[Process]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                fields = Path("/proc", name, "stat").read_text(errors="replace").rpartition(") ")[2].split()
                process = Process(int(name), int(fields[1]), int(fields[19]) / _TICKS, fields[0])
                children.setdefault(process.parent, []).append(process)
    found = list(children.get(ancestor, ()))
    for process in found:
        found += children.get(process.pid, ())
    return found


def table(processes: list[Process]) -> str:
    """Return a line for each process: its number, that of its parent, its state, what it waits for, and its words."""
    lines = []
    for process in processes:
        words, channel = b"", ""
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes().replace(b"\0", b" ")
            channel = Path(f"/proc/{process.pid}/wchan").read_text()
        text = words[:200].decode(errors="replace")
        lines.append(f"{process.pid:8} {process.parent:8} {process.state} {channel:20} {text}")
    return "\n".join(["Processes that it started:" if lines else "It started no processes that live.", *lines])


def pytest_configure(config: pytest.Config) -> None:
    """Register the limits that this process needs: those of tests, or that of the run."""
    if threading.current_thread() is not threading.main_thread():
        return
    stderr = os.dup(2)
    worker = hasattr(config, "workerinput")
    if worker or not getattr(config.option, "numprocesses", None):
        config.pluginmanager.register(PhaseLimit(stderr, worker))
    elif seconds := float(os.environ.get("FPACK_TESTS_RUN_SECONDS", "0")):
        config.pluginmanager.register(RunLimit(stderr, seconds))
