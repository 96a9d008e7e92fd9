"""Put packed images into a repository, as a push does, and count what is asked of it."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fpack.builders.distribution.protocol import (
    BlobEntry,
    BlobSource,
    ManifestDocument,
    NotThere,
    Repository,
)
from fpack.builders.distribution.reference import parse_reference
from fpack.builders.intake.record_source import attachment
from fpack.builders.intake.repository_archive import RemoteImage
from fpack.cli.images import image_file
from fpack.store.path import StorePath, parse
from fpack.store.store import Store
from support.processes.program import Fpack
from support.servers.repositories import MANIFEST, digest_of, write

# This module hands on what its users need of the others.
__all__ = [
    "INDEX", "MANIFEST", "NAME", "Counting", "NotThere", "attach_record", "digest_of", "files_of", "push",
    "push_with_record", "remote",
]  # fmt: skip
INDEX = "application/vnd.oci.image.index.v1+json"
NAME = "localhost:5000/team/app"


def files_of(image: Path) -> dict[str, bytes]:
    """Return the files of an image, a tar or a layout."""
    if image.is_dir():
        return {str(path.relative_to(image)): path.read_bytes() for path in image.rglob("*") if path.is_file()}
    with tarfile.open(image) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]


def push(image: Path, repository: Repository, tag: str = "1.0", *, referrers: bool = True) -> str:
    """Write an image file to a repository. Return its digest."""
    files = files_of(image)
    blobs = {f"sha256:{name.rpartition('/')[2]}": data for name, data in files.items() if name.startswith("blobs/")}

    def manifest(digest: str, name: str = "") -> None:
        value: dict[str, Any] = json.loads(blobs[digest])
        for child in value.get("manifests", ()):
            manifest(child["digest"])
        for blob in (value.get("config"), *value.get("layers", ())):
            if blob is not None:
                write(repository, blobs[blob["digest"]])
        repository.write_manifest(blobs[digest], value["mediaType"], name)

    (top,) = json.loads(files["index.json"])["manifests"]
    manifest(top["digest"], tag)
    for entry in json.loads(files.get("fpack-referrers.json", b'{"manifests": []}'))["manifests"] if referrers else ():
        manifest(entry["digest"])
    return str(top["digest"])


def remote(repository: Repository, tag: str = ":1.0", cache: Any = None) -> RemoteImage:
    """Return the image of a tag, or of a digest that begins with @, as verbs open it."""
    return RemoteImage(parse_reference(f"{NAME}{tag}"), lambda: repository, cache)


class Counting:
    """A repository that notes what is asked of another one. asked: (method, a digest or tag); change: of answers."""

    def __init__(self, inner: Repository) -> None:
        self.name = inner.name
        self._inner = inner
        self.asked: list[tuple[str, str]] = []
        self.blobs: dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {}

    def methods(self) -> list[str]:
        return [method for method, _ in self.asked]

    def resolve(self, tag: str) -> BlobEntry | None:
        self.asked.append(("resolve", tag))
        return self._inner.resolve(tag)

    def manifest(self, reference: str) -> ManifestDocument | None:
        self.asked.append(("manifest", reference))
        return self._inner.manifest(reference)

    def has_blob(self, digest: str) -> bool:
        self.asked.append(("has", digest))
        return self._inner.has_blob(digest)

    def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        self.asked.append(("blob" if not offset else f"blob from {offset}", entry.digest))
        pieces = self._inner.read_blob(entry, offset, length)
        change = self.blobs.get(entry.digest)
        return pieces if change is None else change(pieces)

    def write_blob(self, source: BlobSource) -> bool:
        return self._inner.write_blob(source)

    def write_manifest(self, data: bytes, media_type: str, tag: str = "") -> BlobEntry:
        return self._inner.write_manifest(data, media_type, tag)

    def referrers(self, digest: str, artifact_type: str = "") -> list[BlobEntry]:
        self.asked.append(("referrers", digest))
        return self._inner.referrers(digest, artifact_type)

    def tags(self, prefix: str = "") -> list[str]:
        self.asked.append(("tags", prefix))
        return self._inner.tags(prefix)

    def delete(self, reference: str) -> bool:
        return self._inner.delete(reference)


def attach_record(store: Store, image: StorePath, repository: Repository) -> None:
    """Attach the store record of an image to the image, as a push from its store does."""
    found = attachment(store, image)
    digest = found.entry["digest"]
    for name, data in found.blobs.items():
        assert isinstance(data, bytes)
        if name != digest:
            write(repository, data)
    write(repository, b"{}")
    repository.write_manifest(found.blobs[digest], MANIFEST)  # type: ignore[arg-type]


def push_with_record(fpack: Fpack, image: Path, repository: Repository) -> str:
    """Push an image file and the record of its store paths from a user's store. Return the digest of the image."""
    digest = push(image, repository)
    store = Store(Path(fpack.env["FPACK_ROOT"]))
    try:
        attach_record(store, parse(image_file.manifest(image_file.read(image)).head.image.path), repository)
    finally:
        store.close()
    return digest
