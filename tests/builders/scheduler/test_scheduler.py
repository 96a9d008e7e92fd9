"""Test what the scheduler builds, in which order and how often, and how it handles failures and interrupts."""

from __future__ import annotations

import _thread
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fpack.builders.kinds.text import TextBuilder
from fpack.builders.protocol import BuildError, Built, Cancelled, Need, Steps, Task
from fpack.builders.rootfs.view import assemble
from fpack.builders.scheduler.failures import BuildsFailed
from fpack.builders.scheduler.reporter import BuildOutcome
from fpack.builders.scheduler.scheduler import Scheduler
from fpack.store.derivation import Derivation, Output, digest, placeholder
from fpack.store.files.sync import FileSystemSync
from fpack.store.path import StorePath
from fpack.store.store import Store
from support.paths import TESTS
from support.stores.recorder import Call, Recorder
from support.time_limits import WAIT


class Graph:
    """A store with derivations, and a new scheduler for each `realise`."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.bodies: dict[bytes, bytes] = {}
        self.function: Callable[[Task], Built | Steps] = join
        self.recorder = Recorder()

    def add(self, kind: str, name: str, *of: Output, **args: object) -> Output:
        holes = [str(self.hole(o)) for o in of]
        body = Derivation(kind, name, {**args, "of": holes} if of else args, of).encode()
        self.bodies[digest(body)] = body
        return Output(digest(body))

    def hole(self, output: Output) -> StorePath:
        from fpack.store.derivation import decode

        return placeholder(output.derivation, decode(self.bodies[output.derivation]).name)

    def realise(self, *outputs: Output, **options: object) -> list[StorePath]:
        self.recorder = Recorder()
        builders = {"text": TextBuilder(), "call": Call(lambda task: self.function(task))}
        scheduler = Scheduler(self.store, builders, self.recorder, assemble=assemble, bodies=self.bodies, **options)  # type: ignore[arg-type]
        return scheduler.realise(outputs)

    def read(self, path: StorePath) -> str:
        return self.store.disk(path).read_text()


def join(task: Task) -> Built:
    """Build a file from `text` and the contents of the inputs in `of`."""
    writer = task.writer()
    parts = [task.disk(p).read_bytes() for p in task.args.get("of", ())]
    writer.file("", [str(task.args.get("text", "")).encode(), *parts])
    return Built(writer)


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    graph = Graph(tmp_path / "fpack")
    yield graph
    graph.store.close()


def test_inputs_are_built_first_and_each_once(graph: Graph) -> None:
    a = graph.add("text", "a", text="a")
    b = graph.add("call", "b", a, text="b")
    c = graph.add("call", "c", a, b, text="c")
    (path,) = graph.realise(c)
    assert graph.read(path) == "caba"
    assert graph.recorder.of(BuildOutcome.BUILT) == ["a", "b", "c"]
    assert graph.realise(c) == [path]
    assert graph.recorder.outcomes == []


def test_an_input_that_comes_out_the_same_rebuilds_nothing_above(graph: Graph) -> None:
    graph.function = lambda task: join(task)
    one = graph.add("call", "x", text="same", comment=1)
    top = graph.add("call", "top", one, text="t")
    (path,) = graph.realise(top)
    two = graph.add("call", "x", text="same", comment=2)
    again = graph.add("call", "top", two, text="t")
    assert graph.realise(again) == [path]
    assert graph.recorder.of(BuildOutcome.BUILT) == ["x"]
    assert graph.recorder.of(BuildOutcome.CUT_OFF) == ["top"]
    # The output is now known without resolving.
    graph.realise(again)
    assert graph.recorder.outcomes == []


def test_a_builder_asks_for_more_and_is_resumed(graph: Graph) -> None:
    def function(task: Task) -> Steps:
        got = yield Need([Derivation("text", f"extra{i}", {"text": f"{i}"}) for i in range(3)])
        more = yield Need([Derivation("text", "last", {"text": "!"})])
        writer = task.writer()
        writer.file("", [task.disk(p).read_bytes() for p in [*got, *more]])
        return Built(writer, tuple(got))

    graph.function = function
    (path,) = graph.realise(graph.add("call", "asks"), jobs=1)
    assert graph.read(path) == "012!"
    assert len(graph.store.closure([path])) == 4


def test_a_need_that_fails_fails_the_builder(graph: Graph) -> None:
    def function(task: Task) -> Built | Steps:
        if task.name == "bad":
            raise BuildError("no luck")
        return asks(task)

    def asks(task: Task) -> Steps:
        yield Need([Derivation("call", "bad", {})])
        raise AssertionError("resumed after a failure")

    graph.function = function
    with pytest.raises(BuildsFailed, match="no luck"):
        graph.realise(graph.add("call", "asks"))
    assert graph.recorder.of(BuildOutcome.SKIPPED) == ["asks"]


def failing(task: Task) -> Built:
    if task.name.startswith("bad"):
        task.log(f"about to fail: {task.name}")
        raise BuildError(f"{task.name} failed")
    return join(task)


def test_a_failure_stops_the_rest_and_registers_nothing(graph: Graph) -> None:
    graph.function = failing
    bad = graph.add("call", "bad")
    top = graph.add("call", "top", bad)
    with pytest.raises(BuildsFailed, match="bad failed") as caught:
        graph.realise(top)
    assert [name for name, _ in caught.value.failures] == ["bad"]
    assert graph.store.database.paths() == []
    assert list(graph.store.session.directory.iterdir()) == []
    logs = list((graph.store.root / "logs").iterdir())
    assert len(logs) == 1


def test_a_failure_is_told_when_all_others_have_ended(graph: Graph) -> None:
    """The session's directory is deleted with the store, and builders that still use it would fail."""
    begun, ended = threading.Event(), threading.Event()

    def work(task: Task) -> Built:
        if task.name == "bad":
            begun.wait(30)
            raise BuildError("bad failed")
        task.scratch()
        begun.set()
        try:
            while True:
                task.check()
                time.sleep(0.01)
        finally:
            time.sleep(0.2)
            ended.set()

    graph.function = work
    top = graph.add("call", "top", graph.add("call", "bad"), graph.add("call", "slow"))
    with pytest.raises(BuildsFailed, match="bad failed"):
        graph.realise(top, jobs=2)
    assert ended.is_set()
    assert list(graph.store.session.directory.iterdir()) == []


