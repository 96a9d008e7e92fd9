"""Test that foreseen derivations are built while nothing else can be, and fail nothing before they are needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from fpack.builders.kinds.text import TextBuilder
from fpack.builders.protocol import BuildError, Built, Need, Steps, Task
from fpack.builders.rootfs.view import assemble
from fpack.builders.scheduler.failures import BuildsFailed
from fpack.builders.scheduler.foresight import Foresight
from fpack.builders.scheduler.job import Job
from fpack.builders.scheduler.reporter import BuildOutcome
from fpack.builders.scheduler.scheduler import Scheduler
from fpack.store.derivation import Derivation, Output, digest, placeholder
from fpack.store.path import StorePath
from fpack.store.store import Store
from support.stores.recorder import Call, Recorder
from support.time_limits import WAIT


def layer(name: str) -> Derivation:
    return Derivation("call", name, {})


class Whole(Call):
    """A kind that foresees the derivations of a list, if it is told of parts."""

    def __init__(self, function: Callable[[Task], Built | Steps], foreseen: Sequence[Derivation]) -> None:
        super().__init__(function)
        self.foreseen = foreseen

    def foresee(self, drv: Derivation, parts: Sequence[StorePath]) -> Sequence[Derivation]:
        assert parts
        return self.foreseen


class World:
    """An output `input` that waits for `gate`, and `whole`, which needs `input` and then the layers of `wanted`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.recorder = Recorder()
        self.foreseen = [layer("one"), layer("two")]
        self.wanted = [layer("one"), layer("two")]
        self.failing: set[str] = set()
        self.left = threading.Semaphore(0)  # released by each layer: the gate opens after `opens` of them
        self.opens = 2
        self.calls: list[str] = []

    def call(self, task: Task) -> Built | Steps:
        self.calls.append(task.name)
        if task.name == "input":
            return self._input(task)
        if task.name == "gate":
            for _ in range(self.opens):
                assert self.left.acquire(timeout=WAIT), "nothing was built ahead"
        else:
            self.left.release()
            if task.name in self.failing:
                self.failing.discard(task.name)
                raise BuildError("no luck")
        writer = task.writer()
        writer.file("", [task.name.encode()])
        return Built(writer)

    def _input(self, task: Task) -> Steps:
        (part,) = yield Need([Derivation("text", "part", {"text": "p"})])
        yield Need([layer("gate")], (part,))
        writer = task.writer()
        writer.file("", [b"input"])
        return Built(writer)

    def whole(self, task: Task) -> Steps:
        paths = yield Need(self.wanted)
        writer = task.writer()
        writer.file("", [task.disk(path).read_bytes() for path in paths])
        return Built(writer, tuple(paths))

    def realise(self, jobs: int = 2) -> str:
        below = layer("input").encode()
        output = Output(digest(below))
        above = Derivation("whole", "whole", {"of": str(placeholder(output.derivation, "input"))}, (output,)).encode()
        bodies = {digest(body): body for body in (below, above)}
        builders = {"text": TextBuilder(), "call": Call(self.call), "whole": Whole(self.whole, self.foreseen)}
        scheduler = Scheduler(self.store, builders, self.recorder, assemble=assemble, bodies=bodies, jobs=jobs)
        (path,) = scheduler.realise([Output(digest(above))])
        return self.store.disk(path).read_text()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store(tmp_path / "fpack")
    yield World(store)
    store.close()


def test_it_is_built_before_the_input_exists(world: World) -> None:
    assert world.realise() == "onetwo"
    built = world.recorder.of(BuildOutcome.BUILT)
    # The gate opened, so both layers had begun before: it waits for them.
    assert sorted(built) == ["gate", "input", "one", "part", "two", "whole"]


def test_what_can_be_built_goes_before(world: World) -> None:
    world.opens = 0
    assert world.realise(jobs=1) == "onetwo"
    assert world.calls.index("gate") < world.calls.index("one")


def test_nothing_is_foreseen_for_a_job_that_knows_what_it_needs() -> None:
    whole, root = Job(b"w", Derivation("whole", "whole", {})), Job(b"r", layer("root"))
    root.after.append(whole)
    foresight = Foresight({"whole": Whole(lambda task: Built(task.writer()), [layer("one"), layer("two")])})
    part = placeholder(b"p" * 20, "part")
    new = foresight.learn(root, [part])
    assert list(new) == [digest(body) for body in new.values()] and len(new) == 2
    assert foresight.next() == next(iter(new))
    assert foresight.learn(root, [part]) == {}
    foresight.forget(whole)
    assert foresight.next() is None


def test_a_failure_of_what_is_not_wanted_is_nothing(world: World) -> None:
    world.foreseen = [layer("bad"), layer("one")]
    world.failing = {"bad"}
    assert world.realise() == "onetwo"
    assert world.recorder.of(BuildOutcome.FAILED) == []


def test_what_failed_is_built_again_if_it_is_wanted(world: World) -> None:
    world.failing = {"one"}
    assert world.realise() == "onetwo"


def test_what_is_wanted_and_fails_fails_the_build(world: World) -> None:
    world.wanted = [layer("bad")]
    world.failing = {"bad"}
    with pytest.raises(BuildsFailed, match="no luck"):
        world.realise()
