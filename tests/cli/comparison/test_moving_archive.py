"""An archive moves on: `outdated`, `update`, `diff`, `audit` and the image are right; the old lock builds as before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.archives.moving_archive import CVE, FIRST, FIXED, GPL, OLD_CVE, OPEN_CVE, POINT, MovingArchive
from support.processes.program import Fpack


def packed(fpack: Fpack, name: str) -> str:
    """Pack the project's image to a file, and return its digest."""
    digest: str = fpack.pack("-o", f"{name}.tar")["digest"]
    return digest


def asked(fpack: Fpack, *words: str, status: int = 0) -> Any:
    return json.loads(fpack(*words, "--json", status=status).stdout)


def locked(fpack: Fpack) -> dict[str, str]:
    lines = (line.split() for line in (fpack.home / "fpack.lock").read_text().splitlines())
    return {words[3]: words[4] for words in lines if words[:1] == ["package"]}


def moves(value: Any) -> dict[str, tuple[str, str]]:
    return {item["name"]: (item["old"], item["new"]) for item in value["moved"]}


class Scene:
    """A user who packs an image, and an archive that gets a security update."""

    def __init__(self, folder: Path) -> None:
        self.moving = MovingArchive(folder / "archive")
        self.moving.first()
        self.fpack = self.moving.user(folder / "home")
        self.digest = packed(self.fpack, "old")
        self.lock = (self.fpack.home / "fpack.lock").read_bytes()

    def move(self) -> None:
        self.fpack.env["FPACK_MIRROR"] = self.moving.mirror


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_security_update_from_the_archive_to_the_image(scene: Scene, tmp_path: Path) -> None:
    fpack = scene.fpack
    assert asked(fpack, "outdated")["packages"] == []
    assert "is up to date" in fpack("outdated").stdout
    assert "has all security updates" in fpack("outdated", "--security").stdout
    assert asked(fpack, "update", "--security")["moved"] == []
    scene.moving.security_update()
    scene.move()

    # It is outdated, and telling so changes nothing.
    found = {item["name"]: item for item in asked(fpack, "outdated")["packages"]}
    assert set(found) == {"openssl", "libssl3t64"}
    library = found["libssl3t64"]
    assert (library["locked"], library["newest"], library["security"]) == (f"{FIRST}+b1", f"{FIXED}+b1", f"{FIXED}+b1")
    assert (library["suite"], library["source"], library["days"]) == ("trixie-security", "openssl", 5)
    assert asked(fpack, "outdated", "--exit-code", "--security", status=1)["packages"]
    assert "security" in fpack("outdated").stdout and "npm" in fpack("outdated").stderr
    assert (fpack.home / "fpack.lock").read_bytes() == scene.lock

    # The update is shown first, and then made: nothing else moves.
    assert "would change" in fpack("update", "--security", "--dry-run").stdout
    assert (fpack.home / "fpack.lock").read_bytes() == scene.lock
    before = locked(fpack)
    shown = fpack("update", "--security").stdout
    assert f"libssl3t64  {FIRST}+b1  ->  {FIXED}+b1" in shown and "2 packages changed" in shown
    after = locked(fpack)
    assert {name for name in before if before[name] != after[name]} == {"openssl", "libssl3t64"}

    # The image has it, and the comparison tells what and why.
    new = packed(fpack, "new")
    assert new != scene.digest
    value = asked(fpack, "diff", "old.tar", "new.tar")
    assert {item["name"]: item["movement"] for item in value["packages"]} == {
        "openssl": "upgraded",
        "libssl3t64": "upgraded",
    }
    (log,) = value["changelogs"]
    assert (log["source"], log["old"], log["new"]) == ("openssl", FIRST, FIXED)
    assert log["packages"] == ["libssl3t64", "openssl"] and log["cves"] == [CVE]
    changed = {item["path"]: item for item in value["files"]}
    assert changed["/usr/lib/libssl.so.3"]["parts"] == ["content"]
    assert changed["/usr/lib/libssl.so.3"]["package"] == "libssl3t64"
    assert not {"/usr/bin/app", "/usr/lib/libz.so.1"} & changed.keys()
    assert fpack("diff", "old.tar", "--exit-code", status=1).stdout  # against the current evaluation
    assert "are the same" in fpack("diff", "new.tar", "--exit-code").stdout
    text = fpack("diff", "old.tar", "new.tar").stdout
    assert CVE in text and OLD_CVE not in text and "check a length" in text

    # Which images hold it?
    images = asked(fpack, "where", f"openssl < {FIXED}", ".")["images"]
    assert [Path(image["file"]).name for image in images] == ["old.tar"]

    # The old lock still builds the old image: from the old state of the archive, in an empty store.
    old = Fpack(tmp_path / "later")
    old.env |= {"FPACK_MIRROR": scene.moving.mirror_at(0), "FPACK_KEYRING": str(scene.moving.archive.keyring)}
    shutil.copy(fpack.home / "fpack.fp", old.home)
    (old.home / "fpack.lock").write_bytes(scene.lock)
    assert packed(old, "again") == scene.digest


