"""A database that is made again: it has what the lost one had, and nothing that is not on the disk."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fpack.store import DAY, gc, leases
from fpack.store.database import HistoryEntry
from fpack.store.derivation import Derivation, Output, digest
from fpack.store.errors import StoreBusy, StoreDamaged, StoreError
from fpack.store.path import StorePath
from fpack.store.rebuild import rebuild_database
from fpack.store.sessions.registration import BuildRecord, FinishedOutput
from fpack.store.store import Store
from support.faults.power import Disk, recorded

OWN = StorePath("0" * 32, "own")


class World:
    """A store with paths that reference each other, one that mentions itself, and all other rows."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "db/fpack.sqlite"
        store = Store(root)
        store.database.use_generation(5)
        self.paths: list[StorePath] = []
        self.outputs: list[Output] = []
        for n in range(6):
            body = Derivation("text", f"p{n}", {"n": n}).encode()
            store.plan({digest(body): body})
            writer = store.writer()
            writer.file("file", [b"%d" % n, *(str(path).encode() for path in self.paths[-2:])])
            writer.symlink("link", "file")
            self.outputs.append(Output(digest(body)))
            finished = FinishedOutput(f"p{n}", writer, self.paths[-2:], self.outputs[-1], OWN if n == 5 else None)
            self.paths += store.register_all(b"key%d" % n, [finished], BuildRecord(f"p{n}", "text", "built", n / 4))
        store.pin(self.paths[2], "/project", "image")
        store.used(self.paths[3:5], "/project", "build")
        store.record_failure(b"f" * 20, "broken", "exec", 0.5)
        gc.add_root(store, root.parent / "result", root / "store" / self.paths[4].base)
        store.close()

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        db = sqlite3.connect(self.path)
        columns = {
            "paths": "hash, name, tree, size, refs",
            "derivations": "digest, body",
            "outputs": "derivation, output, path",
            "realisations": "key, output, path",
            "pins": "*",
            "uses": "path, project, name, day",
            "history": "at, derivation, name, kind, outcome, seconds, path",
        }
        found = {table: sorted(db.execute(f"SELECT {c} FROM {table}"), key=repr) for table, c in columns.items()}
        found["generation"] = db.execute("PRAGMA application_id").fetchall()
        db.close()
        return found

    def delete(self, n: int) -> None:
        disk = self.root / "store" / self.paths[n].base
        disk.chmod(0o755)
        shutil.rmtree(disk)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "fpack")


def lose(world: World) -> None:
    world.path.unlink()


def empty(world: World) -> None:
    os.truncate(world.path, 0)


