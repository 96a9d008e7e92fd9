"""Trees are written normalised, deduplicated and inside their directory, whatever the paths say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from blake3 import blake3
from fpack.store.errors import BadTree, DamagedPath
from fpack.store.files.pool import FileNode, Pool
from fpack.store.files.tree import scan, tree_digest
from fpack.store.files.writer import TreeWriter, joined


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    (tmp_path / "files").mkdir()
    return Pool(tmp_path / "files")


@pytest.fixture
def writer(pool: Pool, tmp_path: Path) -> TreeWriter:
    return TreeWriter(pool, tmp_path / "tree")


def test_the_digest_is_that_of_the_tree_on_disk(writer: TreeWriter) -> None:
    writer.file("bin/a", [b"x", b"y"], executable=True)
    writer.file("b", [])
    writer.symlink("c", "bin/a")
    writer.mkdir("empty")
    assert writer.finish() == tree_digest(scan(os.fspath(writer.disk)))
    assert writer.size == 2


def test_everything_is_normalised(writer: TreeWriter) -> None:
    old = os.umask(0o077)
    try:
        writer.file("bin/a", [b"x"], executable=True)
        writer.file("b", [b"y"])
        writer.symlink("c", "nowhere")
        writer.finish()
    finally:
        os.umask(old)
    modes = {p.name: p.lstat().st_mode & 0o7777 for p in writer.disk.rglob("*") if not p.is_symlink()}
    assert modes == {"bin": 0o555, "a": 0o555, "b": 0o444}
    assert {p.lstat().st_mtime for p in [writer.disk, *writer.disk.rglob("*")]} == {1.0}


def test_modes_and_contents_and_names_and_targets_count(pool: Pool, tmp_path: Path) -> None:
    def digest(n: int, *args: object) -> bytes:
        w = TreeWriter(pool, tmp_path / f"t{n}")
        method, rest = str(args[0]), args[1:]
        getattr(w, method)(*rest)
        return w.finish()

    digests = [
        digest(1, "file", "a", [b"x"]),
        digest(2, "file", "a", [b"x"], True),
        digest(3, "file", "b", [b"x"]),
        digest(4, "file", "a", [b"y"]),
        digest(5, "symlink", "a", "x"),
        digest(6, "mkdir", "a"),
        digest(7, "file", "", [b"x"]),
        digest(8, "symlink", "", "x"),
        digest(9, "mkdir", ""),
    ]
    assert len(set(digests)) == len(digests)


def test_identical_files_are_one_inode(pool: Pool, tmp_path: Path) -> None:
    one, two = TreeWriter(pool, tmp_path / "one"), TreeWriter(pool, tmp_path / "two")
    big = [b"x" * 700_000] * 5
    for w in (one, two):
        w.file("small", [b"same"])
        w.file("big", big)
        w.file("run", [b"same"], executable=True)
    assert (one.disk / "small").stat().st_ino == (two.disk / "small").stat().st_ino
    assert (one.disk / "big").stat().st_ino == (two.disk / "big").stat().st_ino
    assert (one.disk / "small").stat().st_ino != (one.disk / "run").stat().st_ino
    assert (one.disk / "big").read_bytes() == b"".join(big)


def test_a_file_whose_content_was_lost_is_written_again(pool: Pool, tmp_path: Path) -> None:
    one, two = TreeWriter(pool, tmp_path / "one"), TreeWriter(pool, tmp_path / "two")
    node = one.file("a", [b"content"])
    place = tmp_path / "files" / node.digest.hex()[:2] / node.digest.hex()[2:]
    place.chmod(0o644)
    place.write_bytes(b"")
    two.file("a", [b"content"])
    assert (two.disk / "a").read_bytes() == b"content"
    assert place.read_bytes() == b"content"


@pytest.mark.parametrize(
    "path",
    ["/abs", "../up", "a/../b", "a//b", "a/./b", "a/", "nul\0", "x" * 256, "/".join(["d"] * 65), "x/" * 2000 + "y"],
)
def test_unsafe_paths_are_refused(writer: TreeWriter, tmp_path: Path, path: str) -> None:
    with pytest.raises(BadTree):
        writer.file(path, [b"x"])
    assert not (tmp_path / "up").exists()


@pytest.mark.parametrize("path", ["/x", "//x", "a/", "a//b", "a/./b", "a/../b", "./x", "../x", "/a/x", "x/"])
@pytest.mark.parametrize("method", ["file", "small_file", "small_files", "symlink", "mkdir", "new_directory"])
def test_unsafe_paths_are_refused_below_open_directories(writer: TreeWriter, method: str, path: str) -> None:
    writer.mkdir("")
    writer.new_directory("a")
    writer.file("a/first", [b"x"])
    arguments = {"file": [[b"x"]], "small_file": [b"x"], "small_files": [[(b"x", b"x", False)]], "symlink": ["x"]}.get(
        method, []
    )
    with pytest.raises(BadTree):
        getattr(writer, method)(path, *arguments)
    assert sorted(os.listdir(writer.disk)) == ["a"] and os.listdir(writer.disk / "a") == ["first"]


@pytest.mark.parametrize("target", ["", "a\0b", "x" * 4096])
def test_unsafe_targets_are_refused(writer: TreeWriter, target: str) -> None:
    with pytest.raises(BadTree):
        writer.symlink("a", target)


def test_nothing_is_written_through_a_symlink_or_a_file(writer: TreeWriter, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    writer.symlink("dir", str(outside))
    writer.file("file", [b"x"])
    for path in ("dir/evil", "file/evil", "dir", "file"):
        with pytest.raises(BadTree):
            writer.file(path, [b"x"])
        with pytest.raises(BadTree):
            writer.mkdir(path)
    assert list(outside.iterdir()) == []


def test_an_empty_tree_is_refused(writer: TreeWriter) -> None:
    with pytest.raises(BadTree, match="empty"):
        writer.finish()


@pytest.mark.parametrize("change", ["content", "same size", "mode"])
def test_a_file_that_was_changed_in_place_is_written_again(pool: Pool, tmp_path: Path, change: str) -> None:
    one, two = TreeWriter(pool, tmp_path / "one"), TreeWriter(pool, tmp_path / "two")
    one.file("a", [b"content"])
    (one.disk / "a").chmod(0o644)
    if change != "mode":
        (one.disk / "a").write_bytes(b"CONTENT" if change == "same size" else b"more content")
    two.file("a", [b"content"])
    assert (two.disk / "a").read_bytes() == b"content"
    assert (two.disk / "a").stat().st_ino != (one.disk / "a").stat().st_ino


def test_a_link_to_another_content_than_its_digest_says_reaches_nobody(pool: Pool, tmp_path: Path) -> None:
    node = FileNode(blake3(b"good").digest(), 4, False)
    source, pipe, secret = tmp_path / "source", tmp_path / "pipe", tmp_path / "secret"
    source.write_bytes(b"evil")
    os.mkfifo(pipe)
    secret.symlink_to(source)
    for number, place in enumerate((source, pipe, secret)):
        writer = TreeWriter(pool, tmp_path / f"forged{number}")
        with pytest.raises((DamagedPath, OSError)):
            writer.link("a", node, place)
    innocent = TreeWriter(pool, tmp_path / "innocent")
    innocent.file("a", [b"good"])
    assert (innocent.disk / "a").read_bytes() == b"good"


def test_a_link_to_a_file_that_the_pool_has_lost_is_copied(pool: Pool, tmp_path: Path) -> None:
    one, two = TreeWriter(pool, tmp_path / "one"), TreeWriter(pool, tmp_path / "two")
    node = one.file("a", [b"content"])
    for place in (tmp_path / "files").rglob("*"):
        if place.is_file():
            place.unlink()
    two.link("b", node, one.disk / "a")
    assert (two.disk / "b").read_bytes() == b"content"
    assert (two.disk / "b").stat().st_mode & 0o7777 == 0o444


def test_small_pieces_are_joined() -> None:
    pieces = [bytes([size]) * size for size in (1, 0, 5, 100, 3, 200, 7)]
    blocks = list(joined(pieces, 100))
    assert [len(block) for block in blocks] == [106, 203, 7] and b"".join(blocks) == b"".join(pieces)


def test_new_small_contents_are_not_looked_for_and_known_ones_are_still_shared(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = TreeWriter(pool, tmp_path / "many")
    for number in range(100):
        tree.file(f"new{number}", [b"%d" % number])
    looked: list[str] = []
    link = pool.link
    monkeypatch.setattr(pool, "link", lambda *args: looked.append(args[1]) or link(*args))
    tree.file("new", [b"new"])
    assert not looked
    for number in range(100):
        tree.file(f"old{number}", [b"%d" % number])
        assert (tree.disk / f"old{number}").samefile(tree.disk / f"new{number}")
    assert f"{tree.disk}/old99" in looked  # most contents are known again


def test_a_new_directory_takes_entries_and_is_refused_a_second_time(writer: TreeWriter) -> None:
    for path in ("", "a", "a/b"):
        writer.new_directory(path)
    writer.small_file("a/b/file", b"x")
    for path in ("a", "a/b", "a/b/file"):
        with pytest.raises(BadTree, match="twice"):
            writer.new_directory(path)
    assert writer.finish() == tree_digest(scan(os.fspath(writer.disk)))


@pytest.mark.parametrize("name", ["", ".", "..", "a" * 256, "a\0b"])
def test_unsafe_names_in_a_known_directory_are_refused(writer: TreeWriter, name: str) -> None:
    writer.new_directory("known")
    writer.small_file("known/file", b"x")
    with pytest.raises(BadTree):
        writer.small_file(f"known/{name}", b"y")
    with pytest.raises(BadTree):
        writer.small_files("known", [(name.encode(), b"y", False)])


def test_files_of_a_directory_are_those_that_are_written_one_by_one(pool: Pool, tmp_path: Path) -> None:
    files = [(b"a", b"1", False), (b"run", b"1", True), (b"b", b"2", False), (b"same", b"1", False)]
    paths = ["", "d/e", "/".join("d" * 63), "/".join(["l" * 200] * 4)]
    one, two = TreeWriter(pool, tmp_path / "one"), TreeWriter(pool, tmp_path / "two")
    with pool.held_open() as held:
        many = TreeWriter(held, tmp_path / "many")
        for path in paths:
            many.small_files(path, files)
            one.small_files(path, files)
            for name, content, executable in files:
                two.small_file(os.path.join(path, name.decode()), content, executable)
    assert many.finish() == one.finish() == two.finish() == tree_digest(scan(os.fspath(many.disk)))
    status = (many.disk / "d/e/run").stat()
    assert (status.st_mode & 0o777, status.st_mtime) == (0o555, 1) and status.st_ino == (two.disk / "run").stat().st_ino
    assert (many.disk / "same").samefile(two.disk / "a")
    with pytest.raises(BadTree, match="twice"):
        TreeWriter(pool, tmp_path / "twice").small_files("", [*files, (b"a", b"", False)])


def test_an_error_names_the_file_of_a_directory(writer: TreeWriter) -> None:
    writer.small_files("d", [(b"a", b"1", False)])
    (writer.disk / "d" / "b").mkdir()
    with pytest.raises(FileExistsError) as error:
        writer.small_files("d", [(b"b", b"2", False)])
    assert error.value.filename == f"{writer.disk}/d/b"


def test_known_directories_are_not_too_deep_or_too_long(writer: TreeWriter) -> None:
    deepest = "/".join("d" * 64)
    for depth in range(1, 65):
        writer.new_directory(deepest[: 2 * depth - 1])
    with pytest.raises(BadTree, match="levels deep"):
        writer.small_file(f"{deepest}/file", b"x")
    long = "/".join(["l" * 255] * 14)
    writer.mkdir(long)
    with pytest.raises(BadTree, match="bytes"):
        writer.small_file(f"{long}/{'f' * 250}", b"x")
