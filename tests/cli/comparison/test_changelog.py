"""Debian changelogs: the entries between two versions, CVE ids, rebuilds, and what is no changelog."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from fpack.cli.comparison.changelog import MAX_ENTRIES, MAX_LINES, between, merge, parse
from fpack.cli.comparison.changelog_files import ChangelogFiles, _Texts, _unpacked
from fpack.cli.comparison.changelog_files import _entries as entries_of
from fpack.cli.comparison.model import CHANGED, UPGRADED, ComparedPackage, PackageChange
from fpack.cli.workspace.package_derivations import of_package
from fpack.store.derivation import digest
from support.archives.moving_archive import FIRST, FIXED, OPENSSL, MovingArchive, entry

TEXT = entry("x", "2:1.2-1+deb13u1", "CVE-2026-0001 and cve-2026-12345: two.", "CVE-2026-0001 again", urgency="HIGH")
TEXT += entry("x", "2:1.2-1", "New.") + entry("x", "2:1.1-3~bpo1", "A backport.") + entry("x", "2:1.1-3", "Old.")
TEXT += entry("x", "2:1.0-1", "Older; CVE-2020-0001.")


def versions(old: str, new: str, text: str = TEXT) -> list[str]:
    return [found.version for found in between(parse(text), old, new)]


def test_entries_and_their_fields() -> None:
    first, *rest = parse(TEXT)
    assert (first.version, first.suite, first.urgency) == ("2:1.2-1+deb13u1", "trixie", "high")
    assert first.date == "Mon, 02 Nov 2026 10:00:00 +0000"
    assert first.lines == ("  * CVE-2026-0001 and cve-2026-12345: two.", "  * CVE-2026-0001 again")
    assert first.cves == ("CVE-2026-0001", "CVE-2026-12345")
    assert len(rest) == 4


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("2:1.1-3", "2:1.2-1+deb13u1", ["2:1.2-1+deb13u1", "2:1.2-1"]),
        ("2:1.2-1", "2:1.2-1+deb13u1", ["2:1.2-1+deb13u1"]),
        ("2:1.1-3", "2:1.2-1", ["2:1.2-1"]),
        ("2:1.1-2", "2:1.1-3", ["2:1.1-3~bpo1", "2:1.1-3"]),  # the old version has no entry
        ("2:1.2-1+deb13u1", "2:1.2-1+deb13u1", []),
        ("2:1.2-1+deb13u1", "2:1.1-3", []),
        ("0.1", "3:0", ["2:1.2-1+deb13u1", "2:1.2-1", "2:1.1-3~bpo1", "2:1.1-3", "2:1.0-1"]),
    ],
)
def test_entries_between_two_versions(old: str, new: str, found: list[str]) -> None:
    assert versions(old, new) == found


def test_what_is_no_changelog() -> None:
    assert list(parse("")) == list(parse("words\n\n -- nobody\n")) == []
    assert [e.version for e in parse("x (1.0) unstable; urgency=low\n\n  * no end")] == ["1.0"]
    assert [e.lines for e in parse("x (1.0) a; b\n y\n\x1b[31m\u202e z\nx (0.9) a; b\n")] == [(" y", "?[31m? z"), ()]
    assert versions("1", "2", "x (1_5) unstable; urgency=low\n\n -- a <b@c>  now\n") == []


def test_limits() -> None:
    many = "".join(f"x (1.{number}) unstable; urgency=low\n\n  * {'y' * 9999}\n" for number in range(999, 0, -1))
    assert len(versions("1.0", "2", many)) == MAX_ENTRIES
    (found,) = parse("x (1) unstable; urgency=low\n" + "  line\n" * 9999)
    assert len(found.lines) == MAX_LINES
    assert max(len(line) for found in parse(many) for line in found.lines) < 500


def test_a_damaged_file_and_a_bomb() -> None:
    assert _unpacked(b"\x1f\x8bdamaged") == "" and _unpacked(b"plain") == "plain"
    assert len(_unpacked(gzip.compress(bytes(64 << 20)))) == 32 << 20


def change(old: str, new: str) -> PackageChange:
    package = ComparedPackage("libx1", old, source="x")
    return PackageChange(CHANGED, UPGRADED, package, package._replace(version=new))


def test_rebuilds_have_a_changelog_of_their_own() -> None:
    rebuilt = entry("x", "2:1.2-1+b2", "Rebuild for libz.") + entry("x", "2:1.2-1+b1", "Rebuild.")
    same = entries_of(_Texts(TEXT, rebuilt), "2:1.2-1", "2:1.2-1", [change("2:1.2-1+b1", "2:1.2-1+b2")])
    assert [found.version for found in same] == ["2:1.2-1+b2"]
    both = entries_of(_Texts(TEXT, rebuilt), "2:1.1-3", "2:1.2-1", [change("2:1.1-3", "2:1.2-1+b2")])
    assert [found.version for found in both] == ["2:1.2-1+b2", "2:1.2-1+b1", "2:1.2-1"]
    merged = merge(parse(TEXT), parse(TEXT))
    assert set(merged) == set(parse(TEXT)) and len(merged) == 5 and merged[0].version == "2:1.2-1+deb13u1"


def test_a_source_of_another_name_is_told() -> None:
    before = ComparedPackage("libx1", "15-1", source="x-15", source_version="15-1", file="pool/x.deb")
    moved = PackageChange(
        CHANGED, UPGRADED, before, before._replace(version="17-1", source="x-17", source_version="17-1")
    )
    (found,) = ChangelogFiles(None, None).of_changes([moved])
    assert found.entries == () and found.absent == "it was built from x-15 before"


def test_the_derivations_are_those_of_the_language(tmp_path: Path) -> None:
    """The store knows a payload by its derivation, which is made here from the lock alone."""
    from fpack.builders.debian.lock.text import parse_lock
    from fpack.cli.comparison.inventory import of_lock
    from fpack.store.store import Store

    moving = MovingArchive(tmp_path / "archive")
    moving.first()
    fpack = moving.user(tmp_path / "home")
    fpack.pack()
    lock = of_lock("lock", parse_lock((fpack.home / "fpack.lock").read_text()))
    with_texts = [lock.packages["trixie", "amd64", name] for name in ("openssl", "libssl3t64", "zlib1g")]
    store = Store(fpack.home / "store")
    try:
        for package in with_texts:
            made = of_package(package)
            for output in (made.deb, made.payload):
                body = store.database.derivation(output.derivation)
                assert body is not None and digest(body) == output.derivation
                assert made.bodies[output.derivation] == body
                assert store.database.built(output) is not None
    finally:
        store.close()


def test_the_fixture_has_what_the_scene_needs() -> None:
    assert versions(FIRST, FIXED, OPENSSL[FIXED] + OPENSSL[FIRST]) == [FIXED]
