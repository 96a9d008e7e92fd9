"""One image for several platforms: an index of the images that are made for each alone."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.oci import spec
from fpack.builders.protocol import BuildError
from fpack.store.path import StorePath
from support.images.small_images import Workshop, program, read_tar, static_program
from support.processes.podman import Podman, podman_as


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("platforms") / "fpack")


def make(shop: Workshop, arch: str, run: bytes = b"a program\n", **args: Any) -> StorePath:
    common = {"usr/share/zones": b"the same everywhere" * 1000}
    slices = {"common": common, "app": {"usr/bin/app": program(run), "usr/share/arch": arch.encode()}}
    return shop.image(shop.root(slices), arch=arch, name="me/app", tag="3", program="app", **args)


@pytest.fixture(scope="module")
def images(shop: Workshop) -> dict[str, StorePath]:
    return {arch: make(shop, arch) for arch in ("amd64", "arm64", "armhf")}


def blob(layout: Path, descriptor: Mapping[str, Any]) -> bytes:
    data = (layout / spec.blob_path(descriptor["digest"])).read_bytes()
    assert hashlib.sha256(data).hexdigest() == descriptor["digest"].partition(":")[2]
    assert len(data) == descriptor["size"]
    return data


def test_the_index_leads_to_each_platforms_own_image(
    shop: Workshop, images: dict[str, StorePath], tmp_path: Path
) -> None:
    result = shop.layout(list(images.values()), tmp_path / "layout")
    (top,) = json.loads((tmp_path / "layout/index.json").read_bytes())["manifests"]
    assert top["mediaType"] == spec.INDEX and top["digest"] == result["digest"] and "platform" not in top
    index = json.loads(blob(tmp_path / "layout", top))
    alone = {arch: shop.tar(image, tmp_path / f"{arch}.tar") for arch, image in images.items()}
    assert [(m["digest"], m["platform"]) for m in index["manifests"]] == [
        (alone["amd64"]["digest"], {"os": "linux", "architecture": "amd64"}),
        (alone["arm64"]["digest"], {"os": "linux", "architecture": "arm64", "variant": "v8"}),
        (alone["armhf"]["digest"], {"os": "linux", "architecture": "arm", "variant": "v7"}),
    ]
    seen = {top["digest"]}
    for entry in index["manifests"]:
        manifest = json.loads(blob(tmp_path / "layout", entry))
        config = json.loads(blob(tmp_path / "layout", manifest["config"]))
        assert {k: config[k] for k in entry["platform"]} == entry["platform"]
        for layer in manifest["layers"]:
            blob(tmp_path / "layout", layer)
        seen |= {entry["digest"], manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])}
    assert {f"sha256:{p.name}" for p in (tmp_path / "layout/blobs/sha256").iterdir()} == seen
    assert [each["platform"] for each in result["platforms"]] == ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    # What platforms share is there, and counts, once.
    apart = sum(each["layers"] for each in alone.values())
    assert result["layers"] == apart - 2 * 2 and "image_id" not in result
    assert result["size_compressed"] < sum(each["size_compressed"] for each in alone.values())


def test_the_order_does_not_matter_but_for_docker(shop: Workshop, images: dict[str, StorePath], tmp_path: Path) -> None:
    one, two = [images["amd64"], images["arm64"]], [images["arm64"], images["amd64"]]
    assert shop.tar(one, tmp_path / "1.tar")["digest"] == shop.tar(two, tmp_path / "2.tar")["digest"]
    shop.tar(one, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "1.tar").read_bytes()
    first, second = (read_tar((tmp_path / name).read_bytes()) for name in ("1.tar", "2.tar"))
    assert first.keys() == second.keys()
    assert {path for path in first if first[path][1] != second[path][1]} == {"manifest.json"}
    for found, image in ((first, images["amd64"]), (second, images["arm64"])):
        (docker,) = json.loads(found["manifest.json"][1])
        assert docker["Config"] == spec.blob_path(shop.tar(image, tmp_path / "alone.tar")["image_id"])
        assert all(layer in found for layer in docker["Layers"])


def test_the_platforms_names() -> None:
    for arch in ("amd64", "arm64", "armhf", "armel", "i386", "ppc64el", "riscv64", "s390x", "mips64el", "loong64"):
        assert spec.architecture(spec.platform_name(arch)) == arch
    assert spec.platform_name("arm64") == "linux/arm64" and spec.platform_name("armhf") == "linux/arm/v7"
    for text, arch in {"linux/arm64/v8": "arm64", "Linux/AMD64": "amd64", "linux/arm": "armhf"}.items():
        assert spec.architecture(text) == arch
    for text in ("", "linux", "amd64", "windows/amd64", "linux/vax", "linux/amd64/v3", "linux/arm/v6"):
        with pytest.raises(BuildError, match="no images for the platform"):
            spec.architecture(text)


@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_skopeo_takes_the_platform_that_it_is_told(
    shop: Workshop, images: dict[str, StorePath], tmp_path: Path, arch: str, transport: str
) -> None:
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    both = [images["amd64"], images["arm64"]]
    shop.layout(both, tmp_path / "layout")
    shop.tar(both, tmp_path / "image.tar")
    source = f"oci:{tmp_path}/layout:3" if transport == "oci" else f"oci-archive:{tmp_path}/image.tar:3"
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    skopeo = ["skopeo", "--policy", str(policy), "--tmpdir", str(tmp_path), "--override-arch", arch]
    inspected = json.loads(subprocess.run([*skopeo, "inspect", source], capture_output=True, check=True).stdout)
    assert inspected["Architecture"] == arch
    target = f"oci:{tmp_path}/copy:3"
    subprocess.run([*skopeo, "copy", "--preserve-digests", source, target], capture_output=True, check=True)
    (entry,) = json.loads((tmp_path / "copy/index.json").read_bytes())["manifests"]
    assert entry["digest"] == shop.tar(images[arch], tmp_path / "alone.tar")["digest"]
    # The whole index too, as it is.
    all_ = ["copy", "--all", "--preserve-digests", source, f"oci:{tmp_path}/all:3"]
    subprocess.run([*skopeo, *all_], capture_output=True, check=True)
    (entry,) = json.loads((tmp_path / "all/index.json").read_bytes())["manifests"]
    (ours,) = json.loads((tmp_path / "layout/index.json").read_bytes())["manifests"]
    assert entry["digest"] == ours["digest"]


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    with podman_as("root") as made:
        yield made


@pytest.mark.podman
@pytest.mark.parametrize("form", ["tar", "layout"])
def test_podman_runs_the_platform_that_it_is_on(podman: Podman, shop: Workshop, tmp_path: Path, form: str) -> None:
    native = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True).stdout.strip()
    if native not in ("amd64", "arm64"):
        pytest.skip("this machine is neither of the two platforms")
    own, other = make(shop, native, static_program()), make(shop, "arm64" if native == "amd64" else "amd64", b"\0")
    podman("rmi", "-af")
    if form == "tar":
        shop.tar([other, own], tmp_path / "image.tar")
        name = podman.load(tmp_path / "image.tar")
    else:
        shop.layout([other, own], tmp_path / "layout")
        pulled = podman("pull", "-q", f"oci:{tmp_path}/layout:3").stdout.strip()
        podman("tag", pulled, "localhost/me/app:3")
        name = "localhost/me/app:3"
    assert name == "localhost/me/app:3"
    assert f"sha256:{podman.image_id(name)}" == shop.tar(own, tmp_path / "own.tar")["image_id"]
    assert podman.run(name).stdout == "uid 0 gid 0\n"