def test_keep_going_builds_what_can_be_built(graph: Graph) -> None:
    graph.function = failing
    goods = [graph.add("call", f"good{i}", text=str(i)) for i in range(4)]
    bads = [graph.add("call", f"bad{i}") for i in range(2)]
    top = graph.add("call", "top", goods[0], bads[0])
    with pytest.raises(BuildsFailed) as caught:
        graph.realise(bads[0], *goods, bads[1], top, keep_going=True, jobs=1)
    assert sorted(name for name, _ in caught.value.failures) == ["bad0", "bad1"]
    assert sorted(graph.recorder.of(BuildOutcome.BUILT)) == ["good0", "good1", "good2", "good3"]
    assert graph.recorder.of(BuildOutcome.SKIPPED) == ["top"]


def test_an_unknown_kind_names_the_known_ones(graph: Graph) -> None:
    with pytest.raises(BuildsFailed, match="no builder of kind 'magic'") as caught:
        graph.realise(graph.add("magic", "x"))
    assert "text" in caught.value.hint


def test_a_fault_in_a_builder_is_a_sentence_and_a_log(graph: Graph) -> None:
    def function(task: Task) -> Built:
        raise ZeroDivisionError("oops")

    graph.function = function
    with pytest.raises(BuildsFailed) as caught:
        graph.realise(graph.add("call", "x"))
    assert "ZeroDivisionError" in caught.value.why
    import zstandard

    (log,) = (graph.store.root / "logs").iterdir()
    assert b"Traceback" in zstandard.ZstdDecompressor().decompressobj().decompress(log.read_bytes())


