"""`fpack provenance` and `fpack pack --provenance`: what an image was built from, and by which commit."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.attest import statement
from support.images.greeter import Greeter
from support.images.tamper import Image
from support.json_outputs import two_platforms
from support.processes.program import Fpack


def predicate(text: str | bytes) -> dict[str, Any]:
    value = json.loads(text)
    assert value["predicateType"] == "https://slsa.dev/provenance/v1"
    found: dict[str, Any] = value["predicate"]
    return found


def named(value: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the dependencies that are the project's own: its expressions, or its commit."""
    rows = value["buildDefinition"]["resolvedDependencies"]
    return [row for row in rows if (row["name"] == "git") == (kind == "git") and "uri" not in row]


def test_a_pack_has_its_provenance_beside_it_and_in_it(made: Greeter, tmp_path: Path) -> None:
    out = tmp_path / "image.tar"
    plain = made.fpack.pack("-o", tmp_path / "plain.tar", cwd=made.project)
    packed = made.fpack.pack("--provenance", "-o", out, cwd=made.project)
    assert packed["digest"] == plain["digest"], "it is no part of the image"
    (file,) = packed["provenance"]
    data = Path(file).read_bytes()
    assert Path(file).name == "image.provenance.json"
    (blobs,) = [blobs for artifact, blobs in Image.load(out).artifacts if "in-toto" in artifact["artifactType"]]
    assert data in blobs.values()
    value = predicate(data)
    (expression,) = named(value, "expression")
    assert expression["name"] == "fpack.fp"
    assert expression["digest"]["sha256"] == hashlib.sha256((made.project / "fpack.fp").read_bytes()).hexdigest()
    assert named(value, "git") == []
    again = made.fpack.pack("--provenance", "-o", tmp_path / "again.tar", cwd=made.project)
    assert Path(again["provenance"][0]).read_bytes() == data
    assert made.fpack("verify", out).stdout.count("application/vnd.in-toto+json") == 1


def test_the_attribute_is_that_of_the_command(made: Greeter, tmp_path: Path) -> None:
    for what in ("#everything", "debian.trixie.hello"):
        text = made.fpack("provenance", what, cwd=made.project).stdout
        assert predicate(text)["buildDefinition"]["externalParameters"]["attribute"] == what


def test_an_image_file_tells_its_provenance_from_its_manifest_alone(made: Greeter, tmp_path: Path) -> None:
    stranger = Fpack(tmp_path / "stranger")
    text = stranger("provenance", made.tar).stdout
    assert stranger("provenance", made.tar, "-o", tmp_path / "p.json").stdout == f"{tmp_path / 'p.json'}\n"
    assert (tmp_path / "p.json").read_text() + "\n" == text
    value = predicate(text)
    assert "attribute" not in value["buildDefinition"]["externalParameters"] and not named(value, "expression")
    assert "finishedOn" not in value["runDetails"]["metadata"]
    own = predicate(made.fpack("provenance", cwd=made.project).stdout)
    assert own["runDetails"] == value["runDetails"]


def test_a_builder_and_a_time_are_named_if_wanted(made: Greeter) -> None:
    words = ["--builder", "https://ci.example/runner", "--finished-on", "2026-01-31T12:00:00Z"]
    run = predicate(made.fpack("provenance", made.tar, *words).stdout)["runDetails"]
    assert run["builder"]["id"] == words[1] and run["metadata"]["finishedOn"] == words[3]
    assert "finishedOn" in predicate(made.fpack("provenance", made.tar, "--finished-on", "now").stdout)["runDetails"][
        "metadata"
    ]  # fmt: skip
    assert "is not a time" in made.fpack.fails("provenance", made.tar, "--finished-on", "yesterday")
    assert "is not a URI" in made.fpack.fails("provenance", made.tar, "--builder", "me")


def test_a_predicate_is_for_other_tools(made: Greeter) -> None:
    whole = predicate(made.fpack("provenance", made.tar).stdout)
    assert json.loads(made.fpack("provenance", made.tar, "--predicate").stdout) == whole
    value = json.loads(made.fpack("provenance", made.tar, "--type", "manifest", "--predicate").stdout)
    digest = json.loads(made.fpack("verify", "--json", made.tar).stdout)["images"][0]["manifest"]["sha256"]
    assert statement.names_manifest(value, digest.removeprefix("sha256:"))


def test_the_image_of_a_platform_is_chosen(tmp_path: Path) -> None:
    fpack = two_platforms(tmp_path)
    packed = fpack.pack("--platform", "linux/amd64,linux/arm64", "--provenance", "-o", tmp_path / "two.tar")
    assert [Path(path).name for path in packed["provenance"]] == [
        "two.amd64.provenance.json",
        "two.arm64.provenance.json",
    ]
    for platform, image in zip(("linux/amd64", "linux/arm64"), packed["platforms"], strict=True):
        value = json.loads(fpack("provenance", tmp_path / "two.tar", "--platform", platform).stdout)
        assert "sha256:" + value["subject"][0]["digest"]["sha256"] == image["digest"]
    fpack("key", "generate", "-o", tmp_path / "k.pem")
    signed = json.loads(fpack("sign", "--json", tmp_path / "two.tar", "--key", tmp_path / "k.pem").stdout)
    assert [item["what"] for item in signed["signed"]].count("manifest") == 2
    found = json.loads(fpack("verify", "--json", tmp_path / "two.tar", "--key", tmp_path / "k.pub").stdout)
    assert found["claim"] == "signed"


def test_the_label_of_an_image_does_not_drive_a_terminal(made: Greeter, tmp_path: Path) -> None:
    (made.project / "evil.fp").write_text(
        'image = import("./fpack.fp").image.with { name = "evil", labels = { a = "\\u{1b}[2J\\u{9b}\\u{7f}" } }\n'
    )
    text = made.fpack("provenance", "evil.fp", cwd=made.project).stdout
    assert predicate(text)["buildDefinition"]["externalParameters"]["container"]["Labels"]["a"] == "\x1b[2J\x9b\x7f"
    assert all(character == "\n" or " " <= character < "\x7f" for character in text)


def test_a_provenance_needs_a_manifest(made: Greeter, tmp_path: Path) -> None:
    for words in (("--no-manifest",), ("--format", "deb")):
        assert "is made from the manifest" in made.fpack.fails("pack", "--provenance", *words, cwd=made.project)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_named_and_is_no_part_of_the_image(made: Greeter, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(made.project, project, symlinks=True, ignore=shutil.ignore_patterns("*.tar", "*.json"))
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": str(tmp_path)}
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *who, *words], cwd=project, check=True, env=env, capture_output=True, text=True
        ).stdout.strip()

    def packed() -> tuple[str, list[dict[str, Any]]]:
        found = made.fpack.pack("--provenance", "-o", tmp_path / "image.tar", cwd=project)
        return found["digest"], named(predicate(Path(found["provenance"][0]).read_bytes()), "git")

    before, rows = packed()
    assert rows == []
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "text")
    row = {"name": "git", "digest": {"gitCommit": git("rev-parse", "HEAD")}, "annotations": {"clean": True}}
    assert packed() == (before, [row])
    git("commit", "-q", "--allow-empty", "-m", "again")
    assert packed() == (before, [{**row, "digest": {"gitCommit": git("rev-parse", "HEAD")}}])
    (project / "data" / "one.txt").write_text("another\n")
    digest, (row,) = packed()
    assert digest != before and row["annotations"] == {"clean": False}
