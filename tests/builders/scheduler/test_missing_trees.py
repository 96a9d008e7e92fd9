"""Trees that are gone from the disk: whatever needs them builds them again, and nothing hands out a missing path."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.builders.kinds.text import TextBuilder
from fpack.builders.protocol import BaseBuilder, Built, Task
from fpack.builders.rootfs.view import assemble
from fpack.builders.scheduler.reporter import Reporter
from fpack.builders.scheduler.scheduler import Scheduler
from fpack.store.derivation import Derivation, Output, decode, digest, placeholder
from fpack.store.path import StorePath, parse
from fpack.store.store import Store


class Linking(BaseBuilder):
    """A kind whose output names, and references, its inputs."""

    version = 1

    def __init__(self) -> None:
        self.built: list[str] = []

    def build(self, task: Task) -> Built:
        self.built.append(task.name)
        of = [str(path) for path in task.args["of"]]
        for path in of:
            assert os.path.lexists(task.disk(path)), path
            task.closure([parse(path)])
        writer = task.writer()
        writer.file("file", ["\n".join(of).encode()])
        return Built(writer, tuple(parse(path) for path in of))


class World:
    """The store of one command after the other; `built` has what the last one built."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bodies: dict[bytes, bytes] = {}
        self.built: list[str] = []
        self.lost: list[StorePath] = []

    def add(self, name: str, *of: Output, **args: object) -> Output:
        holes = [str(placeholder(o.derivation, decode(self.bodies[o.derivation]).name)) for o in of]
        body = Derivation("linking", name, {**args, "of": holes}, of).encode()
        self.bodies[digest(body)] = body
        return Output(digest(body))

    def realise(self, *outputs: Output) -> list[StorePath]:
        store = Store(self.root)
        try:
            kind = Linking()
            builders = {"linking": kind, "text": TextBuilder()}
            found = Scheduler(store, builders, Reporter(), assemble=assemble, bodies=self.bodies).realise(outputs)
            for path in store.closure(found):
                assert store.disk(path).is_dir()
            self.built, self.lost = kind.built, store.lost
            return found
        finally:
            store.close()

    def delete(self, path: StorePath) -> None:
        disk = self.root / "store" / path.base
        disk.chmod(0o755)
        shutil.rmtree(disk)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield World(tmp_path / "fpack")


def test_a_missing_result_is_built_again(world: World) -> None:
    a = world.add("a")
    (path,) = world.realise(a)
    world.delete(path)
    assert world.realise(a) == [path]
    assert world.built == ["a"] and world.lost == [path]
    assert world.realise(a) == [path]
    assert world.built == [] and world.lost == []


@pytest.mark.parametrize("gone", range(4))
def test_a_missing_member_of_a_closure_is_built_again_with_what_refers_to_it(world: World, gone: int) -> None:
    names = ("a", "b", "c", "d")
    outputs: list[Output] = []
    for name in names:
        outputs.append(world.add(name, *outputs[-1:]))
    paths = [world.realise(output)[0] for output in outputs]
    world.delete(paths[gone])
    assert world.realise(outputs[-1]) == paths[-1:]
    assert world.built == list(names[gone:]) and sorted(world.lost) == sorted(paths[gone:])


@pytest.mark.parametrize("gone", range(3))
def test_what_is_built_on_a_known_path_finds_the_whole_closure(world: World, gone: int) -> None:
    outputs: list[Output] = []
    for name in ("a", "b", "c"):
        outputs.append(world.add(name, *outputs[-1:]))
    paths = [world.realise(output)[0] for output in outputs]
    world.delete(paths[gone])
    world.realise(world.add("new", outputs[-1]))
    assert world.built == [*("a", "b", "c")[gone:], "new"]


def test_a_missing_path_is_found_by_its_key_as_well(world: World) -> None:
    """A derivation that differs only in its input's derivation is looked up by its key."""
    (path,) = world.realise(world.add("b", world.add("a")))
    world.delete(path)
    base = world.add("a", other="argument")
    assert world.realise(world.add("b", base)) == [path]
    assert "b" in world.built


def test_a_row_that_is_gone_below_a_path_is_noticed(world: World) -> None:
    a = world.add("a")
    b = world.add("b", a)
    (below,), (path,) = world.realise(a), world.realise(b)
    store = Store(world.root)
    with store.database.transaction() as db:
        db.execute("DELETE FROM paths WHERE name = ?", [below.name])
    store.close()
    assert world.realise(b) == [path]
    assert world.built == ["a", "b"]


def test_what_another_process_made_again_meanwhile_stays_valid(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a = world.add("a")
    (path,) = world.realise(a)
    world.delete(path)
    store = Store(world.root)
    real = Store.invalidate

    def late(self: Store, *args: object) -> list[StorePath]:
        monkeypatch.setattr(Store, "invalidate", real)
        assert World.realise(world, a) == [path]
        return real(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "invalidate", late)
    assert not store.keep([path]) and store.lost == []
    assert store.keep([path]) and store.is_there(path)
    store.close()
