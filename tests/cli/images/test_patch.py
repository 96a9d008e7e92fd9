"""`fpack patch`: images of a registry with newer packages, beside builds of their projects with the new lock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.reference import parse_reference
from fpack.builders.intake.repository_archive import RemoteImage
from fpack.cli.images.patch.errors import CannotPatch
from fpack.cli.images.patch.patch import check_tag
from fpack.cli.verbs.patch import _lines
from support.archives.archive import Archive, file
from support.images.patching import patch, project, push, update, user
from support.servers.registry import INDEX, Registry, digest_of
from support.servers.repositories import MANIFEST, manifest


@pytest.mark.parametrize("closure", ["linked", "depends"])
def test_only_layers_of_the_updated_package_differ(
    tmp_path: Path, archive: Archive, registry: Registry, closure: str
) -> None:
    """Equal to a build of the project with the new lock in another store; no layer of the old image is read."""
    fpack = user(tmp_path, archive)
    folder = project(fpack, closure=closure)
    reference = f"{registry.host}/team/app:1"
    old = push(fpack, folder, reference)
    before = registry.stored("team/app").blobs.copy()
    update(archive)
    registry.clear()
    (result,) = patch(fpack, reference, "--security")
    (image,) = result["images"]
    assert [(item["name"], item["new"]) for item in image["packages"]] == [("libgreet1", "2:1.0~rc1-1+deb13u1")]
    assert image["old"] == old and image["new"] == registry.stored("team/app").tags["1"]
    assert image["layers"]["new"] == 1 and not image["others"]
    layers = {layer["digest"] for layer in json.loads(registry.stored("team/app").manifests[old][1])["layers"]}
    assert not [path for method, path in registry.requests if method == "GET" and path.rpartition("/")[2] in layers]
    sent = {digest for digest in registry.stored("team/app").blobs if digest not in before}
    assert result["sent"] == sum(len(registry.stored("team/app").blobs[digest]) for digest in sent)
    other = user(tmp_path, archive, "other")
    again = project(other, closure=closure)
    (again / "fpack.lock").write_bytes((folder / "fpack.lock").read_bytes())
    other("update", "--security", cwd=again)
    assert push(other, again, f"{registry.host}/team/full:1") == image["new"]
    fpack("verify", reference, "--plain-http")


def test_an_image_with_nothing_to_move_is_left_alone(tmp_path: Path, archive: Archive, registry: Registry) -> None:
    fpack = user(tmp_path, archive)
    reference = f"{registry.host}/team/app:1"
    old = push(fpack, project(fpack), reference)
    registry.clear()
    (result,) = patch(fpack, reference)
    assert result["pushed"] is None and result["images"][0]["new"] == old
    assert not registry.count("PUT") and not registry.count("POST")


def test_dependencies_that_an_image_does_without_do_not_hinder(
    tmp_path: Path, archive: Archive, registry: Registry
) -> None:
    # An image with curl gets the certificates, without what their maintainer scripts need.
    archive.add("curl", "8.0", files={"usr/bin/curl": file(b"#!", 0o755)})
    archive.add("ca-certificates", "2025", depends="openssl", files={"usr/share/ca-certificates/a.crt": "A"})
    archive.add("openssl", "3.0", depends="libgreet1")
    archive.publish()
    fpack = user(tmp_path, archive)
    folder = project(fpack)
    file_of = folder / "fpack.fp"
    file_of.write_text(file_of.read_text().replace("[debian.hello]", "[debian.hello, debian.curl]"))
    reference = f"{registry.host}/team/app:1"
    push(fpack, folder, reference)
    update(archive)
    (result,) = patch(fpack, reference)
    assert {item["name"] for item in result["images"][0]["packages"]} == {"dash", "libgreet1"}
    # What a package needs anew is still an error.
    archive.add("curl", "8.1", depends="openssl", suite="trixie-security", files={"usr/bin/curl": file(b"#!", 0o755)})
    archive.publish()
    failed = fpack("patch", reference, "--plain-http", status=None)
    assert failed.returncode and "its packages needs openssl\n" in failed.stderr


def test_several_images_and_another_tag(tmp_path: Path, archive: Archive, registry: Registry) -> None:
    fpack = user(tmp_path, archive)
    references = [f"{registry.host}/team/{name}:1" for name in ("one", "two")]
    old = [
        push(fpack, project(fpack, name), reference) for name, reference in zip(("one", "two"), references, strict=True)
    ]
    update(archive)
    assert (
        "libgreet1 2:1.0~rc1-1 -> 2:1.0~rc1-1+deb13u1"
        in fpack("patch", *references, "--dry-run", "--plain-http").stdout
    )
    results = patch(fpack, *references, "--tag", "2")
    for name, digest, result in zip(("one", "two"), old, results, strict=True):
        stored = registry.stored(f"team/{name}")
        assert stored.tags["1"] == digest and stored.tags["2"] == result["images"][0]["new"] != digest
        assert {item["name"] for item in result["images"][0]["packages"]} == {"dash", "libgreet1"}


def test_documents_of_the_old_image_are_made_for_the_new_one(
    tmp_path: Path, archive: Archive, registry: Registry
) -> None:
    fpack = user(tmp_path, archive)
    folder = project(fpack)
    reference = f"{registry.host}/team/app:1"
    more = ("--sbom=cyclonedx-1.6", "--sbom=spdx-2.3", "--provenance", "--plain-http", "--json")
    fpack("pack", "--push", reference, *more, cwd=folder)
    update(archive)
    stored = registry.stored("team/app")
    before = set(stored.manifests)
    (result,) = patch(fpack, reference)
    new = result["images"][0]["new"]
    about = [json.loads(data) for digest, (_, data) in stored.manifests.items() if digest not in before]
    types = [one.get("artifactType") for one in about if one.get("subject", {}).get("digest") == new]
    for media_type in ("application/vnd.cyclonedx+json", "application/spdx+json", "application/vnd.in-toto+json"):
        assert types.count(media_type) == 1
    assert "deb13u1" in fpack("sbom", reference, "--plain-http").stdout


def test_versions_of_a_lock_are_taken_without_the_archive(tmp_path: Path, archive: Archive, registry: Registry) -> None:
    fpack = user(tmp_path, archive)
    folder = project(fpack)
    reference = f"{registry.host}/team/app:1"
    push(fpack, folder, reference)
    update(archive)
    fpack("update", "--security", cwd=folder)
    (result,) = patch(fpack, reference, "--lock", str(folder / "fpack.lock"), "--frozen")
    (image,) = result["images"]
    assert [item["name"] for item in image["packages"]] == ["libgreet1"]  # and not dash, which the lock left alone
    other = f"{registry.host}/team/full:1"
    assert push(fpack, folder, other) == image["new"]
    assert "--lock" in fpack.fails("patch", reference, "--frozen", "--plain-http")
    (tmp_path / "empty.lock").write_text((folder / "fpack.lock").read_text().partition("package ")[0])
    assert "does not have all packages" in fpack.fails(
        "patch", reference, "--lock", str(tmp_path / "empty.lock"), "--plain-http"
    )


def test_an_architecture_that_the_image_lacks_is_refused(tmp_path: Path, archive: Archive, registry: Registry) -> None:
    fpack = user(tmp_path, archive)
    reference = f"{registry.host}/team/app:1"
    push(fpack, project(fpack), reference)
    assert "it is for amd64" in fpack.fails("patch", reference, "--arch", "arm64", "--plain-http")


def test_an_image_that_fails_leaves_the_others(tmp_path: Path, archive: Archive, registry: Registry) -> None:
    fpack = user(tmp_path, archive)
    reference = f"{registry.host}/team/app:1"
    push(fpack, project(fpack), reference)
    update(archive)
    absent = f"{registry.host}/team/none:1"
    done = fpack("patch", absent, reference, "--plain-http", "--json", status=1)
    failed, patched = json.loads(done.stdout)["images"]
    assert "There is no image" in failed["error"] and failed["pushed"] is None
    assert patched["pushed"] and "error" not in patched
    assert "There is no image" in done.stderr


def test_an_image_without_a_manifest_says_so(tmp_path: Path, archive: Archive, registry: Registry) -> None:
    fpack = user(tmp_path, archive)
    folder = project(fpack)
    fpack("pack", "--no-manifest", cwd=folder)
    reference = f"{registry.host}/team/bare:1"
    fpack("push", folder / "app.tar", reference, "--plain-http")
    assert "no manifest of fpack's" in fpack.fails("patch", reference, "--plain-http")


def test_no_platform_of_an_index_is_lost(tmp_path: Path, archive: Archive, registry: Registry) -> None:
    """An image of the index without a manifest cannot be made again, so nothing takes the place of the index."""
    fpack = user(tmp_path, archive)
    reference = f"{registry.host}/team/app:1"
    old = push(fpack, project(fpack), reference)
    stored = registry.stored("team/app")
    kind, data = stored.manifests[old]
    images = [data, json.dumps({**json.loads(data), "annotations": {"of": "another platform"}}).encode()]
    entries = [
        {"mediaType": kind, "digest": digest_of(one), "size": len(one)}
        | {"platform": {"os": "linux", "architecture": arch}}
        for one, arch in zip(images, ("amd64", "arm64"), strict=True)
    ]
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    stored.manifests |= {digest_of(images[1]): (kind, images[1]), digest_of(index): (INDEX, index)}
    stored.tags["1"] = digest_of(index)
    update(archive)
    assert f"none is about {digest_of(images[1])}" in fpack.fails("patch", reference, "--plain-http")
    assert stored.tags["1"] == digest_of(index)


def test_texts_of_a_manifest_are_shown_without_control_characters() -> None:
    packages = [{"name": "a\x1b[2J", "old": "1", "new": "2"}]
    image = {"arch": "amd64", "packages": packages, "others": [], "notes": ["fpack \x9b31m\nmade the image"]}
    lines = _lines({"reference": "localhost/app", "images": [image], "pushed": None}, True)
    assert all(line.isprintable() for line in lines)


def test_an_image_that_was_pushed_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path)
    repository.write_manifest(manifest(repository, b"old"), MANIFEST, "1")
    reference = parse_reference("registry.example/app:1")
    image = RemoteImage(reference, lambda: repository)
    image.archive()
    check_tag(image, reference)
    repository.write_manifest(manifest(repository, b"new"), MANIFEST, "1")
    with pytest.raises(CannotPatch, match="moved"):
        check_tag(image, reference)
    check_tag(image, reference._replace(tag="2"))  # the old tag is left alone
