"""Packages that try to get out of their tree, to fill the machine, or to crash the reader: each is refused.

Every case asserts that the message names the member, and that nothing was written outside the private directory.
"""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from fpack.builders.kinds.deb import DebBuilder
from fpack.builders.payload import meta
from fpack.builders.protocol import BuildError
from fpack.store.path import StorePath
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.archives import debs
from support.archives.debs import Item, file, folder, hard_link, symlink
from support.paths import TESTS
from support.properties import examples
from support.stores import elves
from support.stores.task import FakeStore

ARGS = {"package": "hello", "version": "1.0-1", "arch": "amd64"}


@pytest.fixture
def store(tmp_path: Path) -> FakeStore:
    (tmp_path / "outside").mkdir()
    return FakeStore(tmp_path / "outside/root")


def refused(store: FakeStore, package: bytes) -> BuildError:
    """Return the error; nothing is outside the pool, the store and the private tree."""
    path = store.add_file("hello.deb", package)
    before = everything(store)
    with pytest.raises(BuildError) as caught:
        store.build(DebBuilder(), "hello", {"deb": str(path), **ARGS})
    private = {os.fspath(place) for task in store.tasks for place in task.places}
    new = {p for p in everything(store) - before if not any(p.startswith(place) for place in private)}
    assert {p for p in new if not p.startswith(os.fspath(store.root / "files"))} == set()
    assert "hello" in str(caught.value)
    return caught.value


def everything(store: FakeStore) -> set[str]:
    top = store.root.parent.parent
    return {os.fspath(path) for path in top.rglob("*")}


def data(*items: Item | bytes) -> bytes:
    return debs.deb(items)


@pytest.mark.parametrize(
    "name", ["../evil", "./../evil", "./usr/../../evil", "/../evil", "usr/..", "./usr/./../evil", "//../evil"]
)
def test_names_that_climb(store: FakeStore, name: str) -> None:
    error = refused(store, data(file(name, "x")))
    assert ".." in error.where
    assert "leads out" in error.what


def test_absolute_names_stay_inside(store: FakeStore) -> None:
    path = store.add_file("hello.deb", data(file("/etc//./evil", "x")))
    made = store.build(DebBuilder(), "hello", {"deb": str(path), **ARGS})
    assert (store.disk(made) / "data/etc/evil").read_text() == "x"


@pytest.mark.parametrize("target", ["/etc", "../../../..", "usr"])
def test_a_file_under_a_symlink(store: FakeStore, target: str) -> None:
    error = refused(store, data(folder("./usr"), symlink("./link", target), file("./link/evil", "x")))
    assert error.where == "./link/evil"
    assert "symlink" in error.what


def test_a_directory_over_a_symlink(store: FakeStore) -> None:
    error = refused(store, data(symlink("./link", "/tmp"), folder("./link"), file("./link/evil", "x")))
    assert error.where == "./link/"


def test_a_symlink_over_a_directory(store: FakeStore) -> None:
    error = refused(store, data(folder("./d"), symlink("./d", "/etc"), file("./d/evil", "x")))
    assert error.where == "./d"


