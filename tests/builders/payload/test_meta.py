"""Test that meta files are read as written, and that a forged one cannot reach files outside its tree."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.kinds.layer import LayerBuilder
from fpack.builders.kinds.slice import SliceBuilder
from fpack.builders.payload import meta
from fpack.builders.payload.meta import LoadFacts, TreeEntry
from fpack.store import canonical
from fpack.store.errors import FpackError, StoreError
from fpack.store.files.regular_file import open_regular
from fpack.store.path import StorePath, make
from support.stores.task import FakeStore

NONE = {"name": "none", "level": 0, "threads": 1, "library": ""}
EXTRA = {
    "package": "evil",
    "version": "1",
    "arch": "amd64",
    "source": "evil",
    "control": "Package: evil\n",
    "alternatives": [],
    "users": [],
    "groups": [],
    "units": [],
}
SECRET = b"TOP SECRET\n"


def a_file(path: str, size: int = len(SECRET)) -> TreeEntry:
    return TreeEntry(path, meta.FILE, 0o644, size=size, blake3=b"x" * 32, sha256=b"y" * 32)


def test_a_table_is_read_as_it_was_written() -> None:
    entries = [
        a_file("a/b\udcff")._replace(facts=LoadFacts(62, ("libc.so.6",), "s", "/i", ("/r",)), user="u", group="g"),
        TreeEntry("d", meta.DIRECTORY, 0o1777, 5, 6),
        TreeEntry("l", meta.SYMLINK, 0o777, target="to\udcff"),
    ]
    assert meta.decode(meta.encode(entries[::-1], EXTRA)) == (entries, EXTRA)


def row(**changes: Any) -> list[Any]:
    given = {"path": b"p", "kind": "f", "mode": 0o644, "uid": 0, "gid": 0, "user": "", "group": "", "size": 1,
             "blake3": b"x" * 32, "sha256": b"y" * 32, "target": b"", "facts": None}  # fmt: skip
    return list({**given, **changes}.values())


@pytest.mark.parametrize(
    "rows",
    [
        *[[row(path=path)] for path in (b"../p", b"a/../p", b"/p", b"a//p", b"./p", b"a/.", b"", b"a/", b"p\0", "p")],
        *[[row(**{name: value})] for name in ("mode", "uid", "gid", "size") for value in (-1, True, "0", None)],
        [row(mode=0o10000)],
        [row(uid=0xFFFFFFFF)],
        [row(user=b"root")],
        [row(kind="c")],
        [row(blake3=b"x")],
        [row(sha256=b"")],
        [row(target=b"t")],
        [row(kind="l", size=0, blake3=b"", sha256=b"", target=b"")],
        [row(kind="l", size=0, blake3=b"", sha256=b"", target=b"a\0b")],
        [row(kind="d", blake3=b"", sha256=b"")],
        [row(facts=[62, ["a"], "", ""])],
        [row(facts=[62, [1], "", "", []])],
        [row(facts="facts")],
        [row()[:-1]],
        [row(), row()],
        [row(path=b"q"), row(path=b"p")],
        [5],
        [None],
    ],
)
def test_what_no_builder_writes(rows: list[Any]) -> None:
    with pytest.raises(StoreError):
        meta.decode(canonical.encode({"format": 1, "entries": rows, "extra": {}}))


@pytest.mark.parametrize("value", [{}, {"entries": []}, {"entries": 5, "extra": {}}, {"entries": [], "extra": []}])
def test_what_is_no_table(value: dict[str, Any]) -> None:
    with pytest.raises(StoreError):
        meta.decode(canonical.encode({"format": 1, **value}))


@pytest.fixture
def store(tmp_path: Path) -> FakeStore:
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/secret").write_bytes(SECRET)
    return FakeStore(tmp_path / "root")


def forged(store: FakeStore, how: str) -> StorePath:
    """Return a project's directory in place of a payload or slice."""
    outside = store.root.parent
    path = make("forged", how.encode(), [])
    place = store.disk(path)
    (place / "data/usr").mkdir(parents=True)
    if how == "a symlink":
        entry = a_file("usr/secret")
        (place / "data/usr/secret").symlink_to(outside / "secret")
    elif how == "a symlink on the way":
        entry = a_file("usr/folder/secret")
        (place / "data/usr/folder").symlink_to(outside / "folder")
    elif how == "data":
        entry = a_file("secret")
        (place / "data/usr").rmdir()
        (place / "data").rmdir()
        (place / "data").symlink_to(outside / "folder")
    elif how == "a fifo":
        entry = a_file("usr/pipe")
        os.mkfifo(place / "data/usr/pipe")
    else:
        entry = a_file("../../../../secret")
    (place / "meta").write_bytes(meta.encode([entry], EXTRA))
    return path


@pytest.mark.parametrize("how", ["a symlink", "a symlink on the way", "data", "a fifo", "dots"])
def test_a_made_up_table_reaches_nothing_outside(store: FakeStore, how: str) -> None:
    path = str(forged(store, how))
    before = set(store.root.rglob("*"))
    with pytest.raises((FpackError, OSError)):
        store.build(LayerBuilder(), "layer", {"parts": [{"path": path, "prefix": ""}], "codec": NONE})
    with pytest.raises((FpackError, OSError)):
        store.build(SliceBuilder(), "slice", {"payload": path, "keep": None, "drop": [], "setuid": []})
    for place in set(store.root.rglob("*")) - before:
        assert not place.is_file() or place.is_symlink() or SECRET not in place.read_bytes(), place


def test_a_table_lies_in_a_store_path_itself(store: FakeStore) -> None:
    path = forged(store, "dots")
    with pytest.raises(FpackError, match="store name"):
        store.build(SliceBuilder(), "slice", {"payload": f"{path}/data", "keep": None, "drop": [], "setuid": []})


def test_only_files_are_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    with open_regular(tmp_path / "file") as file:
        assert file.read() == b"x"
    for name in ("link", "pipe", "absent", "."):
        with pytest.raises(StoreError):
            open_regular(tmp_path / name)
