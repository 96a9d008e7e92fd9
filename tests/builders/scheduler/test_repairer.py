"""Damaged paths that need each other in long chains are repaired, and two repairs share no directory."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Need, Steps, Task
from fpack.builders.rootfs.view import assemble
from fpack.builders.scheduler.rebuild import Rebuilder
from fpack.builders.scheduler.repairer import Repairer
from fpack.builders.scheduler.reporter import Reporter
from fpack.store import gc
from fpack.store.derivation import Derivation, Output, decode, digest, placeholder
from fpack.store.locks import build_lock
from fpack.store.path import StorePath, make, parse
from fpack.store.sessions.recovery import remove_partial, sweep
from fpack.store.sessions.registration import FinishedOutput
from fpack.store.store import Store
from fpack.store.verify import check, check_paths
from support.faults.injection import fast_directory
from support.time_limits import WAIT


class Chain(BaseBuilder):
    """A kind whose output names its input, which it may also request while it runs."""

    version = 1

    def __init__(self) -> None:
        self.built: list[str] = []
        self.during: list[Path] = []  # the resume directories of running builds
        self.wait: threading.Event | None = None

    def build(self, task: Task) -> Built | Steps:
        self.during.append(task.resume_dir())
        if self.wait is not None:
            (task.resume_dir() / "part").write_text("downloaded")
            assert self.wait.wait(60) and (task.resume_dir() / "part").read_text() == "downloaded"
        return self._late(task) if task.args.get("late") else self._finish(task, str(task.args["of"]))

    def _late(self, task: Task) -> Steps:
        (path,) = yield Need((Output(bytes.fromhex(str(task.args["late"]))),))
        return self._finish(task, str(path))

    def _finish(self, task: Task, below: str) -> Built:
        self.built.append(task.name)
        if below and (task.disk(below) / "file").read_text().startswith("damage"):
            raise BuildError("The input is damaged", where=task.name)
        writer = task.writer()
        writer.file("file", [f"{task.name} {below}".encode()])
        return Built(writer, (parse(below),) if below else ())


class World:
    """A store with a chain of paths: each is built from the one before it, and references it."""

    def __init__(self, root: Path, length: int, late: bool = False) -> None:
        self.store = Store(root)
        self.kind = Chain()
        bodies: list[bytes] = []
        finished: list[FinishedOutput] = []
        self.paths: list[StorePath] = []
        for n in range(length):
            args: dict[str, object] = {"of": ""}
            inputs: tuple[Output, ...] = ()
            if n:
                before = digest(bodies[-1])
                inputs = () if late else (Output(before),)
                args = {"late": before.hex()} if late else {"of": str(placeholder(before, f"p{n - 1}"))}
            bodies.append(Derivation("chain", f"p{n}", args, inputs).encode())
            writer = self.store.writer()
            below = self.paths[-1:]
            writer.file("file", [f"p{n} {below[0] if below else ''}".encode()])
            self.paths.append(make(f"p{n}", writer.finish(), below))
            finished.append(FinishedOutput(f"p{n}", writer, below, Output(digest(bodies[-1]))))
        self.bodies = {digest(body): body for body in bodies}
        assert all(decode(body).kind == "chain" for body in bodies)
        self.store.plan(self.bodies)
        assert self.store.register_all(b"key", finished) == self.paths

    def damage(self, *paths: StorePath) -> None:
        for path in paths:
            disk = self.store.disk(path)
            disk.chmod(0o755)
            (disk / "file").unlink()
            (disk / "file").write_text("damage")

    def repairer(self, *paths: StorePath, partly: bool = False) -> Repairer:
        def find(some: object) -> list[StorePath]:
            return [damage.path for damage in check_paths(self.store, some).damaged]  # type: ignore[arg-type]

        return Repairer(
            self.store, {"chain": self.kind}, Reporter(), assemble=assemble, damaged=paths,
            find_damage=find if partly else None,
        )  # fmt: skip


@pytest.fixture
def root() -> Iterator[Path]:
    """Yield a store in memory: thousands of syncs of this machine's disk take long."""
    directory = fast_directory()
    yield directory / "store"
    for path in directory.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(directory)


