"""Layers: what is in the tar, and that it and its digests are a function of the parts alone."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.kinds import layer
from fpack.builders.kinds.layer import LayerBuilder
from fpack.builders.protocol import BuildError, Cancelled
from fpack.builders.streams.codecs import CodecError, codec
from fpack.builders.streams.tar_writer import MTIME
from fpack.store.errors import DamagedPath
from fpack.store.path import StorePath
from support.images.small_images import Node, Workshop, folder, link, program, read_tar, unpacked
from support.paths import TESTS
from support.stores.task import FakeTask


def blob(shop: Workshop, made: StorePath) -> bytes:
    return (shop.disk(made) / "blob").read_bytes()


def content(shop: Workshop, made: StorePath) -> dict[str, tuple[Any, bytes]]:
    return read_tar(unpacked(blob(shop, made)))


TREE = {
    "usr/bin/app": program(b"app"),
    "usr/bin/su": Node(b"su", 0o4755),
    "usr/lib/libx.so": link("libx.so.1"),
    "usr/lib/libx.so.1": b"lib",
    "var/lib/app": folder(0o700, 999, 998),
    "var/mail": folder(0o2775, 0, 8),
    "etc/app.conf": Node(b"secret", 0o640, 0, 998),
    "etc/empty": b"",
}


def test_a_tree_with_a_table(shop: Workshop) -> None:
    found = content(shop, shop.layer([shop.table("app", TREE)]))
    shown = {path: (info.type, oct(info.mode), info.uid, info.gid) for path, (info, _) in found.items()}
    assert shown == {
        ".": (b"5", "0o755", 0, 0),
        "etc": (b"5", "0o755", 0, 0),
        "etc/app.conf": (b"0", "0o640", 0, 998),
        "etc/empty": (b"0", "0o644", 0, 0),
        "usr": (b"5", "0o755", 0, 0),
        "usr/bin": (b"5", "0o755", 0, 0),
        "usr/bin/app": (b"0", "0o755", 0, 0),
        "usr/bin/su": (b"0", "0o4755", 0, 0),
        "usr/lib": (b"5", "0o755", 0, 0),
        "usr/lib/libx.so": (b"2", "0o777", 0, 0),
        "usr/lib/libx.so.1": (b"0", "0o644", 0, 0),
        "var": (b"5", "0o755", 0, 0),
        "var/lib": (b"5", "0o755", 0, 0),
        "var/lib/app": (b"5", "0o700", 999, 998),
        "var/mail": (b"5", "0o2775", 0, 8),
    }
    assert found["usr/bin/app"][1] == b"app" and found["usr/lib/libx.so"][0].linkname == "libx.so.1"
    assert {info.mtime for info, _ in found.values()} == {MTIME}
    assert {(info.uname, info.gname) for info, _ in found.values()} == {("", "")}


def test_entries_are_sorted_by_the_bytes_of_their_paths(shop: Workshop) -> None:
    tree = {"b": b"", "a-b": b"", "a/b": b"", "a.b": b"", "ä": b"", "Z": b"", "a0": b""}
    names = [os.fsencode(name) for name in content(shop, shop.layer([shop.table("x", tree)]))]
    assert names == [b"."] + sorted([b"b", b"a", b"a-b", b"a/b", b"a.b", "ä".encode(), b"Z", b"a0"])


def test_a_store_path_is_laid_at_its_prefix(shop: Workshop) -> None:
    path = shop.plain("tool-1", {"bin/tool": program(b"t"), "share/doc": b"d", "lib": link("share"), "empty": folder()})
    found = content(shop, shop.layer([(path, str(path))]))
    base = str(path)[1:]
    shown = {name: (info.type, oct(info.mode), info.uid, info.gid) for name, (info, _) in found.items()}
    plain = (b"5", "0o755", 0, 0)
    assert shown == {
        ".": plain,
        "fpack": plain,
        "fpack/store": plain,
        base: plain,
        f"{base}/bin": plain,
        f"{base}/bin/tool": (b"0", "0o755", 0, 0),
        f"{base}/empty": plain,
        f"{base}/lib": (b"2", "0o777", 0, 0),
        f"{base}/share": plain,
        f"{base}/share/doc": (b"0", "0o644", 0, 0),
    }


def test_a_store_path_that_is_a_file(shop: Workshop) -> None:
    path = shop.store.add_file("config", b"x = 1\n")
    found = content(shop, shop.layer([(path, str(path))]))
    assert found[str(path)[1:]][1] == b"x = 1\n"


@pytest.mark.parametrize("prefix", ["usr", "/usr/", "//usr", "/usr/../etc", "/"])
def test_a_prefix_is_an_absolute_plain_path(shop: Workshop, prefix: str) -> None:
    with pytest.raises(BuildError):
        shop.layer([(shop.plain("x", {"a": b""}), prefix)])


@pytest.mark.parametrize("compress", ["zstd:3", "gzip", "none"])
def test_digests_and_sizes_are_those_of_the_bytes(shop: Workshop, compress: str) -> None:
    made = shop.layer([shop.table("app", TREE)], compress)
    info, data = layer.read(shop.tree(made)), blob(shop, made)
    tar = unpacked(data)
    assert info.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert info.diff_id == f"sha256:{hashlib.sha256(tar).hexdigest()}"
    assert (info.size, info.tar) == (len(data), len(tar))
    assert (info.unpacked, info.files) == (len(b"app" + b"su" + b"lib" + b"secret"), 6)


def test_the_diff_id_does_not_depend_on_the_codec(shop: Workshop) -> None:
    path = shop.table("app", TREE)
    infos = [layer.read(shop.tree(shop.layer([path], c))) for c in ("zstd:3", "zstd:9", "gzip", "none")]
    assert len({info.diff_id for info in infos}) == 1
    assert len({info.digest for info in infos}) == 4


def test_a_codec_of_another_version_is_refused(shop: Workshop) -> None:
    record = {**codec("zstd"), "library": "zstandard 0.24.0 zstd 1.5.6"}
    parts = [{"path": str(shop.table("app", TREE)), "prefix": ""}]
    with pytest.raises(CodecError):
        shop.store.build(LayerBuilder(), "layer", {"parts": parts, "codec": record})


@pytest.fixture
def strange_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set another umask, time zone and order of directories for a test."""
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path=".": sorted(listdir(path), reverse=True))
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    umask = os.umask(0o077)
    yield
    os.umask(umask)
    monkeypatch.undo()
    time.tzset()


