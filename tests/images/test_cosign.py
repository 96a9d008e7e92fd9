"""cosign verifies what fpack signs, and fpack what cosign signs: in a directory, and in a registry on loopback.

cosign, skopeo and the registry are Debian's packages, which fpack runs.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.images.greeter import Greeter, greeter
from support.processes.program import Fpack
from support.processes.serving import free_port
from support.stores.shared import shared_store

pytestmark = pytest.mark.network

PRIVATE = ("--insecure-ignore-tlog", "--private-infrastructure")
TYPES = ("urn:fpack:manifest:1", "slsaprovenance1", "cyclonedx")


class Tools(Fpack):
    """A user with programs of the real archive. registry: the address of a registry."""

    registry = ""

    def __init__(self, home: Path, store: Path) -> None:
        super().__init__(home)
        self.use_mirrors_of_the_machine(store)
        self.env["COSIGN_PASSWORD"] = self.env["FPACK_KEY_PASSPHRASE"] = "secret"

    def tool(self, name: str, *words: str | Path, status: int | None = 0, **env: str) -> str:
        done = self(
            "run", f"debian.trixie.{name}", "--", name, *words, env={**self.env, **env}, status=status, timeout=300
        )
        return done.stdout + done.stderr

    def cosign(self, *words: str | Path, status: int | None = 0, **env: str) -> str:
        return self.tool("cosign", *words, status=status, **env)

    def copy(self, layout: Path, tag: str, repository: str) -> None:
        """Copy a tag of a layout to the registry."""
        source, target = f"oci:{layout}:{tag}", f"docker://{self.registry}/{repository}:{tag}"
        options = ("--all", "--preserve-digests", "--dest-tls-verify=false")
        self.tool("skopeo", "--insecure-policy", "copy", *options, source, target)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Greeter:
    return greeter(tmp_path_factory.mktemp("greeter") / "home")


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    tools = Tools(tmp_path_factory.mktemp("tools") / "home", shared_store(tmp_path_factory))
    tools.tool("docker-registry", "--version")  # fetches it
    tools.registry = f"127.0.0.1:{free_port()}"
    settings = tools.home / "registry.yml"
    settings.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tools.home}/registry}}}}\n"
        f"http: {{addr: {tools.registry}}}\n"
    )
    words = tools.command("run", "debian.trixie.docker-registry", "--", "docker-registry", "serve", settings)
    with open(tools.home / "registry.log", "wb") as log:
        server = subprocess.Popen(words, env=tools.env, cwd=tools.home, stdout=log, stderr=log)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://{tools.registry}/v2/", timeout=10).close()
                break
            except OSError:
                assert server.poll() is None, (tools.home / "registry.log").read_text()
                time.sleep(0.1)
        yield tools
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def keys(made: Greeter, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    for kind in ("ed25519", "ecdsa"):
        made.fpack("key", "generate", "-o", folder / f"{kind}.pem", "--type", kind)
    return {kind: folder / f"{kind}.pem" for kind in ("ed25519", "ecdsa")}


@pytest.fixture(scope="module")
def signed(made: Greeter, keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a layout that both keys signed, and its digest."""
    layout = tmp_path_factory.mktemp("signed") / "layout"
    made.fpack.pack("--format", "oci-dir", "--sbom", "--provenance", "-o", layout, cwd=made.project)
    words = [word for key in keys.values() for word in ("--key", str(key))]
    return layout, json.loads(made.fpack("sign", "--json", layout, *words).stdout)["digest"]


def statements(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith('{"payload')]


def test_cosign_verifies_a_layout(tools: Tools, signed: tuple[Path, str], keys: dict[str, Path]) -> None:
    layout, digest = signed
    for key in keys.values():
        own = ("--key", key.with_suffix(".pub"), *PRIVATE)
        assert digest in tools.cosign("verify", *own, "--local-image", layout)
        for type_ in TYPES:
            assert statements(tools.cosign("verify-attestation", *own, "--type", type_, "--local-image", layout))
    tools.cosign("generate-key-pair", "--output-key-prefix", tools.home / "other")
    other = ("--key", tools.home / "other.pub", *PRIVATE)
    assert "invalid signature" in tools.cosign("verify", *other, "--local-image", layout, status=None)


def test_cosign_verifies_in_a_registry(tools: Tools, signed: tuple[Path, str], keys: dict[str, Path]) -> None:
    layout, digest = signed
    stem = digest.replace(":", "-")
    for repository, tags in (("tagged", ("1.0", f"{stem}.sig", f"{stem}.att")), ("referred", ("1.0", stem))):
        for tag in tags:
            tools.copy(layout, tag, repository)
    for key in keys.values():
        own = ("--key", key.with_suffix(".pub"), *PRIVATE, "--allow-http-registry")
        image = f"{tools.registry}/tagged@{digest}"
        assert digest in tools.cosign("verify", *own, image)
        for type_ in TYPES:
            assert statements(tools.cosign("verify-attestation", *own, "--type", type_, image))
        # The other repository has no tag for signatures: they are found by the list of referrers.
        image = f"{tools.registry}/referred@{digest}"
        assert "no signatures found" in tools.cosign("verify", *own, image, status=None)
        assert digest in tools.cosign("verify", *own, "--experimental-oci11", image, COSIGN_EXPERIMENTAL="1")


