"""Commands that faults are injected into: what is there before them, and what holds after them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.faults.injection import FaultOutcome, Faults, fast_directory
from support.faults.run import FaultRun, Scenario, open_all
from support.faults.transfer_scenarios import TRANSFERS
from support.processes.program import Fpack
from support.servers.registry import Registry

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


# Faults in these are injected by the long form, and by `faults` into the first.
_LONG = tuple(TRANSFERS)[1:]


def _marked(name: str) -> Any:
    marks = pytest.mark.long if name in _LONG else pytest.mark.faults
    return pytest.param(name, marks=[] if name == SMOKE else [marks])


@pytest.fixture(scope="module", params=[_marked(name) for name in [*sorted(SCENARIOS), *TRANSFERS]])
def run(request: pytest.FixtureRequest) -> Iterator[FaultRun]:
    """Yield a scenario in a directory of its own, which is deleted afterwards."""
    directory = fast_directory()
    with Registry() as registry, Faults(directory / "faults") as faults:
        yield FaultRun({**SCENARIOS, **TRANSFERS}[request.param], directory, faults, registry)
    open_all(directory)
    shutil.rmtree(directory)
