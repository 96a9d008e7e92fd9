"""`fpack audit`: the findings of an image file, a project and a package; exit statuses, lists, and honest gaps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.archives.archive import file, link
from support.archives.shells import world as shells_world
from support.processes.program import Fpack, world
from support.reports.billed import billed
from support.reports.vulnerabilities import affected, document, entry, state
from support.time_limits import WAIT

PROJECT = """
image = container {
  name = "app"
  packages = [import("fpack/debian").trixie.hello]
  closure = "linked"
}
"""
DATA = {
    "hello": {
        "CVE-2026-0001": entry(trixie=state("2.10-4", urgency="high")),
        "CVE-2026-0002": entry(trixie=state("2.10-3", urgency="high")),
        "CVE-2026-0003": entry(trixie=state(nodsa="Minor issue", nodsa_reason="postponed", urgency="low")),
        "CVE-2026-0004": entry(trixie=state()),
        "CVE-2026-0005": entry(bookworm=state(urgency="high")),
    },
    "shells": {"CVE-2026-0006": entry(trixie=state("1:0.5-2", urgency="medium"))},
    "absent": {"CVE-2026-0007": entry(trixie=state(urgency="high"))},
}
COUNTING = ["CVE-2026-0001", "CVE-2026-0006", "CVE-2026-0003", "CVE-2026-0004"]  # the worst first


class Audited(NamedTuple):
    """The program, a packed project, and a file of data."""

    fpack: Fpack
    project: Path
    tar: Path
    data: Path

    def __call__(self, *args: str | Path, status: int | None = 0) -> dict[str, Any]:
        """Return the JSON of the audit of the image file."""
        done = self.fpack("audit", self.tar, "--json", "--data", self.data, *args, status=status, cwd=self.project)
        value: dict[str, Any] = json.loads(done.stdout)
        return value["images"][0] | {"success": value["success"]}


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Audited:
    folder = tmp_path_factory.mktemp("audited")
    archive = world(folder / "archive")
    fields = {"Source": "shells (1:0.5-1)"}
    files = {"usr/bin/dash": file("#!", 0o755), "usr/bin/sh": link("dash")}
    archive.add("dash", "1:0.5-1+b3", files=files, fields=fields)
    archive.publish()
    fpack = Fpack(folder / "home", archive)
    (fpack.home / "fpack.fp").write_text(PROJECT)
    fpack("pack", cwd=fpack.home)
    (fpack.home / "tracker.json").write_text(json.dumps(DATA))
    return Audited(fpack, fpack.home, fpack.home / "app.tar", fpack.home / "tracker.json")


def ids(image: dict[str, Any]) -> list[str]:
    return [finding["id"] for finding in image["findings"]]


def test_findings_of_an_image_file(audited: Audited) -> None:
    image = audited()
    assert ids(image) == COUNTING and image["counts"] == {"high": 1, "medium": 1, "low": 1, "unknown": 1}
    first, second, third, _ = image["findings"]
    assert (first["fixed"], first["status"], first["origin"]) == ("2.10-4", "affected", "Debian security tracker")
    assert third["substate"] == "postponed" and third["note"] == "Minor issue; remote"
    product = second["product"]
    assert (product["name"], product["version"]) == ("shells", "1:0.5-1")
    assert [(b["name"], b["version"]) for b in product["binaries"]] == [("dash", "1:0.5-1+b3")]
    assert image["complete"] and image["unidentified"] == [] and image["data"][0]["age_days"] == 0


def test_a_project_a_package_and_a_file_have_the_same_findings(audited: Audited) -> None:
    done = audited.fpack(
        "audit", "--json", "--data", audited.data, "#image", audited.tar, "debian.trixie.hello", cwd=audited.project
    )
    images = json.loads(done.stdout)["images"]
    assert [image["image"] for image in images] == ["#image", str(audited.tar), "debian.trixie.hello"]
    assert images[0]["findings"] == images[1]["findings"] and images[0]["digest"] == images[1]["digest"]
    assert ids(images[2]) == COUNTING
    alone = audited.fpack("audit", "--json", "--data", audited.data, cwd=audited.project)
    assert json.loads(alone.stdout)["images"][0]["findings"] == images[0]["findings"]


def test_an_image_file_needs_neither_store_nor_project(audited: Audited, tmp_path: Path) -> None:
    other = Fpack(tmp_path / "home")
    shutil.copy(audited.tar, other.home / "image.tar")
    done = other("audit", "image.tar", "--data", audited.data)
    assert "4 known vulnerabilities in" in done.stdout and not (other.home / "store").exists()


def test_the_table(audited: Audited) -> None:
    text = audited.fpack("audit", audited.tar, "--data", audited.data, cwd=audited.project).stdout
    lines = [line.split() for line in text.splitlines()]
    assert ["high", "CVE-2026-0001", "hello", "2.10-3", "2.10-4", "-", "hello"] in lines
    assert ["low", "CVE-2026-0003", "hello", "2.10-3", "-", "postponed", "hello"] in lines
    assert ["medium", "CVE-2026-0006", "shells", "1:0.5-1", "1:0.5-2", "-", "dash"] in lines
    assert "1 has no severity in the data; --fail-on unknown counts it" in text
    assert f"data: Debian security tracker, {audited.data}, of 20" in text


@pytest.mark.parametrize(
    ("limit", "failing"),
    [
        ("critical", 0), ("high", 1), ("medium", 2), ("low", 3), ("negligible", 3), ("unknown", 4),
        ("high,fixable", 1), ("low,fixable", 2), ("unknown,fixable", 2),
    ],
)  # fmt: skip
def test_the_exit_status_is_by_severity(audited: Audited, limit: str, failing: int) -> None:
    # One finding has no severity, and could be critical.
    image = audited("--fail-on", limit, status=1 if failing else 6)
    assert image["failing"] == failing and not image["success"]
    rated = audited("--fail-on", limit, "--ignore", "CVE-2026-0004", status=None)
    assert rated["success"] == (not rated["failing"]) and rated["failing"] == failing - (limit == "unknown")


def test_an_image_that_cannot_be_read_does_not_hide_the_others(audited: Audited, tmp_path: Path) -> None:
    bad = tmp_path / "bad.tar"
    bad.write_bytes(audited.tar.read_bytes()[:5000])
    done = audited.fpack("audit", bad, audited.tar, "--json", "--data", audited.data, status=6)
    value = json.loads(done.stdout)
    assert [ids(image) for image in value["images"]] == [COUNTING] and not value["success"]
    assert str(bad) in done.stderr
    words = ("audit", audited.tar, bad, "--data", audited.data, "--fail-on", "high")
    assert "CVE-2026-0001" in audited.fpack(*words, status=1).stdout


@pytest.mark.parametrize("limit", ["severe", "", "high,fixed", "high,", "HIGH", "high,fixable,low"])
def test_a_limit_that_is_none_is_refused(audited: Audited, limit: str) -> None:
    assert (
        "the severities are critical, high"
        in audited.fpack("audit", audited.tar, "--data", audited.data, "--fail-on", limit, status=2).stderr
    )


def test_accepted_vulnerabilities_do_not_count_and_are_not_hidden(audited: Audited, tmp_path: Path) -> None:
    accepted = tmp_path / "accepted.toml"
    row = '[[accept]]\nid = "{}"\nreason = "{}"\nuntil = {}\n'
    accepted.write_text(
        row.format("CVE-2026-0001", "not reachable", "2999-01-01") + row.format("CVE-2026-0006", "later", "2020-01-01")
    )
    options = ("--accepted", accepted, "--ignore", "CVE-2026-0003=tested", "--fail-on", "high")
    image = audited(*options, status=6)
    assert image["counts"] == {"medium": 1, "unknown": 1} and ids(image) == COUNTING
    reasons = {finding["id"]: finding["accepted"] for finding in image["findings"]}
    assert reasons["CVE-2026-0001"]["reason"] == "not reachable" and reasons["CVE-2026-0003"]["origin"] == "--ignore"
    assert reasons["CVE-2026-0006"] is None and image["expired"][0]["id"] == "CVE-2026-0006"
    words = ("audit", audited.tar, "--data", audited.data, *options)
    text = audited.fpack(*words, cwd=audited.project, status=6).stdout
    assert "CVE-2026-0001" not in text and "2 more are accepted or do not affect the image" in text
    assert f"CVE-2026-0006 was accepted until 2020-01-01 ({accepted})" in text
    assert "accepted: not reachable" in audited.fpack(*words, "--show-suppressed", cwd=audited.project, status=6).stdout
    rated = ("--ignore", "CVE-2026-0001", "--ignore", "CVE-2026-0004", "--fail-on", "high")
    assert audited(*rated, status=None)["failing"] == 0
    done = audited.fpack(*words, "--ignore", "CVE-1999-0001", cwd=audited.project, status=6)
    assert (
        "--ignore CVE-1999-0001 matches no vulnerability" in done.stderr and "CVE-2026-0003 matches" not in done.stderr
    )
    for number in ("", "*", "CVE", "=reason"):
        assert "does not name a vulnerability" in audited.fpack.fails("audit", audited.tar, "--ignore", number)
    accepted.write_text('[[accept]]\nid = "CVE-2026-0001"\n')
    assert "it has no reason" in audited.fpack.fails("audit", audited.tar, "--accepted", accepted)


def test_without_data_nothing_is_claimed(audited: Audited) -> None:
    done = audited.fpack("audit", audited.tar, status=7)
    assert "There is no vulnerability data" in done.stderr and "--data" in done.stderr and done.stdout == ""


def test_packages_that_no_data_is_about_are_told(audited: Audited, tmp_path: Path) -> None:
    other = tmp_path / "bookworm.json"
    other.write_text(json.dumps({"hello": {"CVE-2026-0005": entry(bookworm=state())}}))
    done = audited.fpack("audit", audited.tar, "--data", other, status=6)
    assert "no data about its 4 packages" in done.stdout and "not checked: no data about Debian trixie:" in done.stdout
    assert "no known vulnerability" not in done.stdout
    value = json.loads(audited.fpack("audit", audited.tar, "--data", other, "--json", status=6).stdout)
    assert not value["success"] and not value["images"][0]["complete"]
    assert value["images"][0]["coverage"][0]["sources"] == []
    failing = audited.fpack(
        "audit", audited.tar, "--data", other, "--data", audited.data, "--fail-on", "high", status=1
    )
    assert "not checked" not in failing.stdout


def test_old_and_damaged_data_is_told(audited: Audited, tmp_path: Path) -> None:
    old = Path(shutil.copy(audited.data, tmp_path / "old.json"))
    os.utime(old, (time.time() - 10.5 * 86400,) * 2)
    done = audited.fpack("audit", audited.tar, "--data", old, status=6)
    assert f"not checked: {old} is 10 days old, and the limit is 7" in done.stdout
    audited.fpack("audit", audited.tar, "--data", old, "--max-age", "11", status=0)
    audited.fpack("audit", audited.tar, "--data", old, status=0, env={"FPACK_AUDIT_MAX_AGE": "none"})
    assert "--max-age is a number of days" in audited.fpack.fails("audit", audited.tar, "--data", old, "--max-age", "x")
    damaged = tmp_path / "damaged.json"
    damaged.write_text(json.dumps({**DATA, "bad": {"CVE-2026-0009": entry(trixie=state("\x1b[2J"))}}))
    done = audited.fpack("audit", audited.tar, "--data", damaged, status=6)
    assert f"not checked: 1 record of {damaged} cannot be read: bad CVE-2026-0009" in done.stdout
    assert "\x1b" not in done.stdout


def test_the_settings_name_data(audited: Audited, tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    (tmp_path / "fpack").mkdir()
    config = tmp_path / "fpack" / "config.toml"
    config.write_text(f'[audit]\nvulnerabilities = ["{audited.data}"]\nmax-age = 30\n')
    assert "4 known vulnerabilities" in audited.fpack("audit", audited.tar, env=env).stdout
    nothing = tmp_path / "nothing.json"
    nothing.write_text(json.dumps({"hello": {"CVE-2026-0005": entry(trixie=state("0"))}}))
    for done in (
        audited.fpack("audit", audited.tar, env=env | {"FPACK_VULNERABILITIES": str(nothing)}),
        audited.fpack("audit", audited.tar, "--data", nothing, env=env),
    ):
        assert "no known vulnerability in 4 packages" in done.stdout
    config.write_text('[audit]\nvulnerabilities = ["tracker.json"]\n')
    done = audited.fpack("audit", audited.tar, env=env, status=2, cwd=audited.project)
    assert "relative path" in done.stderr


def test_processes_that_compile_the_same_data_at_once(audited: Audited, tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    others = {f"s{n}": {f"CVE-2026-{n:04}": entry("x" * 200, trixie=state())} for n in range(5000)}
    large.write_text(json.dumps(DATA | others))
    env = audited.fpack.env | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    words = audited.fpack.command("audit", audited.tar, "--data", large, "--json")
    running = [subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [process.communicate(timeout=WAIT)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert [ids(json.loads(output)["images"][0]) for output in outputs] == [COUNTING] * 3
    assert len(list((tmp_path / "cache" / "fpack" / "vulnerabilities").iterdir())) == 1


def test_sarif(audited: Audited, tmp_path: Path) -> None:
    out = tmp_path / "audit.sarif"
    audited("--sarif", out, "--ignore", "CVE-2026-0001=tested")
    (run,) = json.loads(out.read_bytes())["runs"]
    assert [result["ruleId"] for result in run["results"]] == COUNTING
    assert run["results"][0]["suppressions"][0]["justification"] == "accepted: tested"
    before = out.read_bytes()
    audited("--sarif", out, "--ignore", "CVE-2026-0001=tested")
    assert out.read_bytes() == before
    assert "cannot be written" in audited.fpack.fails(
        "audit", audited.tar, "--data", audited.data, "--sarif", tmp_path / "no" / "x"
    )


def test_what_is_audited_is_what_the_bill_of_materials_has(tmp_path: Path) -> None:
    made = billed(tmp_path / "home")
    made.fpack("pack", "-o", "image.tar", cwd=made.project)
    data = tmp_path / "tracker.json"
    data.write_text(json.dumps({name: {"CVE-2026-0001": entry(trixie=state())} for name in ("shared", "tool-chain")}))
    done = made.fpack("audit", "image.tar", "--data", data, "--json", cwd=made.project)
    (finding,) = json.loads(done.stdout)["images"][0]["findings"]
    assert (finding["product"]["name"], finding["product"]["version"]) == ("shared", "1:2.0+dfsg~rc1-1")
    assert [binary["name"] for binary in finding["product"]["binaries"]] == ["app", "libshared1"]
    purls = [component.get("purl") for component in made.document("cyclonedx-1.6")["components"]]
    assert finding["product"]["purl"] in purls


LOCKED = """
debian = import("fpack/debian").trixie
package = import("fpack/package").package
app = package {
  name = "app", version = "1", source = ./app, unpack = null, check = null, fixup = null, build = null
  install = "mkdir -p $out/etc; cp $source/app.conf $out/etc"
}
image = container { name = "locked", packages = [debian.greet, debian.bash, app], env = { DATA = "${./data}" } }
"""
CRATES = 'version = 4\n[[package]]\nname = "leaf"\nversion = "1.0.2"\nsource = "registry+https://x.example/"\n'
GEMS = "GEM\n  remote: https://gems.example.org/\n  specs:\n    rack (3.0.1)\n"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """Return an image of which one lock file travels beside it, and the other lies in a layer."""
    folder = tmp_path_factory.mktemp("locked")
    archive = shells_world(folder / "archive")
    archive.publish()
    fpack = Fpack(folder / "home", archive)
    for name, text in (("app/Cargo.lock", CRATES), ("app/app.conf", "x\n"), ("data/Gemfile.lock", GEMS)):
        (fpack.home / name).parent.mkdir(exist_ok=True)
        (fpack.home / name).write_text(text)
    (fpack.home / "fpack.fp").write_text(LOCKED)
    fpack("pack", cwd=fpack.home)
    fpack("pack", "--no-sources", "-o", "bare.tar", cwd=fpack.home)
    data = folder / "osv"
    data.mkdir()
    for number, (kind, name) in enumerate((("crates.io", "leaf"), ("RubyGems", "rack"), ("Debian:13", "greet")), 1):
        about = document(f"CVE-2026-000{number}", affected(kind, name, ("introduced", "0")))
        (data / f"{number}.json").write_text(json.dumps(about))
    return Audited(fpack, fpack.home, fpack.home / "locked.tar", data)


def test_lock_files_are_read_from_the_image_or_the_store(locked: Audited, tmp_path: Path) -> None:
    other = Fpack(tmp_path / "home")
    for fpack, tar in ((locked.fpack, locked.tar), (locked.fpack, locked.project / "bare.tar"), (other, locked.tar)):
        image = json.loads(fpack("audit", tar, "--data", locked.data, "--json").stdout)["images"][0]
        assert ids(image) == ["CVE-2026-0001", "CVE-2026-0002", "CVE-2026-0003"]
        assert "app-1" in image["unidentified"] and image["complete"]
    done = other("audit", locked.project / "bare.tar", "--data", locked.data, status=6)
    assert "not checked: the lock files of app are not at hand" in done.stdout and "CVE-2026-0002" in done.stdout
