"""`fpack sign`, and `fpack verify --key`: who signed an image, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.attest import cosign, dsse, statement
from support.images.greeter import Greeter
from support.images.tamper import Image

KEYS = ("alice", "bob", "eve")


class Signing:
    """A user with three keys, and copies of the greeter's image to sign."""

    def __init__(self, made: Greeter, folder: Path) -> None:
        self.fpack, self.folder = made.fpack, folder
        self.keys = {name: folder / f"{name}.pem" for name in KEYS}
        for name, kind in zip(KEYS, ("ed25519", "ecdsa", "ed25519"), strict=True):
            self.fpack("key", "generate", "-o", self.keys[name], "--type", kind)

    def public(self, name: str) -> Path:
        return self.keys[name].with_suffix(".pub")

    def sign(self, image: Path, *names: str) -> dict[str, Any]:
        options = [word for name in names for word in ("--key", str(self.keys[name]))]
        found: dict[str, Any] = json.loads(self.fpack("sign", "--json", image, *options).stdout)
        return found

    def verify(self, image: Path, *names: str, status: int = 0, **options: Any) -> dict[str, Any]:
        words = [word for name in names for word in ("--key", str(self.public(name)))]
        words += [f"--{key}={value}" for key, value in options.items()]
        found: dict[str, Any] = json.loads(self.fpack("verify", "--json", image, *words, status=status).stdout)
        return found


