"""Damage is found wherever it is, told from what others delete, and mended by making things again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fpack.store import verify
from fpack.store.derivation import Output
from fpack.store.files.remove import remove_tree
from fpack.store.graph import dependents
from fpack.store.path import StorePath
from fpack.store.repair import delete_pool_files
from fpack.store.store import Store
from fpack.store.verify import StoreCheck, check
from support.stores.small_trees import overwrite


def add(store: Store, name: str, text: str, references: list[StorePath] | None = None) -> StorePath:
    writer = store.writer()
    writer.file("folder/file", [text.encode()])
    writer.symlink("link", "folder/file")
    return store.register(name, writer, references or [], name.encode(), Output(name.encode().ljust(20)[:20]))


def repair(store: Store, found: StoreCheck) -> list[StorePath]:
    """Make invalid what is damaged."""
    delete_pool_files(found.pool)
    return store.invalidate(damage.path for damage in found.damaged)


def test_a_whole_store(store: Store) -> None:
    add(store, "b", "two", [add(store, "a", "one")])
    seen: list[tuple[int, int, str]] = []
    found = check(store, lambda *args: seen.append(args))
    assert found == verify.StoreCheck(2, 6, (), ())
    assert [each[:2] for each in seen if each[2] == "paths"] == [(0, 2), (1, 2), (2, 2), (2, 2)]
    assert [each[:2] for each in seen if each[2] == "files"] == [(0, 2), (1, 2), (2, 2)]
    assert repair(store, found) == [] and len(store.database.paths()) == 2


def test_one_changed_byte_is_found_in_every_tree_that_shares_the_file(store: Store) -> None:
    a, b, c = add(store, "a", "same"), add(store, "b", "same"), add(store, "c", "other")
    overwrite(store.disk(a) / "folder" / "file", b"sama")
    found = check(store)
    assert {damage.path for damage in found.damaged} == {a, b}
    assert len(found.pool) == 1
    assert repair(store, found) == sorted([a, b])
    assert store.info(a) is None and store.info(c) is not None
    assert add(store, "a", "same") == a
    assert (store.disk(a) / "folder" / "file").read_text() == "same"
    assert check(store).damaged == check(store).pool == ()


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda place: remove_tree(place), "it is missing"),
        (lambda place: remove_tree(place / "folder"), "content"),
        (lambda place: (place / "link").unlink(), "content"),
        (lambda place: (place / "extra").write_text(""), "content"),
        (lambda place: (place / "folder" / "file").chmod(0o555), "content"),
        (lambda place: os.mkfifo(place / "pipe"), "files, directories and symlinks"),
    ],
)
def test_every_kind_of_harm(store: Store, harm: object, why: str) -> None:
    path = add(store, "a", "one")
    place = store.disk(path)
    place.chmod(0o755)
    (place / "folder").chmod(0o755)
    harm(place)  # type: ignore[operator]
    (damage,) = check(store).damaged
    assert damage.path == path and why in damage.why


def test_a_path_whose_reference_is_gone(store: Store) -> None:
    a = add(store, "a", "one")
    b = add(store, "b", "two", [a])
    with store.database.transaction() as db:
        db.execute("DELETE FROM paths WHERE name = 'a'")
    (damage,) = check(store).damaged
    assert damage.path == b and a.hash in damage.why


def test_what_references_the_damaged_is_forgotten_with_it(store: Store) -> None:
    a = add(store, "a", "one")
    b = add(store, "b", "two", [a])
    c = add(store, "c", "three", [b])
    d = add(store, "d", "four")
    overwrite(store.disk(a) / "folder" / "file", b"eno")
    assert repair(store, check(store)) == sorted([a, b, c])
    assert [info.path for info in store.database.paths()] == [d]
    assert store.database.realised(b"b", "out") is None and store.database.built(Output(b"c".ljust(20))) is None


def test_a_damaged_file_that_only_the_pool_has(store: Store) -> None:
    add(store, "a", "one")
    spare = next(place for place, _, _ in store.pool.members())
    copy = Path(spare).with_name("0" * 62)
    copy.write_text("not of that digest")
    found = check(store)
    assert found.damaged == () and found.pool == (str(copy),)
    assert repair(store, found) == [] and not copy.exists() and Path(spare).exists()


def test_what_a_collection_deletes_meanwhile_is_no_damage(store: Store) -> None:
    path = add(store, "a", "one")

    def collected(done: int, total: int, name: str) -> None:
        with store.database.transaction() as db:
            db.execute("DELETE FROM paths")
        remove_tree(store.disk(path))

    assert check(store, collected).damaged == ()


def test_memory_for_digests_has_an_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_MAX_KNOWN", 1)
    for name in "abc":
        add(store, name, f"text of {name}")
    assert check(store).damaged == ()


def test_dependents_of_what_is_not_valid(store: Store) -> None:
    a = add(store, "a", "one")
    gone = StorePath("0" * 32, "gone")
    assert dependents(store.database.paths(), [gone, a]) == [a]


def test_several_processes_find_the_same(store: Store, tmp_path: Path) -> None:
    for number in range(60):
        add(store, f"n{number}", f"text {number % 40}")
    large = store.writer()
    large.file("large", [os.urandom(3 << 20)])
    store.register("large", large, [], b"large", Output(b"large".ljust(20)))
    overwrite(store.disk(store.database.paths()[7].path) / "folder" / "file", b"text X")
    remove_tree(store.disk(store.database.paths()[9].path))
    (store.root / "files" / "ab").mkdir(exist_ok=True)
    (store.root / "files" / "ab" / "stray").write_text("x")
    one = check(store, jobs=1)
    assert len(one.damaged) == 3 and len(one.pool) == 2
    seen: list[tuple[int, int, str]] = []
    assert check(store, lambda *args: seen.append(args), jobs=3) == one
    assert (61, 61, "paths") in seen


def test_a_file_that_the_pool_has_lost_is_read_in_its_tree(store: Store) -> None:
    path = add(store, "a", "one")
    for place, _, _ in list(store.pool.members()):
        os.unlink(place)
    assert check(store) == verify.StoreCheck(1, 3, (), ())
    overwrite(store.disk(path) / "folder" / "file", b"ono")
    assert [each.path for each in check(store, jobs=2).damaged] == [path]
