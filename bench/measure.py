"""Time whole processes: wall seconds, processor seconds and the largest resident set, medians over interleaved runs."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Run(NamedTuple):
    """The figures of one run: wall and processor seconds, and the largest resident set of one process in MB."""

    wall: float
    cpu: float
    memory: float


class Case(NamedTuple):
    """A command to time.

    prepare: called before each run with the run's number; its time does not count. peer_of: the name of the case of
    fpack to which `table` compares this one, a peer's; "" for none.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    prepare: Callable[[int], object] = lambda run: None
    peer_of: str = ""


def run_once(case: Case, number: int, log: Path) -> Run:
    """Run a case, with its output in the file `log`. If it fails, end with the last part of the output."""
    case.prepare(number)
    with open(log, "wb") as out:
        begin = time.perf_counter()
        process = subprocess.Popen(case.command, env=dict(case.env), cwd=case.cwd, stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{case.name} failed:\n{log.read_text(errors='replace')[-2000:]}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000)


def measure(cases: Sequence[Case], runs: int, log: Path) -> dict[str, Run]:
    """Return the medians of the figures of each case.

    The cases run in turn, A B C A B C, so that a change of the machine's load affects all of them. A first run of each
    does not count: it fills caches.
    """
    found: dict[str, list[Run]] = {case.name: [] for case in cases}
    for number in range(runs + 1):
        for case in cases:
            run = run_once(case, number, log)
            if number:
                found[case.name].append(run)
    return {
        name: Run(*(statistics.median(column) for column in zip(*rows, strict=True))) for name, rows in found.items()
    }


def table(cases: Sequence[Case], medians: Mapping[str, Run]) -> str:
    """Return a text table. A peer's row has the ratio of its wall time to that of the case in `peer_of`."""
    rows = [("what", "wall s", "cpu s", "MB", "times fpack")]
    for case in cases:
        run = medians[case.name]
        ratio = f"{run.wall / medians[case.peer_of].wall:.1f}" if case.peer_of else ""
        rows.append((case.name, f"{run.wall:.3f}", f"{run.cpu:.3f}", f"{run.memory:.0f}", ratio))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]).rstrip()
        for row in rows
    )