def test_a_symlink_replaced_by_a_file(store: FakeStore, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("safe")
    error = refused(store, data(symlink("./link", str(victim)), file("./link", "x")))
    assert error.where == "./link"
    assert victim.read_text() == "safe"


def test_a_file_under_a_file(store: FakeStore) -> None:
    assert refused(store, data(file("./f", "x"), file("./f/g", "x"))).where == "./f/g"


@pytest.mark.parametrize(
    ("kind", "word"),
    [("3", "character device"), ("4", "block device"), ("6", "fifo"), ("S", "sparse"), ("Z", "unknown type")],
)
def test_what_is_no_file(store: FakeStore, kind: str, word: str) -> None:
    error = refused(store, data(Item("./dev/evil", kind=kind)))
    assert error.where == "./dev/evil"
    assert word in error.what


@pytest.mark.parametrize(
    ("name", "word"),
    [("./usr/" + "n" * 256, "256"), ("./usr/" + "n/" * 2500 + "x", "5007"), ("./" + "d/" * 80 + "x", "levels")],
    ids=["bytes of a name", "characters of a path", "nesting"],
)
def test_long_names(store: FakeStore, name: str, word: str) -> None:
    error = refused(store, data(file(name, "x")))
    assert word in error.what
    assert error.where.startswith(name[:9])


def test_a_target_of_5000_characters(store: FakeStore) -> None:
    assert "5000" in refused(store, data(symlink("./link", "t" * 5000))).what


def test_an_empty_target(store: FakeStore) -> None:
    assert refused(store, data(symlink("./link", ""))).where == "./link"


@pytest.mark.parametrize("size", [2**64 - 1, 2**63, 2**63 - 1, 2**62, 2**40])
def test_lengths_near_the_end_of_numbers(store: FakeStore, size: int) -> None:
    error = refused(store, data(file("./usr/huge", "x", size=size)))
    assert error.where == "./usr/huge"


def test_a_negative_length(store: FakeStore) -> None:
    item = bytearray(debs.header(file("./usr/minus", "x")))
    item[124:136] = b"\xff" * 12
    item[148:156] = b" " * 8
    item[148:156] = b"%06o\0 " % sum(item)
    assert refused(store, data(bytes(item))).where == "./usr/minus"


def test_pax_sizes(store: FakeStore) -> None:
    body = b"29 size=18446744073709551615\n"
    pax = debs.padded(debs.header(Item("x", kind="x", size=len(body))), body)
    assert refused(store, data(pax, file("./usr/huge", "x"))).where == "./usr/huge"


@pytest.mark.parametrize(
    "body", [b"9999 path=x\n", b"0 path=x\n", b"path=x\n", b"-5 path=x\n", b"9 path=x", b"\xff" * 12]
)
def test_damaged_pax_headers(store: FakeStore, body: bytes) -> None:
    pax = debs.padded(debs.header(Item("x", kind="x", size=len(body))), body)
    assert "pax" in refused(store, data(pax, file("./f", "x"))).what


def test_a_pax_name_that_climbs(store: FakeStore) -> None:
    body = b"16 path=../evil\n"
    pax = debs.padded(debs.header(Item("x", kind="x", size=len(body))), body)
    assert refused(store, data(pax, file("./f", "x"))).where == "../evil"


def test_extension_headers_without_end(store: FakeStore) -> None:
    long = debs.padded(debs.header(Item("././@LongLink", kind="L", size=4)), b"abc\0")
    assert "extension" in refused(store, data(*[long] * 50, file("./f", "x"))).what


def test_an_extension_header_that_is_huge(store: FakeStore) -> None:
    long = debs.header(Item("././@LongLink", kind="L", size=1 << 40)) + bytes(1024)
    assert str((1 << 40) - 1) in refused(store, data(long)).what


def test_a_path_twice(store: FakeStore) -> None:
    error = refused(store, data(file("./usr/f", "a"), file("usr/f", "b")))
    assert error.where == "usr/f"
    assert "twice" in error.what


def test_a_directory_twice_with_two_owners(store: FakeStore) -> None:
    error = refused(store, data(folder("./d", 0o755), folder("./d", 0o777)))
    assert "twice" in error.what


@pytest.mark.parametrize("target", ["./absent", "../../etc/passwd", "/etc/passwd", "./link", "./d", "./later"])
def test_hard_links_to_what_is_not_there(store: FakeStore, target: str) -> None:
    items = [folder("./d"), symlink("./link", "/etc/passwd"), hard_link("./evil", target), file("./later")]
    error = refused(store, data(*items))
    assert error.where == "./evil"


@pytest.mark.parametrize("cut", [20, 100, 300, 0.5, 0.95])
def test_truncated_packages(store: FakeStore, cut: float) -> None:
    whole = data(file("./usr/f", os.urandom(20_000)))
    at = int(len(whole) * cut) if cut < 1 else int(cut)
    assert refused(store, whole[:at]).what


@pytest.mark.parametrize("codec", list(debs.CODECS))
def test_data_that_ends_in_the_middle(store: FakeStore, codec: str) -> None:
    packed = debs.CODECS[codec](debs.tar([file("./usr/f", os.urandom(100_000))]))
    suffix = f".{codec}" if codec else ""
    package = debs.ar(
        [
            ("debian-binary", b"2.0\n"),
            ("control.tar", debs.tar([file("./control", debs.control())])),
            (f"data.tar{suffix}", packed[: len(packed) // 2]),
        ]
    )
    error = refused(store, package)
    assert error.where in ("./usr/f", f"data.tar{suffix}")


def test_a_tar_without_its_end(store: FakeStore) -> None:
    inner = debs.tar([file("./control", debs.control())])
    package = debs.wrap(inner, debs.member(file("./usr/f", "x")))
    assert "truncated" in refused(store, package).what


def test_data_behind_the_end(store: FakeStore) -> None:
    inner = debs.tar([file("./control", debs.control())])
    package = debs.wrap(inner, debs.tar([file("./f", "x")]) + b"more")
    assert "after its end" in refused(store, package).what


@pytest.mark.parametrize(
    ("package", "word"),
    [
        (b"", "ar archive"),
        (b"!<arch>\n", "Debian package"),
        (b"\x7fELF" + bytes(100), "ar archive"),
        (debs.ar([("debian-binary", b"3.0\n")]), "Debian package"),
        (debs.ar([("debian-binary", b"2.0\n")]), "control.tar"),
        (debs.ar([("debian-binary", b"2.0\n"), ("evil", b"")]), "evil"),
        (debs.ar([("debian-binary", b"2.0\n"), ("control.tar.rar", b"")]), "compression"),
        (debs.wrap(debs.tar([file("./postinst", "x")]), debs.tar([])), "control"),
        (debs.wrap(debs.tar([file("./control", "no stanza")]), debs.tar([])), "malformed"),
        (debs.wrap(b"x" * 1024, debs.tar([])), "tar"),
        (debs.wrap(debs.tar([file("./control", "x" * (2 << 20))]), debs.tar([])), "too large"),
        (b"!<arch>\ndebian-binary   0           0     0     100644  -4        `\n2.0\n", "ar archive"),
        (b"!<arch>\ndebian-binary   0           0     0     100644  9999999999`\n2.0\n", "truncated"),
    ],
)
def test_files_that_are_no_packages(store: FakeStore, package: bytes, word: str) -> None:
    assert word in str(refused(store, package))


def test_a_wrong_checksum(store: FakeStore) -> None:
    item = bytearray(debs.member(file("./f", "x")))
    item[0] ^= 1
    assert "checksum" in str(refused(store, data(bytes(item))))


def test_damaged_xz(store: FakeStore) -> None:
    packed = bytearray(data(file("./f", os.urandom(5000))))
    packed[-3000] ^= 0xFF
    assert "xz" in str(refused(store, bytes(packed)))


def with_data(packed: bytes, **control: str) -> bytes:
    """Return a package with this data member, in xz."""
    inner = debs.tar([file("./control", debs.control(**control))])
    return debs.ar([("debian-binary", b"2.0\n"), ("control.tar", inner), ("data.tar.xz", packed)])


def test_a_dictionary_that_is_too_large(store: FakeStore) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 30}]
    packed = lzma.compress(debs.tar([file("./f", "x")]), filters=filters)
    package = with_data(packed)
    assert "emory" in str(refused(store, package))


def test_a_bomb_is_stopped_and_never_held(store: FakeStore, tmp_path: Path) -> None:
    """100 MB of zeros in a package that declares 100 KiB."""
    compressor = lzma.LZMACompressor(preset=0)
    packed = compressor.compress(debs.header(file("./usr/bomb", size=70 << 20)))
    block = bytes(1 << 20)
    packed += b"".join(compressor.compress(block) for _ in range(100)) + compressor.flush()
    package = with_data(packed)
    error = refused(store, package)
    assert error.where == "./usr/bomb"
    assert "declares" in error.why


def test_a_bomb_of_members(store: FakeStore) -> None:
    compressor = lzma.LZMACompressor(preset=0)
    block = debs.header(folder("./d")) * 1000
    packed = b"".join(compressor.compress(block) for _ in range(150)) + compressor.flush()
    package = with_data(packed)
    assert "larger than allowed" in str(refused(store, package))


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=12)), min_size=1, max_size=4))
def test_random_damage(store: FakeStore, patches: list[tuple[float, bytes]]) -> None:
    """A package with some bytes replaced is unpacked inside its tree or refused; nothing else happens."""
    items = [
        folder("./usr"),
        file("./usr/a", "#!/bin/sh\n", 0o755),
        symlink("./usr/l", "a"),
        hard_link("./b", "./usr/a"),
    ]
    whole = bytearray(debs.deb([*items, file("./" + "n" * 120, "x")], codec=""))
    for at, patch in patches:
        start = int(at * len(whole))
        whole[start : start + len(patch)] = patch
    path = store.add_file("hello.deb", bytes(whole))
    try:
        store.build(DebBuilder(), "hello", {"deb": str(path), **ARGS})
    except BuildError as error:
        assert error.what
    outside = {p.name for p in store.root.parent.iterdir()}
    assert outside == {"root"}