@pytest.fixture(scope="module")
def images(made: Greeter, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the image as a tar and as a layout, with a bill and a provenance."""
    folder = tmp_path_factory.mktemp("images")
    for form, name in (("tar", "image.tar"), ("oci-dir", "layout")):
        made.fpack.pack("--format", form, "--sbom", "--provenance", "-o", folder / name, cwd=made.project)
    return {"tar": folder / "image.tar", "oci-dir": folder / "layout"}


@pytest.fixture(scope="module")
def signing(made: Greeter, tmp_path_factory: pytest.TempPathFactory) -> Signing:
    return Signing(made, tmp_path_factory.mktemp("keys"))


@pytest.fixture(params=["tar", "oci-dir"])
def image(request: pytest.FixtureRequest, images: dict[str, Path], tmp_path: Path) -> Path:
    return copied(images[request.param], tmp_path)


@pytest.fixture
def layout(images: dict[str, Path], tmp_path: Path) -> Path:
    return copied(images["oci-dir"], tmp_path)


@pytest.fixture
def tar(images: dict[str, Path], tmp_path: Path) -> Path:
    return copied(images["tar"], tmp_path)


def copied(image: Path, folder: Path) -> Path:
    target = folder / image.name
    if image.is_dir():
        shutil.copytree(image, target)
    else:
        shutil.copy(image, target)
    return target


def content(path: Path) -> dict[str, bytes]:
    """Return the bytes of an image file, by the names of its files."""
    if path.is_file():
        return {path.name: path.read_bytes()}
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def what(found: dict[str, Any]) -> list[str]:
    return sorted(item["what"] for item in found["signatures"]["signed"])


def test_a_signed_image_is_proven_by_the_key(signing: Signing, image: Path) -> None:
    before = signing.verify(image)
    assert before["claim"] == "self-consistent" and before["signatures"] == {"signed": [], "others": 0}
    made = signing.sign(image, "alice")
    assert [item["what"] for item in made["signed"]] == ["image", "manifest", "provenance", "sbom"]
    found = signing.verify(image, "alice")
    assert found["success"] and found["claim"] == "signed" and found["digest"] == made["digest"] == before["digest"]
    assert what(found) == ["image", "manifest", "provenance", "sbom"]
    keys = [key for item in found["signatures"]["signed"] for key in item["keys"]]
    assert {key["fingerprint"] for key in keys} == set(made["keys"])
    text = signing.fpack("verify", image, "--key", signing.public("alice")).stdout
    assert f"{image}: proven" in text and f"signed by {signing.public('alice')} (SHA256:" in text
    assert "self-consistent" in signing.fpack("verify", image).stdout


def test_signing_again_changes_nothing(signing: Signing, image: Path) -> None:
    signing.sign(image, "alice", "bob")
    before = content(image)
    for names in (("alice",), ("bob",), ("bob", "alice"), ("alice", "alice")):
        assert signing.sign(image, *names)["added"] == 0
        assert content(image) == before
    assert "nothing changed" in signing.fpack("sign", image, "--key", signing.keys["bob"]).stdout


def test_signatures_are_added_to_those_of_others(signing: Signing, image: Path) -> None:
    assert signing.sign(image, "alice")["added"] == signing.sign(image, "bob")["added"] == 4
    for names in (("alice",), ("bob",), ("alice", "bob")):
        assert signing.verify(image, *names, threshold=len(names))["success"]
    assert len(content(image)) in (1, len(set(content(image)))), "each blob once"
    found = signing.verify(image, "alice", "bob", "eve", threshold=3, status=1)
    assert [row["kind"] for row in found["differences"]] == ["signature"]


def test_a_file_with_old_signatures_has_no_blob_of_nobody(signing: Signing, image: Path) -> None:
    """Envelopes and lists that were replaced are deleted: verify reports each file that belongs to nothing."""
    for name in KEYS:
        signing.sign(image, name)
        assert signing.verify(image)["differences"] == []


def test_a_key_that_did_not_sign_is_refused(signing: Signing, image: Path) -> None:
    assert signing.verify(image, "alice", status=1)["differences"][0]["what"] == "no given key signed it"
    signing.sign(image, "eve")
    found = signing.verify(image, "alice", status=1)
    assert found["claim"] is None and found["signatures"] == {"signed": [], "others": 4}


def test_one_key_is_one_signer(signing: Signing, image: Path, tmp_path: Path) -> None:
    signing.sign(image, "alice")
    shutil.copy(signing.public("alice"), tmp_path / "copy.pub")
    words = ["--key", signing.public("alice"), "--key", tmp_path / "copy.pub", "--threshold", "2"]
    assert "2 keys cannot have signed" in signing.fpack.fails("verify", image, *words)


def test_keys_of_the_settings_are_trusted_and_require_nothing(signing: Signing, image: Path) -> None:
    env = {"FPACK_KEYS": str(signing.public("alice"))}
    assert json.loads(signing.fpack("verify", "--json", image, env=env).stdout)["claim"] == "self-consistent"
    signing.sign(image, "alice")
    assert json.loads(signing.fpack("verify", "--json", image, env=env).stdout)["claim"] == "signed"
    assert signing.fpack("verify", image, "--threshold", "1", env=env)
    settings = signing.fpack.home / ".config" / "fpack" / "config.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(f'[verify]\nkeys = ["{signing.public("alice")}"]\n')
    try:
        assert signing.verify(image)["claim"] == "signed"
    finally:
        settings.unlink()


def test_a_layout_is_one_of_cosign(signing: Signing, layout: Path) -> None:
    digest = signing.sign(layout, "alice", "bob")["digest"]
    image, *others = json.loads((layout / "index.json").read_bytes())["manifests"]
    assert image["digest"] == digest and image["annotations"]["kind"] == "dev.cosignproject.cosign/image"
    tags = {entry["annotations"][cosign.REF_NAME]: entry for entry in others}
    stem = digest.replace(":", "-")
    assert tags.keys() == {f"{stem}.sig", f"{stem}.att", stem}
    assert tags[f"{stem}.sig"]["annotations"]["kind"] == "dev.cosignproject.cosign/sigs"
    signatures = blob(layout, tags[f"{stem}.sig"])
    assert signatures["subject"]["digest"] == digest
    for item, name in zip(signatures["layers"], ("alice", "bob"), strict=True):
        payload = (layout / "blobs" / item["digest"].replace(":", "/")).read_bytes()
        assert json.loads(payload)["critical"]["image"]["docker-manifest-digest"] == digest
        assert base64.b64decode(item["annotations"]["dev.cosignproject.cosign/signature"]), name
    types = [item["annotations"]["predicateType"] for item in blob(layout, tags[f"{stem}.att"])["layers"]]
    assert types == [statement.MANIFEST, statement.PROVENANCE, statement.CYCLONEDX]
    referrers = json.loads((layout / "fpack-referrers.json").read_bytes())
    assert blob(layout, tags[stem]) == referrers, "the list of referrers, by its tag"
    kinds = [entry["artifactType"] for entry in referrers["manifests"]]
    assert set(cosign.ARTIFACTS.values()) <= set(kinds)


def blob(layout: Path, entry: dict[str, Any]) -> Any:
    return json.loads((layout / "blobs" / entry["digest"].replace(":", "/")).read_bytes())


def test_a_tar_lists_one_image(signing: Signing, tar: Path) -> None:
    before = Image.load(tar)
    signing.sign(tar, "alice")
    after = Image.load(tar)
    assert after.index == before.index and after.docker == before.docker
    assert len(after.artifacts) == len(before.artifacts) + 2


def test_a_layout_that_cosign_saved_is_read_and_signed(signing: Signing, layout: Path, made: Greeter) -> None:
    """cosign keeps neither the list of referrers nor the tags."""
    signing.sign(layout, "bob")
    shutil.copy(made.manifest, layout.with_name(f"{layout.name}.manifest.json"))
    index = json.loads((layout / "index.json").read_bytes())
    index["manifests"] = index["manifests"][:3]
    index["manifests"].sort(key=lambda entry: "tar" in entry)
    for entry in index["manifests"]:
        entry["annotations"] = {"kind": entry["annotations"]["kind"]}
    (layout / "index.json").write_text(json.dumps(index))
    (layout / "fpack-referrers.json").unlink()
    named = {path.name for path in used(layout, index)}
    for path in (layout / "blobs" / "sha256").iterdir():
        if path.name not in named:
            path.unlink()
    found = signing.verify(layout, "bob")
    assert found["claim"] == "signed" and what(found) == ["image", "manifest", "provenance", "sbom"]
    signing.sign(layout, "alice")
    assert signing.verify(layout, "alice", "bob", threshold=2)["claim"] == "signed"


def used(layout: Path, index: dict[str, Any]) -> list[Path]:
    found = []
    for entry in index["manifests"]:
        value = blob(layout, entry)
        digests = [entry["digest"], value["config"]["digest"], *(item["digest"] for item in value["layers"])]
        found += [layout / "blobs" / digest.replace(":", "/") for digest in digests]
    return found


def test_a_signed_layout_is_packed_again(signing: Signing, layout: Path, made: Greeter) -> None:
    signing.sign(layout, "alice")
    made.fpack.pack("--format", "oci-dir", "-o", layout, cwd=made.project)
    assert signing.verify(layout)["signatures"] == {"signed": [], "others": 0}
    for verb in ("size", "show"):
        signing.sign(layout, "alice")
        assert made.fpack(verb, layout).stdout


# Attacks.


def test_a_changed_image_is_not_signed(signing: Signing, tar: Path) -> None:
    image = Image.load(tar)
    image.change("etc/motd", content=b"evil")
    before = image.save(tar).read_bytes()
    text = signing.fpack.fails("sign", tar, "--key", signing.keys["alice"])
    assert "is not what its manifest says, so it is not signed" in text
    assert tar.read_bytes() == before


def test_a_signed_image_that_changes_is_refused(signing: Signing, tar: Path) -> None:
    signing.sign(tar, "alice")
    image = Image.load(tar)
    image.change("etc/motd", content=b"evil")
    found = signing.verify(image.save(tar), "alice", status=1)
    assert found["claim"] is None


def test_an_image_that_is_exchanged_after_it_was_verified_is_not_signed(
    signing: Signing, tar: Path, made: Greeter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fpack.builders.attest import keys
    from fpack.builders.verify.evidence.local import LocalEvidence
    from fpack.cli.images.attestations import signing as module

    other = tmp_path / "other.tar"
    made.fpack.pack("#everything", "-o", other, cwd=made.project)
    verify = module.verify

    def exchanged(*args: Any) -> Any:
        outcome = verify(*args)
        shutil.copy(other, tar)
        return outcome

    monkeypatch.setattr(module, "verify", exchanged)
    with pytest.raises(module.SigningError, match="changed while it was signed"):
        module.sign(tar, [keys.generate("ed25519")], LocalEvidence(None, tmp_path / "cache"))
    assert tar.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"packages":[', b'"packages":["evil",'),
        (b'"resolvedDependencies":[', b'"resolvedDependencies":[{"name":"evil","digest":{"sha256":"00"}},'),
        (b'"subject":[', b'"subject":[{"name":"other","digest":{"sha256":"00"}},'),
        (b'"buildType":"', b'"buildType":"https://ci.example/'),
    ],
)
def test_a_changed_provenance_is_not_signed(signing: Signing, tar: Path, before: bytes, after: bytes) -> None:
    image = Image.load(tar)
    for artifact, blobs in image.artifacts:
        if artifact["artifactType"] == dsse.IN_TOTO:
            (item,) = artifact["layers"]
            data = blobs.pop(item["digest"])
            assert before in data
            data = data.replace(before, after, 1)
            item.update(digest=f"sha256:{hashlib.sha256(data).hexdigest()}", size=len(data))
            blobs[item["digest"]] = data
    text = signing.fpack.fails("sign", image.save(tar), "--key", signing.keys["alice"])
    assert "The provenance in the image is not signed" in text


def test_the_signatures_of_another_image_do_not_help(
    signing: Signing, tar: Path, made: Greeter, tmp_path: Path
) -> None:
    """The blobs and lists of a signed image are moved to another one, with subjects that fit."""
    other = tmp_path / "other.tar"
    made.fpack.pack("#everything", "-o", other, cwd=made.project)
    signing.sign(tar, "alice")
    image = Image.load(other)
    donor = Image.load(tar)
    assert image.referrers is not None and donor.referrers is not None
    types = cosign.ARTIFACTS.values()
    for entry, artifact in zip(donor.referrers["manifests"], donor.artifacts, strict=True):
        if entry["artifactType"] in types:
            image.referrers["manifests"].append(entry)
            image.artifacts.append(artifact)
    found = signing.verify(image.save(tmp_path / "forged.tar"), "alice", status=1)
    said = [row["what"] for row in found["differences"] if row["kind"] == "signature"]
    assert any("is about another image" in text for text in said) and "no given key signed it" in said
    assert found["signatures"]["signed"] == []


def test_a_private_key_that_others_can_read_does_not_sign(signing: Signing, tar: Path, tmp_path: Path) -> None:
    key = tmp_path / "open.pem"
    shutil.copy(signing.keys["alice"], key)
    for mode in (0o640, 0o604, 0o644, 0o660):
        key.chmod(mode)
        text = signing.fpack.fails("sign", tar, "--key", key)
        assert "Other users can use the private key" in text and f"its mode is {mode:04o}" in text


def test_the_wrong_half_of_a_key_is_refused(signing: Signing, tar: Path, tmp_path: Path) -> None:
    assert "is the name of a public key" in signing.fpack.fails("sign", tar, "--key", signing.public("bob"))
    other = tmp_path / "other.pem"
    other.write_bytes(signing.public("bob").read_bytes())
    other.chmod(0o600)
    assert "This is a public key" in signing.fpack.fails("sign", tar, "--key", other)
    assert "This is a private key" in signing.fpack.fails("verify", tar, "--key", signing.keys["bob"])


def test_what_is_no_image_of_fpack_is_not_signed(signing: Signing, tmp_path: Path, made: Greeter) -> None:
    key = signing.keys["alice"]
    made.fpack.pack("--no-manifest", "-o", tmp_path / "bare.tar", cwd=made.project)
    assert "carries no manifest" in signing.fpack.fails("sign", tmp_path / "bare.tar", "--key", key)
    (tmp_path / "text").write_text("x")
    for name in ("text", "absent", ""):
        assert signing.fpack.fails("sign", tmp_path / name, "--key", key)


def test_a_layout_with_a_link_in_place_of_its_blobs_is_not_followed(
    signing: Signing, layout: Path, tmp_path: Path
) -> None:
    blobs = layout / "blobs" / "sha256"
    blobs.rename(tmp_path / "elsewhere")
    blobs.symlink_to(tmp_path / "elsewhere")
    before = sorted(path.name for path in (tmp_path / "elsewhere").iterdir())
    assert signing.fpack.fails("sign", layout, "--key", signing.keys["alice"])
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == before


def test_controls_in_a_signed_type_are_not_printed(signing: Signing, tar: Path) -> None:
    from fpack.builders.attest import keys
    from fpack.builders.attest.dsse import Envelope

    signing.sign(tar, "alice")
    image = Image.load(tar)
    digest = json.loads(signing.fpack("verify", "--json", tar).stdout)["digest"]
    alice = keys.read_private(signing.keys["alice"].read_bytes(), "")
    made = statement.about("x", digest, "urn:\x1b[2J\x9bx", {}).encode()
    data = Envelope(dsse.IN_TOTO, made).signed(alice).encode()
    for artifact, blobs in image.artifacts:
        if artifact["artifactType"] == cosign.ARTIFACTS["att"]:
            about = {"mediaType": dsse.MEDIA_TYPE, "digest": f"sha256:{hashlib.sha256(data).hexdigest()}"}
            artifact["layers"].append({**about, "size": len(data)})
            blobs[about["digest"]] = data
    text = signing.fpack("verify", image.save(tar), "--key", signing.public("alice")).stdout
    assert "a statement of the type urn:?[2J?x" in text and "\x1b" not in text and "\x9b" not in text


def with_other_bill(layout: Path) -> None:
    """Change the bill in a layout, and the documents that name it, as somebody who hides a package does."""
    blobs, listed = layout / "blobs/sha256", layout / "fpack-referrers.json"

    def put(before: str, data: bytes) -> dict[str, Any]:
        (blobs / before.removeprefix("sha256:")).unlink()
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"digest": f"sha256:{name}", "size": len(data)}

    index = json.loads(listed.read_text())
    (entry,) = [item for item in index["manifests"] if "cyclonedx" in item["artifactType"]]
    artifact = json.loads((blobs / entry["digest"].removeprefix("sha256:")).read_text())
    (layer,) = artifact["layers"]
    bill = json.loads((blobs / layer["digest"].removeprefix("sha256:")).read_text())
    bill["components"].pop()
    layer |= put(layer["digest"], json.dumps(bill).encode())
    entry |= put(entry["digest"], json.dumps(artifact).encode())
    listed.write_text(json.dumps(index))


def test_a_bill_that_fpack_does_not_make_of_the_image_is_not_signed(signing: Signing, layout: Path) -> None:
    with_other_bill(layout)
    failed = signing.fpack.fails("sign", layout, "--key", signing.keys["alice"])
    assert "is not the one that fpack makes" in failed and "--sbom" in failed
    assert "fpack-referrers" not in failed
    assert signing.verify(layout)["signatures"]["signed"] == []
    # Another machine cannot make it, and says so.
    done = signing.fpack(
        "sign", layout, "--key", signing.keys["alice"], env={"FPACK_ROOT": str(layout.parent / "none")}
    )
    assert "is signed as it is: this machine did not build the image" in done.stderr


def test_the_bill_that_fpack_makes_is_signed_without_a_warning(signing: Signing, layout: Path) -> None:
    assert "warning" not in signing.fpack("sign", layout, "--key", signing.keys["alice"]).stderr
