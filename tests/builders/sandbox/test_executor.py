"""Test the runs of every executor, by one suite for all of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.builders.protocol import Cancelled
from fpack.builders.rootfs.view import assemble
from fpack.builders.sandbox.executor import Executor, RunResult, Work
from fpack.builders.sandbox.local_executor import LocalExecutor
from fpack.builders.sandbox.spec import BuildLimits, Spec
from fpack.store.path import StorePath
from fpack.store.store import Store
from support.stores.roots import MERGED, add_root, add_slice, add_tree, host_programs

EXECUTORS = {"local": LocalExecutor}


class Bench:
    """An executor, and a store to run things from. said: what the last run wrote."""

    def __init__(self, executor: Executor, place: Path) -> None:
        self.executor = executor
        self.store = Store(place)
        tools = add_slice(self.store, "tools", host_programs("bash", "cat", "sleep", "env", "ls"))
        self.root = add_root(self.store, {"tools": tools}, MERGED)
        self.said = b""
        self.phases: list[str] = []

    def run(self, script: str, **fields: object) -> tuple[RunResult, Path]:
        """Run a script; how it ended, and the work's place."""
        check = fields.pop("check", lambda: None)
        place = self.store.session.fresh()
        place.mkdir(mode=0o700)
        pieces: list[bytes] = []
        self.phases = []
        view = assemble(self.store, self.root)
        store = self.store.root
        work = Work(place, view, store / "store", store / "locks", pieces.append, self.phases.append, check)  # type: ignore[arg-type]
        spec = Spec(str(self.root), ("/bin/bash", "-c", script), **fields)  # type: ignore[arg-type]
        try:
            return self.executor.run(spec, work), place
        finally:
            self.said = b"".join(pieces)

    def add(self, name: str, content: bytes) -> StorePath:
        """Return a store path with one file, `f`."""
        return add_tree(self.store, name, {"f": content})


@pytest.fixture(scope="module", params=EXECUTORS)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    executor = EXECUTORS[request.param]()
    made = Bench(executor, tmp_path_factory.mktemp("executor") / "store")
    yield made
    executor.close()
    made.store.close()


@pytest.mark.parametrize("status", [0, 1, 77, 255])
def test_the_commands_status_comes_back(bench: Bench, status: int) -> None:
    assert bench.run(f"exit {status}")[0] == RunResult(status)


def test_a_signal_is_128_and_its_number(bench: Bench) -> None:
    assert bench.run("bash -c 'kill -9 $$'; exit $?")[0].status == 137


def test_what_is_said_comes_in_order_and_whole(bench: Bench) -> None:
    bench.run("for i in {1..2000}; do echo out $i; echo err $i >&2; done")
    assert bench.said.decode().splitlines() == [f"{w} {i}" for i in range(1, 2001) for w in ("out", "err")]


def test_outputs_lie_in_the_works_out(bench: Bench) -> None:
    _, place = bench.run("echo made > /fpack/store/name", outputs=("name",))
    assert (place / "out/name").read_text() == "made\n"
    assert os.listdir(place / "out") == ["name"]


def test_inputs_and_control_files_are_seen_and_nothing_else_of_the_store_is(bench: Bench) -> None:
    seen, unseen = bench.add("seen", b"seen"), bench.add("unseen", b"unseen")
    bench.run(
        f"cat {seen}/f /run/fpack/file; ls /fpack/store; ls {unseen}",
        inputs=(str(seen),),
        control=(("file", "control"),),
    )
    lines = bench.said.decode()
    assert lines.startswith(f"seencontrol{seen.base}\n") and "No such file" in lines


def test_the_environment_is_what_the_spec_says(bench: Bench) -> None:
    bench.run("env", env=(("A", "1"), ("PATH", "/usr/bin")))
    assert {"A=1", "PATH=/usr/bin"} <= set(bench.said.decode().splitlines())
    assert not [line for line in bench.said.decode().splitlines() if line.startswith(("HOME=", "FPACK"))]


def test_phases_are_told(bench: Bench) -> None:
    finished, _ = bench.run("echo one >&3; echo two >&3; exit 3")
    assert bench.phases == ["one", "two"] and finished == RunResult(3, "two")


def test_what_a_command_says_that_it_left_running_is_no_phase(bench: Bench) -> None:
    finished, _ = bench.run("echo one >&3; echo /left a, b >&3; exit 1")
    assert bench.phases == ["one"] and finished.phase == "one" and ": a, b;" in finished.exceeded


def test_limits_end_a_run_and_are_named(bench: Bench) -> None:
    finished, _ = bench.run("sleep 1000", limits=BuildLimits(seconds=1))
    assert "1 second;" in finished.exceeded and finished.status != 0


def test_a_run_that_is_told_to_stop_stops_and_is_dead(bench: Bench) -> None:
    before = set(bench.store.session.directory.iterdir())

    def written() -> list[Path]:
        return [path / "build/f" for path in set(bench.store.session.directory.iterdir()) - before]

    def check() -> None:
        if any(file.exists() and file.stat().st_size for file in written()):
            raise Cancelled("Interrupted")

    with pytest.raises(Cancelled):
        bench.run("cd /build; trap '' TERM; while :; do echo x >> f; sleep 0.01; done", check=check)
    (file,) = written()
    size = file.stat().st_size
    time.sleep(0.2)
    assert file.stat().st_size == size


def test_several_runs_at_once_do_not_mix(bench: Bench) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def one(number: int) -> tuple[str, str]:
        place = bench.store.session.fresh()
        place.mkdir(mode=0o700)
        pieces: list[bytes] = []
        root = bench.store.root
        view = assemble(bench.store, bench.root)
        work = Work(place, view, root / "store", root / "locks", pieces.append, lambda _: None, lambda: None)
        script = f"echo {number} > /fpack/store/x; for i in 1 2 3; do echo {number}; sleep 0.02; done; ls /fpack/store"
        bench.executor.run(Spec(str(bench.root), ("/bin/bash", "-c", script)), work)
        return b"".join(pieces).decode(), (place / "out/x").read_text()

    with ThreadPoolExecutor(4) as pool:
        for number, (said, made) in enumerate(pool.map(one, range(12))):
            assert (said, made) == (f"{number}\n" * 3 + "x\n", f"{number}\n")
