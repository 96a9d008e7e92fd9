"""Test Ubuntu's archive as a source of packages: suites, components, keys, ages and mirrors."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.debian.indexes.merged import NoSuchPackage
from fpack.builders.debian.lock.file import LockFile
from fpack.builders.debian.lock.records import SuitePin
from fpack.builders.debian.mirrors import MirrorError, Mirrors, MirrorUrl, find_mirrors, parse_deb822, parse_one_line
from fpack.builders.debian.package_source import DebianSource
from fpack.builders.debian.release import Expired, WrongSuite, directory_name
from fpack.builders.debian.signatures import UBUNTU_SHIPPED, BadSignature, find_keyring, valid_certificates
from fpack.builders.debian.suites import ALL_RELEASES, OF_DISTRIBUTION, RELEASES, UBUNTU_RELEASES, distribution
from fpack.builders.net.http import Http
from fpack.store import DAY
from support.archives.archive import Archive, UbuntuArchive, signing_key, ubuntu_key

NOW = time.time()


class News:
    """A reporter that says nothing."""

    def say(self, text: str) -> None: ...

    def progress(self, what: str, done: int, total: int) -> None: ...


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UbuntuArchive:
    archive = UbuntuArchive(tmp_path / "mirror", archs=("amd64", "arm64"))
    archive.add("app", "1.0", depends="lib, tool", component="universe")
    archive.add("lib", "1.0")
    archive.add("lib", "1.1", suite="noble-updates", fields={"Phased-Update-Percentage": "10"})
    archive.add("tool", "1.0", component="universe")
    archive.add("tool", "1.0ubuntu0.1", suite="noble-security", component="universe")
    archive.add("lib", "1.0", arch="arm64")
    archive.publish()
    monkeypatch.setenv("FPACK_UBUNTU_KEYRING", str(archive.keyring))
    return archive


def source(archive: Archive, **changes: Any) -> DebianSource:
    settings: dict[str, Any] = {
        "arch": "amd64",
        "cache": archive.folder / "cache",
        "mirrors": find_mirrors(archive.mirror, environ={}),
        "http": lambda: Http(retries=0),
        "reporter": News(),
        "now": lambda: NOW,
        "keyring": str(archive.folder / "none"),
    }
    return DebianSource(LockFile(archive.folder / "fpack.lock"), **(settings | changes))


def versions(found: list[dict[str, Any]]) -> dict[str, str]:
    return {package["name"]: package["version"] for package in found}


# Packages.


def test_a_closure_of_all_suites_and_components(archive: UbuntuArchive) -> None:
    mine = source(archive)
    found = mine.closure("noble", ["app"])
    # The percentage of a phased update is ignored, as apt does for images: every update that is published counts.
    assert versions(found) == {"app": "1.0", "lib": "1.1", "tool": "1.0ubuntu0.1"}
    assert {package["archive"] for package in found} == {"ubuntu"}
    assert {package["name"]: package["file"].split("/")[1] for package in found} == {
        "app": "universe", "lib": "main", "tool": "universe",
    }  # fmt: skip
    mine.save()
    text = mine.file.path.read_text()
    assert text.count("\nsuite noble ") == 3 and text.count("\nindex noble ") == 6
    frozen = source(archive, frozen=True, mirrors=find_mirrors("ubuntu=file:///nowhere only", environ={}))
    assert versions(frozen.closure("noble", ["app"])) == versions(found)
    assert versions(source(archive, arch="arm64").closure("noble", ["lib"])) == {"lib": "1.0"}


def test_an_update_moves_packages(archive: UbuntuArchive) -> None:
    mine = source(archive)
    mine.closure("noble", ["app"])
    archive.add("app", "1.2", depends="lib", suite="noble-updates", component="universe")
    archive.publish(keep_old=True)
    moved = mine.update()
    assert {(move.name, move.old, move.new) for move in moved} == {
        ("app", "1.0", "1.2"),
        ("tool", "1.0ubuntu0.1", None),
    }


def test_a_missing_package_names_where_it_is(archive: UbuntuArchive, tmp_path: Path) -> None:
    debian = Archive(tmp_path / "debian")
    debian.add("only-debian")
    debian.publish()
    mine = source(
        archive, keyring=str(debian.keyring), mirrors=find_mirrors(f"{archive.mirror} {debian.mirror}", environ={})
    )
    mine.package("noble", "lib")
    with pytest.raises(NoSuchPackage) as caught:
        mine.package("trixie", "lib")
    assert "as in ubuntu.noble.lib" in caught.value.hint


def test_each_release_has_one_distribution() -> None:
    assert not set(RELEASES) & set(UBUNTU_RELEASES)
    assert set(ALL_RELEASES) == {name for releases in OF_DISTRIBUTION.values() for name in releases}
    for name, releases in OF_DISTRIBUTION.items():
        assert {distribution(suites) for suites in releases.values()} == {name}


# Signatures.


def test_each_archive_has_its_own_keys(archive: UbuntuArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    debian = Archive(tmp_path / "debian")
    debian.add("lib")
    debian.publish()
    both = find_mirrors(f"{archive.mirror} {debian.mirror}", environ={})
    keyring = str(debian.keyring)
    assert source(archive, mirrors=both, keyring=keyring).package("trixie", "lib")["archive"] == "debian"
    archive.publish(key=signing_key())
    with pytest.raises(BadSignature):
        source(archive, mirrors=both, keyring=keyring, cache=tmp_path / "one").package("noble", "lib")
    debian.publish(key=ubuntu_key())
    with pytest.raises(BadSignature):
        source(archive, mirrors=both, keyring=keyring, cache=tmp_path / "two").package("trixie", "lib")


def test_a_locked_release_that_debian_signed_is_refused(archive: UbuntuArchive, tmp_path: Path) -> None:
    """A lock names the digest of a release, which is verified again with the archive's own keys."""
    archive.publish(key=signing_key())
    mine = source(archive)
    for path in archive.folder.glob("ubuntu/dists/*/InRelease"):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        mine.lock.suites["noble", path.parent.name] = SuitePin("noble", path.parent.name, "ubuntu", 1, None, digest)
    with pytest.raises(BadSignature):
        mine.package("noble", "lib")


