"""`--fetch-fixed` compares an image with packages that fix a vulnerability, which are fetched from the archive."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.archives.moving_archive import CVE, FIRST, FIXED, OPEN_CVE, POINT, MovingArchive
from support.processes.program import Fpack


class FixedScene(NamedTuple):
    """An archive with a packed image, and a machine that has the image file alone."""

    moving: MovingArchive
    packer: Fpack
    fpack: Fpack

    def moved(self) -> None:
        for fpack in (self.packer, self.fpack):
            fpack.env["FPACK_MIRROR"] = self.moving.mirror

    def finding(self, *words: str, on: Fpack | None = None, number: str = CVE) -> dict[str, Any]:
        done = (on or self.fpack)("audit", "app.tar", "--data", self.moving.tracker, "--json", *words)
        found: list[dict[str, Any]] = json.loads(done.stdout)["images"][0]["findings"]
        return next(item for item in found if item["id"] == number)


@pytest.fixture
def scene(tmp_path: Path) -> FixedScene:
    moving = MovingArchive(tmp_path / "archive")
    moving.first()
    packer = moving.user(tmp_path / "packer")
    packer.pack("-o", "app.tar")
    fpack = Fpack(tmp_path / "other", moving.archive)
    shutil.copy(packer.home / "app.tar", fpack.home)
    return FixedScene(moving, packer, fpack)


def test_an_image_whose_files_are_those_of_the_fixed_version(scene: FixedScene) -> None:
    scene.moving.security_update(code=FIRST)
    scene.moved()
    assert scene.finding()["status"] == scene.finding(on=scene.packer)["status"] == "affected"
    for fpack in (scene.packer, scene.fpack):
        lock = fpack.home / "fpack.lock"
        before = lock.read_bytes() if lock.exists() else None
        found = scene.finding("--fetch-fixed", on=fpack)
        assert (found["status"], found["justification"]) == ("not_affected", "vulnerable_code_not_present")
        first, second = found["evidence"][-2:]
        assert first == f"all 4 files of libssl3t64, openssl in the image are the same in openssl {FIXED}"
        assert f"libssl3t64 {FIXED}+b1, openssl {FIXED}" in second
        assert (lock.read_bytes() if lock.exists() else None) == before
        # The store has the packages now, so the claim needs no network.
        assert scene.finding("--offline", on=fpack)["status"] == "not_affected"
    # Nothing fixes this one, so nothing is fetched for it.
    assert scene.finding("--fetch-fixed", number=OPEN_CVE)["evidence"] == []


def test_the_document_states_the_comparison(scene: FixedScene) -> None:
    scene.moving.security_update(code=FIRST)
    scene.moved()
    words = ("vex", "app.tar", "--data", scene.moving.tracker)
    rows = json.loads(scene.fpack(*words, "--fetch-fixed").stdout)["statements"]
    (row,) = [row for row in rows if row["vulnerability"]["name"] == CVE]
    assert row["status"] == "not_affected" and f"are the same in openssl {FIXED}" in row["impact_statement"]
    assert scene.fpack(*words).stdout == scene.fpack(*words, "--fetch-fixed").stdout


def test_a_file_that_differs_proves_that_nothing_follows(scene: FixedScene) -> None:
    scene.moving.security_update()
    scene.moved()
    found = scene.finding("--fetch-fixed")
    assert found["status"] == "affected"
    (fact,) = found["evidence"]
    assert fact.startswith(f"nothing follows from a comparison with {FIXED}: /usr/")
    assert fact.endswith(f" of the image is not the same in openssl {FIXED}")


def test_a_later_version_has_the_fix_as_well(scene: FixedScene) -> None:
    """An archive has only the newest version of each suite."""
    scene.moving.security_update(code=FIRST)
    scene.moving.point_release(code=FIRST)
    for name in ("openssl", "libssl3t64"):
        scene.moving.archive.remove(name, suite="trixie-security")
    scene.moving.archive.publish()
    scene.moved()
    found = scene.finding("--fetch-fixed", on=scene.packer)
    assert found["status"] == "not_affected"
    assert f"are the same in openssl {POINT}, which has the fix of {FIXED}" in found["evidence"][0]
    # The archive no longer has the image's own packages, which can have parts of other sources.
    found = scene.finding("--fetch-fixed")
    assert found["status"] == "affected"
    assert "packages of the image are not on this machine and cannot be fetched" in found["evidence"][0]


def test_an_archive_without_the_fix(scene: FixedScene) -> None:
    tracker = scene.moving.tracker
    tracker.write_text(tracker.read_text().replace('"status": "open", "urgency": "high"',
                                                   f'"status": "resolved", "fixed_version": "{FIXED}"'))  # fmt: skip
    found = scene.finding("--fetch-fixed")
    assert found["status"] == "affected"
    assert found["evidence"][-1].endswith("the archive of trixie has no version of openssl that fixes it")


def test_what_the_archive_sends_is_checked(scene: FixedScene) -> None:
    scene.moving.security_update(code=FIRST)
    scene.moved()
    audit = ("audit", "app.tar", "--data", scene.moving.tracker)
    assert "exclude each other" in scene.fpack.fails(*audit, "--fetch-fixed", "--offline")
    (deb,) = scene.moving.archive.folder.rglob(f"libssl3t64_{FIXED}*.deb")
    good = deb.read_bytes()
    deb.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    scene.fpack.fails(*audit, "--fetch-fixed")
    deb.write_bytes(good)
    release = scene.moving.archive.inrelease("trixie-security")
    signed = release.read_bytes()
    release.write_bytes(signed.replace(b"Suite: ", b"Suite:  ", 1))
    scene.fpack.fails(*audit, "--fetch-fixed")
    release.write_bytes(signed)
    assert scene.finding("--fetch-fixed")["status"] == "not_affected"


def test_an_index_older_than_that_of_the_image_is_refused(scene: FixedScene) -> None:
    scene.moving.security_update(code=FIRST)
    scene.moved()
    scene.packer("update", "--security")
    scene.packer.pack("-o", "app.tar")
    scene.moving.tracker.write_text(scene.moving.tracker.read_text().replace(FIXED, POINT))
    scene.packer.env["FPACK_MIRROR"] = scene.moving.mirror_at(0)
    audit = ("audit", "app.tar", "--data", scene.moving.tracker)
    assert "older" in scene.packer.fails(*audit, "--fetch-fixed")
