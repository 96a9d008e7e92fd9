"""Commands that faults are injected into: what is there before them, and what holds after them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from support.faults import CHANGES, KILL, FaultOutcome, Faults, fast_directory, reset
from support.program import Fpack, world

PROJECT = """
note = text("note", "see ${./data}/one.txt")
other = text("other", "${note} and ${more}")
more = text("more", "more")
kept = text("kept", "this is kept, with ${./data}")
"""
# The smallest image with packages, links, a written file and a manifest: each call more takes a run of all commands.
IMAGE = """
image = container {
  name     = "app"
  packages = [import("fpack/debian").trixie.hello]
  closure  = "linked"
  files    = { "/etc/app.conf" = "a = 1\\n", "/srv/deep" = ./data/deep }
}
"""
# Files that fpack writes before it renames them.
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8,12}")


class Scenario(NamedTuple):
    """A command. prepare: makes what is there before it. words: its arguments. result: what must be equal each time."""

    name: str
    prepare: Callable[[Fpack], None]
    words: Sequence[str]
    result: Callable[[Fpack, FaultOutcome], str]


def _project(fpack: Fpack) -> Path:
    project = fpack.home / "project"
    (project / "data" / "deep").mkdir(parents=True)
    (project / "data" / "one.txt").write_text("one\n")
    (project / "data" / "deep" / "run").write_text("#!/bin/sh\n")
    (project / "data" / "deep" / "run").chmod(0o755)
    (project / "data" / "large").write_bytes(bytes(range(256)) * 20_000)
    (project / "data" / "link").symlink_to("deep/run")
    (project / "fpack.fp").write_text(PROJECT)
    return project


def _packed(fpack: Fpack, outcome: FaultOutcome) -> str:
    return str(json.loads(outcome.out)["digest"])


def _before_pack(fpack: Fpack) -> None:
    project = _project(fpack)
    (project / "fpack.fp").write_text(IMAGE)
    fpack("lock", "image", cwd=project)
    if (fpack.home / "store").exists():
        open_all(fpack.home / "store")
        shutil.rmtree(fpack.home / "store")


def _before_build(fpack: Fpack) -> None:
    project = _project(fpack)
    fpack("build", "more", "--no-link", cwd=project)


def _built(fpack: Fpack, outcome: FaultOutcome) -> str:
    assert (fpack.home / "project" / "result").read_text()
    return outcome.out


def _before_gc(fpack: Fpack) -> None:
    project = _project(fpack)
    fpack("build", "other", "--no-link", cwd=project)
    fpack("build", "kept", "-o", "kept", cwd=project)
    fpack("lock", "debian.trixie.hello")


def _collected(fpack: Fpack, outcome: FaultOutcome) -> str:
    return (fpack.home / "project" / "kept").read_text() + str(sorted(os.listdir(fpack.home / "store" / "store")))


def _before_update(fpack: Fpack) -> None:
    project = _project(fpack)
    (project / "fpack.fp").write_text('hello = import("fpack/debian").trixie.hello\n')
    fpack("lock", "hello", cwd=project)
    assert fpack.archive is not None
    fpack.archive.add("hello", "2.11-1", depends="libgreet1, dash", files={"usr/bin/hello": "new"})
    fpack.archive.publish()


def _updated(fpack: Fpack, outcome: FaultOutcome) -> str:
    return (fpack.home / "project" / "fpack.lock").read_text()


def _before_add(fpack: Fpack) -> None:
    fpack("build", "more", "--no-link", cwd=_project(fpack))


def _before_import(fpack: Fpack) -> None:
    project = _project(fpack)
    fpack("build", "other", cwd=project)
    fpack("store", "export", "result", "-o", "other.closure", cwd=project)
    (project / "result").unlink()
    open_all(fpack.home / "store")
    shutil.rmtree(fpack.home / "store")


def _printed(fpack: Fpack, outcome: FaultOutcome) -> str:
    return outcome.out


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("pack", _before_pack, ["pack", "image", "--json"], _packed),
        Scenario("build", _before_build, ["build", "other"], _built),
        Scenario("add", _before_add, ["store", "add", "data", "-o", "link"], _printed),
        Scenario("import", _before_import, ["store", "import", "other.closure", "-o", "link"], _printed),
        Scenario("gc", _before_gc, ["gc"], _collected),
        Scenario("update", _before_update, ["update"], _updated),
    )
}


# The quick tier injects faults into one of them.
SMOKE = "build"


class FaultRun:
    """A scenario with its own home, which is made again before each run. `expected` is the result without a fault."""

    def __init__(self, scenario: Scenario, directory: Path, faults: Faults) -> None:
        self.scenario = scenario
        self.faults = faults
        self.fpack = Fpack(directory / "home", world(directory / "archive"))
        self.fpack.env["PYTHONDONTWRITEBYTECODE"] = "1"
        self.store = self.fpack.home / "store"
        scenario.prepare(self.fpack)
        self._template = directory / "template"
        reset(self._template, self.fpack.home)
        outcome = self.command(scenario.words)
        assert outcome.status == 0, outcome.err
        self.expected = scenario.result(self.fpack, outcome)
        self.command(["doctor", "--store"])
        faults.warmed()

    def command(self, words: Sequence[str], **fault: object) -> FaultOutcome:
        """Run a command of the scenario, with a fault or without."""
        project = self.fpack.home / "project"
        cwd = project if project.is_dir() else self.fpack.home
        return self.faults.run(words, cwd=cwd, env=self.fpack.env, under=[self.fpack.home], **fault)  # type: ignore[arg-type]

    def reset(self) -> None:
        """Undo everything."""
        reset(self.fpack.home, self._template)

    def calls(self, kinds: Sequence[str] = CHANGES) -> tuple[str, ...]:
        """Return the calls of one run without a fault."""
        self.reset()
        return self.command(self.scenario.words, kinds=kinds, log=True).calls

    def with_fault(self, at: int, error: int = KILL, **fault: object) -> FaultOutcome:
        """Run the scenario from its beginning, with a fault."""
        self.reset()
        return self.command(self.scenario.words, at=at, error=error, **fault)

    def problems(self) -> Iterator[str]:
        """Yield what is wrong after a fault: with the store now, with a second run, and with what is then left over."""
        if (self.store / "db" / "fpack.sqlite").exists():
            doctor = self.command(["doctor", "--store"])
            if doctor.status:
                yield f"doctor: {doctor.out}{doctor.err}"
        again = self.command(self.scenario.words)
        if again.status:
            yield f"second run: {again.status} {again.err}"
            return
        try:
            found = self.scenario.result(self.fpack, again)
        except OSError as error:
            found = str(error)
        if found != self.expected:
            yield f"another result: {found}"
        # A command that has nothing to write does not look for remains; the next one that writes does.
        swept = self.command(["gc"])
        if swept.status:
            yield f"gc: {swept.err}"
        yield from self.remains()

    def remains(self) -> Iterator[str]:
        """Yield the files that only a command that was cut short leaves."""
        for name in ("tmp", "trash", "partial"):
            yield from (f"left over: {name}/{entry}" for entry in _names(self.store / name))
        for entry in _names(self.store / "locks"):
            if entry.startswith(("build-", "view-", "gc")):
                yield f"left over: locks/{entry}"
        for directory in (self.store / "roots", self.fpack.home, self.fpack.home / "project"):
            found = filter(TEMPORARY.fullmatch, _names(directory))
            yield from (f"left over: {directory.name}/{entry}" for entry in found)


def _names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory)) if directory.is_dir() else []


def open_all(directory: Path) -> None:
    """Make a directory of read-only directories deletable."""
    subprocess.run(["chmod", "-R", "u+rwX", str(directory)], check=False, capture_output=True)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.faults] * (name != SMOKE)) for name in sorted(SCENARIOS)],
)
def run(request: pytest.FixtureRequest) -> Iterator[FaultRun]:
    """A scenario in a directory of its own, which is deleted afterwards."""
    directory = fast_directory()
    with Faults(directory / "faults") as faults:
        yield FaultRun(SCENARIOS[request.param], directory, faults)
    open_all(directory)
    shutil.rmtree(directory)
