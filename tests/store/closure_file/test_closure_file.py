"""A closure file gives another store the same paths, has one form, and nothing but a whole one is taken."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from blake3 import blake3
from fpack.store import canonical
from fpack.store.closure_file.format import BLOCK, FIRST_LINE, BadClosureFile, ClosureEntry, ordered
from fpack.store.closure_file.importer import import_closure
from fpack.store.closure_file.reader import ClosureReader, NullSink
from fpack.store.closure_file.self_reference import outputs
from fpack.store.closure_file.writer import write_closure
from fpack.store.derivation import Output, build_path, output_name
from fpack.store.errors import StoreError
from fpack.store.files.tree import scan, tree_digest
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath, make
from fpack.store.sessions.registration import FinishedOutput
from fpack.store.store import Store
from fpack.store.verify import check
from hypothesis import given
from hypothesis import strategies as st
from support.stores.small_trees import overwrite

Files = dict[str, bytes | None | str]  # a text is the target of a symlink, None is an empty directory


def put(
    store: Store, name: str, files: Files, references: list[StorePath] | None = None, executable: str = ""
) -> StorePath:
    writer = store.writer()
    for path, content in files.items():
        if content is None:
            writer.mkdir(path)
        elif isinstance(content, str):
            writer.symlink(path, content)
        else:
            writer.file(path, [content], path == executable)
    key = os.urandom(20)
    return store.register(name, writer, references or [], key, Output(key))


def put_self(store: Store, name: str, output: str, text: bytes) -> StorePath:
    """Register a tree that mentions its own path wherever `text` has @."""
    place = build_path(name, output)
    whole = output_name(name, output)

    def write(hash_: str) -> TreeWriter:
        writer = store.writer()
        writer.file("bin/it", [text.replace(b"@", hash_.encode())], True)
        writer.symlink("self", f"/fpack/store/{hash_}-{whole}/bin/it")
        return writer

    path = make(whole, write(place.hash).finish(), [place])
    key = os.urandom(20)
    (made,) = store.register_all(key, [FinishedOutput(whole, write(path.hash), [], Output(key, output), path)])
    assert made == path
    return path


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    yield one, two
    one.close()
    two.close()


def exported(store: Store, *roots: StorePath) -> bytes:
    out = io.BytesIO()
    write_closure(store, roots, out)
    return out.getvalue()


def read_all(data: bytes) -> list[ClosureEntry]:
    return list(ClosureReader(io.BytesIO(data)).trees(lambda entry: NullSink()))


def small(store: Store) -> StorePath:
    a = put(store, "a", {"bin/run": b"#!/bin/sh\n", "etc/link": "../bin/run", "empty": None}, executable="bin/run")
    b = put(store, "b", {"": b"one file\n"})
    return put(store, "c", {"a": str(a), "b": str(b)}, [a, b])


def test_another_store_gets_the_same_paths(stores: tuple[Store, Store]) -> None:
    one, two = stores
    root = small(one)
    data = exported(one, root)
    done = import_closure(two, io.BytesIO(data))
    assert done.roots == (root,) and set(done.added) == set(one.closure([root])) and done.present == ()
    for path in one.closure([root]):
        here, there = one.info(path), two.info(path)
        assert here is not None and there is not None
        assert here._replace(registered=0) == there._replace(registered=0)
        assert stat.S_IMODE(os.lstat(two.disk(path)).st_mode) in (0o555, 0o444, 0o777)
    assert check(two).damaged == () and exported(two, root) == data
    assert import_closure(two, io.BytesIO(data)).added == ()


def test_one_closure_has_one_form(stores: tuple[Store, Store]) -> None:
    one, two = stores
    a1, b1 = put(one, "a", {"x": b"1"}), put(one, "b", {"x": b"2"})
    b2, a2 = put(two, "b", {"x": b"2"}), put(two, "a", {"x": b"1"})
    assert (a1, b1) == (a2, b2)
    assert exported(one, a1, b1) == exported(two, b2, a2, b2)
    small(one), small(two)
    assert exported(one, small(one), a1) == exported(two, small(two), a1)


@pytest.mark.parametrize("name,output", [("it", "out"), ("it-1.0", "dev"), ("lib-x-doc", "out")])
def test_a_tree_that_mentions_its_own_path(stores: tuple[Store, Store], name: str, output: str) -> None:
    one, two = stores
    # One mention spans two pieces of a large file.
    path = put_self(one, name, output, b"@ and @" + bytes((1 << 20) - 40) + b"@" + bytes(3 << 20) + b"@")
    data = exported(one, path)
    assert read_all(data)[0].output == output
    assert import_closure(two, io.BytesIO(data)).added == (path,)
    assert scan(os.fspath(two.disk(path))) == scan(os.fspath(one.disk(path)))


def test_a_large_file_and_many_blocks(stores: tuple[Store, Store]) -> None:
    one, two = stores
    noise = os.urandom(BLOCK + 5)
    path = put(one, "large", {"noise": noise, "zeros": bytes(2 * BLOCK), "again": noise})
    data = exported(one, path)
    assert len(data) < 2 * len(noise) + BLOCK // 4
    import_closure(two, io.BytesIO(data))
    assert (two.disk(path) / "noise").read_bytes() == noise
    assert os.stat(two.disk(path) / "noise").st_ino == os.stat(two.disk(path) / "again").st_ino


def test_a_stream_that_ends_with_a_block(stores: tuple[Store, Store]) -> None:
    one, two = stores
    # The rest of the stream does not depend on the file's size, which has a fixed width; a record's may.
    rest = len(stream(exported(one, put(one, "x", {"": bytes(BLOCK)})))) - BLOCK
    path = put(one, "x", {"": bytes(2 * BLOCK - rest)})
    data = exported(one, path)
    assert len(stream(data)) == 2 * BLOCK
    assert import_closure(two, io.BytesIO(data)).added == (path,)


names = (
    st.binary(min_size=1, max_size=12)
    .filter(lambda name: b"/" not in name and b"\0" not in name)
    .filter(lambda name: name not in (b".", b".."))
)
trees: Any = st.recursive(
    st.one_of(
        st.tuples(st.just("f"), st.binary(max_size=40), st.booleans()),
        st.tuples(st.just("l"), st.binary(min_size=1, max_size=30).filter(lambda target: b"\0" not in target)),
    ),
    lambda below: st.dictionaries(names, below, max_size=4),
    max_leaves=12,
)


def grow(writer: TreeWriter, tree: Any, path: str = "") -> None:
    if isinstance(tree, dict):
        writer.mkdir(path)
        for name, below in tree.items():
            grow(writer, below, f"{path}/{os.fsdecode(name)}" if path else os.fsdecode(name))
    elif tree[0] == "f":
        writer.file(path, [tree[1]], tree[2])
    else:
        writer.symlink(path, os.fsdecode(tree[1]))


@given(st.lists(st.tuples(trees, st.lists(st.integers(0, 5), max_size=3)), min_size=1, max_size=6), st.data())
def test_any_closure_is_the_same_in_another_store(
    tmp_path_factory: pytest.TempPathFactory, contents: Any, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("stores")
    one, two = Store(folder / "one"), Store(folder / "two")
    try:
        made: list[StorePath] = []
        for number, (tree, below) in enumerate(contents):
            writer = one.writer()
            grow(writer, tree)
            key = os.urandom(20)
            references = sorted({made[index] for index in below if index < len(made)})
            made.append(one.register(f"n{number}", writer, references, key, Output(key)))
        roots = data.draw(st.lists(st.sampled_from(made), min_size=1, max_size=3))
        file = exported(one, *roots)
        known = data.draw(st.lists(st.sampled_from(roots), max_size=1))
        if known:
            import_closure(two, io.BytesIO(exported(one, *known)))
        import_closure(two, io.BytesIO(file))
        assert exported(two, *roots) == file
        for path in one.closure(roots):
            assert tree_digest(scan(os.fspath(two.disk(path)))) == one.info(path).tree  # type: ignore[union-attr]
        assert set(two.closure(roots)) == {info.path for info in two.database.paths()}
    finally:
        one.close()
        two.close()


# What is refused.


def refused(store: Store, data: bytes) -> str:
    """Import a file that must be refused; the message. Nothing becomes valid, and nothing is left over."""
    before = {info.path for info in store.database.paths()}
    with pytest.raises((BadClosureFile, StoreError)) as caught:
        import_closure(store, io.BytesIO(data))
    assert {info.path for info in store.database.paths()} == before
    assert {entry.name for entry in (store.root / "store").iterdir()} == {path.base for path in before}
    assert list(store.session.directory.iterdir()) == [] and list(store.pool.unused()) == []
    return str(caught.value)


def test_a_file_that_ends_anywhere(stores: tuple[Store, Store]) -> None:
    one, two = stores
    data = exported(one, small(one))
    ends = {0, 1, 10, 15, 16, 17, 19, 20, 21, len(data) // 2, *range(len(data) - 12, len(data))}
    for end in sorted(ends | set(range(0, len(data), 37))):
        refused(two, data[:end])
    refused(two, data + b"\0")
    refused(two, data + data)


def test_a_file_that_ends_anywhere_in_its_stream(stores: tuple[Store, Store]) -> None:
    one, two = stores
    whole = stream(exported(one, small(one)))
    for end in range(len(whole)):
        refused(two, packed(whole[:end]))


def test_a_flipped_bit(stores: tuple[Store, Store]) -> None:
    one, two = stores
    data = exported(one, small(one))
    for at in range(len(data)):
        refused(two, data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])


def test_a_flipped_bit_below_the_checksums_of_zstd(stores: tuple[Store, Store]) -> None:
    one, two = stores
    whole = stream(exported(one, small(one)))
    for at in range(len(whole)):
        refused(two, packed(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]))


def test_another_format(stores: tuple[Store, Store]) -> None:
    one, two = stores
    data = exported(one, small(one))
    assert "format 2" in refused(two, data.replace(b"closure 1\n", b"closure 2\n", 1))
    assert "not a closure file" in refused(two, b"something else\n" + data)
    assert "not a closure file" in refused(two, b"")


def stream(data: bytes) -> bytes:
    """Return the stream of a file."""
    at = data.index(b"\n") + 1
    out = b""
    while length := int.from_bytes(data[at : at + 4], "big"):
        out += zstandard.ZstdDecompressor().decompress(data[at + 4 : at + 4 + length])
        at += 4 + length
    return out


def packed(whole: bytes, block: int = BLOCK) -> bytes:
    """Return a file of a stream."""
    zstd = zstandard.ZstdCompressor(level=3)
    frames = [zstd.compress(whole[at : at + block]) for at in range(0, len(whole), block)]
    return FIRST_LINE + b"1\n" + b"".join(len(f).to_bytes(4, "big") + f for f in frames) + bytes(4)


def record(**fields: Any) -> bytes:
    body = canonical.encode(fields)
    return len(body).to_bytes(4, "big") + body


def text(raw: bytes) -> bytes:
    return len(raw).to_bytes(2, "big") + raw


def file(name: bytes, content: bytes) -> bytes:
    return b"f" + text(name) + len(content).to_bytes(8, "big") + content + blake3(content).digest()


def forged(tree: bytes, *, size: int = 0, digest: bytes = bytes(32), references: list[str] | None = None) -> bytes:
    """Return a file of one path with these bytes for its tree; everything around them is right, but for the path."""
    path = StorePath("0" * 32, "x")
    whole = record(roots=[path.base], paths=1, size=size)
    whole += record(path=path.base, tree=digest, size=size, references=references or [], output="") + tree
    return packed(whole + record(digest=blake3(whole).digest()))


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        (b"d\0\0" + file(b"../x", b"") + b"e", "cannot be a file's name"),
        (b"d\0\0" + file(b"..", b"") + b"e", "cannot be a file's name"),
        (b"d\0\0" + file(b"/etc/passwd", b"") + b"e", "cannot be a file's name"),
        (b"d\0\0" + file(b"a\0b", b"") + b"e", "cannot be a file's name"),
        (b"d\0\0" + file(b"", b"") + b"e", "cannot be a file's name"),
        (b"d\0\0" + file(b"n" * 256, b"") + b"e", "256 bytes"),
        (b"d\0\0" + b"l" + text(b"x") + text(b"/etc") + b"d" + text(b"x") + file(b"y", b"") + b"ee", "not sorted"),
        (b"d\0\0" + file(b"x", b"") + file(b"x", b"") + b"e", "not sorted"),
        (b"d\0\0" + file(b"y", b"") + file(b"x", b"") + b"e", "not sorted"),
        (b"d\0\0" + b"l" + text(b"x") + text(b"") + b"e", "target is empty"),
        (b"d\0\0" + b"l" + text(b"x") + text(b"t" * 4096) + b"e", "4096 bytes"),
        (b"p\0\0", "unknown kind"),
        (b"d\0\1x" + b"e", "root of a tree has a name"),
        (b"d\0\0" + b"f\0\1x" + b"\xff" * 8, "larger than its tree"),
        ((b"d\0\0" + b"d\0\1d" * 10_000) + b"e" * 10_001, "levels deep"),
        (b"d\0\0" + b"".join(b"d" + text(b"n" * 255) for _ in range(16)) + b"e" * 17, "too long"),
        (b"d\0\0e", "its digest differs"),
    ],
)
def test_a_hostile_tree(stores: tuple[Store, Store], tree: bytes, why: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    assert why in refused(stores[1], forged(tree))
    assert sorted(tmp_path.iterdir()) == before


def test_a_tree_under_the_name_of_another(stores: tuple[Store, Store]) -> None:
    digest = tree_digest({})
    assert "it has the path" in refused(stores[1], forged(b"d\0\0e", digest=digest))


def test_a_path_whose_references_are_not_before_it(stores: tuple[Store, Store]) -> None:
    assert "not closed" in refused(stores[1], forged(b"d\0\0e", references=["1" * 32 + "-y"]))


def test_a_tree_that_mentions_its_build_path_has_no_path(stores: tuple[Store, Store]) -> None:
    """Otherwise the build path could stand for some mentions of the path: two trees with one path."""
    one, two = stores
    path = put_self(one, "it", "out", b"@ and @")
    data = stream(exported(one, path))
    place = build_path("it", "out")
    changed = (path.hash + " and " + path.hash).encode(), (path.hash + " and " + place.hash).encode()
    content = data.replace(blake3(changed[0]).digest(), blake3(changed[1]).digest()).replace(*changed)
    link = f"/fpack/store/{path.hash}-it/bin/it".encode()
    old = tree_digest(scan(os.fspath(one.disk(path))))
    from fpack.store.files.pool import FileNode

    node = FileNode(blake3(changed[1]).digest(), len(changed[1]), True)
    new = tree_digest({b"bin": {b"it": node}, b"self": link})
    content = content.replace(old, new)
    content = content[: -len(record(digest=bytes(32)))]
    whole = content + record(digest=blake3(content).digest())
    assert "path at which it was built" in refused(two, packed(whole))


def test_a_path_that_nothing_named_needs(stores: tuple[Store, Store]) -> None:
    one, two = stores
    a, b = put(one, "a", {"x": b"1"}), put(one, "b", {"x": b"2"})
    data = stream(exported(one, a, b))
    head = record(roots=sorted([a.base, b.base]), paths=2, size=2)
    body = record(roots=[a.base], paths=2, size=2) + data.removeprefix(head)[: -len(record(digest=bytes(32)))]
    assert "not in the closure" in refused(two, packed(body + record(digest=blake3(body).digest())))


def test_another_order_and_other_blocks(stores: tuple[Store, Store]) -> None:
    one, two = stores
    a, b = sorted([put(one, "a", {"x": b"1"}), put(one, "b", {"x": b"2"})])
    head = record(roots=[a.base, b.base], paths=2, size=2)

    def middle(path: StorePath) -> bytes:
        whole = stream(exported(one, path)).removeprefix(record(roots=[path.base], paths=1, size=1))
        return whole[: -len(record(digest=bytes(32)))]

    for first, second, good in ((a, b, True), (b, a, False)):
        body = head + middle(first) + middle(second)
        data = packed(body + record(digest=blake3(body).digest()))
        if good:
            assert stream(data) == stream(exported(one, a, b)) and len(read_all(data)) == 2
        else:
            assert "another order" in refused(two, data)
    assert "wrong length" in refused(two, packed(stream(exported(one, a, b)), 100))


def test_a_bomb_is_not_unpacked(stores: tuple[Store, Store]) -> None:
    """Frames that declare, or have, more than a block; and sizes that no disk has."""
    zstd = zstandard.ZstdCompressor(level=1)
    bomb = zstd.compress(bytes(256 << 20))
    for frame in (bomb, zstandard.ZstdCompressor(write_content_size=False).compress(bytes(16 << 20))):
        refused(stores[1], FIRST_LINE + b"1\n" + len(frame).to_bytes(4, "big") + frame + bytes(4))
    refused(stores[1], FIRST_LINE + b"1\n" + b"\xff" * 4 + bomb)
    for size in (1 << 62, (1 << 63) - 1):
        assert "not enough space" in refused(stores[1], packed(record(roots=["0" * 32 + "-x"], paths=1, size=size)))
    assert "out of range" in refused(stores[1], packed(record(roots=["0" * 32 + "-x"], paths=1, size=(1 << 64) - 1)))
    assert "too long" in refused(stores[1], packed(b"\xff" * 4))
    nested = b"\x91" * 100_000
    assert "cannot be read" in refused(stores[1], packed(len(nested).to_bytes(4, "big") + nested))


def test_the_number_of_entries_has_a_limit(stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpack.store.closure_file.reader.MAX_ENTRIES", 100)
    many = b"".join(b"d" + text(b"%03d" % number) + b"e" for number in range(100))
    assert "too many entries" in refused(stores[1], forged(b"d\0\0" + many + b"e"))
    monkeypatch.setattr("fpack.store.closure_file.writer.MAX_ENTRIES", 100)
    path = put(stores[0], "many", {f"{number}": b"" for number in range(100)})
    with pytest.raises(StoreError, match="too many entries"):
        exported(stores[0], path)


@pytest.mark.parametrize(
    "harm",
    [
        lambda disk: os.chmod(disk / "etc", 0o755) or (disk / "etc" / "link").unlink(),
        lambda disk: os.chmod(disk / "bin" / "run", 0o444),
        lambda disk: overwrite(disk / "bin" / "run", b"#!/bin/sH\n"),
        lambda disk: overwrite(disk / "bin" / "run", b"#!/bin/sh"),
    ],
)
def test_a_damaged_tree_is_not_exported(stores: tuple[Store, Store], harm: Callable[[Path], object]) -> None:
    path = put(stores[0], "a", {"bin/run": b"#!/bin/sh\n", "etc/link": "x"}, executable="bin/run")
    harm(stores[0].disk(path))
    with pytest.raises(StoreError, match="damaged") as caught:
        exported(stores[0], path)
    assert str(path) in caught.value.hint


def test_the_outputs_that_a_name_can_be() -> None:
    assert list(outputs("a-b-1.0")) == ["out", "1.0", "b-1.0"] and list(outputs("a")) == ["out"]


def test_paths_come_after_their_references() -> None:
    a, b, c, d = (StorePath(letter * 32, letter) for letter in "abcd")
    assert ordered({a: [d], b: [], c: [b], d: [b]}) == [b, c, d, a]
    with pytest.raises(BadClosureFile, match="circle"):
        ordered({a: [b], b: [a]})