def test_the_shipped_keys_are_valid() -> None:
    assert valid_certificates(UBUNTU_SHIPPED, NOW) == (1, 1)


def test_keyrings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(b"x")
    assert find_keyring(str(mine), {}, "ubuntu") != mine
    assert find_keyring(None, {"FPACK_KEYRING": str(mine)}, "ubuntu") != mine
    assert find_keyring(None, {"FPACK_UBUNTU_KEYRING": str(mine)}, "ubuntu") == mine
    assert find_keyring(None, {"FPACK_UBUNTU_KEYRING": str(mine)}, "debian-security") != mine


# Suites.


@pytest.mark.parametrize("wanted", ["noble", "noble-updates", "noble-security"])
@pytest.mark.parametrize("served", ["noble", "noble-updates", "noble-security"])
def test_a_suite_in_place_of_another_is_refused(archive: UbuntuArchive, wanted: str, served: str) -> None:
    data = archive.inrelease(served).read_bytes()
    archive.inrelease(wanted).write_bytes(data)
    mine = source(archive)
    if wanted == served:
        assert mine.package("noble", "lib")["version"] == "1.1"
    else:
        with pytest.raises(WrongSuite, match=f"in place of {wanted}"):
            mine.package("noble", "lib")


def test_directories_of_suites() -> None:
    assert directory_name("noble-updates", "noble") == "noble-updates"
    assert directory_name("noble", "noble") == directory_name("noble", "") == "noble"
    assert directory_name("stable-updates", "trixie-updates") == "trixie-updates"
    assert directory_name("unstable", "sid") == "sid"


def test_only_suites_that_change_have_an_age(archive: UbuntuArchive) -> None:
    old = NOW - 2000 * DAY
    archive.publish("noble", date=old)
    assert source(archive).package("noble", "lib")["version"] == "1.1"
    for suite in ("noble-updates", "noble-security"):
        archive.publish()
        archive.publish(suite, date=old)
        with pytest.raises(Expired, match=f"{suite} is 2000 days old"):
            source(archive, cache=archive.folder / suite, mirrors=find_mirrors(archive.mirror, environ={})).update(
                ["noble"]
            )


# Mirrors.


def test_the_half_that_has_an_architecture_comes_first() -> None:
    mirrors = Mirrors([MirrorUrl("ubuntu", "http://p/ubuntu-ports"), MirrorUrl("ubuntu", "http://m/ubuntu")])

    def first(path: str) -> str:
        return mirrors.urls("ubuntu", path)[0].removesuffix(f"/{path}")

    for path in ("pool/main/a/app_1_amd64.deb", "pool/main/a/app_1_all.deb", "dists/noble/InRelease"):
        assert first(path) == "http://m/ubuntu"
    for path in ("pool/main/a/app_1_arm64.deb", "dists/noble/main/binary-riscv64/Packages.xz"):
        assert first(path) == "http://p/ubuntu-ports"
    assert first("dists/noble/main/binary-arm64/by-hash/SHA512/ab") == "http://p/ubuntu-ports"
    assert len(mirrors.urls("ubuntu", "x")) == 2


def test_without_a_mirror_the_message_says_what_to_set() -> None:
    mirrors = Mirrors([])
    assert mirrors.urls("ubuntu", "dists/noble/InRelease") == []
    with pytest.raises(MirrorError) as caught:
        mirrors.expand("mirror://ubuntu/pool/x.deb")
    assert "FPACK_MIRROR='ubuntu=URL'" in caught.value.hint


def test_the_sources_of_an_ubuntu_machine() -> None:
    assert parse_one_line(
        "deb http://m/ubuntu/ noble main restricted universe\n"
        "deb http://m/ubuntu noble-security main universe\n"
        "deb [arch=arm64] http://p/ubuntu-ports noble-updates main universe\n"
        "deb http://third/user/ppa/ubuntu noble main\n"
        "deb http://fourth/ubuntu stable main extra\n"
        "deb http://m/ubuntu noble universe\n"
    ) == [
        MirrorUrl("ubuntu", "http://m/ubuntu"),
        MirrorUrl("ubuntu", "http://m/ubuntu"),
        MirrorUrl("ubuntu", "http://p/ubuntu-ports"),
    ]
    text = "Types: deb\nURIs: http://m/ubuntu\nSuites: jammy jammy-updates\nComponents: main universe\n"
    assert parse_deb822(text) == [MirrorUrl("ubuntu", "http://m/ubuntu")]


def test_settings_and_the_snapshot_archive_of_apt(tmp_path: Path) -> None:
    (tmp_path / "fpack").mkdir()
    (tmp_path / "fpack/config.toml").write_text('[ubuntu]\nmirror = ["http://c/ubuntu"]\n')
    (tmp_path / "apt").mkdir()
    (tmp_path / "apt/apt.conf").write_text('Acquire::Snapshots::URI::Origin::Ubuntu "http://s/ubuntu/@SNAPSHOTID@/";\n')
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    mirrors = find_mirrors("http://o/ubuntu", environ=environ, apt=tmp_path / "apt", now=lambda: 1_700_000_000)
    urls = mirrors.urls("ubuntu", "x", 1_600_000_000)
    assert urls == ["http://o/ubuntu/x", "http://c/ubuntu/x", "http://s/ubuntu/20200913T182640Z/x"]
