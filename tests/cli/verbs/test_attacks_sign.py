"""Attacks on signed images: what is added to one without a key must not pass as a part of it.

Each attack changes a signed layout, which still carries all signatures of its owner.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from fpack.builders.attest import cosign
from fpack.builders.manifest.encoding import encode_head
from fpack.builders.manifest.reader import ManifestReader
from support.images.greeter import Greeter

LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
REFERRERS = "fpack-referrers.json"
TAG = "sha256-" + "a" * 64


class SignedText:
    """A signed layout and its owner's key."""

    def __init__(self, made: Greeter, path: Path, key: Path) -> None:
        self.fpack, self.path, self.key = made.fpack, path, key
        self.index = json.loads((path / "index.json").read_bytes())
        self.image = self.index["manifests"][0]
        self.digest = str(self.image["digest"])

    def add(self, media_type: str, value: Any) -> dict[str, Any]:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        digest = hashlib.sha256(data).hexdigest()
        (self.path / "blobs" / "sha256" / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def blob(self, entry: dict[str, Any]) -> bytes:
        return (self.path / "blobs" / entry["digest"].replace(":", "/")).read_bytes()

    def foreign(self, layer: str = LAYER) -> dict[str, Any]:
        """Return a whole image of somebody else."""
        config = self.add(CONFIG, {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers"}})
        value = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [self.add(layer, b"\0" * 1024)]}
        return self.add(MANIFEST, value)

    def list(self, *entries: dict[str, Any], first: bool = False) -> None:
        """Add entries to `index.json`."""
        found = [*entries, *self.index["manifests"]] if first else [*self.index["manifests"], *entries]
        (self.path / "index.json").write_text(json.dumps({**self.index, "manifests": found}))

    def referrers(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.path / REFERRERS).read_bytes())
        return found

    def forged(self, change: Callable[[dict[str, Any]], None], kind: str = "fpack") -> dict[str, Any]:
        """Change the artifact with the image's manifest. Return its entry in a list of referrers."""
        entry = next(e for e in self.referrers()["manifests"] if kind in e["artifactType"])
        value = json.loads(self.blob(entry))
        change(value)
        return {**self.add(MANIFEST, value), "artifactType": entry["artifactType"]}

    def replace_manifest(self, change: Callable[[dict[str, Any]], None], kind: str = "fpack") -> None:
        """Change the artifact with the image's manifest, or another, in both lists of referrers."""
        entry, value = self.forged(change, kind), self.referrers()
        old = [item for item in value["manifests"] if item["artifactType"] == entry["artifactType"]]
        value["manifests"] = [entry if item in old else item for item in value["manifests"]]
        for item in old:
            (self.path / "blobs" / item["digest"].replace(":", "/")).unlink()
        data = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
        (self.path / REFERRERS).write_bytes(data)
        for item in self.index["manifests"]:
            if item["annotations"].get(cosign.REF_NAME) == self.digest.replace(":", "-"):
                (self.path / "blobs" / item["digest"].replace(":", "/")).unlink()
                item |= self.add(INDEX, data)
        self.list()

    def refused(self) -> str:
        """Expect that the layout is no longer what its owner signed. Return what differs."""
        words = ("verify", "--json", self.path, "--key", self.key)
        found = json.loads(self.fpack(*words, status=1).stdout)
        assert not found["success"] and found["claim"] is None
        return "\n".join(f"{item['where']}: {item['what']}" for item in found["differences"])


@pytest.fixture(scope="module")
def original(made: Greeter, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("signed")
    made.fpack.pack("--format", "oci-dir", "--sbom", "--provenance", "-o", folder / "layout", cwd=made.project)
    made.fpack("key", "generate", "-o", folder / "owner.pem")
    made.fpack("sign", folder / "layout", "--key", folder / "owner.pem")
    made.fpack("verify", folder / "layout", "--key", folder / "owner.pub")
    return folder / "layout", folder / "owner.pub"


@pytest.fixture
def signed(made: Greeter, original: tuple[Path, Path], tmp_path: Path) -> SignedText:
    shutil.copytree(original[0], tmp_path / "layout")
    return SignedText(made, tmp_path / "layout", original[1])


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "notes",
    [
        {cosign.KIND: cosign.KINDS["sig"], cosign.REF_NAME: "latest"},
        {cosign.REF_NAME: TAG, "io.containerd.image.name": "docker.io/library/greeter:latest"},
        {cosign.REF_NAME: f"{TAG}.sbom"},
    ],
)
def test_another_image_is_not_hidden_as_a_signature(signed: SignedText, notes: dict[str, str], first: bool) -> None:
    signed.list({**signed.foreign(), "annotations": notes}, first=first)
    assert "image" in signed.refused()


def test_a_layer_is_not_hidden_by_the_type_of_a_signature(signed: SignedText) -> None:
    entry = signed.foreign(cosign.SIMPLE_SIGNING)
    signed.list({**entry, "annotations": {cosign.KIND: cosign.KINDS["sig"], cosign.REF_NAME: "latest"}})
    signed.refused()


def test_an_index_of_another_image_is_not_hidden_as_signatures(signed: SignedText) -> None:
    entry = signed.add(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [signed.foreign()]})
    signed.list({**entry, "annotations": {cosign.KIND: cosign.KINDS["sig"], cosign.REF_NAME: "latest"}})
    signed.refused()