def audited(scene: Scene, image: str, *words: str | Path) -> dict[str, tuple[str, str]]:
    """Return the version with the fix and the status of each vulnerability of an image."""
    (found,) = asked(scene.fpack, "audit", image, "--data", str(scene.moving.tracker), *map(str, words))["images"]
    assert found["complete"]
    return {item["id"]: (item["fixed"], item["status"]) for item in found["findings"]}


def stated(scene: Scene, image: str, name: str) -> dict[str, str]:
    """Write the VEX document of an image, and return the status of each vulnerability in it."""
    scene.fpack("vex", image, "--data", scene.moving.tracker, "-o", name)
    statements = json.loads((scene.fpack.home / name).read_text())["statements"]
    return {item["vulnerability"]["name"]: item["status"] for item in statements}


def test_the_vulnerabilities_of_the_image_before_and_after(scene: Scene) -> None:
    """The image is vulnerable; the archive fixes it; `update --security` and a new image are not vulnerable."""
    fpack, tracker = scene.fpack, scene.moving.tracker
    still = (OPEN_CVE, ("", "affected"))
    assert audited(scene, "old.tar") == dict([(CVE, ("", "affected")), still])
    assert stated(scene, "old.tar", "before.json") == {CVE: "affected", OPEN_CVE: "affected"}

    # The tracker's file names the fixed version: of the old image, the vulnerability can be fixed now.
    scene.moving.security_update()
    scene.move()
    assert audited(scene, "old.tar") == dict([(CVE, (FIXED, "affected")), still])
    failing = ("audit", "old.tar", "--data", tracker, "--fail-on", "high,fixable")
    fpack(*failing, status=1)
    (fpack.home / "old.lock").write_bytes(scene.lock)
    fpack("update", "--security")
    assert packed(fpack, "new") != scene.digest
    assert audited(scene, "new.tar") == dict([still])
    fpack("audit", "new.tar", *failing[2:])

    # The comparisons of images, locks, and of the file with the project agree; so does the page.
    for words in (("old.tar", "new.tar"), ("old.lock",), ("old.tar",)):
        found = asked(fpack, "diff", *words, "--data", str(tracker), "--no-changelogs")["vulnerabilities"]
        assert [(item["id"], item["package"], item["version"]) for item in found["fixed"]] == [(CVE, "openssl", FIRST)]
        assert (found["new"], found["remaining"], found["without"]) == ([], 1, [])
    back = asked(fpack, "diff", "new.tar", "old.tar", "--data", str(tracker), "--no-changelogs")["vulnerabilities"]
    assert [item["id"] for item in back["new"]] == [CVE] and back["fixed"] == []
    text = fpack("diff", "old.tar", "new.tar", "--data", tracker).stdout
    assert "1 vulnerability fixed" in text and "1 known vulnerability remains" in text
    markdown = fpack("diff", "old.tar", "new.tar", "--data", tracker, "--markdown").stdout
    assert f"| `{CVE}` | high | `openssl` | `{FIRST}` |" in markdown
    fpack("diff", "old.tar", "new.tar", "--data", tracker, "--html")
    assert CVE in (fpack.home / "fpack.diff.html").read_text()

    # Data of the settings counts; without data, each form says so once.
    settings = {"FPACK_VULNERABILITIES": str(tracker)}
    assert "1 vulnerability fixed" in fpack("diff", "old.tar", "new.tar", env=settings).stdout
    assert fpack("diff", "old.tar", "new.tar").stdout.count("no vulnerability data") == 1
    assert fpack("diff", "old.tar", "new.tar", "--markdown").stdout.count("Vulnerabilities: no data.") == 1
    assert asked(fpack, "diff", "old.tar", "new.tar")["vulnerabilities"] is None


def test_the_statements_about_the_image_before_and_after(scene: Scene) -> None:
    """A document about the old image names its digest, so it says nothing of the new image."""
    fpack, tracker = scene.fpack, scene.moving.tracker
    stated(scene, "old.tar", "before.json")
    value = json.loads((fpack.home / "before.json").read_text())
    for statement in value["statements"]:
        statement |= {"status": "not_affected", "justification": "vulnerable_code_not_in_execute_path"}
    (fpack.home / "before.json").write_text(json.dumps(value))
    judged = audited(scene, "old.tar", "--vex", "before.json")
    assert {status for _, status in judged.values()} == {"not_affected"}
    scene.moving.security_update()
    scene.move()
    fpack("update", "--security")
    packed(fpack, "new")
    assert stated(scene, "new.tar", "after.json") == {OPEN_CVE: "affected"}
    assert audited(scene, "new.tar", "--vex", "before.json") == {OPEN_CVE: ("", "affected")}
    words = ("--data", str(tracker), "--vex", "before.json", "--no-changelogs")
    found = asked(fpack, "diff", "old.tar", "new.tar", *words)["vulnerabilities"]
    assert [item["id"] for item in found["new"]] == [OPEN_CVE] and found["fixed"] == []


