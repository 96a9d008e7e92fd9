"""Extra files: what an entry becomes, and which entries are refused."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from blake3 import blake3
from fpack.builders.kinds.files import FilesBuilder
from fpack.builders.payload import meta
from fpack.builders.protocol import BuildError
from fpack.store.errors import FpackError
from support.images.small_images import Workshop, folder, link, program
from support.stores.task import FakeTask


def entries(shop: Workshop, *given: dict[str, Any]) -> dict[str, meta.TreeEntry]:
    found, _ = meta.read(shop.disk(shop.files(*given)))
    return {entry.path: entry for entry in found}


def test_a_text(shop: Workshop) -> None:
    made = shop.files({"path": "/etc/app.conf", "text": "größe = 1\n", "mode": 0o640, "uid": 7, "gid": 8})
    content = "größe = 1\n".encode()
    (entry,), _ = meta.read(shop.disk(made))
    assert (shop.disk(made) / "data/etc/app.conf").read_bytes() == content
    assert entry[:5] == ("etc/app.conf", meta.FILE, 0o640, 7, 8)
    assert entry.size == len(content)
    assert (entry.sha256, entry.blake3) == (hashlib.sha256(content).digest(), blake3(content).digest())


def test_directories_and_symlinks(shop: Workshop) -> None:
    found = entries(
        shop,
        {"path": "/data", "kind": "directory", "mode": 0o1750, "uid": 999, "gid": 998},
        {"path": "/bin/sh", "kind": "symlink", "target": "dash"},
    )
    assert found["data"][1:5] == (meta.DIRECTORY, 0o1750, 999, 998)
    assert (found["bin/sh"].kind, found["bin/sh"].target) == (meta.SYMLINK, "dash")


def test_a_file_of_the_store(shop: Workshop) -> None:
    source = shop.store.add_file("script", b"#!/bin/sh\n")
    made = shop.files({"path": "/run.sh", "source": str(source), "mode": 0o4755})
    (entry,), _ = meta.read(shop.disk(made))
    place = shop.disk(made) / "data/run.sh"
    assert place.read_bytes() == b"#!/bin/sh\n" and place.stat().st_mode & 0o100
    assert entry.mode == 0o4755


def test_a_whole_tree_is_copied(shop: Workshop) -> None:
    tree = shop.plain("www", {"index.html": b"<p>", "cgi/run": program(), "cgi/link": link("run"), "empty": folder()})
    found = entries(
        shop, {"path": "/srv/www", "kind": "directory", "source": str(tree), "mode": 0o750, "uid": 33, "gid": 34}
    )
    assert {path: (e.kind, e.mode) for path, e in found.items()} == {
        "srv/www": (meta.DIRECTORY, 0o750),
        "srv/www/cgi": (meta.DIRECTORY, 0o755),
        "srv/www/cgi/link": (meta.SYMLINK, 0o777),
        "srv/www/cgi/run": (meta.FILE, 0o755),
        "srv/www/empty": (meta.DIRECTORY, 0o755),
        "srv/www/index.html": (meta.FILE, 0o644),
    }
    assert {(e.uid, e.gid) for e in found.values()} == {(33, 34)}


def test_a_tree_and_a_file_in_it(shop: Workshop) -> None:
    tree = shop.plain("www", {"index.html": b"<p>"})
    found = entries(
        shop, {"path": "/www/extra", "text": "x"}, {"path": "/www", "source": str(tree), "kind": "directory"}
    )
    assert [*found] == ["www", "www/extra", "www/index.html"]


def test_store_paths_in_texts_and_targets_are_references(shop: Workshop) -> None:
    tool, other, third = (shop.plain(name, {"x": b""}) for name in ("tool", "other", "third"))
    task_args = {
        "entries": [
            {"path": "/a", "kind": "file", "mode": 0o644, "uid": 0, "gid": 0, "text": f"exec {tool}/bin/tool {tool}"},
            {"path": "/b", "kind": "symlink", "mode": 0o777, "uid": 0, "gid": 0, "target": f"{other}/lib"},
            {"path": "/c", "kind": "directory", "mode": 0o755, "uid": 0, "gid": 0, "source": str(third)},
        ]
    }
    built = FilesBuilder().build(FakeTask(shop.store, "files", task_args))
    assert set(built.references) == {tool, other}


def test_the_order_of_entries_does_not_matter(shop: Workshop) -> None:
    one, two = {"path": "/a/b", "text": "1"}, {"path": "/a", "kind": "directory", "mode": 0o700}
    assert shop.files(one, two) == shop.files(two, one)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("etc/passwd", "begin it with /"),
        ("/etc/../passwd", "write /passwd"),
        ("/etc//passwd", "write /etc/passwd"),
        ("/etc/", "write /etc"),
        ("//etc", "write /etc"),
        ("/./etc", "write /etc"),
        ("/", "root directory"),
        ("", "begin it with /"),
        ("/a\0b", "write /ab"),
        (None, "begin it with /"),
        (5, "begin it with /"),
    ],
)
def test_paths_are_absolute_and_plain(shop: Workshop, path: Any, hint: str) -> None:
    with pytest.raises(BuildError) as error:
        shop.files({"path": path, "text": ""})
    assert hint in error.value.hint


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "device"},
        {"kind": "symlink", "target": ""},
        {"kind": "symlink", "target": "x", "text": "y"},
        {"kind": "symlink"},
        {"target": "x"},
        {"mode": 0o10000},
        {"mode": -1},
        {"mode": "0644"},
        {"mode": True},
        {"uid": 2**32 - 1},
        {"gid": None},
        {"kind": "directory", "text": "x"},
        {"text": None},
    ],
)
def test_entries_that_make_no_sense(shop: Workshop, entry: dict[str, Any]) -> None:
    with pytest.raises(BuildError) as error:
        shop.files({"path": "/x", **entry})
    assert error.value.where == "/x"


def test_a_directory_needs_a_directory_as_its_source(shop: Workshop) -> None:
    with pytest.raises(BuildError, match="not a directory"):
        shop.files({"path": "/x", "kind": "directory", "source": str(shop.store.add_file("f", b""))})


def test_one_path_twice(shop: Workshop) -> None:
    with pytest.raises(BuildError, match="the same path") as error:
        shop.files({"path": "/x", "kind": "directory"}, {"path": "/x", "kind": "directory", "mode": 0o700})
    assert error.value.where == "/x"


def test_a_file_in_a_store_path(shop: Workshop) -> None:
    tree = shop.plain("www", {"a/index.html": b"<p>", "out": link("/etc"), "up": link("../../..")})
    assert entries(shop, {"path": "/x", "source": f"{tree}/a/index.html"})["x"].size == 3
    assert [*entries(shop, {"path": "/x", "source": f"{tree}/a"})] == ["x", "x/index.html"]
    for outside in (
        "/../../etc/passwd",
        "/out/passwd",
        "/up/etc",
        "/a//index.html",
        "/none",
        "/a/index.html/x",
        "/out",
    ):
        with pytest.raises(BuildError):
            shop.files({"path": "/x", "source": f"{tree}{outside}"})


@pytest.mark.parametrize("source", ["/etc/passwd", "/fpack/store", "x", "/fpack/store/../../etc/passwd"])
def test_a_source_is_in_the_store(shop: Workshop, source: str) -> None:
    with pytest.raises(FpackError):
        shop.files({"path": "/x", "source": source})