def cut(world: World) -> None:
    os.truncate(world.path, world.path.stat().st_size // 8192 * 4096)


def overwrite(world: World) -> None:
    world.path.write_bytes(b"no database" * 1000)


def flip(world: World) -> None:
    data = bytearray(world.path.read_bytes())
    chance = random.Random(3)
    for _ in range(200):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    world.path.write_bytes(bytes(data))


def keep(world: World) -> None:
    pass


@pytest.mark.parametrize("damage", [lose, empty, cut, overwrite, flip, keep])
def test_the_journal_has_all_of_a_lost_database(world: World, damage: Callable[[World], None]) -> None:
    before = world.rows()
    damage(world)
    done = rebuild_database(world.root)
    assert world.rows() == before
    assert (done.paths, done.recognised, done.derivations, done.outputs, done.rejected) == (6, 0, 6, 6, ())
    store = Store(world.root)
    assert store.database.trouble() == ""
    assert [store.database.built(output) for output in world.outputs] == world.paths
    assert isinstance(store.database.history()[0], HistoryEntry)
    store.close()
    assert rebuild_database(world.root).paths == 6 and world.rows() == before


def test_without_a_journal_the_readable_rows_of_the_old_database_count(world: World) -> None:
    before = world.rows()
    (world.root / "db/journal").unlink()
    assert rebuild_database(world.root).paths == 6
    assert world.rows() == before


def test_without_both_the_names_of_the_trees_prove_their_content(world: World) -> None:
    lose(world)
    (world.root / "db/journal").unlink()
    done = rebuild_database(world.root)
    assert (done.paths, done.recognised, done.rejected) == (5, 5, (OWN,))
    store = Store(world.root)
    info = store.info(world.paths[4])
    assert info is not None and len(info.references) == 2 and info.size > 60
    assert gc.collect(store).kept == 5  # the result and its closure
    assert (world.root.parent / "result/file").is_file()
    store.close()


def test_a_tree_that_changed_or_is_gone_is_not_valid_and_nothing_that_needs_it(world: World) -> None:
    lose(world)
    changed = world.root / "store" / world.paths[3].base / "file"
    changed.parent.chmod(0o755)
    changed.unlink()
    changed.write_text("other")
    done = rebuild_database(world.root)
    assert world.paths[3] in done.rejected and done.paths == 3
    store = Store(world.root)
    assert [store.info(path) is not None for path in world.paths] == [True, True, True, False, False, False]
    assert store.database.built(world.outputs[3]) is None
    store.close()


def test_paths_that_gc_deleted_do_not_come_back(world: World) -> None:
    store = Store(world.root)
    world.path.with_name("journal").chmod(0o600)
    deleted = gc.collect(store).deleted
    store.close()
    assert deleted
    lose(world)
    assert rebuild_database(world.root).paths == 6 - len(deleted)


def test_a_path_that_was_deleted_and_is_not_on_the_disk_stays_invalid(world: World) -> None:
    world.delete(5)
    lose(world)
    assert rebuild_database(world.root).paths == 5


def test_a_store_that_is_used_is_left_alone(world: World) -> None:
    store = Store(world.root)
    assert store.keep(world.paths[:1])
    with pytest.raises(StoreBusy):
        rebuild_database(world.root)
    store.close()
    store = Store(world.root)
    lease = leases.begin(store, "shell", world.paths[:1])
    assert lease is not None
    store.close()
    with pytest.raises(StoreBusy):
        rebuild_database(world.root)
    os.close(lease)
    assert rebuild_database(world.root).paths == 6


def test_a_rebuild_that_was_cut_off_is_done_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = world.rows()

    def fail(*args: object) -> None:
        raise OSError(5, "Input/output error")

    real = os.rename
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", lambda a, b: fail() if Path(a).name == "new.sqlite" else real(a, b))
        with pytest.raises(StoreError):
            rebuild_database(world.root)
    with pytest.raises(StoreDamaged):
        Store(world.root)
    assert rebuild_database(world.root).paths == 6 and world.rows() == before


def test_rows_of_an_earlier_damaged_database_do_not_come_back(world: World) -> None:
    assert rebuild_database(world.root).paths == 6
    (copy,) = (world.root / "db").glob("damaged*.sqlite")
    assert copy.name.startswith("damaged-20") and copy.stat().st_mtime > time.time() - 600
    # Since then, the pin was replaced, and the output of a derivation became another one.
    store = Store(world.root)
    store.pin(world.paths[3], "/project", "image")
    store.adopt(b"key0", {world.outputs[0]: world.paths[1]})
    store.close()
    before = world.rows()
    journal = (world.root / "db/journal").read_bytes()
    lose(world)
    (world.root / "db/journal").unlink()
    rebuild_database(world.root)
    assert world.rows()["pins"] == world.rows()["outputs"] == [], "the rows of the earlier copy are too old"
    lose(world)
    (world.root / "db/journal").write_bytes(journal)
    rebuild_database(world.root)
    assert world.rows() == before


def test_each_replaced_database_is_kept_until_gc_deletes_it(world: World) -> None:
    for _ in range(2):
        os.utime(world.path, (1, 1))
        rebuild_database(world.root)
    copies = sorted((world.root / "db").glob("damaged-*.sqlite"))
    assert len(copies) == 2
    os.utime(copies[0], (time.time() - 40 * DAY,) * 2)
    store = Store(world.root)
    gc.collect(store)
    store.close()
    assert sorted((world.root / "db").glob("damaged-*.sqlite")) == copies[1:]


def test_rows_of_a_hostile_journal_are_skipped(world: World) -> None:
    from fpack.store.db import journal

    before = world.rows()
    rows: list[list[object]] = [
        ["path", b"x", "n", b"", 1, 1, b""], ["path"], ["derivation", 3], ["output", [], {}, None], ["what", 1], [5],
        ["path", b"h" * 20, "../../etc", b"t" * 32, 1, 1, b""], ["pin", None, None, None, None], ["settle", "x"],
        ["use", b"h", "", "", "today"],
        ["history", 1, 2], ["path", b"h" * 20, "n", b"t" * 32, 1, 1, b"r" * 20], ["realisation", 2**63, "x", b""],
    ]  # fmt: skip
    assert journal.append(world.root / "db/journal", rows)
    lose(world)
    assert rebuild_database(world.root).paths == 6
    assert world.rows() == before


@pytest.mark.parametrize("durable", [False, True])
def test_the_journal_survives_a_loss_of_power_as_the_database_does(tmp_path: Path, durable: bool) -> None:
    disk = Disk(tmp_path)
    Store(disk.root).close()
    disk.settle()
    body = Derivation("text", "p", {}).encode()
    output = Output(digest(body))
    with recorded(disk):
        store = Store(disk.root)
        store.plan({digest(body): body})
        writer = store.writer()
        writer.file("file", [b"content"])
        (path,) = store.register_all(b"key", [FinishedOutput("p", writer, [], output)])
        if durable:  # as gc does, while the process that built the path still lives
            with store.database.transaction(durable=True):
                pass
        else:
            store.close()
    disk.lose(0, 0)
    (disk.root / "db/fpack.sqlite").unlink()
    assert rebuild_database(disk.root).paths == 1
    again = Store(disk.root)
    assert again.database.built(output) == path and again.derivation(digest(body)) is not None
    again.close()
    if durable:
        store.database.close()


def test_there_must_be_a_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        rebuild_database(tmp_path)
