"""A real registry with the referrers API: documents about an image are listed by it, and no fallback tag is written.

The registry lists the media type of the empty configuration as the type of each document, and does not say in its
answers that it has the API.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.images import patching
from support.images.greeter import Greeter, greeter
from support.processes.program import Fpack, world
from support.reports.vulnerabilities import entry, state
from support.servers.real_servers import ReferrersRegistry, referrers_registry
from support.stores.shared import shared_store

pytestmark = pytest.mark.network

TYPES = {
    "application/vnd.cyclonedx+json",
    "application/vnd.fpack.manifest.v2",
    "application/vnd.fpack.store.v1",
    "application/vnd.in-toto+json",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Greeter:
    return greeter(tmp_path_factory.mktemp("greeter") / "home")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferrersRegistry]:
    tools = Fpack(tmp_path_factory.mktemp("tools") / "home")
    tools.use_mirrors_of_the_machine(shared_store(tmp_path_factory))
    with referrers_registry(tools) as running:
        yield running


def push(made: Greeter, reference: str, *words: str) -> dict[str, Any]:
    done = made.fpack("pack", "#image", "--push", reference, "--plain-http", "--json", *words, cwd=made.project)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def image(made: Greeter, registry: ReferrersRegistry) -> tuple[str, str]:
    """Push an image with its documents. Return its reference and its digest."""
    reference = f"{registry.host}/team/app:1.0"
    return reference, push(made, reference, "--sbom", "--provenance")["digest"]


def test_documents_are_listed_by_the_registry_alone(registry: ReferrersRegistry, image: tuple[str, str]) -> None:
    _, digest = image
    repository = registry.repository("team/app")
    listed = repository.referrers(digest)
    assert len(listed) == len(TYPES)
    kinds = {json.loads(repository.manifest(one.digest).data)["artifactType"] for one in listed}  # type: ignore[union-attr]
    assert kinds == TYPES
    assert repository.tags() == ["1.0"]
    assert registry.requests("GET", f"/v2/team/app/referrers/{digest}")
    assert not registry.requests("PUT", "/manifests/sha256-")
    assert not registry.requests("GET", "/manifests/sha256-")


def test_an_unchanged_push_asks_one_question(
    made: Greeter, registry: ReferrersRegistry, image: tuple[str, str]
) -> None:
    reference, digest = image
    before = registry.log.read_text().count("\n")
    again = push(made, reference, "--sbom", "--provenance")
    assert again["digest"] == digest
    assert [line.split()[:2] for line in registry.log.read_text().splitlines()[before:]] == [
        ["HEAD", "/v2/team/app/manifests/1.0"]
    ]


def test_an_empty_store_pulls_and_verifies_it(made: Greeter, image: tuple[str, str], tmp_path: Path) -> None:
    reference, digest = image
    other = Fpack(tmp_path / "other", made.fpack.archive)
    assert json.loads(other("pull", reference, "--plain-http", "--json").stdout)["digest"] == digest
    words = ("verify", reference, "--plain-http", "--offline", "--json")
    found = json.loads(other(*words, status=None).stdout)
    assert found["differences"] == [] and found["image"] == reference


def test_the_bill_and_the_audit_read_documents_and_no_layer(
    made: Greeter, registry: ReferrersRegistry, image: tuple[str, str], tmp_path: Path
) -> None:
    reference, digest = image
    made.fpack.pack("-o", tmp_path / "a.tar", "--sbom", cwd=made.project)
    before = registry.log.read_text().count("\n")
    bill = made.fpack("sbom", reference, "--plain-http", cwd=tmp_path).stdout
    assert json.loads(bill) == json.loads(made.fpack("sbom", tmp_path / "a.tar", cwd=tmp_path).stdout)
    (tmp_path / "tracker.json").write_text(json.dumps({"hello": {"CVE-2026-0001": entry(trixie=state())}}))
    words = ("audit", reference, "--plain-http", "--data", "tracker.json", "--json")
    assert "CVE-2026-0001" in made.fpack(*words, cwd=tmp_path, status=None).stdout
    requests = "\n".join(registry.log.read_text().splitlines()[before:])
    layers = json.loads(registry.repository("team/app").manifest(digest).data)["layers"]  # type: ignore[union-attr]
    assert f"/referrers/{digest}" in requests
    assert not [layer for layer in layers if layer["digest"] in requests]


def test_a_signature_is_a_referrer_too(
    made: Greeter, registry: ReferrersRegistry, image: tuple[str, str], tmp_path: Path
) -> None:
    reference, digest = image
    made.fpack("key", "generate", "-o", tmp_path / "own.pem")
    made.fpack("sign", reference, "--key", tmp_path / "own.pem", "--plain-http")
    words = ("verify", reference, "--key", tmp_path / "own.pub", "--offline", "--json", "--plain-http")
    found = json.loads(made.fpack(*words, status=None).stdout)
    assert found["differences"] == [] and found["claim"] == "signed"
    assert digest.replace(":", "-") not in registry.repository("team/app").tags()


def test_a_patch_has_its_documents_there(registry: ReferrersRegistry, tmp_path: Path) -> None:
    fpack = patching.user(tmp_path, world(tmp_path / "archive"))
    assert fpack.archive is not None
    folder, reference = patching.project(fpack), f"{registry.host}/team/patched:1"
    old = patching.push(fpack, folder, reference)
    patching.update(fpack.archive)
    (result,) = patching.patch(patching.user(tmp_path, fpack.archive, "fresh"), reference, "--security")
    (moved,) = result["images"]
    fpack("update", "--security", cwd=folder)
    assert patching.push(fpack, folder, f"{registry.host}/team/full:1") == moved["new"] != old and not moved["notes"]
    repository = registry.repository("team/patched")
    assert len(repository.referrers(moved["new"])) == 2 and repository.tags() == ["1"]
    assert "self-consistent" in fpack("verify", reference, "--plain-http").stdout


def test_skopeo_copies_the_same_digest(image: tuple[str, str], tmp_path: Path) -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")
    reference, digest = image
    copy = ["skopeo", "--insecure-policy", "copy", "-q", "--preserve-digests", "--src-tls-verify=false"]
    subprocess.run([*copy, f"docker://{reference}", f"oci:{tmp_path}/o:1"], check=True)
    (top,) = json.loads((tmp_path / "o" / "index.json").read_text())["manifests"]
    assert top["digest"] == digest
