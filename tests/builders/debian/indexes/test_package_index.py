"""Test that indexes are fetched, verified, decompressed and read by offset."""

from __future__ import annotations

import hashlib
import os
import resource
from pathlib import Path

import pytest
from fpack.builders.debian.indexes.cache import IndexCache
from fpack.builders.debian.indexes.download import IndexDownload, IndexGone
from fpack.builders.debian.indexes.merged import MergedIndex
from fpack.builders.debian.indexes.package_index import (
    IndexUnusable,
    PackageIndex,
    choose,
    open_cached,
    open_index,
)
from fpack.builders.debian.indexes.table import make_table, open_table, table_file
from fpack.builders.debian.mirrors import Mirrors, find_mirrors
from fpack.builders.debian.package import PackageError
from fpack.builders.debian.relations import ProvidedName, Relation
from fpack.builders.debian.release import Release, read_release
from fpack.builders.debian.suites import IndexPin, Suite, SuiteFile
from fpack.builders.net.errors import Unreachable
from fpack.builders.net.http import Http
from fpack.store.errors import FpackError
from support.archives.archive import Archive, pack, pin_of

SUITE = Suite("trixie", "debian")
TAIL = f"Filename: pool/x.deb\nSize: 5\nSHA256: {'0' * 64}\n"


def stanza(name: str, version: str = "1", **fields: str) -> str:
    more = "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in fields.items())
    return f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n{more}{TAIL}"


def index(*stanzas: str) -> PackageIndex:
    text = "\n".join(stanzas).encode()
    pin = pin_of(text)
    return PackageIndex(SUITE, "amd64", open_table(text, table_file(text, pin), pin))


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path / "mirror", archs=("amd64", "arm64"))
    archive.add("hello", "1.0", depends="libc6 (>= 2) | other, awk", section="misc")
    archive.add("zlib", "1:1.3-1", fields={"Source": "zlib-src (1.3-1)", "Provides": "libz (= 1.3), compress"})
    archive.add("doc", "1", arch="all")
    archive.add("only-arm", "1", arch="arm64")
    archive.publish()
    return archive


@pytest.fixture
def cache(tmp_path: Path) -> IndexCache:
    return IndexCache(tmp_path / "cache")


def release_of(archive: Archive) -> Release:
    import time

    return read_release(archive.inrelease().read_bytes(), archive.keyring, suite="trixie", now=time.time())


def mirrors_of(archive: Archive) -> Mirrors:
    return find_mirrors(archive.mirror, environ={})


def open_it(archive: Archive, cache: IndexCache, pin: IndexPin | None = None, arch: str = "amd64") -> PackageIndex:
    pin = pin or choose(release_of(archive), arch)
    return open_index(IndexDownload(cache, pin, SUITE, 0, mirrors_of(archive), Http(retries=0)), arch)


def test_a_package(archive: Archive, cache: IndexCache) -> None:
    opened = open_it(archive, cache)
    assert sorted(opened.names()) == ["doc", "hello", "zlib"]
    (hello,) = opened.packages("hello")
    deb = archive.folder / "debian" / hello.file
    assert (hello.name, hello.version, hello.arch, hello.source) == ("hello", "1.0", "amd64", "hello")
    assert (hello.size, hello.sha256) == (deb.stat().st_size, hashlib.sha256(deb.read_bytes()).hexdigest())
    assert hello.depends == ((Relation("libc6", ">=", "2"), Relation("other")), (Relation("awk"),))
    assert (hello.suite, hello.archive, hello.section) == ("trixie", "debian", "misc")
    (zlib,) = opened.packages("zlib")
    assert (zlib.source, zlib.source_version) == ("zlib-src", "1.3-1")
    assert zlib.provides == (ProvidedName("libz", "1.3"), ProvidedName("compress"))
    assert opened.providers("libz") == ["zlib"]
    assert opened.packages("libz") == []
    assert opened.providers("hello") == []
    assert opened.packages("none") == []


def test_another_architecture(archive: Archive, cache: IndexCache) -> None:
    assert sorted(open_it(archive, cache, arch="arm64").names()) == ["doc", "only-arm"]
    with pytest.raises(IndexUnusable, match="riscv64"):
        open_it(archive, cache, arch="riscv64")


