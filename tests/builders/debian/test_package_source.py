"""Test DebianSource: what is added to the lock, how the lock is used and how it is updated."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.debian.indexes.merged import NoSuchPackage
from fpack.builders.debian.indexes.package_index import IndexUnusable
from fpack.builders.debian.lock.file import LockFile
from fpack.builders.debian.mirrors import find_mirrors
from fpack.builders.debian.package_source import (
    AddedPackage,
    DebianSource,
    Frozen,
    NoSuchRelease,
    NotLocked,
)
from fpack.builders.debian.release import Expired, Rollback
from fpack.builders.debian.resolver import Unsatisfiable
from fpack.builders.debian.signatures import BadSignature, ReleaseError, Unsigned
from fpack.builders.net.errors import HttpError
from fpack.builders.net.http import Http
from fpack.store import DAY
from fpack.store.settings import SettingError
from support.archives.archive import Archive, new_key, write_keyring
from support.servers.httpserver import Server

NOW = time.time()


class News:
    """A reporter that records messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps: list[tuple[str, int, int]] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, what: str, done: int, total: int) -> None:
        self.steps.append((what, done, total))


class Setting:
    """An archive, a lock and a factory of sources that use them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.archive = Archive(folder / "mirror", archs=("amd64", "arm64"))
        self.lock = folder / "fpack.lock"
        self.cache = folder / "cache"
        self.now = NOW
        self.news = News()
        self.mirror = self.archive.mirror

    def source(self, **changes: Any) -> DebianSource:
        settings: dict[str, Any] = {
            "arch": "amd64",
            "cache": self.cache,
            "mirrors": find_mirrors(self.mirror, environ={}),
            "http": lambda: Http(retries=0),
            "reporter": self.news,
            "now": lambda: self.now,
            "releases": self.archive.releases,
            "keyring": str(self.archive.keyring),
        }
        return DebianSource(LockFile(self.lock), **(settings | changes))

    def locked(self) -> DebianSource:
        """Return a source whose saved lock has the closure of app."""
        source = self.source()
        closure(source, "app")
        source.save()
        return source

    def forget_indexes(self) -> None:
        for file in self.cache.iterdir():
            file.unlink()

    def unplug(self) -> None:
        """Delete the mirror and the cache."""
        self.mirror = "debian=file:///nowhere debian-security=file:///nowhere only"
        self.forget_indexes()


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    setting = Setting(tmp_path)
    archive = setting.archive
    archive.add("app", "1.0", depends="lib (>= 1), awk", section="database")
    archive.add("lib", "1.0", provides="virtual")
    archive.add("lib", "1.1", suite="trixie-security")
    archive.add("mawk", "1", provides="awk", priority="required")
    archive.add("gawk", "1", provides="awk")
    archive.add("tool", "1", depends="lib, awk")
    archive.add("app", "1.0", arch="arm64", depends="lib")
    archive.add("lib", "1.0", arch="arm64")
    archive.publish(date=NOW - 3600)
    return setting


def closure(source: DebianSource, *names: str) -> dict[str, str]:
    return {entry["name"]: entry["version"] for entry in source.closure("trixie", names)}


def test_a_package(setting: Setting) -> None:
    source = setting.source()
    entry = source.package("trixie", "app")
    deb = setting.archive.folder / "debian" / entry["file"]
    assert entry["size"] == deb.stat().st_size
    assert {key: entry[key] for key in ("name", "version", "arch", "release", "source", "archive")} == {
        "name": "app",
        "version": "1.0",
        "arch": "amd64",
        "release": "trixie",
        "source": "app",
        "archive": "debian",
    }
    assert (entry["section"], entry["description"]) == ("database", "the package app")
    assert source.package("trixie", "lib")["archive"] == "debian-security"
    assert source.releases() == ["trixie"]


def test_a_closure_and_its_edges(setting: Setting) -> None:
    entries = setting.source().closure("trixie", ["app"])
    assert [(e["name"], e["version"], e["depends"]) for e in entries] == [
        ("app", "1.0", ["lib", "mawk"]),
        ("lib", "1.1", []),
        ("mawk", "1", []),
    ]


def test_what_is_added_is_listed_once(setting: Setting) -> None:
    source = setting.source()
    closure(source, "app")
    closure(source, "app")
    source.package("trixie", "lib")
    source.package("trixie", "gawk")
    assert sorted(source.added) == [
        AddedPackage("trixie", "amd64", "app", "1.0"),
        AddedPackage("trixie", "amd64", "gawk", "1"),
        AddedPackage("trixie", "amd64", "lib", "1.1"),
        AddedPackage("trixie", "amd64", "mawk", "1"),
    ]
    source.save()
    again = setting.source()
    closure(again, "app")
    assert again.added == []


def test_a_complete_lock_needs_no_index_and_no_network(setting: Setting) -> None:
    source = setting.source()
    before = source.closure("trixie", ["tool", "app"])
    source.save()
    setting.unplug()
    again = setting.source(frozen=True)
    assert again.closure("trixie", ["app", "tool", "app"]) == before
    locked = again.package("trixie", "app")
    assert locked["sha256"] == before[0]["sha256"]
    assert (locked["section"], locked["description"]) == ("", "")


def test_the_lock_does_not_depend_on_the_order_of_questions(setting: Setting) -> None:
    texts = set()
    for order in (["app", "tool"], ["tool", "app"]):
        setting.lock.unlink(missing_ok=True)
        source = setting.source()
        for name in order:
            source.package("trixie", name)
            closure(source, name)
        source.save()
        texts.add(setting.lock.read_text())
    assert len(texts) == 1


def test_frozen(setting: Setting) -> None:
    source = setting.source(frozen=True)
    for ask in (lambda: source.package("trixie", "app"), lambda: source.closure("trixie", ["app"]), source.update):
        with pytest.raises(Frozen, match="frozen"):
            ask()
    with pytest.raises(NotLocked) as caught:
        source.package("trixie", "app")
    assert caught.value.absent  # in the language, `or` provides a default
    assert source.refresh_if_old(0) == []
    source.save()
    assert not setting.lock.exists()


def test_names_that_do_not_exist(setting: Setting) -> None:
    source = setting.source()
    with pytest.raises(NoSuchPackage) as caught:
        source.package("trixie", "toll")
    assert "did you mean tool" in caught.value.hint
    with pytest.raises(NoSuchPackage) as caught:
        source.closure("trixie", ["app", "awk"])
    assert "mawk, gawk provide it" in caught.value.hint
    with pytest.raises(NoSuchRelease) as caught_release:
        source.package("trixy", "app")
    assert "trixie" in caught_release.value.hint
    assert source.added == []


def test_what_cannot_be_resolved_leaves_the_lock_alone(setting: Setting) -> None:
    setting.archive.add("broken", depends="lib, missing (>= 2)")
    setting.archive.publish(date=NOW - 3600)
    source = setting.source()
    with pytest.raises(Unsatisfiable, match="there is no missing"):
        source.closure("trixie", ["broken"])
    assert source.added == []
    assert source.lock.closures == {}


def test_a_new_question_is_answered_from_the_locked_index(setting: Setting) -> None:
    setting.locked()
    setting.archive.add("lib", "2.0", suite="trixie-security")
    setting.archive.add("tool", "2.0")
    setting.archive.publish(date=NOW)
    later = setting.source()
    assert closure(later, "tool") == {"tool": "1", "lib": "1.1", "mawk": "1"}
    assert later.moved == []


@pytest.mark.parametrize("kept_by_mirror", [True, False])
def test_a_locked_index_that_only_the_mirror_has(setting: Setting, kept_by_mirror: bool) -> None:
    setting.locked()
    setting.forget_indexes()
    setting.archive.remove("lib", suite="trixie-security")
    setting.archive.add("lib", "2.0", suite="trixie-security")
    setting.archive.add("tool", "2.0", depends="lib, awk")
    setting.archive.publish(date=NOW, keep_old=kept_by_mirror)
    later = setting.source()
    found = closure(later, "tool")
    if kept_by_mirror:
        assert found == {"tool": "1", "lib": "1.1", "mawk": "1"}
        assert setting.news.lines == []
    else:  # lib's old version is gone, the others remain
        assert found == {"tool": "2.0", "lib": "2.0", "mawk": "1"}
        assert [(m.name, m.old, m.new) for m in later.moved] == [("lib", "1.1", "2.0")]
        assert "no longer available" in setting.news.lines[0]
        assert "lib of trixie moved from 1.1 to 2.0" in setting.news.lines[1]
        assert closure(later, "app") == {"app": "1.0", "lib": "2.0", "mawk": "1"}
        later.save()
        assert closure(setting.source(frozen=True), "app")["lib"] == "2.0"


def test_old_pins_that_still_hold_are_kept(setting: Setting) -> None:
    """Security has a newer library, but main still has the locked version: only an update changes it."""
    setting.archive.remove("lib", suite="trixie-security")
    setting.archive.add("lib", "1.0")
    setting.archive.publish(date=NOW - 3600)
    source = setting.source()
    assert closure(source, "app")["lib"] == "1.0"
    source.save()
    setting.forget_indexes()
    setting.archive.add("lib", "1.1", suite="trixie-security")
    setting.archive.publish(date=NOW)
    later = setting.source()
    assert closure(later, "tool")["lib"] == "1.0"
    assert later.moved == []
    later.save()
    third = setting.source()
    assert closure(third, "lib", "gawk") == {"lib": "1.0", "gawk": "1"}
    assert [(m.name, m.old, m.new) for m in third.update()] == [("lib", "1.0", "1.1")]


def test_a_pin_that_a_new_question_cannot_keep_moves_everywhere(setting: Setting) -> None:
    setting.archive.remove("lib", suite="trixie-security")
    setting.archive.add("lib", "1.0")
    setting.archive.publish(date=NOW - 3600)
    setting.locked()
    setting.forget_indexes()
    setting.archive.add("lib", "1.1", suite="trixie-security")
    setting.archive.add("picky", depends="lib (>= 1.1)")
    setting.archive.publish(date=NOW)
    later = setting.source()
    assert closure(later, "picky") == {"picky": "1.0", "lib": "1.1"}
    assert closure(later, "app")["lib"] == "1.1"
    assert ("lib", "1.0", "1.1") in [(m.name, m.old, m.new) for m in later.moved]
    assert AddedPackage("trixie", "amd64", "picky", "1.0") in later.added


def test_update(setting: Setting) -> None:
    source = setting.source()
    closure(source, "app")
    source.package("trixie", "gawk")
    source.save()
    setting.archive.add("lib", "2.0", suite="trixie-updates", depends="new")
    setting.archive.add("new", "1")
    setting.archive.publish(date=NOW)
    later = setting.source()
    moved = later.update()
    assert [(m.name, m.old, m.new) for m in moved] == [("lib", "1.1", "2.0"), ("new", None, "1")]
    assert closure(later, "app") == {"app": "1.0", "lib": "2.0", "mawk": "1", "new": "1"}
    assert later.package("trixie", "gawk")["version"] == "1"
    assert later.update() == []


def test_update_drops_what_no_request_needs_any_more(setting: Setting) -> None:
    source = setting.source()
    closure(source, "app")
    setting.archive.add("app", "2.0", depends="awk")
    setting.archive.publish(date=NOW)
    assert [(m.name, m.old, m.new) for m in source.update()] == [("app", "1.0", "2.0"), ("lib", "1.1", None)]
    assert ("trixie", "amd64", "lib") not in source.lock.packages


def test_update_of_some_packages(setting: Setting) -> None:
    source = setting.source()
    closure(source, "app")
    setting.archive.add("lib", "2.0")
    setting.archive.add("mawk", "2", suite="trixie-updates", provides="awk", priority="required")
    setting.archive.publish(date=NOW)
    assert [(m.name, m.new) for m in source.update(packages=["lib"])] == [("lib", "2.0")]
    assert source.lock.packages["trixie", "amd64", "mawk"].version == "1"


def replaced(setting: Setting) -> None:
    """Replace all packages of the archive by other versions, as a point release does."""
    for name in ("app", "lib", "mawk"):
        setting.archive.remove(name)
    setting.archive.remove("lib", suite="trixie-security")
    setting.archive.add("app", "2.0", depends="lib (>= 1), awk")
    setting.archive.add("lib", "2.0", suite="trixie-security")
    setting.archive.add("mawk", "2", provides="awk", priority="required")
    setting.archive.publish(date=NOW)


def versions(source: DebianSource) -> dict[str, str]:
    return {name: pin.version for (_, _, name), pin in source.lock.packages.items()}


def test_what_is_not_named_stays_although_the_archive_has_replaced_it(setting: Setting) -> None:
    source = setting.locked()
    replaced(setting)
    assert [(m.name, m.old, m.new) for m in source.update(packages=["mawk"])] == [("mawk", "1", "2")]
    assert versions(source) == {"app": "1.0", "lib": "1.1", "mawk": "2"}
    assert setting.news.lines == []
    source.save()
    suites = {key[1] for key in source.lock.earlier}
    assert suites == {"trixie", "trixie-security"}  # of app and of lib
    # The lock goes on: a new question, the same answers, and a second update of something else.
    later = setting.source()
    setting.archive.add("other", "1", depends="lib")
    setting.archive.publish(date=NOW + 1)
    assert closure(later, "mawk", "app") == {"app": "1.0", "lib": "1.1", "mawk": "2"}
    assert [(m.name, m.new) for m in later.update(packages=["lib"])] == [("lib", "2.0")]
    assert {key[1] for key in later.lock.earlier} == {"trixie"} and versions(later)["app"] == "1.0"
    assert [m.name for m in later.update()] == ["app"]
    assert later.lock.earlier == {} and setting.news.lines == []


def test_a_security_update_moves_nothing_else(setting: Setting) -> None:
    source = setting.locked()
    setting.archive.add("lib", "1.2", suite="trixie-security")
    setting.archive.add("lib", "3.0", suite="trixie-updates")
    setting.archive.remove("mawk")
    setting.archive.add("mawk", "2", provides="awk", priority="required")
    setting.archive.publish(date=NOW)
    assert [(m.name, m.old, m.new) for m in source.update(packages=["mawk"], security=True)] == []
    assert [(m.name, m.old, m.new) for m in source.update(security=True)] == [("lib", "1.1", "1.2")]
    assert source.lock.packages["trixie", "amd64", "lib"].archive == "debian-security"
    assert source.update(security=True) == []
    assert versions(source) == {"app": "1.0", "lib": "1.2", "mawk": "1"}


def test_a_security_update_takes_what_it_needs_with_it(setting: Setting) -> None:
    source = setting.locked()
    setting.archive.add("lib", "1.2", suite="trixie-security", depends="awk (>= 2)")
    setting.archive.add("mawk", "2", provides="awk (= 2)", priority="required")
    setting.archive.publish(date=NOW)
    assert [(m.name, m.new) for m in source.update(security=True)] == [("lib", "1.2"), ("mawk", "2")]


def test_an_earlier_index_that_is_gone_is_told(setting: Setting) -> None:
    source = setting.locked()
    replaced(setting)
    setting.forget_indexes()
    moved = source.update(packages=["mawk"])
    assert [(m.name, m.new) for m in moved] == [("app", "2.0"), ("lib", "2.0"), ("mawk", "2")]
    assert all("cannot keep their version" in line for line in setting.news.lines) and setting.news.lines
    assert source.lock.earlier == {}


def test_outdated_changes_nothing(setting: Setting) -> None:
    source = setting.locked()
    before, kept = setting.lock.read_bytes(), source.lock.copy()
    assert source.outdated() == []
    setting.archive.add("lib", "1.2", suite="trixie-security")
    setting.archive.add("lib", "3.0", suite="trixie-updates")
    setting.archive.remove("app")
    setting.archive.publish(date=NOW)
    app, lib = source.outdated()
    assert (app.name, app.locked, app.newest, app.suite, app.security) == ("app", "1.0", None, "", None)
    assert (lib.name, lib.locked, lib.newest, lib.suite, lib.security) == ("lib", "1.1", "3.0", "trixie-updates", "1.2")
    assert (lib.date, lib.published) == (int(NOW - 3600), int(NOW))
    assert source.lock == kept and setting.lock.read_bytes() == before and not source.file.changed


def test_update_moves_every_architecture(setting: Setting) -> None:
    setting.locked()
    arm = setting.source(arch="arm64")
    assert closure(arm, "app") == {"app": "1.0", "lib": "1.0"}
    arm.save()
    setting.archive.add("lib", "3", arch="arm64")
    setting.archive.publish(date=NOW)
    later = setting.source()
    assert [(m.arch, m.name, m.new) for m in later.update()] == [("arm64", "lib", "3")]
    later.save()
    setting.unplug()
    assert closure(setting.source(arch="arm64", frozen=True), "app")["lib"] == "3"


def test_two_architectures_are_asked_for_at_once(setting: Setting) -> None:
    source = setting.source()
    assert closure(source, "app").keys() == {"app", "lib", "mawk"}
    found = source.closure("trixie", ["app"], "arm64")
    assert {entry["name"]: (entry["arch"], entry["version"]) for entry in found} == {
        "app": ("arm64", "1.0"),
        "lib": ("arm64", "1.0"),
    }
    assert source.package("trixie", "lib", "arm64")["sha256"] != source.package("trixie", "lib")["sha256"]
    assert {(package.arch, package.name) for package in source.added} >= {("arm64", "lib"), ("amd64", "lib")}
    source.save()
    # The lock has what both need, whatever the order and the architecture of the evaluation.
    text = setting.lock.read_text()
    setting.lock.unlink()
    other = setting.source(arch="arm64")
    closure(other, "app")
    other.closure("trixie", ["app"], "amd64")
    other.save()
    assert setting.lock.read_text() == text
    setting.unplug()
    complete = setting.source(frozen=True)
    assert len(complete.closure("trixie", ["app"], "arm64")) == 2 and len(closure(complete, "app")) == 3


def test_an_architecture_that_a_frozen_lock_lacks(setting: Setting) -> None:
    setting.locked()
    with pytest.raises(Frozen) as caught:
        setting.source(frozen=True).closure("trixie", ["app"], "arm64")
    assert caught.value.what == "The lock is frozen and has no entry for app of trixie for arm64"
    assert caught.value.why == "it has packages of trixie for amd64 only" and "--frozen" in caught.value.hint


def test_an_architecture_that_the_archive_lacks(setting: Setting) -> None:
    source = setting.locked()
    with pytest.raises(IndexUnusable) as caught:
        source.closure("trixie", ["app"], "s390x")
    assert caught.value.what == "trixie has no packages for s390x" and "arm64" in caught.value.why
    assert "another release" in caught.value.hint
    assert not [key for key in source.lock.indexes if key[2] == "s390x"]


def test_a_package_that_one_architecture_lacks(setting: Setting) -> None:
    source = setting.source()
    source.package("trixie", "tool")
    with pytest.raises(NoSuchPackage) as caught:
        source.package("trixie", "tool", "arm64")
    assert "in trixie for arm64" in caught.value.what


def test_another_architecture_beside_a_release_that_is_gone(setting: Setting) -> None:
    setting.locked()
    setting.archive.add("app", "2.0", arch="arm64", depends="lib")
    setting.archive.publish(date=NOW - 60)
    setting.forget_indexes()
    source = setting.source()
    found = {entry["name"]: entry["version"] for entry in source.closure("trixie", ["app"], "arm64")}
    assert found == {"app": "2.0", "lib": "1.0"} and closure(source, "app")["app"] == "1.0"


def test_another_architecture_under_a_release_that_is_gone(setting: Setting) -> None:
    setting.locked()
    setting.forget_indexes()
    setting.archive.publish(date=NOW)
    arm = setting.source(arch="arm64")
    assert closure(arm, "app") == {"app": "1.0", "lib": "1.0"}
    assert arm.moved == []
    assert "no longer available" in setting.news.lines[0]


def test_an_update_that_fails_changes_nothing(setting: Setting) -> None:
    source = setting.source()
    closure(source, "app")
    before = source.lock.copy()
    setting.archive.add("app", "2.0", depends="missing")
    setting.archive.publish(date=NOW)
    with pytest.raises(Unsatisfiable):
        source.update()
    assert source.lock == before


def test_going_back_is_refused_unless_allowed(setting: Setting) -> None:
    source = setting.source()
    closure(source, "app")
    setting.archive.publish("trixie-security", date=NOW - 7200)
    with pytest.raises(Rollback, match="trixie-security"):
        source.update()
    source.update(allow_older=True)
    assert source.lock.suites["trixie", "trixie-security"].date == int(NOW - 7200)


def test_expiry(setting: Setting) -> None:
    setting.archive.publish(date=NOW - 10 * DAY, days=7)
    with pytest.raises(Expired):
        setting.source().package("trixie", "app")
    assert setting.source(accept_expired=True).package("trixie", "app")["version"] == "1.0"


def test_expiry_may_be_accepted_by_the_environment(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    setting.archive.publish(date=NOW - 10 * DAY, days=7)
    monkeypatch.setenv("FPACK_ACCEPT_EXPIRED", "1")
    assert setting.source().package("trixie", "app")["version"] == "1.0"


def test_what_has_no_expiry_date_has_a_greatest_age(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    setting.archive.publish(date=NOW - 100 * DAY, days=None)
    with pytest.raises(Expired, match="100 days old"):
        setting.source(max_age="99").package("trixie", "app")
    monkeypatch.setenv("FPACK_MAX_INDEX_AGE", "99")
    with pytest.raises(Expired, match="accepted for 99 days"):
        setting.source().package("trixie", "app")
    assert setting.source(max_age="101").package("trixie", "app")["version"] == "1.0"
    monkeypatch.setenv("FPACK_MAX_INDEX_AGE", "none")
    assert setting.source().package("trixie", "app")["version"] == "1.0"
    monkeypatch.setenv("FPACK_MAX_INDEX_AGE", "a while")
    with pytest.raises(SettingError, match="FPACK_MAX_INDEX_AGE is a number of days"):
        setting.source().package("trixie", "lib")


def test_a_key_that_has_expired_signs_nothing_new(setting: Setting) -> None:
    """A locked release signed by the key stays usable, also for another architecture."""
    key = new_key(validity_seconds=int(3 * DAY))
    keyring = write_keyring(setting.folder / "short.pgp", key)
    setting.archive.publish(date=NOW - 3600, key=key)
    source = setting.source(keyring=str(keyring))
    assert closure(source, "app")["app"] == "1.0"
    source.save()
    setting.archive.add("app", "2.0", depends="lib")
    setting.archive.publish(date=NOW + 2 * DAY, key=key, keep_old=True)
    setting.now = NOW + 4 * DAY
    with pytest.raises(BadSignature, match="expired on"):
        setting.source(keyring=str(keyring)).update()
    later = setting.source(keyring=str(keyring), arch="arm64")
    assert closure(later, "app")["app"] == "1.0" and not later.moved


def test_a_mirror_that_is_behind_what_was_seen_is_passed_over_or_said(setting: Setting, tmp_path: Path) -> None:
    closure(setting.source(), "app")  # seen, but not saved in a lock
    behind = Archive(tmp_path / "behind", archs=("amd64", "arm64"))
    behind.add("app", "0.9")
    behind.publish(date=NOW - 5 * DAY)
    setting.mirror = f"{behind.mirror.removesuffix(' only')} {setting.mirror}"
    assert closure(setting.source(), "app")["app"] == "1.0"
    assert not setting.news.lines
    setting.mirror = behind.mirror
    source = setting.source()
    assert closure(source, "app")["app"] == "0.9"
    assert all("this machine has seen one of" in line for line in setting.news.lines) and len(setting.news.lines) == 3
    source.save()
    # A locked release is used without a warning.
    behind.publish(date=NOW - 6 * DAY)
    with pytest.raises(Rollback):
        setting.source().update()


def test_a_locked_index_does_not_expire(setting: Setting) -> None:
    source = setting.source()
    source.package("trixie", "app")
    source.save()
    setting.forget_indexes()
    setting.now = NOW + 1000 * DAY
    assert setting.source().package("trixie", "lib")["version"] == "1.1"


def stranger(setting: Setting) -> None:
    setting.archive.publish("trixie-security", key=new_key())


def unsigned(setting: Setting) -> None:
    setting.archive.inrelease("trixie-updates").write_text("Codename: trixie-updates\n")


def swapped(setting: Setting) -> None:
    setting.archive.inrelease("trixie-updates").write_bytes(setting.archive.inrelease("trixie").read_bytes())


def missing(setting: Setting) -> None:
    setting.archive.inrelease("trixie-security").unlink()


def other_index(setting: Setting) -> None:
    for name in ("Packages.xz", "Packages.gz"):
        (setting.archive.folder / "debian/dists/trixie/main/binary-amd64" / name).write_bytes(b"x")
    for file in (setting.archive.folder / "debian/dists/trixie/main/binary-amd64/by-hash/SHA256").iterdir():
        file.write_bytes(b"y")


@pytest.mark.parametrize(
    ("attack", "error"),
    [
        (stranger, BadSignature),
        (unsigned, Unsigned),
        (swapped, ReleaseError),
        (missing, HttpError),
        (other_index, IndexUnusable),
    ],
)
def test_nothing_unverified_enters_the_lock(
    setting: Setting, attack: Callable[[Setting], None], error: type[Exception]
) -> None:
    attack(setting)
    source = setting.source()
    with pytest.raises(error):
        source.package("trixie", "app")
    assert source.lock.packages == {}
    assert source.lock.suites == {}


def test_the_next_mirror_is_tried_when_one_is_bad(setting: Setting, tmp_path: Path) -> None:
    stale = Archive(tmp_path / "stale")
    stale.add("app", "0.1")
    stale.publish(date=NOW - 30 * DAY)
    setting.mirror = f"{stale.mirror.removesuffix(' only')} {setting.archive.mirror}"
    assert setting.source().package("trixie", "app")["version"] == "1.0"


def test_over_http_with_progress(setting: Setting) -> None:
    with Server(setting.archive.folder) as server:
        setting.mirror = setting.archive.mirror_at(server.url)
        assert closure(setting.source(), "app")["lib"] == "1.1"
    what, done, total = setting.news.steps[-1]
    assert done == total > 0
    assert "packages for amd64" in what


def test_a_fresh_lock_is_left_alone(setting: Setting) -> None:
    setting.locked()
    setting.unplug()
    assert setting.source().refresh_if_old(DAY) == []
    assert setting.news.lines == []


def test_an_old_lock_is_refreshed(setting: Setting) -> None:
    setting.locked()
    setting.archive.add("lib", "2.0", suite="trixie-security")
    setting.now = NOW + 3 * DAY
    setting.archive.publish(date=setting.now - 1.5 * DAY)
    later = setting.source()
    assert [(m.name, m.new) for m in later.refresh_if_old(DAY)] == [("lib", "2.0")]
    assert "lib 2.0" in setting.lock.read_text()
    # The check found nothing newer; it is not repeated at once.
    setting.unplug()
    assert setting.source().refresh_if_old(DAY) == []
    assert setting.news.lines == []


def test_an_old_lock_without_the_archive_warns_with_its_age(setting: Setting) -> None:
    setting.locked()
    setting.unplug()
    setting.now = NOW + 5.5 * DAY
    later = setting.source()
    assert later.refresh_if_old(DAY) == []
    assert "5 days old" in setting.news.lines[0]
    assert closure(later, "app")["lib"] == "1.1"


def test_an_archive_that_is_broken_now_does_not_stop_an_old_lock(setting: Setting) -> None:
    setting.locked()
    setting.now = NOW + 3 * DAY
    setting.archive.add("app", "2.0", depends="missing")
    setting.archive.publish(date=setting.now)
    later = setting.source()
    assert later.refresh_if_old(DAY) == []
    assert "missing" in setting.news.lines[0]
    assert closure(later, "app")["app"] == "1.0"


def test_no_lock_is_not_refreshed(setting: Setting) -> None:
    setting.mirror = "only"
    assert setting.source().refresh_if_old(0) == []


def test_mirrors_learn_the_dates_of_locked_files(setting: Setting) -> None:
    source = setting.source()
    entry = source.package("trixie", "lib")
    mirrors = find_mirrors("", environ={}, apt=Path("/nowhere"), now=lambda: NOW)
    setting.source(mirrors=mirrors)
    source.save()
    setting.source(mirrors=mirrors)
    (url,) = mirrors.expand(f"mirror://debian-security/{entry['file']}")
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(min(NOW, int(NOW - 3600) + 6 * 3600)))
    assert f"/debian-security/{stamp}/pool/" in url
    (unknown,) = mirrors.expand("mirror://debian/pool/x")
    assert time.strftime("/%Y%m%dT%H%M%SZ/", time.gmtime(NOW)) in unknown


def test_the_fast_path_loads_little(setting: Setting) -> None:
    """An evaluation with a complete lock must not import what it does not use."""
    import subprocess
    import sys

    setting.locked()
    script = f"""
