"""Many processes share a store: each output is built once, nothing fails, and nobody waits for a stopped process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.archives.archive import Archive
from support.faults.injection import fast_directory
from support.faults.scenarios import open_all
from support.processes.program import Fpack, world
from support.servers.httpserver import Server
from support.time_limits import WAIT

STORM = Path(__file__).parents[1] / "support/processes/storm.py"
PROCESSES = 16
TARGETS = 12
PROJECT = "\n".join(
    ['all = text("all", "${./data} ' + " ".join(f"${{t{number}}}" for number in range(TARGETS)) + '")']
    + [f't{number} = text("t{number}", "{number} ${{u{number % 5}}} ${{./data}}")' for number in range(TARGETS)]
    + [f'u{number} = text("u{number}", "{number}")' for number in range(5)]
    + ['kept = text("kept", "${./data} and ${u0}")']
)
BUILDS = [
    [6, ["build", "t{12}", "--no-link"]],
    [3, ["build", "t{12}", "-o", "link-{4}"]],
    [2, ["build", "all"]],
    [2, ["store", "add", "data"]],
]
PACKS = [[2, ["pack", "debian.trixie.hello", "--json", "-o", "hello-{3}.tar"]]]
CHECKS = [[2, ["gc"]], [1, ["doctor", "--store"]], [1, ["verify", "hello.tar"]]]


class Shared:
    """A store, and homes of processes that use it, with the same project in each."""

    def __init__(self, directory: Path) -> None:
        self.archive = world(directory / "archive")
        self.fpack = Fpack(directory / "home", self.archive)
        self.fpack("lock", "debian.trixie.hello")
        self.homes = []
        for number in range(4):
            home = directory / f"work-{number}"
            (home / "data").mkdir(parents=True)
            (home / "data" / "one").write_text("one\n")
            (home / "data" / "large").write_bytes(bytes(range(256)) * 4000)
            (home / "fpack.fp").write_text(PROJECT)
            self.homes.append(str(home))

    @property
    def store(self) -> Path:
        """The store's directory."""
        return self.fpack.home / "store"

    def storm(self, seconds: float, commands: list[list[Any]], seed: int) -> dict[str, int]:
        """Run commands in all processes. Return how many, by verb; none may fail."""
        plan = {"homes": self.homes, "env": self.fpack.env, "commands": commands}
        words = [sys.executable, str(STORM), str(seconds), str(PROCESSES), str(seed)]
        done = subprocess.run(words, input=json.dumps(plan), capture_output=True, text=True, timeout=seconds + 600)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["failed"] == []
        counts: dict[str, int] = found["counts"]
        return counts

    def built(self) -> dict[str, list[int]]:
        """Return how often each derivation was built, by name: one number for each derivation of the name."""
        with sqlite3.connect(self.store / "db" / "fpack.sqlite") as database:
            rows = database.execute(
                "SELECT name, count(*) FROM history WHERE outcome IN ('built', 'fetched') GROUP BY derivation"
            ).fetchall()
        database.close()
        found: dict[str, list[int]] = {}
        for name, count in rows:
            found.setdefault(name, []).append(count)
        return found


@pytest.fixture
def shared() -> Iterator[Shared]:
    directory = fast_directory()
    yield Shared(directory)
    open_all(directory)
    shutil.rmtree(directory)


def race(shared: Shared, seconds: float, seed: int) -> dict[str, int]:
    """Let processes build without gc, then with it, and check the store."""
    shared.storm(seconds / 3, [*BUILDS, *PACKS], seed)
    built = shared.built()
    assert len(built) > 30
    assert {name: counts for name, counts in built.items() if max(counts) > 1} == {}, "an output was built twice"
    home = Path(shared.homes[0])
    shared.fpack("build", "kept", "-o", "kept", cwd=home)
    for directory in shared.homes:
        shared.fpack("pack", "debian.trixie.hello", cwd=Path(directory))
    counts = shared.storm(seconds * 2 / 3, [*BUILDS, *PACKS, *CHECKS], seed + 1)
    built = shared.built()
    assert built["kept"] == [1], "what a root keeps is never built again"
    assert (home / "kept").read_text().startswith("/fpack/store/")
    shared.fpack("doctor", "--store")
    shared.fpack("gc")
    assert os.listdir(shared.store / "tmp") == os.listdir(shared.store / "trash") == []
    assert [name for name in os.listdir(shared.store / "locks") if name.startswith(("build-", "view-", "gc"))] == []
    return counts


