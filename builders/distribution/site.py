"""Read a repository that a web server shows as files: an OCI layout below a URL. It cannot be written.

Each command asks for `index.json` again, with its ETag, and for blobs by ranges. A server without ranges sends whole
blobs, of which the rest is skipped.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import NoReturn
from urllib.parse import quote, unquote

from fpack.builders.net.errors import HttpError

from .blob_reader import ServedBlobs, begins, blob_key
from .layout_index import (
    EMPTY_INDEX,
    MAX_INDEX,
    MAX_MANIFEST,
    RefIndex,
    checked_manifest,
    describe,
    fallback_tag,
    filtered,
)
from .names import is_digest
from .protocol import BlobEntry, BlobSource, Corrupt, Denied, ManifestDocument, NotThere, no_blob
from .transport import RegistryAnswer, Transport


class SiteRepository(ServedBlobs):
    """The repository below a URL. path: of the URL, quoted."""

    def __init__(self, transport: Transport, path: str) -> None:
        self.name = f"{transport.base}{unquote(path)}"
        self._transport = transport
        self._path = path.rstrip("/")
        self._lock = threading.Lock()
        self._index: tuple[str, bytes] | None = None  # the ETag and the document

    # Reading

    def resolve(self, tag: str) -> BlobEntry | None:
        """Return the descriptor of a tag's or a digest's manifest, or None."""
        found = self.manifest(tag)
        return describe(found.data, found.media_type) if found is not None else None

    def manifest(self, reference: str) -> ManifestDocument | None:
        """Return the manifest or index of a tag or a digest, compared with the digest, or None."""
        entry = None if is_digest(reference) else self.refs().tag(reference)
        digest = entry.digest if entry is not None else reference
        if not is_digest(digest):
            return None
        data = self.document(blob_key(digest), MAX_MANIFEST)
        if data is None:
            return None
        return checked_manifest(data, digest, entry, self.name)

    def referrers(self, digest: str, artifact_type: str = "") -> list[BlobEntry]:
        """Return the descriptors of manifests whose subject is a digest."""
        found = self.manifest(fallback_tag(digest))
        return filtered(found.data, artifact_type) if found is not None else []

    def tags(self, prefix: str = "") -> list[str]:
        """Return all tags that begin with a prefix, sorted."""
        return self.refs().tags(prefix)

    # Writing

    def write_blob(self, source: BlobSource) -> bool:
        """Refuse to write."""
        self._refuse()

    def write_manifest(self, data: bytes, media_type: str, tag: str = "") -> BlobEntry:
        """Refuse to write."""
        self._refuse()

    def delete(self, reference: str) -> bool:
        """Refuse to delete."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        hint = "write to the directory that the server shows, as file:///DIRECTORY"
        raise Denied("A web site can only be read", where=self.name, hint=hint)

    # Requests

    def refs(self) -> RefIndex:
        """Return the tags. The server sends `index.json` only if it changed."""
        with self._lock:
            known = self._index
            headers = {"If-None-Match": known[0]} if known is not None and known[0] else {}
            answer = self._request("GET", "index.json", headers=headers, accept=(200, 304, 404))
            if answer.status == 304 and known is not None:
                answer.close()
                return RefIndex(known[1], self.name)
            if answer.status == 404:
                answer.close()
                return RefIndex(EMPTY_INDEX, self.name)
            data = self._body(answer, MAX_INDEX)
            self._index = (answer.header("ETag"), data)
            return RefIndex(data, self.name)

    def document(self, name: str, limit: int) -> bytes | None:
        """Return a file, or None."""
        answer = self._request("GET", name, accept=(200, 404))
        if answer.status == 404:
            answer.close()
            return None
        return self._body(answer, limit)

    def _body(self, answer: RegistryAnswer, limit: int) -> bytes:
        try:
            data = answer.read(limit)
        except HttpError as error:
            raise self._transport.unreachable(self.name, error) from None
        if len(data) > limit:
            raise Corrupt("A document is too large", where=self.name, why=f"the limit is {limit} bytes")
        return data

    def _request(
        self, method: str, key: str, *, headers: Mapping[str, str] | None = None, accept: tuple[int, ...] = (200,)
    ) -> RegistryAnswer:
        """Send a request for a file below the URL."""
        return self._transport.request(method, f"{self._path}/{quote(key)}", self.name, headers=headers, accept=accept)

    def _pieces(self, entry: BlobEntry, at: int, end: int) -> Iterator[bytes]:
        """Yield the bytes of a blob between two offsets, as far as they arrive."""
        if at >= end:
            return
        partial = at > 0 or end < entry.size
        headers = {"Range": f"bytes={at}-{end - 1}"} if partial else {}
        try:
            answer = self._request("GET", blob_key(entry.digest), headers=headers, accept=(200, 206))
        except NotThere as error:
            raise no_blob(entry.digest, self.name, error.why) from None
        start = begins(answer, entry, at, self.name)
        for piece in answer.chunks():
            stop = start + len(piece)
            wanted = piece[max(at - start, 0) : end - start]
            start = stop
            if wanted:
                yield wanted
            if start >= end:
                answer.close()
                return
