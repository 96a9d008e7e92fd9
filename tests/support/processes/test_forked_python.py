"""Programs in forks of a process that has run a preamble: each is as `python -c` would run it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes.forked_python import ForkedPython


@pytest.fixture(scope="module")
def python() -> Iterator[ForkedPython]:
    with ForkedPython("import os, sys\nvalue = [1]") as made:
        yield made


def test_a_program_has_arguments_a_directory_and_streams_of_its_own(python: ForkedPython, tmp_path: Path) -> None:
    done = python.run("print(sys.argv, os.getcwd(), sys.stdin.read()); sys.exit('why')", "a", "b", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, f"['-c', 'a', 'b'] {tmp_path} \n", "why\n")


def test_a_program_begins_with_the_names_of_the_preamble_alone(python: ForkedPython) -> None:
    for _ in range(2):
        assert python.run("value.append(2); print(value)").stdout == "[1, 2]\n"


def test_failures_are_told(python: ForkedPython) -> None:
    done = python.run("1 // 0")
    assert done.returncode == 1 and done.stderr.endswith("ZeroDivisionError: integer division or modulo by zero\n")
    assert python.run("sys.exit(3)").returncode == 3
    assert python.run("os.kill(os.getpid(), 15)").returncode == -signal.SIGTERM
    assert python.run("while True: pass", timeout=0.2).returncode == -signal.SIGKILL
    assert python.run("print(1)").stdout == "1\n"
