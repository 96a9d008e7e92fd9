"""`fpack patch` on a machine without the image: the tables of what stays come from the registry, not its packages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fpack.builders.distribution.reference import parse_reference
from fpack.builders.intake.repository_archive import RemoteImage
from fpack.builders.intake.store_record import ARTIFACT
from fpack.builders.verify import embedded_manifest, manifest_loading
from support.archives.archive import Archive, file
from support.images.patching import patch, project, push, update, user
from support.processes.program import Fpack
from support.servers.registry import Registry, open_registry

MOVED = "libgreet1_1.0~rc1-1+deb13u1"
PROGRAM = "hello_"  # a script, which is read


def keep_packages(archive: Archive, *names: str) -> None:
    """Delete the packages of an archive, but those whose file names begin with a name."""
    for deb in archive.folder.rglob("*.deb"):
        if not deb.name.startswith(names):
            deb.unlink()


def layers(registry: Registry, digest: str) -> list[str]:
    manifest = json.loads(registry.stored("team/app").manifests[digest][1])
    return [layer["digest"] for layer in manifest["layers"]]


def fetched(registry: Registry) -> set[str]:
    return {path.rpartition("/")[2] for method, path in registry.requests if method == "GET"}


def rebuilt(fpack: Fpack, folder: Path, registry: Registry) -> str:
    """Return the digest of a full build with the newest versions of the security suite."""
    fpack("update", "--security", cwd=folder)
    return push(fpack, folder, f"{registry.host}/team/full:1")


@pytest.mark.slow
@pytest.mark.parametrize("closure", ["linked", "depends"])
def test_the_packages_that_stay_are_not_fetched(
    tmp_path: Path, archive: Archive, registry: Registry, closure: str
) -> None:
    """They are not even in the archive any more. What a linked root searches in vain has a table, too."""
    archive.add("libgreet-extra", files={"usr/share/greet-extra/words": "more\n"})
    archive.add(
        "hello", "2.10-4", depends="libgreet1 (>= 2:1.0~rc1), dash | shell, libgreet-extra",
        files={"usr/bin/hello": file(b"#!/bin/sh\ncat /usr/share/greet/words\n", 0o755)},
    )  # fmt: skip
    archive.publish()
    fpack = user(tmp_path, archive)
    folder = project(fpack, closure=closure)
    reference = f"{registry.host}/team/app:1"
    old = push(fpack, folder, reference)
    update(archive)
    full = rebuilt(fpack, folder, registry)
    keep_packages(archive, MOVED, PROGRAM)
    registry.clear()
    fresh = user(tmp_path, archive, "fresh")
    (result,) = patch(fresh, reference, "--security")
    (image,) = result["images"]
    assert image["new"] == full and image["layers"]["new"] == 1 and not image["notes"]
    assert fetched(registry).isdisjoint(layers(registry, old))
    assert not list((fresh.home / "store" / "store").iterdir())  # nothing without files gets into the user's store
    # What was pushed has all that a pull, and the next patch, needs.
    fresh("pull", reference, "--plain-http")
    fpack("verify", reference, "--plain-http")
    archive.add("libgreet1", "2:1.0~rc1-1+deb13u2", suite="trixie-security", files={"usr/share/greet/words": "Night\n"})
    archive.publish()
    (result,) = patch(user(tmp_path, archive, "third"), reference, "--security")
    assert result["images"][0]["new"] == rebuilt(fpack, folder, registry)


def test_of_layers_only_those_are_fetched_that_the_moved_package_shares(
    tmp_path: Path, archive: Archive, registry: Registry
) -> None:
    for number in range(20):
        archive.add(f"part{number}", files={f"usr/share/part{number}": f"part {number}\n" * (number + 1)})
    archive.publish()
    fpack = user(tmp_path, archive)
    names = ", ".join(f"debian.part{number}" for number in range(20))
    folder = project(fpack, more=f"\n  max-layers = 9\n  packages = [debian.hello, {names}]")
    text = (folder / "fpack.fp").read_text().replace("  packages = [debian.hello]\n", "", 1)
    (folder / "fpack.fp").write_text(text)
    reference = f"{registry.host}/team/app:1"
    old = push(fpack, folder, reference)
    update(archive)
    full = rebuilt(fpack, folder, registry)
    (data,) = embedded_manifest.find(RemoteImage(parse_reference(reference), lambda: open_registry(registry)).archive())
    head = manifest_loading.head(data, reference)
    keep_packages(archive, MOVED, PROGRAM)
    registry.clear()
    (result,) = patch(user(tmp_path, archive, "fresh"), reference, "--security")
    (image,) = result["images"]
    assert image["new"] == full and not image["notes"]
    moved = {origin.path for origin in head.paths if origin.package == "libgreet1"}
    (shared,) = [layer for layer in head.layers if moved & {path for path, _ in layer.parts}]
    assert len(shared.parts) > 1
    assert fetched(registry) & {*layers(registry, old)} == {shared.blob.digest}


def test_without_the_record_of_the_store_paths_packages_are_fetched_and_told(
    tmp_path: Path, archive: Archive, registry: Registry
) -> None:
    fpack = user(tmp_path, archive)
    folder = project(fpack)
    reference = f"{registry.host}/team/app:1"
    push(fpack, folder, reference)
    stored = registry.stored("team/app")
    records = [name for name, (_, data) in stored.manifests.items() if ARTIFACT in data.decode()]
    for name in records:
        del stored.manifests[name]
    update(archive)
    fresh = user(tmp_path, archive, "fresh")
    (result,) = patch(fresh, reference, "--security")
    (note,) = result["images"][0]["notes"]
    assert len(records) == 1 and "packages of the image are fetched" in note and "no record" in note
    assert result["images"][0]["new"] == rebuilt(fpack, folder, registry)


def test_bills_of_materials_need_the_packages_which_is_told(
    tmp_path: Path, archive: Archive, registry: Registry
) -> None:
    fpack = user(tmp_path, archive)
    folder = project(fpack)
    reference = f"{registry.host}/team/app:1"
    fpack("pack", "--push", reference, "--sbom=spdx-2.3", "--plain-http", cwd=folder)
    update(archive)
    (result,) = patch(user(tmp_path, archive, "fresh"), reference, "--security")
    assert "its bills of materials" in result["images"][0]["notes"][0]
    assert result["images"][0]["new"] == rebuilt(fpack, folder, registry)
