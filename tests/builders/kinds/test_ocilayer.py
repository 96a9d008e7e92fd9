"""The list of a layer of a base: a layer that would fill the memory or the disk is refused before it does."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from fpack.builders.kinds import ocilayer
from fpack.builders.kinds.ocilayer import OcilayerBuilder
from fpack.builders.protocol import BuildError
from support.images import bases
from support.stores.task import FakeStore

URL = "oci://registry.example/team/base"


class OneBlob:
    """A repository with one blob."""

    name = "registry.example/team/base"

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read_blob(self, entry: object, offset: int = 0) -> Iterator[bytes]:
        yield self._data[offset:]


def listed(store: FakeStore, members: dict[str, bases.Member]) -> Any:
    """Build the list of a layer."""
    tar = bases.tar_of(members)
    blob = gzip.compress(tar, 1, mtime=0)
    args = {
        "urls": [URL],
        "sha256": hashlib.sha256(blob).hexdigest(),
        "size": len(blob),
        "media_type": "application/vnd.oci.image.layer.v1.tar+gzip",
        "diff_id": f"sha256:{hashlib.sha256(tar).hexdigest()}",
    }
    repository: Any = OneBlob(blob)
    return store.build(OcilayerBuilder(lambda url: repository, lambda: False), "layer", args)


def test_an_entry_in_very_many_directories_is_refused(store: FakeStore) -> None:
    """Each directory above an entry becomes an entry: the layer needs a kilobyte, and the list megabytes."""
    with pytest.raises(BuildError, match="is invalid") as caught:
        listed(store, {"a/" * 1400 + "f": b""})
    assert caught.value.why.startswith("its path is too long: a path may have 3000 bytes and 128 parts")


@pytest.mark.parametrize("kind", ["entries", "whiteouts", "directories", "targets"])
@pytest.mark.parametrize("limit", ["MAX_ENTRIES", "MAX_PATHS"])
def test_everything_that_is_kept_is_counted(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch, kind: str, limit: str
) -> None:
    layers: dict[str, dict[str, bases.Member]] = {
        "entries": {f"srv/{number}": b"" for number in range(20)},
        "whiteouts": {f"srv/.wh.{number}": b"" for number in range(20)},
        "directories": {f"{number}/a/b/c/d": b"" for number in range(5)},
        "targets": {f"{number}": "/" + "t" * 20 for number in range(20)},
    }
    monkeypatch.setattr(ocilayer, limit, {"MAX_ENTRIES": 15, "MAX_PATHS": 90}[limit])
    with pytest.raises(BuildError, match="has too many entries, or their paths are too long") as caught:
        listed(store, layers[kind])
    assert caught.value.why.startswith("the limits are ") and caught.value.where.startswith("sha256:")


def test_a_layer_within_the_limits_is_listed(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocilayer, "MAX_ENTRIES", 6)
    monkeypatch.setattr(ocilayer, "MAX_PATHS", 23)
    listed(store, {"a/b/c": b"", "a/.wh.d": b"", "e": "target"})
