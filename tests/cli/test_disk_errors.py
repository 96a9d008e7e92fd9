"""Let each call on files fail: the command ends soon with one clear error, or succeeds; and then it succeeds again."""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support.faults.disks import CannotMount, Disk
from support.faults.injection import ALL, CHANGES, FaultOutcome
from support.faults.run import FaultRun
from support.faults.scenarios import run as run
from support.processes.program import Fpack, world
from support.time_limits import WAIT

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
QUICK = 9  # failing calls of each command in the quick form
# FPACK_FAULT_STEP=7 takes every seventh call of the whole form. Its parts can run side by side: `-k 0-of-4`.
STEP = int(os.environ.get("FPACK_FAULT_STEP", "1"))
PARTS = 4
# What fails from some moment on. The kernel keeps locks, not the device.
BROKEN = {
    errno.EIO: tuple(kind for kind in ALL if kind not in ("flock", "lock")),
    errno.EROFS: (*CHANGES, "chmod", "utime"),
    errno.ENOSPC: ("create", "mkdir", "link", "symlink", "rename", "write", "fsync", "syncfs"),
}
_FULL = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS)
# The errors that each kind of call can have.
ERRORS = {
    **dict.fromkeys(("create", "mkdir", "link", "symlink", "rename", "write"), _FULL),
    **dict.fromkeys(("fsync", "syncfs"), (errno.EIO, errno.ENOSPC, errno.EDQUOT)),
    **dict.fromkeys(("unlink", "rmdir", "chmod", "utime"), (errno.EIO, errno.EROFS)),
    **dict.fromkeys(("flock", "lock"), (errno.ENOLCK, errno.EIO)),
    "open": (errno.EMFILE, errno.EIO),
    "list": (errno.EIO,),
    "read": (errno.EIO,),
    "stat": (errno.EIO,),
}


def complaints(outcome: FaultOutcome) -> Iterator[str]:
    """Yield what is wrong with the end of a command that met an error."""
    if outcome.hung:
        yield f"it hung: {outcome.stacks}"
    elif outcome.status in (70, 99) or outcome.status < 0:
        yield f"status {outcome.status}: {outcome.err}"
    elif outcome.status and outcome.err.count("error:") != 1:
        yield f"not one error: {outcome.err}"
    for word in ("Traceback", "Exception ignored", "Exception in thread", "bug in fpack"):
        if word in outcome.err:
            yield f"{word}: {outcome.err}"


def fail_at(run: FaultRun, cases: list[tuple[int, int]], kinds: Sequence[str] = ALL) -> dict[str, list[str]]:
    """Let the command meet each error at its call; other `kinds` than ALL: from this call on. Return what was wrong."""
    wrong = {}
    for number, error in cases:
        outcome = run.with_fault(number, error, sticky=kinds is not ALL, kinds=kinds, log=True, timeout=20)
        found = [*complaints(outcome), *run.problems()]
        if found:
            call = next((line for line in outcome.calls if line.startswith(f"{number} ")), "")
            wrong[f"{errno.errorcode[error]} at {call}"] = [f"status {outcome.status}: {outcome.err}", *found]
            print(errno.errorcode[error], call, outcome.status, outcome.err, found, flush=True)
    return wrong


def cases_of(calls: tuple[str, ...]) -> list[tuple[int, int]]:
    """Return one error for each call; those of a kind take turns."""
    cases, turns = [], dict.fromkeys(ERRORS, 0)
    for line in calls:
        number, kind, _ = line.split(" ", 2)
        cases.append((int(number), ERRORS[kind][turns[kind] % len(ERRORS[kind])]))
        turns[kind] += 1
    return cases


@pytest.mark.slow
def test_an_error_of_some_calls(run: FaultRun) -> None:
    cases = cases_of(run.calls(ALL))
    assert fail_at(run, sorted(random.Random(9).sample(cases, min(QUICK, len(cases))))) == {}