@pytest.mark.parametrize("packings", [("xz",), ("gz",), ("xz", "gz")])
@pytest.mark.parametrize("by_hash", [True, False])
def test_packings_and_places(archive: Archive, cache: IndexCache, packings: tuple[str, ...], by_hash: bool) -> None:
    archive.publish(packings=packings, by_hash=by_hash)
    assert "hello" in open_it(archive, cache).names()


def test_the_cache_needs_no_mirror(archive: Archive, cache: IndexCache) -> None:
    pin = choose(release_of(archive), "amd64")
    open_it(archive, cache, pin)
    archive.inrelease().unlink()
    for file in archive.folder.rglob("Packages*"):
        file.unlink()
    opened = open_cached(cache, pin, SUITE, "amd64")
    assert opened is not None
    assert opened.packages("hello")[0].version == "1.0"


@pytest.mark.parametrize("damage", ["no table", "shorter table", "empty table", "other format"])
def test_a_damaged_table_is_made_again_from_the_text(archive: Archive, cache: IndexCache, damage: str) -> None:
    pin = choose(release_of(archive), "amd64")
    open_it(archive, cache, pin)
    table = cache.table(pin)
    good = table.read_bytes()
    if damage == "no table":
        table.unlink()
    else:
        table.write_bytes(
            {"shorter table": good[:-3], "empty table": b"", "other format": b"fpack-index 1 7\n"}[damage]
        )
    opened = open_cached(cache, pin, SUITE, "amd64")
    assert opened is not None and opened.packages("hello")[0].version == "1.0"
    assert table.read_bytes() == good
    assert not list(cache.directory.glob("new-*"))


def test_a_shorter_text_is_fetched_again(archive: Archive, cache: IndexCache) -> None:
    pin = choose(release_of(archive), "amd64")
    open_it(archive, cache, pin)
    cache.text(pin).write_bytes(cache.text(pin).read_bytes()[:-10])
    assert open_cached(cache, pin, SUITE, "amd64") is None
    assert open_it(archive, cache, pin).packages("hello")[0].version == "1.0"


def answers(opened: PackageIndex) -> list[object]:
    """Everything that an index says."""
    names = list(opened.names())
    return [names, [opened.packages(n) for n in names], [opened.providers(n) for n in ("libz", "compress", "hello")]]


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("which", ["text", "table"])
def test_no_flipped_bit_changes_an_answer(archive: Archive, cache: IndexCache, which: str) -> None:
    """The text is fetched again, and the table is made again."""
    pin = choose(release_of(archive), "amd64")
    right = answers(open_it(archive, cache, pin))
    path = cache.text(pin) if which == "text" else cache.table(pin)
    good = path.read_bytes()
    for bit in range(0, 8 * len(good), 7):
        path.write_bytes(flipped(good, bit))
        assert answers(open_it(archive, cache, pin)) == right
        assert cache.text(pin).read_bytes() == good or which == "table"
        assert which == "text" or path.read_bytes() == good


def test_a_damaged_text_without_an_archive_is_an_error_once(archive: Archive, cache: IndexCache) -> None:
    pin = choose(release_of(archive), "amd64")
    open_it(archive, cache, pin)
    text = cache.text(pin)
    text.write_bytes(text.read_bytes().replace(b"libc6 (>= 2)", b"libc7 (>= 2)"))
    opened = open_cached(cache, pin, SUITE, "amd64")
    assert opened is not None
    with pytest.raises(IndexUnusable, match="damaged") as caught:
        opened.packages("hello")
    assert str(text) == caught.value.where and "run the command again" in caught.value.hint
    assert not text.exists()
    assert open_it(archive, cache, pin).packages("hello")[0].depends[0][0] == Relation("libc6", ">=", "2")


def test_a_repair_during_a_walk_continues_the_walk(archive: Archive, cache: IndexCache) -> None:
    text = "\n".join(stanza(f"many-{number:04}") for number in range(4000)).encode()
    pin = damaged_pin(archive, pack(text, "xz"), text, len(text))
    names = list(open_it(archive, cache, pin).names())
    assert len(names) == 4000
    table = cache.table(pin)
    good = table.read_bytes()
    table.write_bytes(good.replace(b"many-3900\t", b"many-3901\t"))
    assert list(open_it(archive, cache, pin).names()) == names
    assert table.read_bytes() == good


