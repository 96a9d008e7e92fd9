"""Test that a test that hangs fails with its stacks and without its processes, and that a run that hangs ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import TESTS
from support.time_limits import WAIT

CONFTEST = """
import os, signal, sys, time
sys.path.insert(0, {tests!r})
from support import time_limits
time_limits.AGAIN = {again}

def pytest_configure(config):
    time_limits.pytest_configure(config)

# In the process that controls the run: end it, as the timer does, when `test_over` waits.
def pytest_runtest_logstart(nodeid):
    if nodeid.endswith("test_over") and "PYTEST_XDIST_WORKER" not in os.environ:
        while not os.path.exists("begun"):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGALRM)
"""
HANGS = """
import signal, subprocess, threading, time
import pytest

def test_good():
    pass

def test_process():
    with subprocess.Popen(["sh", "-c", "sleep 1000; echo"]) as process:
        print(f"<{process.pid}>")
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        process.wait()

@pytest.fixture
def held():
    lock = threading.Lock()
    lock.acquire()
    yield lock
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    lock.acquire()

def test_fixture(held):
    pass
"""
# It catches each failure, and goes on.
STUBBORN = """
import signal, time

def test_stubborn():
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    while True:
        try:
            time.sleep(1)
        except BaseException:
            pass

def test_next():
    pass
"""
OVER = """
import pathlib, subprocess

def test_first():
    pass

def test_over():
    with subprocess.Popen(["sleep", "1000"]) as process:
        pathlib.Path("begun").touch()
        process.wait()

def test_never():
    pass
"""


def run(folder: Path, text: str, *options: str, again: float = 60, **env: str) -> str:
    """Run tests; what was printed, both streams."""
    (folder / "conftest.py").write_text(CONFTEST.format(tests=str(TESTS), again=again))
    (folder / "test_them.py").write_text(text)
    plugins = ["-p", "xdist"] if "-n1" in options else []
    command = [
        sys.executable,
        "-m",
        "pytest",
        *plugins,
        "-c",
        os.devnull,
        f"--rootdir={folder}",
        f"--basetemp={folder}/t",
        *options,
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "FPACK_TESTS"))}
    done = subprocess.run(
        [*command, str(folder / "test_them.py")],
        cwd=folder,
        env={**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **env},
        capture_output=True,
        text=True,
        timeout=WAIT,
    )
    return done.stdout + done.stderr


def lives(pid: str) -> bool:
    """Return whether a process runs."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_a_hung_test_fails_with_its_stacks_and_its_processes_end(tmp_path: Path) -> None:
    printed = run(tmp_path, HANGS)
    assert "1 failed, 2 passed, 1 error" in printed
    assert "test_them.py::test_process (call) is not done" in printed and "in test_process" in printed
    assert "test_them.py::test_fixture (teardown) is not done" in printed and "in held" in printed
    assert "sleep 1000" in printed, "the processes are named"
    (number,) = set(re.findall(r"^<(\d+)>", printed, re.M))
    assert not lives(number)


def test_the_limit_is_set_for_each_phase(tmp_path: Path) -> None:
    text = "import signal\ndef test_it():\n    assert 50 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60\n"
    assert "1 passed" in run(tmp_path, text, FPACK_TESTS_SECONDS="60")


@pytest.mark.slow
def test_the_worker_of_a_test_that_goes_on_is_replaced(tmp_path: Path) -> None:
    printed = run(tmp_path, STUBBORN, "-n1", again=0.1)
    assert "crashed while running 'test_them.py::test_stubborn'" in printed
    assert "1 failed, 1 passed" in printed


def test_a_run_that_takes_too_long_ends_and_names_its_tests(tmp_path: Path) -> None:
    printed = run(tmp_path, OVER, "-n1", FPACK_TESTS_RUN_SECONDS="1000")
    assert re.search(r"\d s  test_them.py::test_over\n", printed) and "1 tests had ended" in printed
    assert "in test_over" in printed and "the tests have taken 1000 seconds" in printed
    (number,) = set(re.findall(r"^ *(\d+) .*sleep 1000", printed, re.M))
    assert not lives(number)