@pytest.mark.slow
@pytest.mark.parametrize("error", BROKEN, ids=errno.errorcode.get)
def test_a_device_that_fails_from_some_call_on(run: FaultRun, error: int) -> None:
    kinds = BROKEN[error]
    numbers = range(1, len(run.calls(kinds)) + 1)
    chosen = sorted(random.Random(error).sample(numbers, min(QUICK // 3, len(numbers))))
    assert fail_at(run, [(number, error) for number in chosen], kinds) == {}


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS), ids="{}-of-4".format)
def test_an_error_of_every_call(run: FaultRun, part: int, capsys: pytest.CaptureFixture[str]) -> None:
    cases = cases_of(run.calls(ALL))
    chosen = cases[part * STEP :: PARTS * STEP]
    wrong = fail_at(run, chosen)
    with capsys.disabled():
        print(f"\n{run.scenario.name}: errors at {len(chosen)} of {len(cases)} calls, {len(wrong)} wrong")
    assert wrong == {}


@pytest.mark.long
@pytest.mark.parametrize("error", BROKEN, ids=errno.errorcode.get)
def test_a_device_that_fails_from_every_tenth_call_on(
    run: FaultRun, error: int, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = BROKEN[error]
    numbers = range(1, len(run.calls(kinds)) + 1, 10 * STEP)
    wrong = fail_at(run, [(number, error) for number in numbers], kinds)
    with capsys.disabled():
        print(f"\n{run.scenario.name}: {errno.errorcode[error]} from {len(numbers)} calls on, {len(wrong)} wrong")
    assert wrong == {}


@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
def test_a_disk_without_inodes(kind: str, tmp_path: Path) -> None:
    try:
        disk = Disk(kind, tmp_path, 64, ("-N", "200") if kind == "ext4" else ("nr_inodes=200",))
    except CannotMount as error:
        pytest.skip(str(error))
    with disk:
        fpack = Fpack(disk.at / "home", world(tmp_path / "archive"))
        message = fpack.fails("pack", "debian.trixie.hello", timeout=WAIT)
        assert "inodes" in message and message.count("error:") == 1
        fpack("gc", timeout=WAIT)
        assert list((fpack.home / "store" / "tmp").iterdir()) == []
        if kind == "tmpfs":
            disk.change("nr_inodes=60000")
            assert fpack.pack("debian.trixie.hello")["digest"]


def test_a_full_disk(tmp_path: Path) -> None:
    try:
        disk = Disk("tmpfs", tmp_path, 2)
    except CannotMount as error:
        pytest.skip(str(error))
    with disk:
        fpack = Fpack(disk.at / "home", world(tmp_path / "archive"))
        (disk.at / "ballast").write_bytes(bytes(1 << 20))
        message = fpack.fails("pack", "debian.trixie.hello", timeout=WAIT)
        assert "The disk is full" in message and message.count("error:") == 1
        (disk.at / "ballast").unlink()
        disk.change("size=64m")
        assert fpack.pack("debian.trixie.hello")["digest"]


def test_a_file_system_that_becomes_read_only(tmp_path: Path) -> None:
    """As ext4 does after an error of its device. Mounted for writing again, it has what was there."""
    try:
        disk = Disk("ext4", tmp_path, 64)
    except CannotMount as error:
        pytest.skip(str(error))
    with disk:
        fpack = Fpack(disk.at / "home")
        (fpack.home / "fpack.fp").write_text('note = text("note", "one")\nother = text("other", "two")\n')
        built = fpack("build", "note").stdout
        os.sync()
        disk.change("abort")
        for words in (["build", "other"], ["gc"], ["store", "add", "fpack.fp"]):
            message = fpack.fails(*words, timeout=WAIT)
            assert "read-only" in message and message.count("error:") == 1, message
        disk.restart()
        assert fpack("build", "note").stdout == built
        fpack("build", "other", "-o", "second")
        fpack("gc")
        assert (fpack.home / "result").read_text() == "one" and (fpack.home / "second").read_text() == "two"


@pytest.mark.slow
def test_a_limit_of_open_files(tmp_path: Path) -> None:
    """How many files are open at once differs from run to run, so several limits are tried."""
    archive = world(tmp_path / "archive")
    messages = []
    for limit in (11, 14, 18, 22):
        command = ("sh", "-c", f'ulimit -n {limit} && exec "$@"', "sh")
        done = Fpack(tmp_path / str(limit), archive, command)("pack", "debian.trixie.hello", status=None, timeout=WAIT)
        if done.returncode:
            assert done.returncode not in (70, 99) and "open files" in done.stderr, done.stderr
            assert done.stderr.count("error:") == 1
            messages.append(done.stderr)
        assert Fpack(tmp_path / str(limit), archive).pack("debian.trixie.hello")["digest"]
    assert messages


@pytest.mark.parametrize(("limit", "what"), [("-f 0", "A file is larger"), ("-v 100000", "not enough memory")])
def test_a_limit_of_a_file_or_of_memory(limit: str, what: str, tmp_path: Path) -> None:
    fpack = Fpack(tmp_path / "home", world(tmp_path / "archive"), ("sh", "-c", f'ulimit {limit} && exec "$@"', "sh"))
    message = fpack.fails("pack", "debian.trixie.hello")
    assert what in message and "ulimit" in message and message.count("error:") == 1


@pytest.mark.parametrize("path", [".cache", ".cache/fpack", ".cache/fpack/debian", ".local", ".local/state/fpack"])
def test_a_file_where_a_directory_must_be(path: str, tmp_path: Path) -> None:
    fpack = Fpack(tmp_path / "home", world(tmp_path / "archive"))
    shutil.rmtree(fpack.home / path, ignore_errors=True)  # what the home begins with
    (fpack.home / path).parent.mkdir(parents=True, exist_ok=True)
    (fpack.home / path).write_text("")
    message = fpack.fails("lock", "debian.trixie.hello", timeout=WAIT)
    assert str(fpack.home / path) in message and message.count("error:") == 1
    (fpack.home / path).unlink()
    assert fpack.pack("debian.trixie.hello")["digest"]
