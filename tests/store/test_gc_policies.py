"""Test what a collection keeps beyond the roots, how much it deletes, and that it keeps all that is still needed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from fpack.store import DAY, base32, gc, leases
from fpack.store.collection import limits
from fpack.store.collection.survey import Policy
from fpack.store.derivation import Derivation, Output, digest
from fpack.store.files import space
from fpack.store.path import StorePath
from fpack.store.sessions.registration import BuildRecord, FinishedOutput
from fpack.store.store import Store
from support.stores.small_trees import add

BIG = 1 << 20


class World:
    """A store of several processes, one after the other."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.bodies: dict[bytes, bytes] = {}

    def again(self) -> None:
        """Begin a new process."""
        self.store.close()
        self.store = Store(self.store.root)

    def build(self, name: str, *inputs: Output, size: int = 10, references: tuple[StorePath, ...] = ()) -> Output:
        """Register an output of a derivation with inputs."""
        body = Derivation("text", name, {}, inputs).encode()
        self.bodies[digest(body)] = body
        self.store.plan(self.bodies)
        writer = self.store.writer()
        writer.file("", [name.encode().ljust(size, b".")])
        finished = FinishedOutput(name, writer, references, Output(digest(body)))
        self.store.register_all(name.encode(), [finished], BuildRecord(name, "text", "built"))
        return Output(digest(body))

    def path(self, output: Output) -> StorePath:
        path = self.store.database.built(output)
        assert path is not None
        return path

    def names(self) -> set[str]:
        """Return the valid paths, each of which is on the disk, and nothing else is."""
        infos = self.store.database.paths()
        assert {info.path.base for info in infos} == set(os.listdir(self.store.root / "store"))
        return {info.path.name for info in infos}

    def used(self, output: Output, days_ago: int) -> None:
        with self.store.database.transaction() as db:
            hash_ = base32.decode(self.path(output).hash)
            today = int(time.time() // DAY)
            db.execute("UPDATE paths SET registered = ? WHERE hash = ?", [(today - days_ago) * DAY, hash_])
            row = [hash_, today - days_ago]
            db.execute("INSERT OR REPLACE INTO uses (path, project, name, day) VALUES (?, '', '', ?)", row)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "f")
    yield world
    world.store.close()


def edited(world: World, tmp_path: Path) -> None:
    """Build a result with its inputs, and what an earlier edit of it left."""
    fetch = world.build("fetch")
    unpack = world.build("unpack", fetch)
    old = world.build("old", unpack)
    new = world.build("new", unpack, references=())
    assert old != new
    world.again()
    gc.add_root(world.store, tmp_path / "result", world.store.disk(world.path(new)))


def test_inputs_of_kept_results_stay_while_there_is_room(world: World, tmp_path: Path) -> None:
    edited(world, tmp_path)
    assert [path.name for path in gc.collect(world.store).deleted] == ["old"]
    assert world.names() == {"fetch", "unpack", "new"}
    survey = gc.survey_store(world.store, Policy())
    reasons = {survey.names[hash_]: survey.why(hash_) for hash_ in survey.paths}
    assert (
        reasons["unpack"].startswith("was used by the build of /fpack/store/") and "-new, kept by" in reasons["unpack"]
    )


def test_inputs_go_when_they_are_not_wanted(world: World, tmp_path: Path) -> None:
    edited(world, tmp_path)
    gc.collect(world.store, inputs=False)
    assert world.names() == {"new"}


