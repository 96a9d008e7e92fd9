"""Remember what was pushed to each registry: which documents a tag's image has, and which repository has a blob.

A registry cannot tell with its answer about a tag whether the documents about the image are complete. The record makes
an unchanged push one request, and tells from which repository a blob can be mounted, and which images of this machine
the registry has. It is a cache: without it, a push asks for the list of documents, and sends blobs that it could mount.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence

from fpack.builders.distribution.pusher import PushedImage
from fpack.builders.distribution.reference import Reference
from fpack.cli.paths import cache_directory
from fpack.light_typing import Any
from fpack.store.files import replace

FORMAT = 1
MAX_FILE = 4 << 20  # bytes
MAX_REPOSITORIES = 64
MAX_BLOBS = 500  # of a repository, the newest
MAX_TAGS = 50
STORE_RECORD = "record of "  # how the name of the document begins that describes the image at a store path


class PushRecord:
    """A record of an image that was pushed to a registry. host: with its port."""

    def __init__(self, host: str) -> None:
        self._path = cache_directory() / "pushes" / f"{host.replace('[', '').replace(']', '')}.json"
        self._repositories = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            with open(self._path, "rb") as file:
                value = json.loads(file.read(MAX_FILE))
            if value["format"] == FORMAT and isinstance(value["repositories"], dict):
                found: dict[str, Any] = value["repositories"]
                return found
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        return {}

    def documents(self, reference: Reference, digest: str) -> Sequence[str]:
        """Return the documents that were pushed with an image, see `PushedImage.documents`."""
        try:
            found, documents = self._repositories[reference.repository]["tags"][_key(reference)]
            return [str(one) for one in documents] if found == digest else ()
        except (KeyError, TypeError, ValueError):
            return ()

    def mounts(self, repository: str) -> Mapping[str, Sequence[str]]:
        """Return the other repositories that have each blob, by digest."""
        found: dict[str, list[str]] = {}
        for name, row in self._repositories.items():
            if name != repository and isinstance(row, dict):
                for digest in row.get("blobs") or ():
                    found.setdefault(str(digest), []).append(name)
        return found

    def images(self) -> set[str]:
        """Return the store paths of the images that were pushed."""
        found = set()
        for row in self._repositories.values():
            tags = row.get("tags") if isinstance(row, dict) else None
            for tag in tags.values() if isinstance(tags, dict) else ():
                names = tag[1] if isinstance(tag, list) and len(tag) == 2 and isinstance(tag[1], list) else ()
                found |= {str(name).removeprefix(STORE_RECORD) for name in names if str(name).startswith(STORE_RECORD)}
        return found

    def add(self, reference: Reference, image: PushedImage, more: Sequence[str] = ()) -> None:
        """Remember a push. more: names beside the documents. A record that cannot be written is left out."""
        blobs = [blob.digest for one in (*image.parts, image.top, *image.referrers) for blob in one.blobs]
        self.add_blobs(reference.repository, blobs, {_key(reference): (image.top.digest, {*image.documents, *more})})

    def add_blobs(self, repository: str, blobs: Sequence[str], images: Mapping[str, tuple[str, set[str]]] = {}) -> None:
        """Remember that a repository has blobs. images: by tag, the digest of each image and its documents."""
        repositories = self._read()
        row = repositories.pop(repository, None)
        row = row if isinstance(row, dict) else {}
        given = row.get("tags")
        tags: dict[str, Any] = given if isinstance(given, dict) else {}
        for tag, (digest, documents) in images.items():
            before = tags.pop(tag, None)
            known = before[1] if isinstance(before, list) and before[:1] == [digest] else []
            tags[tag] = [digest, sorted({*known, *documents})]
        kept = dict.fromkeys([*(row.get("blobs") or ()), *blobs])
        for digest in blobs:
            kept[digest] = kept.pop(digest)
        repositories[repository] = {"tags": _last(tags, MAX_TAGS), "blobs": list(kept)[-MAX_BLOBS:]}
        document = {"format": FORMAT, "repositories": _last(repositories, MAX_REPOSITORIES)}
        with contextlib.suppress(OSError):
            os.makedirs(self._path.parent, exist_ok=True)
            replace.write(self._path, json.dumps(document, separators=(",", ":")).encode())


def _key(reference: Reference) -> str:
    return reference.tag or reference.digest


def _last(values: dict[str, Any], count: int) -> dict[str, Any]:
    return dict(list(values.items())[-count:])
