"""Test archives with SHA-512 alone, with both digests, and with digests that can be forged: each one listed counts."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.debian.indexes.cache import IndexCache
from fpack.builders.debian.indexes.download import IndexDownload, IndexGone, index_urls
from fpack.builders.debian.indexes.package_index import choose, open_index
from fpack.builders.debian.indexes.table import IndexUnusable
from fpack.builders.debian.lock.file import LockFile
from fpack.builders.debian.lock.records import Lock, LockCorrupt, PackagePin, SuitePin
from fpack.builders.debian.lock.text import format_lock, parse_lock
from fpack.builders.debian.mirrors import find_mirrors
from fpack.builders.debian.package import PackageError, parse_package
from fpack.builders.debian.package_source import DebianSource
from fpack.builders.debian.release import parse_release
from fpack.builders.debian.signatures import ReleaseError
from fpack.builders.debian.suites import IndexPin, Suite, SuiteFile
from fpack.builders.net.digests import file_matches, matches
from fpack.builders.net.errors import WrongContent
from fpack.builders.net.http import Http
from support.archives.archive import Archive

A, B = "a1" * 32, "b2" * 64
DATA = b"Package: app\n"
SHA256, SHA512 = hashlib.sha256(DATA).hexdigest(), hashlib.sha512(DATA).hexdigest()
HEAD = "Origin: Debian\nSuite: stable\nCodename: trixie\nDate: Sat, 14 Jun 2025 10:00:00 UTC\nArchitectures: amd64\n"


def release(text: str) -> dict[str, SuiteFile]:
    return dict(parse_release((HEAD + text).encode(), A).files)


def stanza(**digests: str) -> str:
    fields = "".join(f"{name}: {value}\n" for name, value in digests.items())
    return f"Package: app\nVersion: 1\nArchitecture: amd64\nSize: 5\nFilename: pool/main/a/app.deb\n{fields}"


# Releases.


def test_a_release_with_sha512_alone() -> None:
    assert release(f"SHA512:\n {B} 7 main/x\n") == {"main/x": SuiteFile("main/x", 7, "", B)}


def test_a_release_has_the_files_of_both_listings_with_all_their_digests() -> None:
    text = f"MD5Sum:\n {'0' * 32} 7 main/x\nSHA256:\n {A} 7 main/x\n {A} 8 main/y\nSHA512:\n {B} 7 main/x\n {B} 9 z\n"
    assert release(text) == {
        "main/x": SuiteFile("main/x", 7, A, B),
        "main/y": SuiteFile("main/y", 8, A),
        "z": SuiteFile("z", 9, "", B),
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"SHA256:\n {A} 7 main/x\nSHA512:\n {B} 8 main/x\n", "contradicts itself"),
        (f"SHA512:\n {B} 7 main/x\n {'c3' * 64} 7 main/x\n", "contradicts itself"),
        (f"SHA512:\n {A} 7 main/x\n", "malformed"),
        (f"SHA256:\n {B} 7 main/x\n", "malformed"),
        (f"MD5Sum:\n {'0' * 32} 7 main/x\nSHA1:\n {'0' * 40} 7 main/x\n", "MD5 and SHA-1 digests do not count"),
        ("SHA512:\n", "no SHA-256 or SHA-512 digests"),
    ],
)
def test_wrong_listings_of_a_release(text: str, why: str) -> None:
    with pytest.raises(ReleaseError, match=why):
        release(text)


# Packages.


def test_a_package_has_each_digest_of_its_stanza() -> None:
    def digests(**fields: str) -> tuple[str, str]:
        found = parse_package(stanza(**fields), arch="amd64", suite="trixie", archive="debian")
        return found.sha256, found.sha512

    assert digests(SHA256=A) == (A, "")
    assert digests(SHA512=B) == ("", B)
    assert digests(SHA256=A, SHA512=B, MD5sum="0" * 32) == (A, B)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"MD5sum": "0" * 32, "SHA1": "0" * 40}, "MD5 and SHA-1 digests do not count"),
        ({}, "without a valid SHA-256 or SHA-512"),
        ({"SHA512": A}, "without a valid"),
        ({"SHA256": A, "SHA512": A}, "without a valid"),
        ({"SHA256": B, "SHA512": B}, "without a valid"),
    ],
)
def test_wrong_digests_of_a_package(fields: dict[str, str], why: str) -> None:
    with pytest.raises(PackageError, match=why):
        parse_package(stanza(**fields), arch="amd64", suite="trixie", archive="debian")


# Content.


@pytest.mark.parametrize(
    ("sha256", "sha512", "good"),
    [
        (SHA256, "", True), ("", SHA512, True), (SHA256, SHA512, True),
        (SHA256, B, False), (A, SHA512, False), ("", "", False), ("", B, False),
    ],
)  # fmt: skip
def test_each_declared_digest_must_match(tmp_path: Path, sha256: str, sha512: str, good: bool) -> None:
    file = tmp_path / "file"
    file.write_bytes(DATA)
    assert matches([DATA[:3], DATA[3:]], sha256, sha512) is good
    assert file_matches(file, len(DATA), sha256, sha512) is good
    assert not file_matches(file, len(DATA) + 1, sha256, sha512)
    if sha256 or sha512:
        target = tmp_path / "target"
        for _ in range(2):  # the second time, the file is there
            try:
                done = Http(retries=0).download([file.as_uri()], target, sha256=sha256, sha512=sha512)
                assert good and done.sha256 == SHA256
            except WrongContent:
                assert not good


# Locks.


def lock(sha256: str, sha512: str, archive: str = "debian", label: str = "trixie") -> Lock:
    found = Lock()
    found.suites["trixie", "trixie"] = SuitePin("trixie", "trixie", archive, 1, None, A)
    packed = SuiteFile("main/binary-amd64/Packages.xz", 3, sha256, sha512)
    found.indexes["trixie", label, "amd64"] = IndexPin(sha256, 5, packed, sha512)
    pin = PackagePin("app", "1", "amd64", "app", "1", archive, 1, 5, sha256, "pool/main/a/app.deb", sha512)
    found.packages["trixie", "amd64", "app"] = pin
    return found


@pytest.mark.parametrize(
    ("kind", "format_"),
    [
        ((A, ""), 1), (("", B), 2), ((A, B), 2), ((A, "", "debian-security"), 1), ((A, "", "ubuntu"), 2),
        ((A, "", "debian", "trixie/universe"), 2),
    ],
)  # fmt: skip
def test_a_lock_is_of_the_oldest_format_that_has_what_it_needs(kind: tuple[str, ...], format_: int) -> None:
    text = format_lock(lock(*kind))
    assert text.startswith(f"fpack-lock {format_}\n")
    assert parse_lock(text) == lock(*kind)
    assert ("sha512=" in text) == bool(kind[1]) and (f" amd64 sha256={A} " in text) == bool(kind[0])


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace(f" sha512={B}", ""),
        lambda text: text.replace(f" packed-sha512={B}", ""),
        lambda text: text.replace(B, A),
        lambda text: text.replace("sha512=", "sha256="),
        lambda text: text.replace("trixie/universe", "trixie/universe/x"),
    ],
)
def test_a_lock_line_without_a_valid_digest(damage: Any) -> None:
    with pytest.raises(LockCorrupt):
        parse_lock(damage(format_lock(lock("", B, "ubuntu", "trixie/universe"))))


# Archives.


class News:
    """A reporter that says nothing."""

    def say(self, text: str) -> None: ...

    def progress(self, what: str, done: int, total: int) -> None: ...


def world(folder: Path, digests: Sequence[str], packages: Sequence[str] | None = None) -> Archive:
    archive = Archive(folder / "mirror")
    archive.release_digests, archive.package_digests = digests, packages or digests
    archive.add("app", depends="lib")
    archive.add("lib")
    archive.publish()
    return archive


def source(folder: Path, archive: Archive) -> DebianSource:
    return DebianSource(
        LockFile(folder / "fpack.lock"),
        arch="amd64",
        cache=folder / "cache",
        mirrors=find_mirrors(archive.mirror, environ={}),
        http=lambda: Http(retries=0),
        reporter=News(),
        releases=archive.releases,
        keyring=str(archive.keyring),
    )


@pytest.mark.parametrize("digests", [("sha512",), ("sha256", "sha512"), ("md5", "sha512")], ids="+".join)
@pytest.mark.parametrize("packages", [("sha256",), ("sha512",), ("sha256", "sha512")], ids="+".join)
def test_releases_and_packages_of_any_strong_digests(
    tmp_path: Path, digests: Sequence[str], packages: Sequence[str]
) -> None:
    archive = world(tmp_path, digests, packages)
    mine = source(tmp_path, archive)
    app, lib = mine.closure("trixie", ["app"])
    assert {name for name in ("sha256", "sha512") if app.get(name)} == set(packages)
    deb = (archive.folder / "debian" / app["file"]).read_bytes()
    assert all(app[name] == hashlib.new(name, deb).hexdigest() for name in packages)
    mine.save()
    again = source(tmp_path, archive)
    again.frozen = True
    assert again.closure("trixie", ["app"]) == [app | {"section": "", "description": ""}, lib]


@pytest.mark.parametrize("digests", [("md5",), ("md5", "sha1")], ids="+".join)
def test_broken_digests_are_refused(tmp_path: Path, digests: Sequence[str]) -> None:
    with pytest.raises(ReleaseError, match="do not count, since they can be forged"):
        source(tmp_path, world(tmp_path, digests)).package("trixie", "app")
    with pytest.raises(PackageError, match="do not count, since they can be forged"):
        source(tmp_path / "b", world(tmp_path / "b", ["sha512"], digests)).package("trixie", "app")


def download(folder: Path, archive: Archive, **change: str) -> IndexDownload:
    signed = archive.inrelease().read_bytes().split(b"\n\n", 1)[1].partition(b"\n-----")[0]
    pin = choose(parse_release(signed, A), "amd64")
    return IndexDownload(
        IndexCache(folder / "cache"), pin._replace(**change), Suite("trixie", "debian"), int(time.time()),
        find_mirrors(archive.mirror, environ={}), Http(retries=0),
    )  # fmt: skip


def test_the_index_is_fetched_by_its_strongest_digest_first(tmp_path: Path) -> None:
    archive = world(tmp_path, ("sha256", "sha512"))
    get = download(tmp_path, archive)
    urls = index_urls(get.mirrors, get.pin, get.suite, get.date)
    directories = [url.rpartition("/binary-amd64/")[2].rpartition("/")[0] for url in urls]
    assert directories == ["by-hash/SHA512", "by-hash/SHA256", ""]
    for file in archive.folder.rglob("binary-amd64/Packages.xz"):
        file.unlink()
    assert list(open_index(get, "amd64").names()) == ["app", "lib"]


@pytest.mark.parametrize("which", ["sha256", "sha512"])
def test_one_wrong_digest_beside_a_right_one_is_refused(tmp_path: Path, which: str) -> None:
    archive = world(tmp_path, ("sha256", "sha512"))
    good = download(tmp_path, archive)
    open_index(good, "amd64")  # the right text is in the cache
    wrong = {"sha256": A, "sha512": B}[which]
    with pytest.raises(IndexUnusable, match="does not match the digest"):
        open_index(download(tmp_path, archive, **{which: wrong}), "amd64")
    packed = good.pin.packed._replace(**{which: wrong})
    with pytest.raises(IndexGone):
        open_index(good._replace(cache=IndexCache(tmp_path / "new"), pin=good.pin._replace(packed=packed)), "amd64")


def test_an_index_that_a_mirror_swapped_is_refused(tmp_path: Path) -> None:
    archive = world(tmp_path, ["sha512"])
    other = world(tmp_path / "other", ["sha512"])
    other.add("app", "9", depends="lib")
    other.publish()
    for file in other.folder.rglob("Packages.xz"):
        mine = archive.folder / file.relative_to(other.folder)
        mine.write_bytes(file.read_bytes())
        for hashed in (mine.parent / "by-hash/SHA512").iterdir():
            hashed.write_bytes(file.read_bytes())
    with pytest.raises(IndexGone):
        source(tmp_path, archive).package("trixie", "app")
