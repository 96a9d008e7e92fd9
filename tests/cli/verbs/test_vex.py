"""`fpack vex`, and `--vex` of `fpack audit`: documents about an image, and what the statements of others change."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.processes.program import Fpack, world
from support.reports.vulnerabilities import entry, state

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
        "CVE-2026-0002": entry(trixie=state()),
    },
}
HELLO = "pkg:deb/debian/hello?arch=source"
LATE = "2001-01-01T00:00:00Z"


class Image(NamedTuple):
    """The program, a packed project, and a file of data."""

    fpack: Fpack
    tar: Path
    data: Path

    def vex(self, *args: str | Path, status: int = 0) -> str:
        return self.fpack("vex", self.tar, "--data", self.data, *args, status=status).stdout

    def audit(self, *args: str | Path) -> list[dict[str, Any]]:
        """Return the findings of the audit of the image."""
        done = self.fpack("audit", self.tar, "--json", "--data", self.data, *args)
        found: list[dict[str, Any]] = json.loads(done.stdout)["images"][0]["findings"]
        return found


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("vex")
    archive = world(folder / "archive")
    archive.publish()
    fpack = Fpack(folder / "home", archive)
    (fpack.home / "fpack.fp").write_text(PROJECT)
    fpack("pack", cwd=fpack.home)
    (fpack.home / "tracker.json").write_text(json.dumps(DATA))
    return Image(fpack, fpack.home / "app.tar", fpack.home / "tracker.json")


def statement(path: Path, name: str, product: str, status: str = "not_affected", at: str = LATE) -> Path:
    row = {"vulnerability": {"name": name}, "products": [{"@id": product}], "status": status,
           "justification": "vulnerable_code_not_in_execute_path", "timestamp": at}  # fmt: skip
    top = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "urn:a", "author": "Vendor", "version": 1}
    path.write_text(json.dumps({**top, "timestamp": at, "statements": [row]}))
    return path


@pytest.mark.parametrize("form", ["openvex", "csaf"])
def test_the_document_of_an_image(image: Image, tmp_path: Path, form: str) -> None:
    text = image.vex("--format", form)
    assert image.vex("--format", form, "-o", tmp_path / "a.json") == f"{tmp_path / 'a.json'}\n"
    assert (tmp_path / "a.json").read_text() == text
    value = json.loads(text)
    rows = value["statements"] if form == "openvex" else value["vulnerabilities"]
    assert len(rows) == 2
    other = json.loads(image.vex("--format", form, "--author", "Me", "--timestamp", "2026-01-31T12:00:00Z"))
    about = other["document"] if form == "csaf" else other
    assert (about["publisher"]["name"] if form == "csaf" else about["author"]) == "Me"
    assert "2026-01-31T12:00:00Z" in json.dumps(other)


def test_a_statement_changes_a_finding_and_does_not_remove_it(image: Image, tmp_path: Path) -> None:
    path = statement(tmp_path / "vendor.json", "CVE-2026-0001", HELLO)
    rows = {row["id"]: row for row in image.audit("--vex", path)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "CVE-2026-0001": "not_affected",
        "CVE-2026-0002": "affected",
    }
    assert any(fact.startswith("stated by Vendor on 2001-01-01 in ") for fact in rows["CVE-2026-0001"]["evidence"])
    audit = ("audit", image.tar, "--data", image.data, "--vex", path)
    assert "CVE-2026-0001" not in image.fpack(*audit).stdout
    shown = image.fpack(*audit, "--show-suppressed").stdout
    assert "CVE-2026-0001" in shown and "not affected: vulnerable code not in execute path" in shown
    written = json.loads(image.vex("--vex", path))
    assert [row["status"] for row in written["statements"]] == ["not_affected", "affected"]


def test_statements_that_do_not_count_are_told(image: Image, tmp_path: Path) -> None:
    future = statement(tmp_path / "future.json", "CVE-2026-0001", HELLO, at="2999-01-01T00:00:00Z")
    unknown = statement(tmp_path / "unknown.json", "CVE-2026-0001", HELLO, status="safe")
    wild = statement(tmp_path / "wild.json", "CVE-2026-0001", "*")
    other = statement(tmp_path / "other.json", "CVE-2026-0001", "pkg:oci/app@sha256:" + "0" * 64)
    args = [arg for path in (future, unknown, wild, other) for arg in ("--vex", path)]
    done = image.fpack("audit", image.tar, "--data", image.data, "--json", *args)
    assert {row["status"] for row in json.loads(done.stdout)["images"][0]["findings"]} == {"affected"}
    assert done.stderr.count("warning: ") == 3
    for path in (future, unknown, wild):
        assert str(path) in done.stderr


def test_mistakes(image: Image, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    for args, wanted in (
        (("--format", "cyclonedx"), "the formats are openvex, csaf"),
        (("--timestamp", "today"), "is not a time"),
        (("--vex", bad), "neither OpenVEX nor CSAF"),
        (("--json",), "needs a file"),
        (("-o", tmp_path), str(tmp_path)),
    ):
        assert wanted in image.fpack.fails("vex", image.tar, "--data", image.data, *args)
    assert "neither OpenVEX nor CSAF" in image.fpack.fails("audit", image.tar, "--data", image.data, "--vex", bad)


@pytest.mark.parametrize("form", ["openvex", "csaf"])
def test_an_image_without_a_finding_has_a_document_without_statements(image: Image, tmp_path: Path, form: str) -> None:
    data = tmp_path / "tracker.json"
    data.write_text(json.dumps({"absent": DATA["hello"]}))
    image.fpack("vex", image.tar, "--data", data, "--format", form, "-o", tmp_path / "a")
    value = json.loads((tmp_path / "a").read_text())
    assert value["statements"] == [] if form == "openvex" else "vulnerabilities" not in value
    assert image.audit("--vex", tmp_path / "a")  # it can be read, and changes nothing
    assert image.fpack("vex", image.tar, status=7).stderr.startswith("error: There is no vulnerability data")


def attachment(fpack: Fpack, layout: str) -> dict[str, Any]:
    """Return the statement that is attached to the image in a layout, found as clients of referrers find it."""
    blobs = fpack.home / layout / "blobs/sha256"
    entries = json.loads((fpack.home / layout / "fpack-referrers.json").read_text())["manifests"]
    kind = {"in-toto.io/predicate-type": "https://openvex.dev/ns"}
    (entry,) = [item for item in entries if item.get("annotations") == kind]
    assert entry["artifactType"] == "application/vnd.in-toto+json"
    artifact = json.loads((blobs / entry["digest"].removeprefix("sha256:")).read_text())
    (layer,) = artifact["layers"]
    assert layer["mediaType"] == "application/vnd.in-toto+json" and kind.items() <= layer["annotations"].items()
    value: dict[str, Any] = json.loads((blobs / layer["digest"].removeprefix("sha256:")).read_text())
    assert value["subject"][0]["digest"]["sha256"] == artifact["subject"]["digest"].removeprefix("sha256:")
    return value


def test_an_image_with_its_document_attached(image: Image) -> None:
    """The image has the same digest, the document beside it is that of `fpack vex`, and signing signs it."""
    fpack = image.fpack
    plain = fpack.pack("-o", "plain.tar")
    made = fpack.pack("--vex", "--data", image.data, "--format", "oci-dir", "-o", "layout")
    assert made["digest"] == plain["digest"] and [Path(path).name for path in made["vex"]] == ["layout.openvex.json"]
    beside = (fpack.home / "layout.openvex.json").read_text()
    assert beside == image.vex()
    found = attachment(fpack, "layout")
    assert found["_type"] == "https://in-toto.io/Statement/v1" and found["predicateType"] == "https://openvex.dev/ns"
    assert found["predicate"] == json.loads(beside)
    fpack("verify", "./layout")

    fpack("key", "generate", "-o", "key.pem")
    signed = json.loads(fpack("sign", "layout", "--key", "key.pem", "--json").stdout)["signed"]
    assert [item["type"] for item in signed if item["what"] == "vex"] == ["https://openvex.dev/ns"]
    checked = json.loads(fpack("verify", "./layout", "--key", "key.pub", "--json").stdout)
    assert "vex" in {item["what"] for item in checked["signatures"]["signed"]}
    text = fpack("verify", "./layout", "--key", "key.pub").stdout
    assert "its VEX document" in text


def test_what_a_document_of_a_packed_image_needs(image: Image, tmp_path: Path) -> None:
    fpack = image.fpack
    for words, wanted in (
        (("--vex", "--no-manifest"), "is made from the manifest"),
        (("--vex", "--format", "rootfs-tar"), "is made from the manifest"),
        (("--data", str(image.data)), "add --vex"),
        (("--fetch-fixed",), "add --vex"),
        (("--vex",), "There is no vulnerability data"),
    ):
        assert wanted in fpack.fails("pack", *words, "-o", tmp_path / "a.tar"), words
        assert not (tmp_path / "a.tar").exists()


def test_a_document_about_another_image_is_not_signed(image: Image) -> None:
    fpack = image.fpack
    fpack.pack("--vex", "--data", image.data, "--format", "oci-dir", "-o", "other")
    listed = fpack.home / "other/fpack-referrers.json"
    blobs = fpack.home / "other/blobs/sha256"

    def put(before: str, value: object) -> dict[str, Any]:
        (blobs / before.removeprefix("sha256:")).unlink()
        data = json.dumps(value).encode()
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"digest": f"sha256:{name}", "size": len(data)}

    told = attachment(fpack, "other")
    told["predicate"]["statements"][0]["products"][0]["hashes"]["sha-256"] = "0" * 64
    index = json.loads(listed.read_text())
    entry = next(item for item in index["manifests"] if item.get("annotations"))
    artifact = json.loads((blobs / entry["digest"].removeprefix("sha256:")).read_text())
    artifact["layers"][0] |= put(artifact["layers"][0]["digest"], told)
    entry |= put(entry["digest"], artifact)
    listed.write_text(json.dumps(index))
    fpack("key", "generate", "-o", "other.pem")
    assert "is not about this image alone" in fpack.fails("sign", "other", "--key", "other.pem")