class TestDeterminism:
    def build(self, place: Path) -> StorePath:
        shop = Workshop(place)
        tool = shop.plain("tool", {f"bin/t{i}": program(b"%d" % i) for i in range(20)})
        return shop.layer([shop.table("app", TREE), (tool, str(tool))], "zstd")

    def test_the_same_parts_make_the_same_path_anywhere(self, tmp_path: Path, request: pytest.FixtureRequest) -> None:
        first = self.build(tmp_path / "one")
        request.getfixturevalue("strange_machine")
        assert self.build(tmp_path / "another" / "place") == first

    def test_a_change_makes_another(self, tmp_path: Path) -> None:
        shop = Workshop(tmp_path / "fpack")
        one = shop.layer([shop.table("app", TREE)])
        two = shop.layer([shop.table("app", {**TREE, "etc/empty": Node(b"", 0o600)})])
        assert layer.read(shop.tree(one)).diff_id != layer.read(shop.tree(two)).diff_id


class TestGroups:
    def test_parts_share_directories(self, shop: Workshop) -> None:
        one = shop.table("one", {"usr/share/one": b"1", "srv": folder(0o750, 5, 5)})
        two = shop.table("two", {"usr/share/two": b"2", "srv": folder(0o750, 5, 5), "srv/x": b""})
        found = content(shop, shop.layer([one, two]))
        assert [*found] == [".", "srv", "srv/x", "usr", "usr/share", "usr/share/one", "usr/share/two"]
        assert oct(found["srv"][0].mode) == "0o750"

    def test_the_order_of_parts_does_not_matter(self, shop: Workshop) -> None:
        one, two = shop.table("one", {"a": b"1"}), shop.table("two", {"b": b"2"})
        assert blob(shop, shop.layer([one, two])) == blob(shop, shop.layer([two, one]))

    def test_an_equal_file_is_written_once(self, shop: Workshop) -> None:
        one, two = shop.table("one", {"a": b"same", "l": link("a")}), shop.table("two", {"a": b"same", "l": link("a")})
        assert [*content(shop, shop.layer([one, two]))] == [".", "a", "l"]

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (b"one", b"two"),
            (b"one", Node(b"one", 0o600)),
            (b"one", Node(b"one", 0o644, 1)),
            (link("x"), link("y")),
            (b"one", link("y")),
            (folder(0o700), folder(0o755)),
            (folder(0o700), b"file"),
        ],
    )
    def test_two_different_entries_are_an_error(self, shop: Workshop, first: Any, second: Any) -> None:
        one, two = shop.table("one", {"p": first}), shop.table("two", {"p": second})
        with pytest.raises(BuildError, match="differ on /p") as error:
            shop.layer([one, two])
        assert "one" in error.value.where and "two" in error.value.where

    @pytest.mark.parametrize("obstacle", [b"file", link("elsewhere")])
    def test_a_path_below_no_directory_is_an_error(self, shop: Workshop, obstacle: Any) -> None:
        one, two = shop.table("one", {"usr/x": obstacle}), shop.table("two", {"usr/x/y/z": b""})
        with pytest.raises(BuildError, match="lies below a path that is not a directory"):
            shop.layer([one, two])

    def test_given_attributes_settle_directories(self, shop: Workshop) -> None:
        one, two = shop.table("one", {"tmp": folder(0o1777)}), shop.table("two", {"tmp": folder(0o700), "root/x": b""})
        settled = [["tmp", 0o1777, 0, 0], ["root", 0o700, 3, 4], ["not/here", 0o700, 0, 0]]
        found = content(shop, shop.layer([one, two], directories=settled))
        assert {p: (oct(i.mode), i.uid, i.gid) for p, (i, _) in found.items()} == {
            ".": ("0o755", 0, 0),
            "root": ("0o700", 3, 4),
            "root/x": ("0o644", 0, 0),
            "tmp": ("0o1777", 0, 0),
        }

    def test_what_another_package_replaces_is_left_out(self, shop: Workshop) -> None:
        one, two = shop.table("one", {"a": b"old", "b": b"b"}), shop.table("two", {"a": b"new"})
        parts = [{"path": str(one), "prefix": "", "exclude": ["/a"]}, two]
        found = content(shop, shop.layer(parts))
        assert [*found] == [".", "a", "b"] and found["a"][1] == b"new"


