"""A disk flips a bit of the store or of the cache: the next pack gives the same image as before, or fails.

Each case copies a home that packed an image, flips one random bit and packs in one of several ways. The quick form
flips 40 bits; `pytest -m long` flips 500.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from fpack.store.files.remove import remove_tree
from support.archives.archive import directory, file
from support.archives.archive import link as symlink
from support.faults.rot import KINDS, content, flip
from support.processes.program import Fpack, world

QUICK, LONG, BATCHES = 40, 500, 8
PROJECT = """\
debian = import("fpack/debian").trixie

image = container {
  name       = "app"
  packages   = [debian.hello]
  files      = { "/etc/app.conf" = "a = 1\\n", "/srv/data" = ./tree/data, "/srv/tree" = ./tree }
  entrypoint = ["/usr/bin/hello"]
  user       = "root"
  labels     = { label = "LABEL" }
}
"""


class Outcome(NamedTuple):
    """An image that was packed: the digest that was printed, and the SHA-256 of the archive."""

    digest: str
    sha256: str


class Case:
    """A home in which everything was packed, copies of it, and the right outcomes."""

    def __init__(self, folder: Path) -> None:
        archive = world(folder / "mirror")
        archive.add("more", files={"etc/more.conf": "x\n", "usr/lib/more": symlink("hello"), "usr/x": directory(0o700)})
        archive.add("uses-more", depends="more, hello", files={"usr/bin/uses": file(b"#!/bin/sh\nexit\n", 0o4755)})
        archive.publish()
        self.home = folder / "home"
        self.fpack = Fpack(self.home, archive)
        self.project = self.home / "project"
        self.project.mkdir()
        (self.project / "tree").mkdir()
        (self.project / "tree/data").write_bytes(random.Random(1).randbytes(3000))
        (self.project / "tree/link").symlink_to("data")
        (self.project / "fpack.fp").write_text(PROJECT)
        self.good = {way: self.pack(way) for way in reversed(WAYS)}
        # Only what the first way needs is in the store that is damaged.
        remove_tree(self.home / "store")
        self.pack("the same again")
        self.kept = folder / "kept"
        subprocess.run(["cp", "-a", self.home, self.kept], check=True)

    def pack(self, way: str) -> Outcome | str:
        """Pack in one of the ways; the outcome, or the message of the error."""
        out = self.home / "image.tar"
        args = ["pack", "--json", "-o", str(out)]
        text = PROJECT
        if way == "layers anew":
            args += ["--compress", "zstd:2"]
        elif way == "another label":
            text = PROJECT.replace("LABEL", "other")
        elif way == "another package":
            text = PROJECT.replace("[debian.hello]", "[debian.hello, debian.uses-more]")
        elif way == "a new lock":
            (self.project / "fpack.lock").unlink(missing_ok=True)
        elif way == "a Debian package":
            args += ["--format", "deb"]
        (self.project / "fpack.fp").write_text(text)
        out.unlink(missing_ok=True)
        done = self.fpack(*args, cwd=self.project, status=None)
        self.told = done.stderr
        if done.returncode:
            assert "error:" in done.stderr and done.returncode not in (-6, 70), done
            return done.stderr
        return Outcome(json.loads(done.stdout)["digest"], hashlib.sha256(out.read_bytes()).hexdigest())

    def restore(self) -> None:
        """Make the home as it was."""
        for place in (self.home / "store", self.home / ".cache", self.project):
            if os.path.lexists(place):
                remove_tree(place)
        for name in ("store", ".cache", "project"):
            subprocess.run(["cp", "-a", self.kept / name, self.home / name], check=True)


WAYS = ("the same again", "layers anew", "another label", "another package", "a new lock", "a Debian package")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("flips")
    yield Case(folder)
    for place in (folder / "home", folder / "kept"):
        remove_tree(place / "store")
    shutil.rmtree(folder, ignore_errors=True)


def flips(case: Case, seed: int, count: int) -> Counter[str]:
    """Flip bits one at a time. Return how often packing gave the right image, and failed. Fail for a wrong image."""
    chance = random.Random(seed)
    counts: Counter[str] = Counter()
    wrong = []
    kinds = sorted(KINDS)
    for number in range(count):
        case.restore()
        made = flip(case.home, kinds[(number + seed) % len(kinds)], chance)
        way = chance.choice(WAYS)
        if made is None:
            continue
        outcome = case.pack(way)
        if isinstance(outcome, str):
            counts[f"{made.kind}: failed"] += 1
        elif outcome == case.good[way]:
            counts[f"{made.kind}: right"] += 1
        else:
            counts[f"{made.kind}: wrong"] += 1
            wrong.append((way, made))
    if "FPACK_FLIPS" in os.environ:
        with open(os.environ["FPACK_FLIPS"], "a", encoding="utf-8") as log:
            log.write(f"{seed} {dict(counts)} {wrong}\n")
    assert not wrong
    return counts


def test_every_way_gives_an_image(case: Case) -> None:
    assert not [outcome for outcome in case.good.values() if isinstance(outcome, str)]
    assert case.pack("the same again") == case.good["the same again"]


@pytest.mark.parametrize("batch", [0, *(pytest.param(n, marks=pytest.mark.faults) for n in range(1, BATCHES))])
def test_no_flipped_bit_gives_a_wrong_image(case: Case, batch: int) -> None:
    assert flips(case, batch, QUICK // BATCHES).total()


@pytest.mark.long
@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_flipped_bit_of_many_gives_a_wrong_image(case: Case, batch: int) -> None:
    assert flips(case, 1000 + batch, -(-LONG // BATCHES)).total()


@pytest.mark.parametrize(
    ("glob", "way"),
    [
        ("*-layer-hello-*/blob", "the same again"),
        ("*-layer-hello-*/entries.json", "another label"),
        ("*-app/image", "the same again"),
        ("*-app-manifest/manifest.json", "the same again"),
        ("*-hello-2.10-3-slice/data/usr/bin/hello", "layers anew"),
        ("*-hello-2.10-3-slice/meta", "another label"),
    ],
)
def test_damage_is_repaired_and_told(case: Case, glob: str, way: str) -> None:
    case.restore()
    (path,) = (case.home / "store/store").glob(glob)
    content(path, random.Random(1))
    assert case.pack(way) == case.good[way]
    base = path.relative_to(case.home / "store/store").parts[0]
    assert f"/{base}" in case.told and "was damaged" in case.told and f"{base} is built again" in case.told
    assert case.pack(way) == case.good[way] and "damaged" not in case.told


def test_a_pipe_gets_no_second_copy(case: Case) -> None:
    """What was written cannot be taken back: the command fails, and the next one succeeds."""
    case.restore()
    (path,) = (case.home / "store/store").glob("*-layer-hello-*/blob")
    content(path, random.Random(1))
    pipe = case.home / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.DEVNULL):
        done = case.fpack("pack", "-o", pipe, cwd=case.project, status=1)
    assert "A file in the store is damaged" in done.stderr and "run the command again" in done.stderr
    assert case.pack("the same again") == case.good["the same again"]
