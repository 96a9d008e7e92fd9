"""Test that another user who pulls a pushed image has the same store paths and the same image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.archives.machines import small_world
from support.fixtures import registry as registry
from support.images.greeter import Greeter
from support.processes.program import Fpack
from support.reports.evidence import verify_alone
from support.servers.registry import Registry


@pytest.mark.parametrize("what", ["#image", "greeter.tar"])
def test_an_image_comes_back(made: Greeter, registry: Registry, tmp_path: Path, what: str) -> None:
    reference = f"{registry.host}/team/app:1.0"
    sent = made.fpack(
        "push", f"./{what}" if "." in what else what, reference, "--plain-http", "--json", cwd=made.project
    )
    other = Fpack(tmp_path / "other", made.fpack.archive)
    copied = json.loads(other("pull", reference, "--plain-http", "--json", "-o", tmp_path / "copy.tar").stdout)
    found = json.loads(other("pull", reference, "--plain-http", "--json").stdout)
    assert copied["digest"] == found["digest"] == json.loads(sent.stdout)["digest"]
    listed = {
        fpack: {item["path"] for item in json.loads(fpack("store", "list", "--json").stdout)["paths"]}
        for fpack in (made.fpack, other)
    }
    assert {*found["added"]} == listed[other] <= listed[made.fpack]
    # An unchanged push, and an unchanged pull, ask for the digest of the tag.
    for fpack, verb in ((made.fpack, "push"), (other, "pull")):
        registry.requests.clear()
        words = [what if "#" in what else f"./{what}", reference] if verb == "push" else [reference]
        again = json.loads(fpack(verb, *words, "--plain-http", "--json", cwd=made.project).stdout)
        assert again["unchanged"]
        assert [method for method, path in registry.requests if path != "/v2/"] == ["HEAD"]
    # The copy has the record too, so it can be pushed from a machine that has only the file.
    third = Fpack(tmp_path / "third", made.fpack.archive)
    third("push", tmp_path / "copy.tar", f"{registry.host}/team/copy:1", "--plain-http")
    assert json.loads(third("pull", f"{registry.host}/team/copy:1", "--plain-http", "--json").stdout)["added"]


def test_an_image_for_several_platforms(registry: Registry, tmp_path: Path) -> None:
    """Without --platform, the image for this machine is taken; each has its own record."""
    fpack = Fpack(tmp_path / "home", small_world(tmp_path / "archive"))
    (fpack.home / "fpack.fp").write_text(
        'debian = import("fpack/debian").trixie\nimage = container { packages = [debian.greet], closure = "linked" }\n'
    )
    reference = f"{registry.host}/team/app:1.0"
    packed = fpack.pack("--push", reference, "--plain-http", "--platform", "linux/amd64,linux/arm64")
    other = Fpack(tmp_path / "other", fpack.archive)

    def pull(*words: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(other("pull", reference, "--plain-http", "--json", *words).stdout)
        return found

    own, arm = pull(), pull("--platform", "linux/arm64")
    assert own["digest"] == arm["digest"] == packed["digest"]
    assert {own["platform"], arm["platform"]} <= {"linux/amd64", "linux/arm64", "linux/arm64/v8"}
    if own["platform"] == "linux/amd64":
        assert own["path"] != arm["path"]
    registry.requests.clear()
    assert pull()["path"] == own["path"] and pull("--platform", "linux/arm64")["path"] == arm["path"]
    assert {method for method, path in registry.requests if path != "/v2/"} == {"HEAD"}
    copied = pull("-o", str(tmp_path / "copy.tar"))
    assert copied["digest"] == packed["digest"] and pull()["image"] == own["image"]
    assert own["image"] == copied["image"] == verify_alone(tmp_path / "copy.tar").digest != arm["image"]
    copy = other("pull", reference, "--plain-http", "-o", str(tmp_path / "copy.tar"))
    assert copy.stdout == f"{own['image']}\n"
    text = other("why", reference, "--plain-http", status=2).stderr
    assert "several platforms" in text and "--platform" in text
    assert other("why", reference, "--plain-http", "--platform", "linux/arm64").stdout