@pytest.mark.faults
def test_sixteen_processes_for_some_seconds(shared: Shared) -> None:
    counts = race(shared, 12, 1)
    assert counts.keys() == {"build", "store", "pack", "gc", "doctor", "verify"}


@pytest.mark.long
def test_sixteen_processes_for_ten_minutes(shared: Shared, capsys: pytest.CaptureFixture[str]) -> None:
    counts = race(shared, 600, 2)
    with capsys.disabled():
        print(f"\n{counts}")


@pytest.fixture
def all_sent() -> Iterator[threading.Event]:
    """Yield what the server waits for before it sends the last byte of a package."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def slow(shared: Shared, all_sent: threading.Event) -> Iterator[Server]:
    archive: Archive = shared.archive
    with Server(archive.folder) as server:
        for path in (archive.folder / "debian" / "pool").rglob("hello*.deb"):
            server.hold("/" + str(path.relative_to(archive.folder)), all_sent)
        yield server


def wait_for_partial(shared: Shared, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process that downloads a package has a part of it."""
    while not list((shared.store / "partial").rglob("part")):
        assert process.poll() is None, "no download began"
        time.sleep(0.02)


def begin_to_wait(shared: Shared) -> subprocess.Popen[bytes]:
    """Start a process that needs a download of another process, and return it when it waits."""
    words = shared.fpack.command("pack", "debian.trixie.hello", "-o", "second.tar")
    env = shared.fpack.env
    process = subprocess.Popen(words, cwd=shared.fpack.home, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    assert any(line.startswith(b"waiting: another fpack") for line in process.stderr), "it did not wait"
    return process


@pytest.mark.slow
def test_a_stopped_process_holds_up_nobody_else(shared: Shared, slow: Server, all_sent: threading.Event) -> None:
    fpack, home = shared.fpack, Path(shared.homes[0])
    env = {**fpack.env, "FPACK_MIRROR": shared.archive.mirror_at(slow.url)}
    command = fpack.command("pack", "debian.trixie.hello")
    fpack.pack("debian.trixie.dash")
    stopped = subprocess.Popen(command, cwd=fpack.home, env=env, stdout=subprocess.DEVNULL)
    waiting = None
    try:
        wait_for_partial(shared, stopped)
        stopped.send_signal(signal.SIGSTOP)
        # These need nothing that the stopped process builds.
        fpack("build", "all", cwd=home, timeout=WAIT)
        fpack("build", "t1", "--no-link", cwd=home, timeout=WAIT)
        fpack("gc", timeout=WAIT)
        fpack("doctor", "--store", timeout=WAIT)
        fpack.pack("debian.trixie.dash", timeout=WAIT)
        fpack.pack("debian.trixie.grep", timeout=WAIT)
        # This needs the same download.
        waiting = begin_to_wait(shared)
        all_sent.set()
        stopped.send_signal(signal.SIGCONT)
        assert stopped.wait(120) == 0 and waiting.wait(120) == 0
    finally:
        for process in (stopped, waiting):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
    assert (fpack.home / "hello.tar").read_bytes() == (fpack.home / "second.tar").read_bytes()
    downloads = {name: counts for name, counts in shared.built().items() if name.startswith("hello_")}
    assert downloads == {"hello_2.10-3_amd64.deb": [1]}


def test_a_killed_process_is_replaced_by_the_one_that_waits(shared: Shared, slow: Server) -> None:
    fpack = shared.fpack
    env = {**fpack.env, "FPACK_MIRROR": shared.archive.mirror_at(slow.url)}
    command = fpack.command("pack", "debian.trixie.hello")
    first = subprocess.Popen(command, cwd=fpack.home, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_partial(shared, first)
    second = begin_to_wait(shared)
    assert second.poll() is None
    first.kill()
    first.wait()
    assert second.wait(120) == 0
    assert os.listdir(shared.store / "partial") == []
