"""`fpack build --check` and `--rounds`: what comes out the same, and what does not, with the reasons for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.examples import World
from support.stores.shared import shared_store

pytestmark = pytest.mark.network

# Each file differs from one build to the next, but for the first. name: how it is written, and the reason that is told.
FILES = {
    "same": ("echo same >$out/same", None),
    "date": ("date >$out/date", "a date or time"),
    "header.gz": ("echo x >x; gzip -c x >$out/header.gz", "the time in the gzip header"),
    "members.zip": ("zip -qX $out/members.zip x", "the times of the members of a zip"),
    "code.pyc": (
        "echo 'a = 1' >a.py; python3 -m compileall -q --invalidation-mode timestamp a.py; mv __pycache__/a.*.pyc "
        "$out/code.pyc",
        "the source file's time in a .pyc",
    ),
    "library.a": ("env -u SOURCE_DATE_EPOCH ar rcU $out/library.a x", "the times in a static library"),
    "name": ("mktemp -u /tmp/XXXXXXXXXX >$out/name", "the name of a temporary file"),
    "order": ("seq 1000 1999 | shuf >$out/order", "a different order"),
}
PROJECT = """
debian = import("fpack/debian").trixie
made(script) = package {
  name  = "made"
  tools = [debian.binutils, debian.python3, debian.zip]
  strip = false
  env   = { PYTHONDONTWRITEBYTECODE = "1" }
  install = script
}
wrong = made("mkdir $out; sleep 1.1; SCRIPT")
right = made("mkdir $out; gzip -n </etc/debian_version >$out/x.gz; echo $HOME $(id -u) $(hostname) >$out/about")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    world = World(tmp_path_factory.mktemp("rounds"), store=shared_store(tmp_path_factory))
    place = world.fpack.home / "project"
    place.mkdir()
    script = "; ".join(write.replace("\\", "\\\\").replace('"', '\\"') for write, _ in FILES.values())
    (place / "fpack.fp").write_text(PROJECT.replace("SCRIPT", script))
    return world, place


def test_rounds_of_what_is_the_same(project: tuple[World, Path]) -> None:
    world, place = project
    told = world.fpack("build", "right", "--rounds", "3", cwd=place, timeout=900).stderr
    lines = [line for line in told.splitlines() if "is identical" in line]
    assert len(lines) == 3 and len({line.rpartition(" with ")[2] for line in lines}) == 3


def test_what_differs_is_named_with_its_reason(project: tuple[World, Path]) -> None:
    world, place = project
    world.fpack("build", "wrong", cwd=place, timeout=900)
    before = _made(world)
    told = world.fpack.fails("build", "wrong", "--check", cwd=place, timeout=300)
    reasons = {line.split()[0]: line for line in told.replace("why:", "").splitlines() if " has " in line}
    for name, (_, reason) in FILES.items():
        assert reason is None or reason in reasons.get(name, ""), f"{name}: {told}"
    assert "made-0 is not reproducible" in told and "same" not in reasons
    # What was built first is what counts; nothing of the second is kept.
    assert _made(world) == before


def _made(world: World) -> set[str]:
    return {path.name for path in Path(world.fpack.env["FPACK_ROOT"], "store").glob("*-made-0*")}


@pytest.mark.skipif(shutil.which("diffoscope") is None, reason="diffoscope is not installed")
def test_diffoscope_shows_it(project: tuple[World, Path]) -> None:
    world, place = project
    world.fpack("build", "wrong", cwd=place, timeout=900)
    told = world.fpack.fails("build", "wrong", "--check", cwd=place, timeout=300)
    assert "+++ " in told and "/order" in told and "@@" in told and "UTC" in told