def test_only_what_is_named_moves_after_a_point_release(scene: Scene) -> None:
    """The archive has replaced everything. The image of the new lock is whole, and every file of it can be traced."""
    fpack = scene.fpack
    scene.moving.security_update()
    scene.moving.point_release()
    scene.move()
    found = {item["name"]: item["newest"] for item in asked(fpack, "outdated")["packages"]}
    assert found == {"app": "1.1-1", "libssl3t64": f"{POINT}+b1", "openssl": POINT, "zlib1g": "1:1.3-2"}
    assert moves(asked(fpack, "update", "zlib", "--dry-run")) == {"zlib1g": ("1:1.3-1", "1:1.3-2")}
    # The security suite has an older version than trixie: --security takes that one, and nothing else.
    assert moves(asked(fpack, "update", "--security")) == {
        "libssl3t64": (f"{FIRST}+b1", f"{FIXED}+b1"),
        "openssl": (FIRST, FIXED),
    }
    assert locked(fpack)["app"] == "1.0-1" and locked(fpack)["zlib1g"] == "1:1.3-1"
    assert (fpack.home / "fpack.lock").read_text().startswith("fpack-lock 2\n")
    packed(fpack, "new")
    checked = json.loads(fpack("verify", "new.tar", "--offline", "--json").stdout)
    assert checked["success"], checked
    packages = {item["package"]: item for image in checked["images"] for item in image["packages"]}
    assert packages["zlib1g"]["suite"] == "trixie" and packages["zlib1g"]["signed"]
    assert packages["openssl"]["suite"] == "trixie-security" and packages["openssl"]["signed"]
    traced = asked(fpack, "trace", "/usr/lib/libz.so.1", "new.tar")
    assert traced["index"]["checked"] and traced["release"]["signature"]
    newer = asked(fpack, "trace", "/usr/lib/libssl.so.3", "new.tar")
    assert traced["release"]["date"] < newer["release"]["date"]
    # What an update needs comes along, and is told.
    value = asked(fpack, "update", "app")
    assert moves(value) == {"app": ("1.0-1", "1.1-1"), "zlib1g": ("1:1.3-1", "1:1.3-2")}
    assert {item["name"] for item in value["moved"] if item["needed"]} == {"zlib1g"}
    assert moves(asked(fpack, "update")).keys() == {"libssl3t64", "openssl"}
    assert (fpack.home / "fpack.lock").read_text().startswith("fpack-lock 1\n")
    assert asked(fpack, "outdated")["packages"] == []


def test_the_changelog_of_a_package_that_is_not_on_the_machine_is_fetched(scene: Scene, tmp_path: Path) -> None:
    scene.moving.security_update()
    scene.move()
    scene.fpack("update")
    packed(scene.fpack, "new")
    other = Fpack(tmp_path / "other", scene.moving.archive)
    old, new = scene.fpack.home / "old.tar", scene.fpack.home / "new.tar"
    done = other("diff", old, new)
    assert CVE in done.stdout
    assert "fetch" in done.stderr and not (other.home / "store" / "db").exists()
    offline = other("diff", old, new, "--offline")
    assert "it is not on this machine" in offline.stdout and "fetch" not in offline.stderr
    assert "changelog" not in other("diff", old, new, "--no-changelogs").stdout
    other.env["FPACK_MIRROR"] = "debian=file:///nowhere debian-security=file:///nowhere only"
    gone = other("diff", old, new)
    assert "no changelog: " in gone.stdout and f"{FIRST}+b1" in gone.stdout


def test_an_update_that_is_refused_leaves_the_lock_as_it_is(scene: Scene) -> None:
    scene.moving.security_update()
    scene.move()
    inrelease = scene.moving.archive.inrelease("trixie-security")
    inrelease.write_bytes(inrelease.read_bytes().replace(b"Codename: trixie-security", b"Codename: trixie-securitY"))
    scene.fpack.fails("update", "--security")
    scene.fpack.fails("outdated")
    assert (scene.fpack.home / "fpack.lock").read_bytes() == scene.lock
    scene.fpack.fails("update", "nothing")
    scene.fpack.fails("outdated", "bookworm")
    assert "frozen" in scene.fpack.fails("update", "--frozen")


def test_licences_are_those_of_attached_bills(scene: Scene, tmp_path: Path) -> None:
    """The licence of openssl changes. A machine without a store knows it from the bills, where both have one."""
    scene.fpack.pack("--sbom", "-o", "old.tar")
    scene.moving.security_update(copyright=GPL)
    scene.move()
    scene.fpack("update")
    scene.fpack.pack("--sbom", "-o", "new.tar")
    other = Fpack(tmp_path / "other", scene.moving.archive)
    old, new = scene.fpack.home / "old.tar", scene.fpack.home / "new.tar"
    for fpack in (scene.fpack, other):
        told = {item["package"]: item for item in asked(fpack, "diff", str(old), str(new), "--offline")["licences"]}
        assert told.keys() == {"openssl"} and told["openssl"]["new"] == "GPL-2.0-only", told
        assert told["openssl"]["old"] != "GPL-2.0-only"
    scene.fpack.pack("-o", "bare.tar")
    bare = scene.fpack.home / "bare.tar"
    assert asked(other, "diff", str(old), str(bare), "--offline")["licences"] == []