def test_a_damaged_store_is_noticed(shop: Workshop) -> None:
    path = shop.table("app", TREE)
    place = shop.disk(path) / "data/usr/bin/app"
    place.chmod(0o644)
    with open(place, "ab") as file:
        file.write(b"!")
    with pytest.raises(DamagedPath, match="found [0-9]+ bytes"):
        shop.layer([path])


def test_an_interruption_stops_it(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: FakeTask) -> None:
        raise Cancelled("Interrupted")

    path = shop.table("big", {"a": os.urandom(3 << 20)})
    monkeypatch.setattr(FakeTask, "check", stop)
    with pytest.raises(Cancelled):
        shop.layer([path], "zstd")


class TestBudget:
    def test_what_is_held_at_once_stays_below_the_limit(self) -> None:
        budget, held, most = layer.Budget(100), [0], [0]
        lock = threading.Lock()

        def work(amount: int) -> None:
            with budget.take(amount, lambda: None):
                with lock:
                    held[0] += amount
                    most[0] = max(most[0], held[0])
                time.sleep(0.005)
                with lock:
                    held[0] -= amount

        with ThreadPoolExecutor(18) as pool:
            list(pool.map(work, [30, 40, 50, 60, 20, 90] * 3))
        assert held == [0] and 60 <= most[0] <= 100

    def test_one_that_is_larger_has_its_turn_alone(self) -> None:
        budget = layer.Budget(100)
        with budget.take(1000, lambda: None), pytest.raises(Cancelled), budget.take(1, self.stop):
            raise AssertionError("it should have waited")
        with budget.take(100, self.stop):
            pass

    @staticmethod
    def stop() -> None:
        raise Cancelled("Interrupted")


_BIG = """
import os, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from fpack.store.path import parse
from support.images.small_images import Workshop
place, base, size, random = Path({place!r}), "0" * 32 + "-big", int(sys.argv[1]), int(sys.argv[2])
shop = Workshop(place)
with open(place / "store" / base, "wb") as file:
    file.truncate(size)
    block = os.urandom(1 << 20)
    for _ in range(random >> 20):
        file.write(block)
shop.layer([(shop.store.trust(parse(base)), "/big")], sys.argv[3])
# Not ru_maxrss, which a child inherits from the process that it was forked from.
print(int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) // 1024)
"""


def peak(tmp_path: Path, compress: str, size: int, random: int = 0) -> int:
    """Megabytes that a process needs at most to make a layer of one file, whose first `random` bytes are not zeros."""
    script = _BIG.format(tests=str(TESTS), place=str(tmp_path / "fpack"))
    command = [sys.executable, "-c", script, str(size), str(random), compress]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.parametrize("compress", ["zstd", "none"])
def test_memory_does_not_grow_with_a_file(tmp_path: Path, compress: str) -> None:
    assert peak(tmp_path, compress, 330 << 20) < 300


@pytest.mark.long
@pytest.mark.parametrize("compress", ["zstd", "zstd:19", "none"])
def test_two_gigabytes_fit_into_300_megabytes(tmp_path: Path, compress: str) -> None:
    assert peak(tmp_path, compress, 2 << 30, 1 << 30) < 300
