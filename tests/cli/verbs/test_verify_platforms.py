"""Verification of images for several platforms: each by its own manifest, and the index that holds them together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.archives.archive import Archive, file
from support.processes.program import Fpack

PLATFORMS = "linux/amd64,linux/arm64"
ESSENTIAL = (
    *("bash", "coreutils", "dash", "diffutils", "findutils", "grep", "gzip", "hostname", "libc-bin", "mawk"),
    *("perl-base", "sed", "tar", "bsdutils", "debianutils", "ncurses-base", "ncurses-bin", "passwd", "util-linux"),
)


@pytest.fixture(scope="module")
def fpack(tmp_path_factory: pytest.TempPathFactory) -> Fpack:
    """With an archive of packages for every architecture, and one that differs."""
    archive = Archive(tmp_path_factory.mktemp("archive"), archs=("amd64", "arm64"))
    archive.add("base-files", arch="all", files={"usr/lib/os-release": "ID=debian\n", "etc/debian_version": "13.1\n"})
    for name in ESSENTIAL:
        archive.add(name, arch="all", files={f"usr/share/{name}/x": "x", "usr/lib/locale/C.utf8/LC_CTYPE": "UTF-8"})
    for arch in archive.archs:
        archive.add("hello", arch=arch, files={"usr/bin/hello": file(f"a program for {arch}", 0o755)})
    archive.publish()
    return Fpack(tmp_path_factory.mktemp("platforms") / "home", archive)


@pytest.fixture
def layout(fpack: Fpack, tmp_path: Path) -> Path:
    fpack.pack("debian.trixie.hello", "--platform", PLATFORMS, "--format", "oci-dir", "-o", tmp_path / "layout")
    return tmp_path / "layout"


def report(fpack: Fpack, *args: str | Path, status: int = 0) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(fpack("verify", "--json", *args, status=status).stdout)
    return value


def says(found: dict[str, Any], *words: str) -> bool:
    return any(
        all(word in "{where} {what} {layer} {kind}".format(**each) for word in words) for each in found["differences"]
    )


def manifests(layout: Path) -> list[Path]:
    return sorted(layout.parent.glob("*.manifest.json"))


@pytest.mark.parametrize("format_", ["tar", "oci-dir"])
def test_each_platform_is_proven_by_its_own_manifest(fpack: Fpack, tmp_path: Path, format_: str) -> None:
    out = tmp_path / "image"
    packed = fpack.pack("debian.trixie.hello", "--platform", PLATFORMS, "--format", format_, "-o", out)
    trusted = [word for path in packed["manifest"] for word in ("--manifest", path)]
    for options in ([], trusted, trusted[2:] + trusted[:2]):
        found = report(fpack, out, *options)
        assert found["claim"] == ("given" if options else "self-consistent") and not found["unchecked"]
        assert found["digest"] == packed["digest"]
        assert {each["digest"] for each in found["images"]} == {each["digest"] for each in packed["platforms"]}
        assert sorted(each["platform"] for each in found["images"]) == ["linux/amd64", "linux/arm64/v8"]
        for image in found["images"]:
            assert image["packages"] and all(p["compared"] == "deb" and p["signed"] for p in image["packages"])
    text = fpack("verify", out).stdout
    assert text.count("Debian packages") == 2 and "linux/arm64/v8  sha256:" in text and "self-consistent" in text


def test_manifests_beside_an_image_of_several_platforms_are_found(fpack: Fpack, layout: Path) -> None:
    (layout / "fpack-referrers.json").unlink()
    stray = report(fpack, layout, status=1)
    assert {each["kind"] for each in stray["differences"]} == {"archive"}, "the blobs of the artifacts are left"
    for each in stray["differences"]:
        (layout / each["where"]).unlink()
    found = report(fpack, layout)
    assert found["claim"] == "self-consistent" and len(found["images"]) == 2
    assert [image["manifest"]["from"] for image in found["images"]] == [str(path) for path in manifests(layout)]


def test_an_image_without_a_manifest_is_not_proven(fpack: Fpack, layout: Path) -> None:
    one, other = manifests(layout)
    for path in (one, other):
        found = report(fpack, layout, "--manifest", path, status=1)
        assert says(found, "which has no manifest") and len(found["differences"]) == 1


def rewrite(layout: Path, change: Callable[[list[Any]], object], indent: int | None = None) -> None:
    """Change the entries of the index of platforms, and make its digest right."""
    index = json.loads((layout / "index.json").read_bytes())
    name = layout / "blobs" / index["manifests"][0]["digest"].replace(":", "/")
    value = json.loads(name.read_bytes())
    change(value["manifests"])
    data = json.dumps(value, sort_keys=True, separators=(",", ":"), indent=indent).encode()
    name.unlink()
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs" / "sha256" / digest).write_bytes(data)
    index["manifests"][0].update(digest=f"sha256:{digest}", size=len(data))
    (layout / "index.json").write_bytes(json.dumps(index).encode())


def swap(entries: list[Any]) -> None:
    entries[0]["platform"], entries[1]["platform"] = entries[1]["platform"], entries[0]["platform"]


CHANGES: dict[str, tuple[Callable[[list[Any]], object], str]] = {
    "a platform fewer": (lambda entries: entries.pop(), "does not refer to the image"),
    "a platform more": (lambda entries: entries.append({**entries[0], "platform": {"os": "plan9"}}), " twice"),
    "platforms in the other order": (lambda entries: entries.reverse(), "the index of platforms"),
    "platforms exchanged": (swap, "the index of platforms"),
    "an annotation": (lambda entries: entries[0].update(annotations={"evil": "yes"}), "annotations"),
    "another size": (lambda entries: entries[0].update(size=7), "descriptor says 7"),
    "no platform": (lambda entries: entries[0].pop("platform"), "platform is missing"),
    "a field": (lambda entries: entries[1].update(urls=["https://example.org"]), "urls is added"),
    "a digest that climbs": (lambda entries: entries[0].update(digest="sha256:../../x"), "its digest is"),
    "an index in the index": (
        lambda entries: entries[0].update(mediaType="application/vnd.oci.image.index.v1+json"),
        "which is not an image",
    ),
    "a list in it": (lambda entries: entries.insert(0, []), "not a descriptor"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_index_of_platforms_is_named(fpack: Fpack, layout: Path, name: str) -> None:
    change, words = CHANGES[name]
    rewrite(layout, change)
    trusted = [word for path in manifests(layout) for word in ("--manifest", path)]
    for options in ([], trusted):
        found = report(fpack, layout, *options, status=1)
        assert says(found, words), found["differences"]


def test_an_index_of_other_bytes_is_another_image(fpack: Fpack, layout: Path) -> None:
    rewrite(layout, lambda entries: None, indent=1)
    assert says(report(fpack, layout, status=1), "the index of platforms", "its digest is")


def test_a_difference_names_its_platform(fpack: Fpack, layout: Path) -> None:
    one, other = (json.loads(path.read_bytes()) for path in manifests(layout))
    shared = {layer["digest"] for layer in one["layers"]}
    (own,) = [layer for layer in other["layers"] if layer["digest"] not in shared and "hello" in layer["path"]]
    place = layout / "blobs" / own["digest"].replace(":", "/")
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 1
    place.write_bytes(data)
    found = report(fpack, layout, status=1)
    assert {each["layer"].partition(" ")[0] for each in found["differences"]} == {"linux/arm64/v8"}
    assert says(found, "blob", "(hello)")


def test_each_platform_is_built_again(fpack: Fpack, layout: Path) -> None:
    assert "a rebuild from the manifest gives the same image" in fpack("verify", "--rebuild", layout).stdout