import sys
from pathlib import Path
from fpack.builders.debian.lock.file import LockFile
from fpack.builders.debian.package_source import DebianSource
from fpack.builders.debian.mirrors import find_mirrors
from fpack.builders.net.http import Http
source = DebianSource(LockFile(Path({str(setting.lock)!r})), arch="amd64", cache=Path("/nowhere"),
    mirrors=find_mirrors({setting.mirror!r}), http=Http, reporter=None, frozen=True)
assert len(source.closure("trixie", ["app"])) == 3
print(*sorted(set(sys.modules) & {{"urllib3", "pysequoia", "lzma", "ssl", "tomllib", "msgpack",
    "fpack.builders.debian.indexes.package_index", "fpack.builders.debian.resolver", "fpack.builders.debian.release"}}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd="/")
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


@pytest.mark.network
def test_the_real_archive(tmp_path: Path) -> None:
    """Lock postgresql-17 of trixie from the machine's own mirrors, with the shipped defaults."""
    news = News()
    source = DebianSource(
        LockFile(tmp_path / "fpack.lock"),
        arch="amd64",
        cache=tmp_path / "cache",
        mirrors=find_mirrors(),
        http=Http,
        reporter=news,
        accept_expired=True,
    )
    try:
        entries = source.closure("trixie", ["postgresql-17"])
    except HttpError as error:
        pytest.skip(f"the archive cannot be reached: {error}")
    names = {entry["name"]: entry for entry in entries}
    assert {"postgresql-17", "libc6", "libpq5", "openssl"} <= set(names)
    assert "libpq5" in names["postgresql-17"]["depends"]
    assert names["postgresql-17"]["source"] == "postgresql-17"
    source.save()
    again = DebianSource(
        LockFile(tmp_path / "fpack.lock"),
        arch="amd64",
        cache=tmp_path / "none",
        mirrors=find_mirrors("only", environ={}),
        http=Http,
        reporter=news,
        frozen=True,
    )
    assert again.closure("trixie", ["postgresql-17"]) == entries
