"""Cut the power of ext4 and xfs while fpack works: nothing that was told as done is lost, nothing valid is missing."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.store.path import parse
from fpack.store.store import Store
from support.faults.disks import CannotMount, Disk
from support.faults.injection import Faults, fast_directory
from support.faults.scenarios import PROJECT, open_all
from support.processes.program import Fpack, world
from support.time_limits import WAIT

CUTS = int(os.environ.get("FPACK_POWER_CUTS", "50"))  # for each file system
# Another process that syncs makes the kernel write some changes, and not others, before the cut.
SYNCER = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
while True:
    os.pwrite(fd, os.urandom(4096), 0)
    os.fsync(fd)
"""


FETCHED = """
fetched = text("fetched", "${below} and ${./fetched}")
below = text("below", "below")
"""


class PowerTrial:
    """A home on a disk whose power is cut, and commands that run until then. A cache is on another disk."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self.disk = disk
        self.fpack = Fpack(disk.at / "home", world(directory / "archive"))
        self.fpack.env["PYTHONDONTWRITEBYTECODE"] = "1"
        self.project = self.fpack.home / "project"
        (self.project / "data").mkdir(parents=True)
        (self.project / "data" / "one.txt").write_text("one\n")
        (self.project / "fpack.fp").write_text(PROJECT + FETCHED)
        self._fill_cache(directory)
        self.fpack("lock", "debian.trixie.hello", cwd=self.project)
        self.expected = str(self.fpack.pack("debian.trixie.hello", cwd=self.project)["digest"])
        (self.project / "hello.tar").unlink()
        self.told: dict[str, str] = {}  # what was told as done, by the file
        os.sync()

    def _fill_cache(self, directory: Path) -> None:
        """Let another machine push `fetched` to a cache, which the home uses."""
        for number in range(8):
            file = self.project / "fetched" / str(number)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(random.Random(number).randbytes(100_000))
        other = Fpack(directory / "other")
        other("key", "generate", "-o", "ci.pem")
        cache = f"file://{directory}/cache"
        key = other.home / "ci.pem"
        self.fetched = other("build", "fetched", "--no-link", cwd=self.project).stdout
        other("cache", "push", "fetched", "--to", cache, "--key", key, cwd=self.project)
        self.fpack.env |= {"FPACK_CACHES": cache, "FPACK_CACHE_KEYS": str(key.with_suffix(".pub"))}

    def run(self, chance: random.Random) -> Iterator[list[str]]:
        """Yield commands without end."""
        number = 0
        while True:
            number += 1
            with contextlib.suppress(OSError):
                (self.project / "data" / "one.txt").write_text(f"{chance.random()}\n")
            yield ["build", chance.choice(["note", "other", "kept"]), "-o", f"link-{number % 3}"]
            yield ["store", "add", "data", "-o", "link-added"]
            yield ["build", "fetched", "-o", "link-fetched"]
            with contextlib.suppress(OSError):  # so that gc deletes the path every other time
                if number % 2:
                    (self.project / "link-fetched").unlink()
                    self.told.pop("link-fetched")
            yield ["gc"]
            yield ["pack", "debian.trixie.hello", "-o", f"hello-{number % 2}.tar", "--json"]

    def until_cut(self, chance: random.Random, faults: Faults) -> list[str]:
        """Run commands; cut the power at a random moment. Return what each said, the last one after the cut."""
        self.told.clear()
        end = time.monotonic() + chance.uniform(0.05, 4.0)
        cutter = os.fork()
        if not cutter:
            time.sleep(max(0.0, end - time.monotonic()))
            self.disk.cut()
            os._exit(0)
        said = []
        for words in self.run(chance):
            target = words[words.index("-o") + 1] if "-o" in words else ""
            outcome = faults.run(words, cwd=self.project, env=self.fpack.env, timeout=WAIT)
            said.append(f"{words}: {outcome.status} {outcome.err}")
            assert not outcome.hung, f"{said[-1]}{outcome.stacks}"
            # A command that ends beside the cut may tell of what the disk has; after the cut it cannot.
            if outcome.status:
                # Before a build begins, SIGBUS of SQLite's mapped file is not handled (store/files/bus_error.py).
                told = outcome.err.count("error:") == 1 and "Traceback" not in outcome.err
                assert told or outcome.status == -signal.SIGBUS, said[-1]
                self.told.pop(target, None)  # it may have replaced it just before
                break
            if words[0] == "pack":
                self.told[target] = str(json.loads(outcome.out)["digest"])
            elif target:
                self.told[target] = outcome.out.strip()
        os.waitpid(cutter, 0)
        return said

    def problems(self, faults: Faults) -> Iterator[str]:
        """Yield what is lost or damaged."""
        store = Store(self.fpack.home / "store")
        for name, told in self.told.items():
            path = self.project / name
            if name.startswith("link"):
                target = os.readlink(path) if path.is_symlink() else "nothing"
                if os.path.basename(target) != os.path.basename(told) or not path.exists():
                    yield f"{name} leads to {target}, and not to {told}"
                elif store.info(parse(os.path.basename(told))) is None:
                    yield f"{told} is not valid"
            elif (found := image_digest(path)) != told:
                yield f"{name} is {found}, and not {told}"
        store.close()
        again = faults.run(
            ["pack", "debian.trixie.hello", "-o", "again.tar", "--json"], cwd=self.project, env=self.fpack.env
        )
        if again.status or json.loads(again.out)["digest"] != self.expected:
            yield f"again: {again.status} {again.out} {again.err}"
        fetched = faults.run(["build", "fetched", "--no-link"], cwd=self.project, env=self.fpack.env)
        if fetched.out != self.fetched:
            yield f"fetched: {fetched.status} {fetched.out} {fetched.err}"
        # The second run has swept the pool: a file that no valid path has may lack what was not synced.
        if answer := self._run(faults, "doctor", "--store"):
            yield "\n".join(line for line in answer.splitlines() if not line.startswith(("ok", "warning")))
        if answer := self._run(faults, "gc"):
            yield f"gc: {answer}"

    def _run(self, faults: Faults, *words: str) -> str:
        """Run a command. Return what it says if it fails."""
        outcome = faults.run(words, cwd=self.project, env=self.fpack.env)
        return f"{outcome.out}{outcome.err}" if outcome.status else ""


def image_digest(path: Path) -> str:
    """Return the digest of an image whose blobs are whole, or what is wrong with it."""
    try:
        with tarfile.open(path) as tar:
            content = {
                member.name: (tar.extractfile(member) or io.BytesIO()).read() for member in tar if member.isfile()
            }
    except (OSError, tarfile.TarError) as error:
        return f"no archive: {error}"
    for name, data in content.items():
        if name.startswith("blobs/sha256/") and hashlib.sha256(data).hexdigest() != name.rpartition("/")[2]:
            return f"damaged: {name}"
    return str(json.loads(content["index.json"])["manifests"][0]["digest"])


@pytest.mark.long
@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_cuts_of_the_power(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    directory = fast_directory()
    wrong: dict[int, list[str]] = {}
    told = commands = 0
    try:
        with Disk(kind, directory, 600) as disk, Faults(directory / "faults") as faults:
            trial = PowerTrial(directory, disk)
            for words in (["build", "note", "-o", "x"], ["gc"], ["pack", "debian.trixie.hello"], ["doctor", "--store"]):
                faults.run(words, cwd=trial.project, env=trial.fpack.env)
            faults.warmed()
            for number in range(CUTS):
                syncer = subprocess.Popen(
                    [sys.executable, "-c", SYNCER, str(disk.at / "synced")], stderr=subprocess.DEVNULL
                )
                try:
                    said = trial.until_cut(random.Random(number), faults)
                finally:
                    syncer.send_signal(signal.SIGKILL)
                    syncer.wait()
                disk.restart()
                commands += len(said)
                told += len(trial.told)
                if found := list(trial.problems(faults)):
                    wrong[number] = [*found, *said]
                os.sync()
    except CannotMount as error:
        pytest.skip(str(error))
    finally:
        open_all(directory)
        shutil.rmtree(directory)
    with capsys.disabled():
        print(f"\n{kind}: {CUTS} cuts in {commands} commands, {told} results checked, {len(wrong)} wrong")
    assert not wrong, json.dumps(wrong, indent=1)
    assert told
