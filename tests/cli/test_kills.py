"""Kill fpack at every call that changes a file: the store is whole, the command succeeds again, and nothing is left."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from support.faults.injection import CHANGES
from support.faults.run import FaultRun
from support.faults.scenarios import run as run

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
QUICK = 8  # kills of each command in the quick form
# FPACK_FAULT_STEP=7 kills at every seventh call of the whole form. Its parts can run side by side: `-k 0-of-4`.
STEP = int(os.environ.get("FPACK_FAULT_STEP", "1"))
PARTS = 4


def kill_at(run: FaultRun, numbers: list[int], **how: bool) -> tuple[int, dict[int, list[str]]]:
    """Kill the command at each of these calls. Return the number of kills, and what was wrong after which."""
    killed, wrong = 0, {}
    for number in numbers:
        outcome = run.with_fault(number, **how)
        killed += outcome.status == -9
        problems = list(run.problems())
        if outcome.hung or outcome.status not in (-9, 0):
            problems.append(f"status {outcome.status}: {outcome.err}{outcome.stacks}")
        if problems:
            print(number, outcome.status, problems, flush=True)
            wrong[number] = problems
    return killed, wrong


def test_a_kill_at_some_calls(run: FaultRun) -> None:
    calls = run.calls()
    numbers = sorted(random.Random(5).sample(range(1, len(calls) + 1), min(QUICK, len(calls))))
    # The last calls are those of the end of the session.
    numbers = sorted({*numbers, len(calls) - 1, len(calls) - 3})
    killed, wrong = kill_at(run, numbers)
    assert wrong == {}
    assert killed >= len(numbers) - 3, "threads make the number of calls vary a little"


@pytest.mark.faults
@pytest.mark.parametrize("run", ["fetch"], indirect=True)
def test_a_kill_of_what_a_fetch_leaves_to_another_process(run: FaultRun) -> None:
    run.reset()
    calls = run.command(run.words, log=True, copies=True).calls
    assert {"syncfs", "link", "write"} <= {line.split()[1] for line in calls}
    _, wrong = kill_at(run, list(range(1, len(calls) + 1)), copies=True)
    assert wrong == {}


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS), ids="{}-of-4".format)
def test_a_kill_at_every_call(run: FaultRun, part: int, capsys: pytest.CaptureFixture[str]) -> None:
    calls = run.calls(CHANGES)
    numbers = list(range(1 + part * STEP, len(calls) + 1, PARTS * STEP))
    killed, wrong = kill_at(run, numbers)
    with capsys.disabled():
        print(f"\n{run.scenario.name}: {killed} of {len(numbers)} kills at {len(calls)} calls, {len(wrong)} wrong")
    assert wrong == {}


def test_the_calls_of_a_command_are_seen(run: FaultRun) -> None:
    kinds = {line.split()[1] for line in run.calls()}
    assert {"create", "write", "unlink"} <= kinds
    if run.scenario.name in ("pack", "build"):
        assert {"syncfs", "fsync", "rename", "link", "mkdir"} <= kinds


def test_remains_are_found(run: FaultRun, tmp_path: Path) -> None:
    run.reset()
    run.command(run.words)
    run.command(["gc"])  # deletes the file of a session that was synced in the background
    assert list(run.remains()) == []
    (run.store / "trash").mkdir(parents=True, exist_ok=True)
    (run.store / "trash" / "x").write_text("")
    (run.fpack.home / ".hello.tar.0123456789ab").write_text("")
    assert len(list(run.remains())) == 2