def test_a_manifest_in_the_list_by_its_tag_is_compared(signed: SignedText) -> None:
    """A registry serves the list by its tag as the referrers of the image."""

    def change(value: dict[str, Any]) -> None:
        text = next(item for item in value["layers"] if "json" in item["mediaType"])
        text |= signed.add(text["mediaType"], zstandard.compress(b'{"forged": true}'))

    entry = signed.forged(change)
    value = signed.referrers()
    value["manifests"].append(entry)
    tag = signed.digest.replace(":", "-")
    for item in signed.index["manifests"]:
        if item["annotations"].get(cosign.REF_NAME) == tag:
            (signed.path / "blobs" / item["digest"].replace(":", "/")).unlink()
            item |= signed.add(INDEX, value)
    signed.list()
    assert "JSON form" in signed.refused()


def test_the_json_form_of_a_manifest_is_compared_each_time(signed: SignedText) -> None:
    def change(value: dict[str, Any]) -> None:
        text = next(item for item in value["layers"] if "json" in item["mediaType"])
        forged = {**text, **signed.add(text["mediaType"], zstandard.compress(b'{"forged": true}'))}
        value["layers"].insert(0, forged)

    signed.replace_manifest(change)
    assert "one more layer" in signed.refused()


def test_a_bill_is_not_hidden_in_the_artifact_of_a_manifest(signed: SignedText) -> None:
    def change(value: dict[str, Any]) -> None:
        title = {"org.opencontainers.image.title": "x.cdx.json"}
        value["layers"].append({**signed.add("application/vnd.cyclonedx+json", b"{}"), "annotations": title})

    signed.replace_manifest(change)
    assert "one more layer" in signed.refused()


@pytest.mark.parametrize(
    ("kind", "forged"),
    [
        ("cyclonedx", {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}),
        ("in-toto", None),
    ],
)
def test_an_attached_document_is_the_one_that_is_signed(signed: SignedText, kind: str, forged: Any) -> None:
    def change(value: dict[str, Any]) -> None:
        old = value["layers"][0]
        document = forged or json.loads(signed.blob(old)) | {"predicate": {"buildDefinition": {}}}
        (signed.path / "blobs" / old["digest"].replace(":", "/")).unlink()
        value["layers"][0] = {**old, **signed.add(old["mediaType"], document)}

    signed.replace_manifest(change, kind)
    assert "it is not the one that is signed" in signed.refused()


def test_an_image_does_not_have_two_manifests(signed: SignedText) -> None:
    """The signature of the second one must not stand for the first one."""

    def change(value: dict[str, Any]) -> None:
        exact = next(item for item in value["layers"] if "msgpack" in item["mediaType"])
        data = zstandard.decompress(signed.blob(exact), max_output_size=1 << 26)
        head = ManifestReader(data).head
        forged = encode_head(head._replace(fpack="9.9.9")) + data[len(encode_head(head)) :]
        value["layers"].insert(0, {**exact, **signed.add(exact["mediaType"], zstandard.compress(forged))})

    signed.replace_manifest(change)
    configuration = json.loads(signed.blob(json.loads(signed.blob(signed.image))["config"]))
    platform = {key: configuration[key] for key in ("architecture", "os")}
    entry = {key: signed.image[key] for key in ("mediaType", "digest", "size")} | {"platform": platform}
    data = json.dumps(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry, entry]}, sort_keys=True, separators=(",", ":")
    )
    signed.index["manifests"][0] |= signed.add(INDEX, data.encode())
    signed.list()
    signed.refused()
