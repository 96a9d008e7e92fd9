"""Run a command again and again from one state, each time with another fault, and look for what is wrong afterwards."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from support.faults.injection import CHANGES, KILL, FaultOutcome, Faults, reset
from support.processes.program import Fpack, world
from support.servers.registry import Registry, digest_of

# Files that fpack writes before it renames them.
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8,12}")


class Scenario(NamedTuple):
    """A command. prepare: makes what is there before it. words: its arguments. result: what must be equal each time.

    again: what a user does before the command is run again.
    """

    name: str
    prepare: Callable[[Fpack], None]
    words: Sequence[str]
    result: Callable[[Fpack, FaultOutcome], str]
    again: Callable[[Fpack], None] = lambda fpack: None


class FaultRun:
    """A scenario with its own home, which is made again before each run. `expected` is the result without a fault.

    Its words may contain {home} and {registry}: the home, and the host of a registry, whose content is also restored.
    """

    def __init__(self, scenario: Scenario, directory: Path, faults: Faults, registry: Registry) -> None:
        self.scenario = scenario
        self.faults = faults
        self.registry = registry
        self.fpack = Fpack(directory / "home", world(directory / "archive"))
        self.fpack.env |= {"PYTHONDONTWRITEBYTECODE": "1", "REGISTRY": registry.host}
        self.words = [word.format(home=self.fpack.home, registry=registry.host) for word in scenario.words]
        self.store = self.fpack.home / "store"
        scenario.prepare(self.fpack)
        self._template = directory / "template"
        self._repositories = copy.deepcopy(registry.repositories)
        reset(self._template, self.fpack.home)
        outcome = self.command(self.words)
        assert outcome.status == 0, outcome.err
        self.expected = self._result(outcome)
        self._usual = self._hidden()
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
        with self.registry.lock:
            self.registry.repositories = copy.deepcopy(self._repositories)

    def _result(self, outcome: FaultOutcome) -> str:
        found = self.scenario.result(self.fpack, outcome)
        return f"{found} {in_registry(self.registry)}" if self.registry.repositories else found

    def calls(self, kinds: Sequence[str] = CHANGES) -> tuple[str, ...]:
        """Return the calls of one run without a fault."""
        self.reset()
        return self.command(self.words, kinds=kinds, log=True).calls

    def with_fault(self, at: int, error: int = KILL, **fault: object) -> FaultOutcome:
        """Run the scenario from its beginning, with a fault."""
        self.reset()
        return self.command(self.words, at=at, error=error, **fault)

    def problems(self) -> Iterator[str]:
        """Yield what is wrong after a fault: with the store now, with a second run, and with what is then left over."""
        if (self.store / "db" / "fpack.sqlite").exists():
            doctor = self.command(["doctor", "--store"])
            if doctor.status:
                yield f"doctor: {doctor.out}{doctor.err}"
        self.scenario.again(self.fpack)
        again = self.command(self.words)
        if again.status:
            yield f"second run: {again.status} {again.err}"
            return
        try:
            found = self._result(again)
        except (OSError, AssertionError, LookupError, ValueError) as error:
            found = repr(error)
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
        for directory in (self.store / "roots", *self._homes):
            found = filter(TEMPORARY.fullmatch, _names(directory))
            yield from (f"left over: {directory.name}/{entry}" for entry in found)
        yield from (f"left over: {entry}" for entry in sorted(self._hidden() - self._usual))
        for uploads in self.fpack.home.rglob(".uploads"):
            yield from (f"left over: {uploads.parent.name}/.uploads/{entry}" for entry in _names(uploads))

    @property
    def _homes(self) -> tuple[Path, ...]:
        return self.fpack.home, self.fpack.home / "project"

    def _hidden(self) -> set[str]:
        """Return the names of the hidden files of the homes that have no name of a temporary file."""
        found = {name for directory in self._homes for name in _names(directory) if name.startswith(".")}
        return {name for name in found if not TEMPORARY.fullmatch(name)}


def in_registry(registry: Registry) -> str:
    """Return the digest of the image in a registry, of which all is there and as its digest says."""
    stored = registry.stored("team/app")
    todo = [stored.tags["1"]]
    while todo:
        kind, data = stored.manifests[digest := todo.pop()]
        assert digest_of(data) == digest
        value = json.loads(data)
        todo += [entry["digest"] for entry in value.get("manifests", ())]
        for blob in (*value.get("layers", ()), *([value["config"]] if "config" in value else [])):
            assert digest_of(stored.blobs[blob["digest"]]) == blob["digest"]
    return stored.tags["1"]


def _names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory)) if directory.is_dir() else []


def open_all(directory: Path) -> None:
    """Make a directory of read-only directories deletable."""
    subprocess.run(["chmod", "-R", "u+rwX", str(directory)], check=False, capture_output=True)