def test_inputs_go_when_the_disk_is_low(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edited(world, tmp_path)
    monkeypatch.setenv("FPACK_GC_MIN_FREE", "1000T")
    gc.collect(world.store)
    assert world.names() == {"new"}


def test_as_many_inputs_go_as_the_disk_lacks(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = world.build("one", size=BIG), world.build("two", size=BIG)
    result = world.build("result", one, two)
    world.used(one, 3)
    world.used(two, 1)
    world.again()
    gc.add_root(world.store, tmp_path / "result", world.store.disk(world.path(result)))
    monkeypatch.setenv("FPACK_GC_MIN_FREE", "8G")
    monkeypatch.setattr(space, "room", lambda root: space.Room(1 << 40, (8 << 30) - BIG // 2, None))
    gc.collect(world.store)
    assert world.names() == {"two", "result"}


def test_derivations_of_everything_that_is_kept_stay(world: World, tmp_path: Path) -> None:
    edited(world, tmp_path)
    gc.collect(world.store, inputs=False)
    kept = {Derivation("text", n, {}).name for n in ("fetch", "unpack", "new")}
    names = {drv.name for body in world.bodies if (drv := world.store.derivation(body)) is not None}
    assert names == kept, "the origin of a result can be explained"


def test_the_least_recently_used_goes_first_down_to_a_size(world: World) -> None:
    outputs = [world.build(f"p{n}", size=BIG) for n in range(5)]
    for output, days in zip(outputs, (5, 1, 4, 2, 3), strict=True):
        world.used(output, days)
    world.again()
    size = limits.disk_usage(world.store.root)
    gc.collect(world.store, max_size=size - BIG - BIG // 2)
    assert world.names() == {"p1", "p3", "p4"}
    gc.collect(world.store, max_size=limits.disk_usage(world.store.root))
    assert world.names() == {"p1", "p3", "p4"}
    gc.collect(world.store, max_size=0)
    assert world.names() == set()


def test_shared_files_do_not_count_twice(world: World) -> None:
    """Deleting one of two trees that share a file frees nothing: the collection goes on."""
    for name in ("a", "b", "c"):
        writer = world.store.writer()
        writer.file("shared", [b"x" * BIG])
        writer.file("own", [name.encode()])
        world.store.register(name, writer, [], name.encode(), Output(name.encode().ljust(20)))
    world.again()
    size = limits.disk_usage(world.store.root)
    done = gc.collect(world.store, max_size=size - BIG // 2)
    assert len(done.deleted) == 3 and BIG <= done.freed < 2 * BIG


def test_free_space_is_a_goal_as_well(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = [world.build(f"p{n}", size=BIG) for n in range(3)]
    for n, output in enumerate(outputs):
        world.used(output, n)
    world.again()
    real = [0]

    def room(root: Path) -> space.Room:
        return space.Room(1 << 40, (4 << 30) - limits.disk_usage(root) + real[0], None)

    real[0] = limits.disk_usage(world.store.root)
    monkeypatch.setattr(space, "room", room)
    gc.collect(world.store, min_free=(4 << 30) + BIG // 2)
    assert world.names() == {"p0", "p1"}


def test_what_was_used_recently_is_spared_with_its_closure(world: World) -> None:
    below = world.build("below")
    old, recent = world.build("old"), world.build("recent", references=(world.path(below),))
    world.used(below, 90)
    world.used(old, 9)
    world.used(recent, 2)
    world.again()
    gc.collect(world.store, keep_recent=5)
    assert world.names() == {"below", "recent"}


def test_a_clock_that_was_ahead_keeps_nothing_for_ever(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3650 * DAY)
    output = world.build("future")
    world.store.used([world.path(output)])
    world.again()
    monkeypatch.setattr(time, "time", lambda: now)
    partial, log = world.store.root / "partial/x", world.store.root / "logs/x"
    for path in (partial, log):
        path.write_text("")
        os.utime(path, (now + 3650 * DAY, now + 3650 * DAY))
    for _ in range(2):
        done = gc.collect(world.store, older_than=7 * DAY, keep_recent=7)
        assert done.kept == 1 and "the store was used on" in done.doubt
        assert partial.exists() and log.exists(), "the clock may be behind now"
    done = gc.collect(world.store, older_than=7 * DAY, keep_recent=7, trust_clock=True)
    assert done.kept == 1 and done.doubt == ""
    assert not partial.exists() and not log.exists()
    monkeypatch.setattr(time, "time", lambda: now + 8 * DAY)
    assert gc.collect(world.store, older_than=7 * DAY, keep_recent=6).kept == 0


CLOCKS = {"1970": 0.0, "2001": 1e9, "2099": 4.1e9, "5138": 1e11, "a month behind": -30 * DAY}


@pytest.mark.parametrize("at", CLOCKS.values(), ids=CLOCKS)
def test_a_wrong_clock_does_no_harm(world: World, monkeypatch: pytest.MonkeyPatch, at: float) -> None:
    """Whatever happens while the clock is wrong, all that is young or used is there when it is right again."""
    right = time.time()
    wrong = right + at if at < 0 else at
    young, used, pinned, old = (world.build(name) for name in ("young", "used", "pinned", "old"))
    world.used(used, 3)
    world.used(old, 60)
    world.store.pin(world.path(pinned), "/project", "image")
    world.again()
    files = [world.store.root / "partial/x", world.store.root / "logs/x"]
    for path in files:
        path.write_text("")
    collect = partial(gc.collect, world.store, older_than=10 * DAY, keep_recent=10)
    monkeypatch.setattr(time, "time", lambda: wrong)
    lease = leases.begin(world.store, "shell", [world.path(used)])
    assert lease is not None
    assert collect().doubt
    os.close(lease)
    # The wrong time is recorded, too: by new paths, uses and pins.
    new = world.build("new")
    world.store.pin(world.path(new), "/other", "image")
    for output in (young, pinned):
        world.store.used([world.path(output)], "/project", "image")
    world.store.pin(world.path(pinned), "/project", "image")
    world.again()
    collect = partial(gc.collect, world.store, older_than=10 * DAY, keep_recent=10)
    assert collect(dry_run=True).deleted == () and collect().doubt
    assert world.names() >= {"young", "used", "pinned", "new"} and all(path.exists() for path in files)
    monkeypatch.setattr(time, "time", lambda: right)
    for trust in (False, True):
        collect(trust_clock=trust)
        assert world.names() == {"young", "used", "pinned", "new"} and all(path.exists() for path in files)
    # Nothing is kept for ever either.
    monkeypatch.setattr(time, "time", lambda: right + 40 * DAY)
    collect()
    assert world.names() == set() and not any(path.exists() for path in files)


def test_the_history_and_the_uses_have_bounds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    output = world.build("a")
    world.store.used([world.path(output)])
    monkeypatch.setattr(gc, "HISTORY_ROWS", 5)
    for n in range(9):
        world.store.record_failure(b"d" * 20, f"f{n}", "text", 1)
    world.again()
    gc.collect(world.store)
    assert [entry.name for entry in world.store.database.history()] == ["f8", "f7", "f6", "f5", "f4"]
    assert world.store.database._rows("SELECT count(*) FROM uses") == [(0,)]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 401 * DAY)
    gc.collect(world.store, trust_clock=True)
    assert world.store.database.history() == []


def test_what_a_living_process_planned_is_kept(world: World) -> None:
    """Derivations have no output before they are built: gc must know them by their age."""
    earlier = Derivation("text", "earlier", {}).encode()
    world.store.plan({digest(earlier): earlier})
    world.again()
    planned = Derivation("text", "planned", {}, (Output(digest(earlier)),)).encode()
    world.store.plan({digest(planned): planned})
    other = Store(world.store.root)
    late = Derivation("text", "late", {}).encode()
    other.plan({digest(late): late})
    collector = Store(world.store.root)
    for _ in range(2):
        gc.collect(collector)
        for body in (earlier, planned, late):
            assert collector.database.derivation(digest(body)) == body
    world.again()
    gc.collect(collector)
    assert collector.database.derivation(digest(late)) == late
    assert collector.database.derivation(digest(earlier)) is None
    other.close()
    collector.close()


def test_later_derivations_have_higher_numbers_even_if_gc_deletes_all(world: World) -> None:
    """Else gc would take what a process plans after a collection for something older than the process."""
    bodies = [Derivation("text", f"t{n}", {}).encode() for n in range(5)]
    world.store.plan({digest(body): body for body in bodies})
    before = world.store.database.last_derivation()
    world.again()
    session = world.store.session
    assert (world.store.root / f"tmp/{session.name}.lock").read_text() == str(before)
    world.again()
    collector = Store(world.store.root)
    gc.collect(collector)
    new = Derivation("text", "new", {}).encode()
    world.store.plan({digest(new): new})
    assert world.store.database.last_derivation() > before
    gc.collect(collector)
    assert collector.database.derivation(digest(new)) == new
    collector.close()


def test_the_database_shrinks(world: World) -> None:
    bodies = {b"%020d" % n: os.urandom(2000) for n in range(2000)}
    world.store.database.add_derivations(bodies)
    world.again()
    path = world.store.root / "db/fpack.sqlite"
    world.store.database.compact()
    before, journal = path.stat().st_size, path.with_name("journal").stat().st_size
    gc.collect(world.store)
    assert path.stat().st_size < before / 4 and path.with_name("journal").stat().st_size < journal / 4
    assert not path.with_name("fpack.sqlite-wal").stat().st_size


def test_bytes_are_those_of_the_disk(world: World) -> None:
    output = world.build("a", size=BIG)
    usage = limits.disk_usage(world.store.root)
    assert usage >= BIG
    gc.add_root(world.store, world.store.root.parent / "result", world.store.disk(world.path(output)))
    same = world.store.writer()
    same.file("", [b"a".ljust(BIG, b".")])
    world.store.register("copy", same, [], b"copy", Output(b"c" * 20))
    world.again()
    done = gc.collect(world.store)
    assert [path.name for path in done.deleted] == ["copy"] and done.freed == 0


def test_a_damaged_database_deletes_nothing(world: World) -> None:
    from fpack.store.errors import StoreDamaged

    world.build("a")
    world.again()
    world.store.database.trouble = lambda: "row 3 missing from index"  # type: ignore[method-assign]
    with pytest.raises(StoreDamaged):
        gc.collect(world.store)
    assert len(os.listdir(world.store.root / "store")) == 1


def test_a_damaged_index_deletes_nothing(world: World) -> None:
    from fpack.store.errors import StoreDamaged

    world.build("a")
    world.again()
    with world.store.database.transaction() as db:
        db.execute("PRAGMA writable_schema = ON")
        # The index of `paths` is emptied behind SQLite's back: its entries are those of another table.
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_paths_1'").fetchone()
        (other,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_pins_1'").fetchone()
        db.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = 'sqlite_autoindex_paths_1'", [other])
        assert page != other
    world.again()
    assert world.store.database.trouble(indexes=True) != ""
    with pytest.raises(StoreDamaged):
        gc.collect(world.store)
    assert len(os.listdir(world.store.root / "store")) == 1


def test_a_path_of_old_edits_is_collected(world: World) -> None:
    """A store in use for long: each edit makes a new result, and only the last one's closure and inputs stay."""
    base = world.build("base")
    link = world.store.root.parent / "result"
    for n in range(20):
        edit = world.build(f"edit{n}", base)
        gc.add_root(world.store, link, world.store.disk(world.path(edit)))
        world.again()
        add(world.store, "noise", f"noise {n}")
        world.again()
        gc.collect(world.store)
        assert world.names() == {"base", f"edit{n}"}
