"""An OCI layout as a client reads it, by nothing of fpack's: each blob is checked against its descriptor."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.images.small_images import read_tar, unpacked

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


class Layout:
    """The layout in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def blob(self, descriptor: Mapping[str, Any]) -> bytes:
        """Return a blob; AssertionError if its bytes are not what the descriptor says."""
        algorithm, _, digits = descriptor["digest"].partition(":")
        data: bytes = (self.folder / "blobs" / algorithm / digits).read_bytes()
        assert algorithm == "sha256" and hashlib.sha256(data).hexdigest() == digits
        assert len(data) == descriptor["size"]
        return data

    @property
    def top(self) -> dict[str, Any]:
        """The one entry of index.json."""
        (entry,) = json.loads((self.folder / "index.json").read_bytes())["manifests"]
        found: dict[str, Any] = entry
        return found

    def platforms(self) -> dict[str, dict[str, Any]]:
        """Return the descriptor of each platform's manifest, by the platform's name."""
        top = self.top
        if top["mediaType"] == MANIFEST:
            config = json.loads(self.blob(json.loads(self.blob(top))["config"]))
            return {_name(config): top}
        assert top["mediaType"] == INDEX
        entries = json.loads(self.blob(top))["manifests"]
        return {_name(entry["platform"]): entry for entry in entries}

    def entries(self, platform: str) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
        """Return the entries that a platform's container sees: its layers laid one over the other."""
        manifest = json.loads(self.blob(self.platforms()[platform]))
        found: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
        for layer in manifest["layers"]:
            found |= read_tar(unpacked(self.blob(layer)))
        return found


def _name(platform: Mapping[str, Any]) -> str:
    return f"{platform['os']}/{platform['architecture']}"
