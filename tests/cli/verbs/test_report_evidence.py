"""Test the evidence of others on an image's page: vulnerabilities, rebuilders, signatures, and comparisons."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from fpack.cli.images.attestations.attached import attached
from support.images.greeter import Greeter
from support.reports.vulnerabilities import entry, state
from support.servers.rebuilders import Rebuilders

DATA = {
    "hello": {
        "CVE-2026-0001": entry(trixie=state("2.10-4", urgency="high")),
        "CVE-2026-0002": entry(trixie=state(urgency="low")),
    }
}


def sections(page: Path) -> dict[str, Any]:
    data = json.loads(page.read_text().partition('id="data">')[2].partition("</script>")[0])
    return {section["id"]: section for section in data["sections"]}


@pytest.fixture
def tracker(tmp_path: Path) -> Path:
    path = tmp_path / "tracker.json"
    path.write_text(json.dumps(DATA))
    return path


def report(made: Greeter, page: Path, *words: str | Path, env: dict[str, str] | None = None) -> dict[str, Any]:
    made.fpack("report", made.tar, "--html", "-o", page, *words, env=env)
    return sections(page)


def stated(made: Greeter, tmp_path: Path, tracker: Path) -> Path:
    """Return a VEX document of another tool: one of the vulnerabilities does not affect the image."""
    made.fpack("vex", made.tar, "--data", tracker, "-o", tmp_path / "vex.json")
    value = json.loads((tmp_path / "vex.json").read_text())
    for statement in value["statements"]:
        if statement["vulnerability"]["name"] == "CVE-2026-0002":
            statement |= {"status": "not_affected", "justification": "vulnerable_code_not_in_execute_path"}
            statement.pop("action_statement", None)
    (tmp_path / "vex.json").write_text(json.dumps(value))
    return tmp_path / "vex.json"


def test_vulnerabilities_and_statements_of_others(made: Greeter, tracker: Path, tmp_path: Path) -> None:
    found = report(made, tmp_path / "a.html", "--data", tracker)["vulnerabilities"]
    assert [row[:6] for row in found["rows"]] == [
        ["CVE-2026-0001", "high", "hello", "2.10-3", "2.10-4", "affected"],
        ["CVE-2026-0002", "low", "hello", "2.10-3", "", "affected"],
    ]
    assert "Debian security tracker of 20" in found["note"] and "(2 records)" in found["note"]
    assert "No data of" in found["note"] and str(tmp_path) not in (tmp_path / "a.html").read_text()
    vex = stated(made, tmp_path, tracker)
    judged = report(made, tmp_path / "b.html", "--data", tracker, "--vex", vex)["vulnerabilities"]
    assert [row[5] for row in judged["rows"]] == ["affected", "not_affected"]
    assert "vulnerable_code_not_in_execute_path" in judged["rows"][1][8]
    copy = tmp_path / "copy.json"
    copy.write_bytes(tracker.read_bytes())
    os.utime(copy, ns=(tracker.stat().st_mtime_ns,) * 2)
    report(made, tmp_path / "c.html", "--offline", env={"FPACK_VULNERABILITIES": str(copy)})
    assert (tmp_path / "c.html").read_bytes() == (tmp_path / "a.html").read_bytes()


def test_data_that_cannot_be_had(made: Greeter, tmp_path: Path) -> None:
    """Data that the command names must be there. Without data of the settings, there is a warning."""
    absent, page = tmp_path / "absent.json", tmp_path / "page.html"
    assert "cannot be read" in made.fpack.fails("report", made.tar, "--html", "-o", page, "--data", absent)
    assert not page.exists()
    env = {"FPACK_VULNERABILITIES": str(absent)}
    done = made.fpack("report", made.tar, "--html", "-o", page, env=env)
    assert "vulnerabilities are not told" in done.stderr and "absent.json" in done.stderr
    assert sections(page)["vulnerabilities"]["kind"] == "missing"
    done = made.fpack("diff", made.tar, "#everything", "--no-changelogs", env=env, cwd=made.project)
    assert "vulnerabilities are not told" in done.stderr and done.stdout.count("no vulnerability data") == 1


def test_who_rebuilt_the_packages(made: Greeter, tmp_path: Path) -> None:
    with Rebuilders(tmp_path / "rebuilders") as server:
        policy = server.policy_of(made.manifest, exceptions=1)
        made.fpack("rebuilders", "fetch", made.tar, "--policy", policy, "-o", tmp_path / "bundle.json")
        asked = report(made, tmp_path / "a.html", "--policy", policy)["rebuilds"]
    words = ("--policy", policy, "--rebuilders", tmp_path / "bundle.json", "--offline")
    found = report(made, tmp_path / "b.html", *words)["rebuilds"]
    assert found == asked
    assert [row[2] for row in found["rows"]].count("reproduced") == len(found["rows"]) - 2
    first, second, *others = found["rows"]
    assert first[2:] == ["not reproduced", "", "one", ""]
    assert second[2:] == ["no data", "", "", "one: not tried, excepted: it is known"]
    assert all(row[2:] == ["reproduced", "one", "", ""] for row in others)
    done = made.fpack("report", made.tar, "--html", "--offline", "--policy", policy, status=2)
    assert "--rebuilders FILE" in done.stderr
    configured = {"FPACK_REBUILDERS": str(policy)}
    assert report(made, tmp_path / "c.html", "--offline", env=configured)["rebuilds"]["kind"] == "missing"
    done = made.fpack("report", made.tar, "--html", "-o", tmp_path / "d.html", env=configured)
    assert {row[2] for row in sections(tmp_path / "d.html")["rebuilds"]["rows"]} == {"no data"}


def test_signatures_are_listed_and_not_believed(made: Greeter, tmp_path: Path) -> None:
    assert report(made, tmp_path / "a.html")["signatures"]["note"] == "What the file carries, as it says itself."
    made.fpack("key", "generate", "-o", tmp_path / "key.pem")
    key = json.loads(made.fpack("key", "show", tmp_path / "key.pub", "--json").stdout)
    for form, name in (("tar", "signed.tar"), ("oci-dir", "layout")):
        image = tmp_path / name
        made.fpack.pack("--format", form, "--sbom", "-o", image, cwd=made.project)
        made.fpack("sign", image, "--key", tmp_path / "key.pem")
        made.fpack("report", image, "--html", "-o", tmp_path / "b.html")
        found = sections(tmp_path / "b.html")["signatures"]
        states = {row[0]: row[2:4] for row in found["rows"]}
        assert states["manifest"] == states["sbom"] == ["not checked", f"key {key['fingerprint']}"]
        assert states["image"] == ["not checked", "a key that is not named"]
        assert states["document"] == ["not signed", ""]
        assert "application/vnd.cyclonedx+json" in {row[1] for row in found["rows"]}
        assert "anyone can name any key" in found["note"]


def test_hostile_signatures_are_a_row(made: Greeter, tmp_path: Path) -> None:
    made.fpack("key", "generate", "-o", tmp_path / "key.pem")
    layout = tmp_path / "layout"
    made.fpack.pack("--format", "oci-dir", "-o", layout, cwd=made.project)
    made.fpack("sign", layout, "--key", tmp_path / "key.pem")
    blobs = {path: path.read_bytes() for path in layout.glob("blobs/sha256/*")}
    envelopes = {path: data for path, data in blobs.items() if data.startswith(b'{"payload"')}
    for size, why in ((1, "1 bytes"), (0, "does not match")):
        for path, data in envelopes.items():
            path.write_bytes(b"[" * (size or len(data)))
        made.fpack("report", layout, "--html", "-o", tmp_path / "bad.html")
        rows = {row[0]: row for row in sections(tmp_path / "bad.html")["signatures"]["rows"]}
        assert rows["manifest"][2] == "cannot be read" and why in rows["manifest"][4]
        assert rows["image"][2] == "not checked"
    for name in ("fpack-referrers.json", "index.json"):
        kept = (layout / name).read_bytes()
        for text in (b"[" * 100_000, b'{"schemaVersion":2}', b'{"manifests":[1]}', b""):
            (layout / name).write_bytes(text)
            assert any(item.problem for item in attached(layout)) or text.startswith(b"{")
        (layout / name).write_bytes(kept)
    assert {item.what for item in attached(layout)} == {"image", "manifest", "provenance", "document"}


def test_a_page_with_what_differs(made: Greeter, tracker: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    words = ("--html", "-o", page, "--data", tracker, "--compare", made.tar, "--offline")
    made.fpack("report", "#everything", *words, cwd=made.project)
    found = sections(page)
    assert [row[:2] for row in found["diff-packages"]["rows"] if row[0] == "idle"] == [["idle", "added"]]
    assert found["diff-packages"]["title"] == "Packages compared" and found["packages"]["title"] == "Packages"
    assert found["diff-vulnerabilities"]["rows"] == []
    assert "Both sides have 2 others." in found["diff-vulnerabilities"]["note"]
    assert [row[1] for row in found["diff-sides"]["rows"]] == ["greeter.tar", "greeter:1.0"]
    assert "cannot be compared" in made.fpack.fails("report", made.tar, *words[:-2], "old.lock", cwd=made.project)
