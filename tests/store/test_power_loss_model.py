"""A model of the store's protocol: processes that plan, build, root and read; gc; loss of power; and rot.

The state machine runs the real code on a disk that loses what was not synced. It is itself tested: it must find each of
the faults that the protocol exists to prevent, when the code is mutated to have them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fpack.store import gc
from fpack.store.collection import roots
from fpack.store.database import Database
from fpack.store.derivation import Derivation, Output, digest, resolve
from fpack.store.errors import FpackError
from fpack.store.files.tree import scan, tree_digest
from fpack.store.path import StorePath
from fpack.store.sessions.registration import BuildRecord, FinishedOutput
from fpack.store.store import Store
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from support.faults.injection import fast_directory
from support.faults.power import Disk, PowerLoss, recorded

COUNT, PROCESSES = 4, 2
NUMBERS = st.integers(0, COUNT - 1)
WHO = st.integers(0, PROCESSES - 1)
CHOICE = st.integers(0, 1 << 16)


def bodies() -> list[bytes]:
    """Derivations, each second of which has the one before it as an input."""
    found: list[bytes] = []
    for n in range(COUNT):
        inputs = (Output(digest(found[-1])),) if n % 2 else ()
        found.append(Derivation("model", f"p{n}", {"n": n}, inputs).encode())
    return found


BODIES = bodies()
OUTPUTS = [Output(digest(body)) for body in BODIES]


def text(n: int) -> bytes:
    return b"content %d " % n * 50


class Protocol(RuleBasedStateMachine):
    """The state: a disk, the stores of living processes, what these keep, and what has rotted."""

    def __init__(self) -> None:
        super().__init__()
        # In memory: the syncs of this machine's disk do not matter here, and take long.
        self.directory = fast_directory()
        self.disk = Disk(self.directory)
        self.processes: dict[int, Store] = {}
        self.kept: dict[int, dict[int, StorePath]] = {}
        self.rotten: set[str] = set()

    @initialize()
    def begin(self) -> None:
        Store(self.disk.root).close()
        self.disk.settle()

    def teardown(self) -> None:
        for store in self.processes.values():
            abandon(store)
        for path in self.directory.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(self.directory)

    # What processes do.

    def process(self, who: int) -> Store:
        if who not in self.processes:
            self.processes[who] = Store(self.disk.root)
            self.kept[who] = {}
        return self.processes[who]

    def build_one(self, who: int, n: int) -> StorePath:
        """Look up a derivation as the scheduler does, or build its input and then it."""
        store = self.process(who)
        found = store.database.built(OUTPUTS[n])
        if found is not None and store.keep([found]):
            self.kept[who][n] = found
            return found
        below = [self.build_one(who, n - 1)] if n % 2 else []
        writer = store.writer()
        writer.file("file", [text(n)])
        writer.file("data/below", [str(path).encode() for path in below])
        finished = FinishedOutput(f"p{n}", writer, below, OUTPUTS[n])
        key = resolve(Derivation("model", f"p{n}", {"n": n}), {}).encode()
        (path,) = store.register_all(key, [finished], BuildRecord(f"p{n}", "model", "built"))
        self.kept[who][n] = path
        return path

    def fetch_one(self, who: int, n: int) -> StorePath:
        """Do as `build_one`, but let the tree be synced later."""
        store = self.process(who)
        found = store.database.built(OUTPUTS[n])
        if found is None or not store.keep([found]):
            below = [self.fetch_one(who, n - 1)] if n % 2 else []
            writer = store.writer()
            writer.file("file", [text(n)])
            writer.file("data/below", [str(path).encode() for path in below])
            (found,) = store.register_all(b"", [FinishedOutput(f"p{n}", writer, below, None)], deferred=True)
            store.adopt(b"", {OUTPUTS[n]: found})
        self.kept[who][n] = found
        return found

    def run(self, step: Callable[[], Any]) -> Any:
        with recorded(self.disk):
            return step()

    def run_until(self, count: int, step: Callable[[], Any], directories: int, database: int) -> None:
        """Do something, and lose power before its step number `count`, or after it."""
        self.disk.steps, self.disk.lost_at = 0, count
        with contextlib.suppress(PowerLoss, FpackError):
            self.run(step)
        self.disk.lost_at = -1
        for store in self.processes.values():
            abandon(store)
        self.processes.clear()
        self.kept.clear()
        self.disk.lose(directories, database)
        self.run(lambda: Store(self.disk.root).close())  # what was not synced is checked

    @rule(who=WHO, n=NUMBERS)
    def plan(self, who: int, n: int) -> None:
        self.run(lambda: self.process(who).plan({OUTPUTS[i].derivation: BODIES[i] for i in range(n + 1)}))

    @rule(who=WHO, n=NUMBERS)
    def build_and_end(self, who: int, n: int) -> None:
        """Build an output and end the session, so that nothing keeps the output from gc."""
        self.build(who, n)
        self.end(who)

    def realise(self, who: int, n: int, *, fetched: bool = False) -> None:
        """Plan what is not planned, and build or fetch."""
        store = self.process(who)
        wanted = {OUTPUTS[i].derivation: BODIES[i] for i in range(n + 1)}
        if any(store.derivation(name) is None for name in wanted):
            store.plan(wanted)
        (self.fetch_one if fetched else self.build_one)(who, n)

    @rule(who=WHO, n=NUMBERS)
    def build(self, who: int, n: int) -> None:
        self.run(lambda: self.realise(who, n))

    @rule(who=WHO, n=NUMBERS)
    def fetch(self, who: int, n: int) -> None:
        self.run(lambda: self.realise(who, n, fetched=True))

    @rule(who=WHO, n=NUMBERS)
    def build_beside_a_collection(self, who: int, n: int) -> None:
        """gc runs when everything is planned, and nothing is built."""
        self.plan(who, n)
        self.garbage()
        self.build(who, n)

    @rule(who=WHO)
    def end(self, who: int) -> None:
        if who in self.processes:
            self.run(self.processes.pop(who).close)
            del self.kept[who]

    @rule(who=WHO, n=NUMBERS)
    def root(self, who: int, n: int) -> None:
        path = self.kept.get(who, {}).get(n)
        if path is not None:
            store = self.process(who)
            self.run(store.settle)
            self.run(lambda: roots.add_named(self.disk.root, store.database, f"r{n}", path))

    @rule(who=WHO, n=NUMBERS)
    def unroot(self, who: int, n: int) -> None:
        store = self.run(lambda: self.process(who))  # a store that is opened without the recorder syncs without it
        with contextlib.suppress(FpackError):
            self.run(lambda: roots.remove_named(self.disk.root, store.database, f"r{n}"))

    def collect(self) -> None:
        collector = Store(self.disk.root)
        try:
            gc.collect(collector, inputs=False)
        finally:
            abandon(collector)

    @rule()
    def garbage(self) -> None:
        self.run(self.collect)
        valid = {info.path.base for info in self.infos()}
        assert set(os.listdir(self.disk.root / "store")) == valid, "gc leaves nothing but valid paths"

    @rule(who=WHO, n=NUMBERS, count=st.integers(0, 14), directories=CHOICE, database=CHOICE)
    def lose_power_in_a_build(self, who: int, n: int, count: int, directories: int, database: int) -> None:
        self.run_until(count, lambda: self.realise(who, n), directories, database)

    @rule(who=WHO, n=NUMBERS, count=st.integers(0, 14), directories=CHOICE, database=CHOICE)
    def lose_power_in_a_fetch(self, who: int, n: int, count: int, directories: int, database: int) -> None:
        def step() -> None:
            self.realise(who, n, fetched=True)
            self.processes[who].close()

        self.run_until(count, step, directories, database)

    @rule(count=st.integers(0, 14), directories=CHOICE, database=CHOICE)
    def lose_power_in_a_collection(self, count: int, directories: int, database: int) -> None:
        self.run_until(count, self.collect, directories, database)

    @rule(n=NUMBERS, bit=st.integers(0, 100))
    def rot(self, n: int, bit: int) -> None:
        """Flip a bit in a file of a valid tree, and so of the pool, without a trace in its status."""
        bases = sorted({info.path.base for info in self.infos()} - self.rotten)
        if not bases:
            return
        base = bases[n % len(bases)]
        file = self.disk.root / "store" / base / "file"
        if not file.is_file():
            return
        data = bytearray(file.read_bytes())
        data[bit] ^= 1
        status = file.stat()
        file.chmod(0o600)
        with open(file, "r+b") as target:
            target.write(data)
        file.chmod(status.st_mode & 0o7777)
        os.utime(file, (1, 1))
        self.rotten.add(base)

    @rule(who=WHO, n=NUMBERS)
    def pack(self, who: int, n: int) -> None:
        """Build a path if it is not there, and read it for an image: what is read is right, or it is an error."""
        self.build(who, n)
        path = self.kept[who][n]
        try:
            content = b"".join(self.process(who).tree(path).chunks("file"))
        except FpackError:
            assert path.base in self.rotten
        else:
            assert content == text(n), "rot went into an image"

    # What always holds.

    def infos(self) -> list[Any]:
        database = Database(self.disk.root / "db/fpack.sqlite")
        try:
            return database.paths()
        finally:
            database.close()

    @invariant()
    def valid_paths_are_whole(self) -> None:
        if not (self.disk.root / "db").exists():
            return
        infos = self.infos()
        valid = {info.path for info in infos}
        for info in infos:
            disk = self.disk.root / "store" / info.path.base
            assert disk.exists(), f"{info.path.name} is valid, but gone"
            if info.path.base not in self.rotten:
                assert tree_digest(scan(os.fspath(disk))) == info.tree, f"{info.path.name} is valid, but changed"
        database = Database(self.disk.root / "db/fpack.sqlite")
        for info in infos:
            assert len(database.infos(info.references)) == len(info.references), "a reference is not valid"
            for maker in database.made_by(info.path):
                assert database.derivation(maker) is not None, f"the derivation of {info.path.name} is lost"
        database.close()
        for paths in self.kept.values():
            assert valid.issuperset(paths.values()), "what a living process uses was deleted"


def abandon(store: Store) -> None:
    """End a process without a chance to clean up."""
    if store._session is not None:
        os.close(store._session.lock.descriptor)
    store._file_system.close()
    store.database.close()


def model(examples: int, phases: tuple[Phase, ...] = (Phase.generate,)) -> settings:
    return settings(
        max_examples=examples, stateful_step_count=16, deadline=None, derandomize=True, database=None, phases=phases,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@pytest.mark.parametrize("examples", [10, pytest.param(600, marks=pytest.mark.long)])
def test_the_protocol_holds(examples: int) -> None:
    run_state_machine_as_test(Protocol, settings=model(examples))


def no_sync_before_deleting(patch: pytest.MonkeyPatch) -> None:
    """Fault: the commit that forgets paths is not synced before their trees are deleted."""
    real = Database.transaction

    def transaction(self: Database, *, durable: bool = False) -> Any:
        return real(self)

    patch.setattr(Database, "transaction", transaction)


def no_sync_before_registering(patch: pytest.MonkeyPatch) -> None:
    """Fault: a path becomes valid before its files are on the disk."""
    from fpack.store.files.sync import GroupSync

    patch.setattr(GroupSync, "sync", lambda self: None)


def what_was_fetched_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    """Fault: a loss of power before fetched paths are on the disk leaves no trace of them."""
    patch.setattr(Database, "insert_unsynced", lambda self, db, session, hashes: None)


def planned_derivations_are_not_kept(patch: pytest.MonkeyPatch) -> None:
    """Fault: gc deletes the derivations that a living process has planned, and they are not written again."""
    patch.setattr(gc, "first_planned", lambda root: 1 << 62)
    patch.setattr(Store, "_record", lambda self, db, key, output, path: self.database.insert_realisation(
        db, key, output, path
    ))  # fmt: skip


def used_paths_are_not_kept(patch: pytest.MonkeyPatch) -> None:
    """Fault: gc does not know what living processes use."""
    patch.setattr(roots, "rows", lambda db, now: [])


def nothing_is_hashed_when_it_is_read(patch: pytest.MonkeyPatch) -> None:
    """Fault: what is read for an image is not compared with its digest."""
    from fpack.store.files.checked_tree import CheckedTree

    patch.setattr(CheckedTree, "compare", lambda self, name, node: None)


MUTANTS = [
    used_paths_are_not_kept,
    no_sync_before_deleting,
    no_sync_before_registering,
    what_was_fetched_is_not_checked,
    planned_derivations_are_not_kept,
    nothing_is_hashed_when_it_is_read,
]


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.mark.parametrize(
    "mutate", [MUTANTS[0], *(pytest.param(mutant, marks=pytest.mark.faults) for mutant in MUTANTS[1:])]
)
def test_the_model_finds_each_fault(patch: pytest.MonkeyPatch, mutate: Callable[[pytest.MonkeyPatch], None]) -> None:
    mutate(patch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Protocol, settings=model(300))