def test_fpack_verifies_what_cosign_signed(tools: Tools, made: Greeter, keys: dict[str, Path], tmp_path: Path) -> None:
    layout, saved = tmp_path / "layout", tmp_path / "saved"
    packed = made.fpack.pack("--format", "oci-dir", "-o", layout, cwd=made.project)
    tools.copy(layout, "1.0", "signed")
    tools.cosign("generate-key-pair", "--output-key-prefix", tmp_path / "cosign")
    image = f"{tools.registry}/signed@{packed['digest']}"
    own = ("--key", tmp_path / "cosign.key", "--tlog-upload=false", "-y", "--allow-http-registry")
    tools.cosign("sign", *own, image)

    def verified(status: int) -> dict[str, Any]:
        tools.tool("cosign", "save", "--allow-http-registry", "--dir", saved, image)
        beside = saved.with_name("saved.manifest.json")
        beside.write_bytes(made.manifest.read_bytes())
        key = ("--key", tmp_path / "cosign.pub")
        found: dict[str, Any] = json.loads(made.fpack("verify", "--json", saved, *key, status=status).stdout)
        return found

    found = verified(1)
    assert [item["what"] for item in found["signatures"]["signed"]] == ["image"]
    assert [row["what"] for row in found["differences"]] == ["no given key signed it"]
    for kind, type_ in (("manifest", "urn:fpack:manifest:1"), ("provenance", "slsaprovenance1")):
        predicate = tmp_path / f"{kind}.json"
        made.fpack("provenance", layout, "--type", kind, "--predicate", "-o", predicate)
        tools.cosign("attest", *own, "--type", type_, "--predicate", predicate, image)
    found = verified(0)
    assert found["claim"] == "signed"
    assert sorted(item["what"] for item in found["signatures"]["signed"]) == ["image", "manifest", "provenance"]
    # fpack adds to what cosign signed, also with cosign's own key, and cosign reads the result.
    made.fpack("sign", saved, "--key", keys["ed25519"])
    own = ("--key", tmp_path / "cosign.key")
    again = made.fpack("sign", "--json", saved, *own, env={"FPACK_KEY_PASSPHRASE": "secret"})
    assert json.loads(again.stdout)["added"] == 2, "the statements have another version than those of cosign"
    for key in (keys["ed25519"].with_suffix(".pub"), tmp_path / "cosign.pub"):
        assert packed["digest"] in tools.cosign("verify", "--key", key, *PRIVATE, "--local-image", saved)
        made.fpack("verify", saved, "--key", key)


def test_cosign_verifies_what_fpack_pushes(tools: Tools, made: Greeter, keys: dict[str, Path], tmp_path: Path) -> None:
    """A signed tar, which has no tags of cosign's, is pushed; cosign verifies it, and signs it too."""
    tar = tmp_path / "signed.tar"
    made.fpack.pack("--provenance", "-o", tar, cwd=made.project)
    made.fpack("sign", tar, "--key", keys["ecdsa"])
    image = f"{tools.registry}/pushed"
    pushed = json.loads(made.fpack("push", "--json", tar, f"{image}:1.0", "--plain-http").stdout)
    own = ("--key", keys["ecdsa"].with_suffix(".pub"), *PRIVATE, "--allow-http-registry")
    assert pushed["digest"] in tools.cosign("verify", *own, f"{image}:1.0")
    assert statements(tools.cosign("verify-attestation", *own, "--type", "slsaprovenance1", f"{image}:1.0"))
    tools.cosign("generate-key-pair", "--output-key-prefix", tmp_path / "cosign")
    other = ("--key", tmp_path / "cosign.key", "--tlog-upload=false", "-y", "--allow-http-registry")
    at = f"{image}@{pushed['digest']}"
    tools.cosign("sign", *other, at)
    predicate = tmp_path / "manifest.predicate"
    made.fpack("provenance", tar, "--type", "manifest", "--predicate", "-o", predicate)
    tools.cosign("attest", *other, "--type", "urn:fpack:manifest:1", "--predicate", predicate, at)
    # fpack verifies both in the registry, also after the image was pushed again.
    again = json.loads(made.fpack("push", "--json", tar, f"{image}:2.0", "--plain-http").stdout)
    assert again["sent"] == 0
    for key in (keys["ecdsa"].with_suffix(".pub"), tmp_path / "cosign.pub"):
        words = ("verify", "--json", f"{image}:1.0", "--plain-http", "--key", key)
        assert json.loads(made.fpack(*words).stdout)["claim"] == "signed"
