"""A repository in memory, which can be told to misbehave, and counts what it is asked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator

from fpack.builders.distribution.protocol import (
    BlobEntry,
    BlobSource,
    Corrupt,
    ManifestDocument,
    NotThere,
    RepositoryError,
    Unavailable,
)
from support.servers.repositories import digest_of


class MemoryRepository:
    """A repository. lies: the content that is delivered in place of a blob, unchecked. down: nothing answers.

    unchecked: reads deliver what is there, as a backend with a fault would. calls: the number of calls by method.
    """

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.named: dict[str, str] = {}
        self.lies: dict[str, bytes] = {}
        self.down: Callable[[], RepositoryError] | None = None
        self.calls: Counter[str] = Counter()

    def _asked(self, what: str) -> None:
        self.calls[what] += 1
        if self.down is not None:
            raise self.down()

    def resolve(self, tag: str) -> BlobEntry | None:
        self._asked("resolve")
        found = self.manifests.get(self.named.get(tag, tag))
        return BlobEntry(found[0], digest_of(found[1]), len(found[1])) if found else None

    def manifest(self, reference: str) -> ManifestDocument | None:
        self._asked("manifest")
        found = self.manifests.get(self.named.get(reference, reference))
        return ManifestDocument(found[0], digest_of(found[1]), found[1]) if found else None

    def has_blob(self, digest: str) -> bool:
        self._asked("has_blob")
        return digest in self.blobs

    def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        self._asked("read_blob")
        if entry.digest in self.lies:
            yield self.lies[entry.digest][offset:]
            return
        if entry.digest not in self.blobs:
            raise NotThere(f"The blob {entry.digest} does not exist", where=self.name)
        data = self.blobs[entry.digest]
        if len(data) != entry.size or digest_of(data) != entry.digest:
            raise Corrupt("A blob differs from its digest", where=self.name)
        yield data[offset : None if length is None else offset + length]

    def write_blob(self, source: BlobSource) -> bool:
        self._asked("write_blob")
        if source.digest in self.blobs:
            return False
        data = b"".join(source.chunks(0))
        assert digest_of(data) == source.digest and len(data) == source.size
        self.blobs[source.digest] = data
        self.calls["sent"] += 1
        return True

    def write_manifest(self, data: bytes, media_type: str, tag: str = "") -> BlobEntry:
        self._asked("write_manifest")
        value = json.loads(data)
        if "manifests" in value:
            assert all(item["digest"] in self.manifests for item in value["manifests"])
        else:
            assert all(item["digest"] in self.blobs for item in [value["config"], *value["layers"]])
        self.manifests[digest_of(data)] = (media_type, data)
        if tag:
            self.named[tag] = digest_of(data)
        return BlobEntry(media_type, digest_of(data), len(data))

    def referrers(self, digest: str, artifact_type: str = "") -> list[BlobEntry]:
        return []

    def tags(self, prefix: str = "") -> list[str]:
        self._asked("tags")
        return sorted(tag for tag in self.named if tag.startswith(prefix))

    def delete(self, reference: str) -> bool:
        self._asked("delete")
        if reference in self.named:
            del self.named[reference]
            return True
        self.named = {tag: digest for tag, digest in self.named.items() if digest != reference}
        return self.manifests.pop(reference, None) is not None or self.blobs.pop(reference, None) is not None


def dead() -> RepositoryError:
    """Return a repository that does not answer."""
    return Unavailable("The registry does not answer", why="503")