def test_a_declared_size_that_no_package_has(store: FakeStore) -> None:
    package = debs.deb([file("./f")], debs.control(Installed_Size=str(1 << 45)))
    assert "Installed-Size" in str(refused(store, package))


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A 60 MB file is unpacked by a process that may have 40 MB more than it starts with."""
    content = os.urandom(1 << 20) * 60
    package = tmp_path / "big.deb"
    package.write_bytes(debs.deb([file("./usr/lib/big", content)], debs.control(Installed_Size="61440"), codec="zst"))
    script = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {os.fspath(TESTS)!r})
        from support.stores.task import FakeStore
        from fpack.builders.kinds.deb import DebBuilder
        import zstandard, lzma, hashlib
        store = FakeStore(Path({os.fspath(tmp_path / "root")!r}))
        place = store.store / ("0" * 32 + "-big.deb")
        place.hardlink_to({os.fspath(package)!r})
        from fpack.store.path import parse
        store.trust(parse(place.name))
        def peak():
            # Not ru_maxrss, which a child inherits from the process that it was forked from.
            return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
        before = peak()
        store.build(DebBuilder(), "big", {{"deb": "/fpack/store/" + place.name, **{ARGS!r}}})
        print(peak() - before)
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 40_000, "kilobytes"


def quick(store: FakeStore, package: bytes, seconds: float = 8) -> StorePath | None:
    """Return the payload of a package, within some seconds of processor time, or None if it is refused."""
    path = store.add_file("hello.deb", package)
    begun = time.process_time()
    try:
        return store.build(DebBuilder(), "hello", {"deb": str(path), **ARGS})
    except BuildError as error:
        assert error.what.startswith("The package hello is refused")
        return None
    finally:
        assert time.process_time() - begun < seconds


SCRIPTS = {
    "a digit that is no number": "update-alternatives --install /a b /c ²\nadduser --system --uid ² foo\n",
    "a long word": f"adduser {'a' * 250_000}\n",
    "many values": "".join(f"a{i}=1\n" for i in range(15_000))
    + f"for x in {' '.join(map(str, range(64)))}; do\n"
    + "adduser --system $x$x\n" * 5000,
    "many alternatives": f"for x in {' '.join(map(str, range(64)))}; do\n"
    + "".join(f"update-alternatives --install /a/$x/{i} b /c 1\n" for i in range(4000)),
    "words that grow": f"A={'x' * 4096}\n" + f"adduser {'$A' * 7000}\n" * 15,
}


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_scripts_that_take_long_to_read(store: FakeStore, name: str) -> None:
    package = debs.deb([file("./f")], scripts={"postinst": SCRIPTS[name]})
    made = quick(store, package)
    assert made is not None and (store.disk(made) / "meta").stat().st_size < 2 << 20


@pytest.mark.parametrize(
    "texts",
    [["u foo ²\n"], [f"u {'x' * 60_000}\n"], ["u a -\n" * 10_000] * 50, [f"u a{i} -\n" * 500 for i in range(100)]],
)
def test_declarations_that_take_long_to_read(store: FakeStore, texts: list[str]) -> None:
    quick(store, debs.deb([file(f"./usr/lib/sysusers.d/{i}.conf", text) for i, text in enumerate(texts)]))


def test_control_data_of_many_lines(store: FakeStore) -> None:
    assert quick(store, debs.deb([file("./f")], debs.control() + "X-Foo: a\n" + " x\n" * 330_000)) is not None


@pytest.mark.parametrize(
    "stanza",
    [
        debs.control() + "\nPackage: other\n",
        debs.control() + "\nX-Status: install ok installed\n",
        debs.control() + " \t\nX-More: x\n",
        debs.control(Status="deinstall ok config-files"),
    ],
)
def test_control_data_of_more_than_one_package(store: FakeStore, stanza: str) -> None:
    """It would become more than one entry of dpkg's status."""
    assert "control" in str(refused(store, debs.deb([file("./f")], stanza)))


