"""Test that the store is whole after any end of a run, and that the next run makes the same image."""

from __future__ import annotations

import fcntl
import os
import random
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives.archive import Archive
from support.fixtures import archive as archive
from support.processes.program import Fpack
from support.servers.httpserver import Server
from support.time_limits import WAIT


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, archive: Archive) -> str:
    digest = Fpack(tmp_path_factory.mktemp("home"), archive).pack("debian.trixie.hello")["digest"]
    assert isinstance(digest, str)
    return digest


@pytest.fixture
def fpack(tmp_path: Path, archive: Archive) -> Fpack:
    fpack = Fpack(tmp_path / "home", archive)
    fpack("lock", "debian.trixie.hello")
    fpack("eval", "-e", "1")
    return fpack


def check_store(root: Path) -> int:
    """Hash every valid path anew; how many there are."""
    from fpack.store.files.tree import scan, tree_digest
    from fpack.store.store import Store

    store = Store(root)
    infos = store.database.paths()
    for info in infos:
        assert tree_digest(scan(os.fspath(store.disk(info.path)))) == info.tree, info.path
    store.close()
    return len(infos)


@pytest.mark.faults
def test_a_kill_at_any_moment(fpack: Fpack, archive: Archive, expected: str) -> None:
    chance = random.Random(17)
    killed = set()
    root = fpack.home / "store"
    for run in range(14):
        if run % 3 == 0:
            shutil.rmtree(root, ignore_errors=True)
        process = subprocess.Popen(
            fpack.command("pack", "debian.trixie.hello"),
            cwd=fpack.home,
            env=fpack.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Not by the clock alone: a busy machine would make all moments one.
        wanted = chance.randrange(0, 18)
        while process.poll() is None and len(list((root / "store").glob("*"))) < wanted:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.03))
        process.kill()
        process.wait()
        if (root / "db" / "fpack.sqlite").exists():
            killed.add(check_store(root))
        left = [p.name for p in fpack.home.iterdir() if p.name.startswith("hello") and p.name != "hello.tar"]
        for name in left:
            # A half-written image has a name of its own, and is never taken for the image.
            assert name != "hello.tar"
    assert len(killed) > 1, "the kills came at different moments"
    assert fpack.pack("debian.trixie.hello")["digest"] == expected
    fpack("gc")
    check_store(fpack.home / "store")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(
    "call",
    ["syncfs", *(pytest.param(c, marks=pytest.mark.faults) for c in ("rename", "link", "fsync", "mkdir", "unlink"))],
)
def test_a_kill_at_a_system_call(fpack: Fpack, expected: str, call: str) -> None:
    deaths = 0
    for count in (1, 2, 5, 11):
        inject = f"inject={call}:signal=SIGKILL:when={count}"
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
        done = subprocess.run(
            [*command, *fpack.command("pack", "debian.trixie.hello")],
            cwd=fpack.home,
            env={**fpack.env, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
        )
        if b"ptrace" in done.stderr.lower():
            pytest.skip("processes cannot be traced here")
        deaths += done.returncode != 0
        check_store(fpack.home / "store")
    assert deaths
    assert fpack.pack("debian.trixie.hello")["digest"] == expected


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(
    "fault",
    ["rename:error=EIO:when=2", "syncfs:error=EIO:when=1", "link:error=ENOSPC:when=3+", "mkdir:error=ENOSPC:when=9"],
)
def test_an_error_of_the_disk(fpack: Fpack, expected: str, fault: str) -> None:
    call = fault.partition(":")[0]
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={fault}"]
    done = subprocess.run(
        [*command, *fpack.command("pack", "debian.trixie.hello")],
        cwd=fpack.home,
        env={**fpack.env, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    if "ptrace" in done.stderr.lower():
        pytest.skip("processes cannot be traced here")
    assert done.returncode not in (0, 70), done.stderr
    assert "error:" in done.stderr and "Traceback" not in done.stderr
    check_store(fpack.home / "store")
    assert fpack.pack("debian.trixie.hello")["digest"] == expected


class SlowServer(Server):
    """Serves an archive, but for the last byte of each package. sent: set when a package has all others."""

    def __init__(self, archive: Archive) -> None:
        super().__init__(archive.folder)
        self.sent, self.ended = threading.Event(), threading.Event()
        for place in (archive.folder / "debian" / "pool").rglob("*.deb"):
            self.hold("/" + str(place.relative_to(archive.folder)), self.ended, self.sent)


@pytest.fixture
def slow(archive: Archive) -> Iterator[SlowServer]:
    with SlowServer(archive) as server:
        yield server
        server.ended.set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_an_interrupt_ends_a_command_that_waits_for_bytes_and_the_download_is_continued(
    fpack: Fpack, archive: Archive, slow: SlowServer, expected: str, number: signal.Signals
) -> None:
    env = {**fpack.env, "FPACK_MIRROR": archive.mirror_at(slow.url)}
    process = subprocess.Popen(
        fpack.command("pack", "debian.trixie.hello"),
        cwd=fpack.home,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    partial = fpack.home / "store" / "partial"
    assert slow.sent.wait(120), "no download began"
    process.send_signal(number)
    _, message = process.communicate(timeout=WAIT)
    assert process.returncode == 128 + number
    assert "Traceback" not in message and "nterrupted" in message
    assert number == signal.SIGINT or number.name in message
    arrived = [part.stat().st_size for part in partial.rglob("part")]
    assert arrived, "what arrived is kept for the next try"
    assert list((fpack.home / "store" / "tmp").iterdir()) == []
    slow.heal()
    slow.requests.clear()
    assert fpack.pack("debian.trixie.hello", env=env)["digest"] == expected
    ranges = [begin for _, _, begin in slow.requests if begin is not None]
    assert sorted(ranges) == sorted(f"bytes={size}-" for size in arrived if size)
    assert list(partial.iterdir()) == []


def test_a_signal_while_the_image_is_written_ends_the_session(fpack: Fpack, tmp_path: Path) -> None:
    fpack.pack("debian.trixie.hello")
    (fpack.home / "hello.tar").unlink()
    # A pipe that nobody reads stops the program in the middle of its output.
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    command = fpack.command("pack", "debian.trixie.hello", "-o", str(tmp_path / "pipe"))
    with subprocess.Popen(command, cwd=fpack.home, env=fpack.env, stderr=subprocess.PIPE, text=True) as process:
        while not select.select([reader], [], [], 0.01)[0]:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, message = process.communicate(timeout=WAIT)
    os.close(reader)
    assert process.returncode == 128 + signal.SIGTERM and "Traceback" not in message
    assert list((fpack.home / "store" / "tmp").iterdir()) == []


def test_an_ignored_hangup_stays_ignored(fpack: Fpack) -> None:
    script = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    code = "from fpack.cli import signals; import signal, os; signals.install(); os.kill(os.getpid(), signal.SIGHUP)"
    python = str(Path(fpack.command()[0]).with_name("python"))
    assert subprocess.run([python, "-c", script, python, "-c", code]).returncode == 0
    assert subprocess.run([python, "-c", code]).returncode == 128 + signal.SIGHUP


def test_repeated_signals_do_not_cut_the_clean_up_short(fpack: Fpack) -> None:
    code = """
import os, signal
from fpack.cli import signals
signals.install()
try:
    os.kill(os.getpid(), signal.SIGTERM)
finally:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGHUP)
    print("cleaned up")
"""
    python = str(Path(fpack.command()[0]).with_name("python"))
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    assert done.returncode == 128 + signal.SIGTERM and done.stdout == "cleaned up\n"