@pytest.mark.parametrize(
    ("length", "late", "partly"),
    [
        (300, False, False),
        (300, True, False),
        (300, False, True),
        pytest.param(3000, False, False, marks=pytest.mark.long),
    ],
)
def test_a_long_chain_of_damaged_paths_is_repaired(root: Path, length: int, late: bool, partly: bool) -> None:
    world = World(root, length, late)
    world.damage(*world.paths)
    repairer = world.repairer(*(world.paths[-1:] if partly else world.paths), partly=partly)
    assert repairer.run() == []
    assert sorted(repairer.repaired) == sorted(world.paths) and check(world.store).damaged == ()
    assert len(world.kind.built) == length, "each path is built once"
    world.store.close()


def test_what_needs_a_path_that_cannot_be_repaired_fails_with_its_error(root: Path) -> None:
    world = World(root, 4)
    world.damage(world.paths[1], world.paths[3])
    world.store._planned.clear()
    with world.store.database.transaction() as db:
        first = next(name for name, body in world.bodies.items() if decode(body).name == "p1")
        db.execute("DELETE FROM derivations WHERE digest = ?", [first])
    failed = world.repairer(world.paths[1], world.paths[3]).run()
    assert {entry.path for entry in failed} == {world.paths[1], world.paths[3]}
    assert all("not in the store" in entry.error.what for entry in failed) and world.kind.built == []
    world.store.close()


def waiting(kind: Chain, count: int = 1) -> None:
    end = time.monotonic() + WAIT
    while len(kind.during) < count and time.monotonic() < end:
        time.sleep(0.01)
    assert len(kind.during) == count


@pytest.mark.parametrize("how", ["repair", "compare"])
def test_the_directory_of_a_running_repair_is_neither_shared_nor_deleted(root: Path, how: str) -> None:
    world = World(root, 1)
    world.damage(*world.paths)
    (name,) = world.bodies
    other = Chain()

    def work(kind: Chain) -> None:
        if how == "repair":
            repairer = world.repairer(*world.paths)
            repairer._builders = {"chain": kind}
            assert repairer.run() == []
        else:
            with Rebuilder(world.store, name, Reporter(), assemble) as again:
                again.run(kind)

    world.kind.wait = threading.Event()
    threads = [threading.Thread(target=work, args=(kind,)) for kind in (world.kind, other)]
    threads[0].start()
    waiting(world.kind)
    (directory,) = world.kind.during
    os.utime(directory, (1, 1))  # it looks as if it was left weeks ago
    threads[1].start()
    collector = Store(root)
    gc.collect(collector)
    gc.make_room(root)
    sweep(root, collector.database, collector.pool, thoroughly=True)
    collector.close()
    assert (directory / "part").exists() and other.during == []
    world.kind.wait.set()
    for thread in threads:
        thread.join(20)
    assert other.during == [directory] and not directory.exists()
    assert not list((root / "locks").glob("build-*"))
    world.store.close()


def test_the_directory_of_a_killed_process_is_deleted(root: Path) -> None:
    world = World(root, 1)
    for name in ("again-" + "0" * 40, "repair-" + "0" * 40):
        (root / "partial" / name).mkdir()
    sweep(root, world.store.database, world.store.pool, thoroughly=True)
    assert [path.name for path in (root / "partial").iterdir()] == ["repair-" + "0" * 40], "a repair can be resumed"
    lock = build_lock(root, "repair-" + "0" * 40)
    lock.acquire()
    remove_partial(root, "repair-" + "0" * 40)
    assert list((root / "partial").iterdir())
    lock.release()
    remove_partial(root, "repair-" + "0" * 40)
    assert not list((root / "partial").iterdir())
    world.store.close()