def test_a_full_disk_is_said_in_words(graph: Graph) -> None:
    def function(task: Task) -> Built:
        raise OSError(28, "No space left on device", "/somewhere")

    graph.function = function
    with pytest.raises(BuildsFailed, match="disk is full"):
        graph.realise(graph.add("call", "x"))


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_more_run_at_once_than_there_are_jobs(graph: Graph, jobs: int) -> None:
    running, most, lock, full = 0, 0, threading.Lock(), threading.Event()

    def function(task: Task) -> Built:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == jobs:
                full.set()
        full.wait(60)
        time.sleep(0.02)
        with lock:
            running -= 1
        return join(task)

    graph.function = function
    graph.realise(*[graph.add("call", f"n{i}", text=str(i)) for i in range(8)], jobs=jobs)
    assert most == jobs


def test_an_interrupt_stops_builders_and_the_next_run_carries_on(graph: Graph) -> None:
    begun = threading.Event()

    def function(task: Task) -> Built:
        if task.name == "slow":
            begun.set()
            while True:
                task.check()
                time.sleep(0.01)
        return join(task)

    graph.function = function
    good = graph.add("call", "good", text="g")
    slow = graph.add("call", "slow", good)

    def interrupt() -> None:
        begun.wait()
        _thread.interrupt_main()

    gc.disable()  # an interrupt in a callback of the collector, such as that of hypothesis, would be lost
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(Cancelled):
            graph.realise(slow)
    finally:
        gc.enable()
    graph.function = join
    graph.realise(slow)
    assert graph.recorder.of(BuildOutcome.BUILT) == ["slow"]


def test_a_deep_graph_is_no_recursion(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    last = graph.add("text", "n0", text="x")
    for i in range(1, 1100):  # more than Python's limit of recursion
        last = graph.add("call", f"n{i}", last)
    monkeypatch.setattr(FileSystemSync, "sync", lambda sync: None)
    (path,) = graph.realise(last)
    assert graph.read(path) == "x"


TWO = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from test_scheduler import Graph, join
def function(task):
    with open(sys.argv[2], "a") as file:
        file.write(task.name + "\\n")
    time.sleep(0.2)
    return join(task)
graph = Graph(Path(sys.argv[1]))
graph.function = function
print(*graph.realise(*[graph.add("call", f"n{i}", text=str(i)) for i in range(3)]))
graph.store.close()
"""


def test_two_processes_build_each_output_once(tmp_path: Path) -> None:
    args = [sys.executable, "-c", TWO, tmp_path / "fpack", tmp_path / "ran", Path(__file__).parent, TESTS]
    both = [subprocess.Popen([str(a) for a in args], stdout=subprocess.PIPE, cwd=tmp_path) for _ in range(2)]
    printed = {p.communicate(timeout=WAIT)[0] for p in both}
    assert len(printed) == 1 and printed != {b""}
    assert sorted((tmp_path / "ran").read_text().split()) == ["n0", "n1", "n2"]


def test_a_killed_process_frees_its_lock_and_leaves_nothing(tmp_path: Path) -> None:
    args = [sys.executable, "-c", TWO, tmp_path / "fpack", tmp_path / "ran", Path(__file__).parent, TESTS]
    first = subprocess.Popen([str(a) for a in args], cwd=tmp_path)
    while not (tmp_path / "ran").exists():
        assert first.poll() is None
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    subprocess.run([str(a) for a in args], check=True, cwd=tmp_path, timeout=WAIT)
    store = Store(tmp_path / "fpack")
    assert len(store.database.paths()) == 3
    assert list((store.root / "tmp").iterdir()) == []
    store.close()


def test_builds_that_wait_for_each_other_are_an_error(graph: Graph) -> None:
    def function(task: Task) -> Steps:
        yield Need([Derivation("call", "second", {}, (first,))])
        return join(task)

    graph.function = function
    first = graph.add("call", "first")
    with pytest.raises(BuildError, match="wait for each other") as caught:
        graph.realise(first)
    assert "first" in caught.value.where and "second" in caught.value.where
