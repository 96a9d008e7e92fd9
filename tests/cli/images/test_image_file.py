"""Choose the image of a platform from an index that another tool wrote."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from fpack.cli.errors import UsageError
from fpack.cli.images import image_file

OCI = "application/vnd.oci.image"


def blob(layout: Path, kind: str, value: Any) -> dict[str, Any]:
    data = json.dumps(value).encode()
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": f"{OCI}.{kind}+json", "digest": f"sha256:{digest}", "size": len(data)}


def layout_of(layout: Path, *platforms: dict[str, str] | None) -> Path:
    """Write a layout whose images all say in their configurations that they are for linux/amd64."""
    entries = []
    for number, platform in enumerate(platforms):
        settings = {"os": "linux", "architecture": "amd64", "author": str(number)}
        config = blob(layout, "config.v1", {**settings, "rootfs": {"type": "layers", "diff_ids": []}})
        entry = blob(layout, "manifest.v1", {"schemaVersion": 2, "config": config, "layers": []})
        entries.append(entry if platform is None else {**entry, "platform": platform})
    index = blob(layout, "index.v1", {"schemaVersion": 2, "manifests": entries})
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [index]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return layout


def test_an_index_goes_before_what_an_image_says_of_itself(tmp_path: Path) -> None:
    arm = {"os": "linux", "architecture": "arm", "variant": "v7"}
    layout = layout_of(tmp_path, {"os": "linux", "architecture": "amd64"}, arm)
    found = [image_file.read(layout, platform) for platform in ("linux/amd64", "linux/arm", "linux/arm/v7")]
    assert [image.configuration["author"] for image in found] == ["0", "1", "1"]
    assert [image_file.arch(image) for image in found] == ["amd64", "armhf", "armhf"]


@pytest.mark.parametrize("platform", [{}, {"os": "linux"}, {"os": 1, "architecture": "arm"}], ids=str)
def test_an_image_tells_its_platform_if_the_index_does_not(tmp_path: Path, platform: dict[str, Any]) -> None:
    assert image_file.read(layout_of(tmp_path, platform)).platform == "linux/amd64"


def test_images_of_one_platform_are_named(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, None, None)
    with pytest.raises(UsageError, match="several images for one platform") as caught:
        image_file.read(layout)
    assert caught.value.why.count("sha256:") == 2 and caught.value.hint