def test_an_index_of_another_name_is_not_believed(archive: Archive, cache: IndexCache) -> None:
    pin, other = (choose(release_of(archive), arch) for arch in ("amd64", "arm64"))
    open_it(archive, cache, pin)
    cache.text(other).write_bytes(cache.text(pin).read_bytes())
    cache.table(other).write_bytes(cache.table(pin).read_bytes())
    assert open_cached(cache, other._replace(size=pin.size), SUITE, "arm64") is None
    assert "only-arm" in open_it(archive, cache, other, "arm64").names()


def test_a_strangers_cache_is_not_believed(
    archive: Archive, cache: IndexCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = choose(release_of(archive), "amd64")
    open_it(archive, cache, pin)
    suite = Suite("trixie", "debian")
    assert open_cached(cache, pin, suite, "amd64") is not None
    monkeypatch.setattr(
        "fpack.builders.debian.indexes.package_index.open_to_others", lambda status: "it is a stranger's"
    )
    assert open_cached(cache, pin, suite, "amd64") is None


def test_an_index_that_no_archive_has_is_not_fetched(archive: Archive, cache: IndexCache) -> None:
    pin = choose(release_of(archive), "amd64")
    for huge in (pin._replace(size=1 << 50), pin._replace(packed=pin.packed._replace(size=1 << 50))):
        with pytest.raises(IndexUnusable, match="too large"):
            open_it(archive, cache, huge)
    assert not cache.directory.exists()


def test_an_index_that_is_gone(archive: Archive, cache: IndexCache) -> None:
    pin = choose(release_of(archive), "amd64")
    archive.add("new")
    archive.publish()
    with pytest.raises(IndexGone):
        open_it(archive, cache, pin)


def test_an_old_index_is_found_by_its_digest(archive: Archive, cache: IndexCache) -> None:
    pin = choose(release_of(archive), "amd64")
    archive.add("new")
    archive.publish(keep_old=True)
    assert "new" not in open_it(archive, cache, pin).names()


def damaged_pin(archive: Archive, packed: bytes, text: bytes, size: int, ending: str = "xz") -> IndexPin:
    """Return the pin of an index with correct compressed bytes, but a possibly different text."""
    folder = archive.folder / "debian/dists/trixie/main/binary-amd64"
    (folder / f"Packages.{ending}").write_bytes(packed)
    file = SuiteFile(f"main/binary-amd64/Packages.{ending}", len(packed), hashlib.sha256(packed).hexdigest())
    return IndexPin(hashlib.sha256(text).hexdigest(), size, file)


@pytest.mark.parametrize("ending", ["xz", "gz"])
def test_what_is_not_as_announced_never_gets_in(archive: Archive, cache: IndexCache, ending: str) -> None:
    text = stanza("a").encode()
    packed = pack(text, ending)
    bomb = pack(b"\0" * 50_000_000, ending)
    for pin in (
        damaged_pin(archive, packed, text + b"x", len(text), ending),
        damaged_pin(archive, packed, text, len(text) - 1, ending),
        damaged_pin(archive, packed, text, len(text) + 1, ending),
        damaged_pin(archive, packed[:-9], text, len(text), ending),
        damaged_pin(archive, b"nonsense", text, len(text), ending),
        damaged_pin(archive, bomb, text, len(text), ending),
    ):
        with pytest.raises(IndexUnusable):
            open_it(archive, cache, pin)
        assert not list(cache.directory.glob("*.packages"))
        assert not list(cache.directory.glob("new-*"))


def test_what_was_not_used_for_long_is_deleted(archive: Archive, cache: IndexCache) -> None:
    old = choose(release_of(archive), "amd64")
    open_it(archive, cache, old)
    used = choose(release_of(archive), "arm64")
    open_it(archive, cache, used, "arm64")
    for path in cache.directory.iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert open_cached(cache, used, SUITE, "arm64") is not None
    archive.add("new")
    archive.publish()
    new = choose(release_of(archive), "amd64")
    open_it(archive, cache, new)
    assert open_cached(cache, old, SUITE, "amd64") is None
    assert open_cached(cache, used, SUITE, "arm64") is not None
    assert {path.name.partition(".")[0] for path in cache.directory.iterdir()} == {used.sha256, new.sha256}


@pytest.mark.parametrize("archive_answers", [True, False])
def test_gone_and_unreachable_differ(archive: Archive, cache: IndexCache, archive_answers: bool) -> None:
    """An index is gone if one mirror responds that it does not exist, even if another mirror does not respond."""
    pin = choose(release_of(archive), "amd64")
    archive.add("new")
    archive.publish()
    mirror = (
        f"{'debian=' + archive.folder.as_uri() + '/debian' if archive_answers else ''} debian=http://127.0.0.1:1/ only"
    )
    with pytest.raises(IndexGone if archive_answers else Unreachable):
        open_index(IndexDownload(cache, pin, SUITE, 0, find_mirrors(mirror, environ={}), Http(retries=0)), "amd64")


def test_no_packages_at_all(archive: Archive, cache: IndexCache) -> None:
    for name in ("hello", "zlib", "doc", "only-arm"):
        archive.remove(name)
    archive.publish()
    assert list(open_it(archive, cache).names()) == []


def test_several_versions_in_one_index() -> None:
    opened = index(stanza("a", "1"), stanza("b"), stanza("a", "3"), stanza("a", "2"))
    assert [package.version for package in opened.packages("a")] == ["1", "3", "2"]


def test_every_name_is_found_and_no_other() -> None:
    names = [f"p{number}{end}" for number in range(57) for end in ("", "-a", "+b", ".c")]
    opened = index(*(stanza(name, Provides=f"v-{name}, shared") for name in names))
    assert sorted(opened.names()) == sorted(names)
    for name in names:
        assert [p.name for p in opened.packages(name)] == [name]
        assert opened.providers(f"v-{name}") == [name]
        assert opened.packages(f"v-{name}") == []
        assert opened.packages(name + "x") == []
        assert opened.packages(name[:-1] + "~") == []
    assert opened.providers("shared") == names
    assert opened.packages("") == []
    assert opened.packages(next(opened.names()) + "\t") == []
    assert opened.packages("p1\t" + str(opened._find("p1")[0], "ascii")) == []
    assert opened.packages("p1\n") == opened.packages("pä") == opened.packages("\udc80") == []
    assert opened.packages("zzz") == []
    assert opened.packages("0") == []


def test_provides_over_several_lines_and_long_descriptions() -> None:
    text = stanza("a", Provides="x,\n y (= 1),\n z", Description="d\n Package: b\n Provides: no")
    opened = index(text, stanza("c"))
    assert [opened.providers(name) for name in "xyz"] == [["a"]] * 3
    assert opened.providers("no") == []
    assert sorted(opened.names()) == ["a", "c"]
    assert opened.packages("a")[0].description == "d"


@pytest.mark.parametrize("text", [b"Version: 1\n", b"\0\0\0\0", b"<html>"])
def test_a_text_that_is_no_index(text: bytes) -> None:
    with pytest.raises(IndexUnusable):
        make_table(text)


def test_stanzas_need_a_blank_line_between() -> None:
    with pytest.raises(IndexUnusable, match="blank line"):
        make_table((stanza("a") + stanza("b")).encode())


@pytest.mark.parametrize(
    "text",
    [
        stanza("a").replace("Size: 5\n", ""),
        stanza("a").replace("Size: 5", "Size: -5"),
        stanza("a").replace("0" * 64, "0" * 63),
        stanza("a").replace("pool/x.deb", "../../etc/passwd"),
        stanza("a").replace("pool/x.deb", "/etc/passwd"),
        stanza("a").replace("Version: 1", "Version: 1/2"),
        stanza("a").replace("amd64", "i386"),
        stanza("a", Depends="b (>= "),
        stanza("a", Provides="b | c"),
        stanza("a", Source="../x"),
        stanza("a") + "Size: 6\n",
    ],
)
def test_a_hostile_stanza_is_an_error_of_its_package_alone(text: str) -> None:
    opened = index(text, stanza("b"))
    with pytest.raises(FpackError):
        opened.packages("a")
    assert opened.packages("b")[0].name == "b"


def test_other_architectures_conflicts_do_not_count() -> None:
    (package,) = index(stanza("a", Conflicts="b:i386, c:amd64, d:any, e", Breaks="f (<< 2)")).packages("a")
    assert [relation.name for relation in package.conflicts] == ["c", "d", "e", "f"]


def test_a_package_error_says_where() -> None:
    with pytest.raises(PackageError, match="a in trixie"):
        index(stanza("a", Depends="b (")).packages("a")


def merged(*indexes: PackageIndex, prefer: dict[str, str] | None = None) -> MergedIndex:
    return MergedIndex(indexes, prefer)


def test_the_highest_version_of_all_suites_wins() -> None:
    main, security = index(stanza("a", "1"), stanza("b", "2")), index(stanza("a", "1+deb1"), stanza("b", "1"))
    world = merged(main, security)
    assert [p.version for p in world.versions("a")] == ["1+deb1"]
    assert [p.version for p in world.versions("b")] == ["2"]
    assert world.versions("c") == ()


def test_a_preferred_version_comes_first_while_it_exists() -> None:
    main, security = index(stanza("a", "1"), stanza("b", "1")), index(stanza("a", "2"))
    assert [p.version for p in merged(main, security, prefer={"a": "1"}).versions("a")] == ["1", "2"]
    assert [p.version for p in merged(main, security, prefer={"a": "2"}).versions("a")] == ["2"]
    assert [p.version for p in merged(main, security, prefer={"a": "0.9"}).versions("a")] == ["2"]


def test_providers_are_those_whose_candidate_provides() -> None:
    main = index(
        stanza("b-old", "1", Provides="v"),
        stanza("z-required", Provides="v", Priority="required"),
        stanza("a", Provides="v"),
        stanza("a-important", Provides="v", Priority="important"),
    )
    newer = index(stanza("b-old", "2"))
    assert [p.name for p in merged(main, newer).providers("v")] == ["z-required", "a-important", "a"]


def test_nearest_names() -> None:
    names = ["postgresql-17", "postgresql", "postfix", "nginx", "nginx-full", "python3", "gcc", "g++-14"]
    world = merged(index(*(stanza(name) for name in sorted(names))))
    assert world.nearest("postgres")[0] == "postgresql"
    assert world.nearest("ngnix")[0] == "nginx"
    assert world.nearest("pyhton3") == ["python3"]
    assert world.nearest("zzzzzz") == []
    assert world.nearest("") == []


def test_a_provides_field_of_many_megabytes_takes_little_memory() -> None:
    text = b"Package: a\nProvides: b" + b", b" * 3_000_000 + b",\n c\n"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert make_table(text).count(b"\ta\n") == 2
    # Most of the memory is the list of names: a pointer and a string each.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000


def test_one_package_many_times_is_no_index() -> None:
    with pytest.raises(IndexUnusable, match="too many stanzas"):
        make_table(b"Package: a\n\n" * 20_000)


def test_an_index_has_a_largest_number_of_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpack.builders.debian.indexes.table.MAX_ENTRIES", 3)
    make_table(b"Package: a\nProvides: b, c, c, d\n\n" + b"Package: b\n\n" * 2)
    with pytest.raises(IndexUnusable, match="too many packages"):
        make_table(b"Package: a\n\n" * 4)
    with pytest.raises(IndexUnusable, match="index provide too many names"):
        make_table(b"Package: a\nProvides: b, c, d, e\n")
    monkeypatch.setattr("fpack.builders.debian.indexes.table.MAX_PROVIDES", 10)
    with pytest.raises(IndexUnusable, match="provides too many names"):
        make_table(b"Package: a\nProvides: b\n")


@pytest.mark.parametrize("after", [b"", b"\nPackage: b\n"])
def test_names_that_no_package_provides_are_no_index(after: bytes) -> None:
    with pytest.raises(IndexUnusable, match="malformed"):
        make_table(b"\nProvides: a\n" + after)


@pytest.mark.parametrize("name", [b"\xff", b"a\tb", b"a b", b"", b"-a"])
def test_a_first_package_without_a_name_is_no_index(name: bytes) -> None:
    with pytest.raises(IndexUnusable):
        make_table(b"Package: " + name + b"\nVersion: 1\n\nPackage: b\n")


@pytest.mark.parametrize(
    ("architectures", "why"),
    [(("all", "arm64", "i386"), "it has packages for arm64, i386"), (("all",), "it names no other architecture")],
)
def test_a_release_without_an_architecture_names_the_others(
    archive: Archive, architectures: tuple[str, ...], why: str
) -> None:
    with pytest.raises(IndexUnusable) as error:
        choose(release_of(archive)._replace(architectures=architectures), "amd64")
    assert error.value.why == why
