"""Test that a worker sends few messages, and that the process that controls the run still knows all that it shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import TESTS

CONFTEST = """
import sys
import pytest
sys.path.insert(0, {tests!r})
from support import worker_messages

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        plugins = config.pluginmanager.get_plugins()
        (stream,) = [each.channel.gateway._io for each in plugins if type(each).__name__ == "WorkerInteractor"]
        write = stream.write

        def counted(data):
            with open("writes", "a") as file:
                file.write(".")
            write(data)

        stream.write = counted
    worker_messages.pytest_configure(config)

def pytest_runtest_logreport(report):
    if hasattr(report, "node"):
        with open("reports", "a") as file:
            print(report.nodeid.partition("::")[2], report.when, report.outcome, file=file)
"""
TEXT = """
import os, time
import pytest

@pytest.fixture
def talking():
    print("a word")

@pytest.fixture
def slow():
    time.sleep(0.02)

@pytest.fixture
def broken():
    yield
    raise OSError

@pytest.mark.parametrize("number", range(20))
def test_plain(number):
    pass

def test_talking(talking):
    pass

def test_slow(slow):
    pass

def test_broken(broken):
    pass

def test_failed():
    assert False
"""


def run(folder: Path, text: str, *options: str) -> str:
    """Run tests in one worker; what was printed."""
    (folder / "conftest.py").write_text(CONFTEST.format(tests=str(TESTS)))
    (folder / "test_them.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "xdist", "-n1", "-c", os.devnull, f"--rootdir={folder}", *options]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(folder / "test_them.py")],
        cwd=folder, env={**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr


def reports(folder: Path, test: str) -> list[str]:
    """Return the reports of a test that the controlling process got."""
    lines = (folder / "reports").read_text().splitlines()
    return [line.partition(" ")[2] for line in lines if line.startswith(f"{test} ")]


def test_only_reports_that_show_something_are_sent(tmp_path: Path) -> None:
    printed = run(tmp_path, TEXT)
    assert "1 failed, 23 passed, 1 error" in printed
    assert reports(tmp_path, "test_plain[7]") == ["call passed"]
    assert reports(tmp_path, "test_talking") == ["setup passed", "call passed", "teardown passed"]
    assert reports(tmp_path, "test_slow") == ["setup passed", "call passed"]
    assert reports(tmp_path, "test_broken") == ["call passed", "teardown failed"]
    assert reports(tmp_path, "test_failed") == ["call failed"]
    assert len((tmp_path / "writes").read_text()) < 24 + 15  # one of each test, and those of the worker itself


@pytest.mark.parametrize("option", ["-vv", "--junitxml=results.xml"])
def test_all_reports_are_sent_to_what_shows_each(tmp_path: Path, option: str) -> None:
    run(tmp_path, "def test_it():\n    pass\n", option)
    assert reports(tmp_path, "test_it") == ["setup passed", "call passed", "teardown passed"]


def test_a_worker_that_ends_has_told_of_the_tests_before(tmp_path: Path) -> None:
    text = "import os\ndef test_good():\n    pass\ndef test_end():\n    os._exit(1)\ndef test_next():\n    pass\n"
    printed = run(tmp_path, text)
    assert "crashed while running 'test_them.py::test_end'" in printed
    assert "1 failed, 2 passed" in printed
    assert reports(tmp_path, "test_good") == ["call passed"]