@pytest.mark.parametrize("size", ["²", "9" * 5000, "-1", "1e9"])
def test_a_declared_size_that_is_no_number_counts_for_nothing(store: FakeStore, size: str) -> None:
    assert quick(store, debs.deb([file("./f")], debs.control(Installed_Size=size))) is not None


def test_what_a_file_loads_is_bounded(store: FakeStore) -> None:
    """A small ELF file can name one long string thousands of times, and hard links repeat it at no cost."""
    path = store.add_file("hello.deb", debs.deb([file("./a", elves.repeated(runpath=16_000), 0o755)]))
    entries, _ = meta.read(store.disk(store.build(DebBuilder(), "hello", {"deb": str(path), **ARGS})))
    assert len(entries[0].facts.runpath) <= 256 if entries[0].facts else False
    many = elves.repeated(needed=1000)
    links = [hard_link(f"./h{i}", "./a") for i in range(300)]
    assert "too many" in refused(store, debs.deb([file("./a", many, 0o755), *links])).what


def test_names_of_owners_are_bounded(store: FakeStore) -> None:
    for key in (b"uname", b"gname"):
        body = b"60000 " + key + b"=" + b"u" * 59_987 + b"\n"
        pax = debs.padded(debs.header(Item("x", kind="x", size=len(body))), body)
        assert "owner" in refused(store, data(pax, file("./f", "x"))).what


def test_directories_that_names_imply_are_bounded(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpack.builders.kinds.deb.MAX_ENTRIES", 1000)
    deep = "/".join("d" * 40)
    assert "too many" in refused(store, data(*[file(f"./{i}/{deep}/f") for i in range(100)])).what


def test_long_names_are_bounded(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpack.builders.kinds.deb.MAX_WORDS", 100_000)
    assert "too many" in refused(store, data(*[symlink(f"./{i}", "t" * 4000) for i in range(100)])).what


def test_a_bomb_that_declares_its_size(store: FakeStore) -> None:
    """300 MB of zeros in 50 kB, of a package that says that it is that large."""
    compressor = lzma.LZMACompressor(preset=0)
    packed = compressor.compress(debs.header(file("./usr/bomb", size=300 << 20)))
    block = bytes(1 << 20)
    packed += b"".join(compressor.compress(block) for _ in range(301)) + compressor.flush()
    package = with_data(packed, Installed_Size="400000")
    assert refused(store, package).where == "./usr/bomb"
