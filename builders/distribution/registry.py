"""Read and write a repository of a registry over HTTP.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from urllib.parse import quote

from fpack.builders.net.errors import split_url
from fpack.store.errors import counted

from . import answers
from .blob_reader import begins, read_blob
from .layout_index import (
    MAX_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    annotations_of,
    describe,
    entries_of,
    entry_of,
    fallback_tag,
    filtered,
    json_object,
    referrers_document,
    subject_of,
)
from .names import check_digest, digest_of, is_digest, is_tag
from .protocol import (
    BlobEntry,
    BlobSource,
    Corrupt,
    Denied,
    ManifestDocument,
    NotThere,
    RepositoryError,
    Unavailable,
    differs,
    no_blob,
    too_long,
)
from .transport import RegistryAnswer, Settings, Transport, origin

_MANIFESTS = (
    OCI_MANIFEST,
    OCI_INDEX,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_ACCEPT = {"Accept": ", ".join(_MANIFESTS)}
MAX_PAGE = 8 << 20  # bytes of a page of tags
MAX_PAGES = 2000  # of a list of tags
MAX_LIST = 128 << 20  # bytes of all pages of a list
MAX_TAGS = 2_000_000  # of a repository
MAX_REFERRERS = 10_000  # of a manifest
PAGE = 1000  # tags to ask for at once
MAX_RACES = 8  # attempts to update a list that others update too
_LINK = r'<([^<>]*)>\s*;\s*rel="?next"?'


class RegistryRepository:
    """A repository of a registry. host: with its port. scheme: http or https.

    transport: that of another repository of the same registry, whose connections and tokens are shared.
    """

    def __init__(
        self, host: str, repository: str, scheme: str, settings: Settings, transport: Transport | None = None
    ) -> None:
        self.name = f"{host}/{repository}"
        self.repository = repository
        self.transport = transport or Transport(host, scheme, settings)
        self._base = f"/v2/{repository}"
        self._pull = (f"repository:{repository}:pull",)
        self._push = (f"repository:{repository}:pull,push",)
        self._delete = (f"repository:{repository}:delete,pull,push",)
        self._lists: bool | None = None  # whether the registry lists referrers itself, if known
        self._listing = threading.Lock()

    # Reading

    def resolve(self, tag: str) -> BlobEntry | None:
        """Return the descriptor of a tag's or a digest's manifest (a HEAD request), or None."""
        if not is_tag(tag) and not is_digest(tag):
            return None
        answer = self._request("HEAD", f"manifests/{tag}", headers=_ACCEPT, accept=(200, 404))
        answer.close()
        if answer.status == 404:
            return None
        digest, size = answer.header("Docker-Content-Digest"), answer.length
        kind = _media_type(answer)
        if not is_digest(digest) or size is None or not kind:
            found = self.manifest(tag)
            return None if found is None else BlobEntry(found.media_type, found.digest, len(found.data))
        if is_digest(tag) and digest != tag:
            why = f"it has {digest}"
            raise Corrupt(f"The registry has another manifest than {tag}", where=self.name, why=why)
        return BlobEntry(kind, digest, size)

    def manifest(self, reference: str) -> ManifestDocument | None:
        """Return the manifest or index of a tag or a digest, compared with the digest if one is given, or None."""
        return self._manifest(reference)

    def _manifest(self, reference: str, attempts: int | None = None) -> ManifestDocument | None:
        if not is_tag(reference) and not is_digest(reference):
            return None
        answer, data = self.transport.fetch(
            f"{self._base}/manifests/{reference}", self.name, MAX_MANIFEST,
            repository=self.repository, scopes=self._pull, headers=_ACCEPT, accept=(200, 404), attempts=attempts,
        )  # fmt: skip
        if answer.status == 404:
            return None
        digest = digest_of(data)
        wanted = reference if is_digest(reference) else answer.header("Docker-Content-Digest")
        if is_digest(wanted) and wanted != digest:
            raise differs(wanted, digest, self.name, "manifest")
        value = json_object(data, self.name)
        if "manifests" in value and ("layers" in value or "config" in value):
            # Clients would differ in what they take it for.
            why = "it has layers or a configuration, and manifests"
            raise Corrupt(f"The manifest {digest} is an image and an index at once", where=self.name, why=why)
        own = value.get("mediaType")
        kind = own if isinstance(own, str) and own else _media_type(answer)
        return ManifestDocument(kind or describe(data, "").media_type, digest, data)

    def has_blob(self, digest: str) -> bool:
        """Return whether a blob exists."""
        check_digest(digest, self.name)
        answer = self._request("HEAD", f"blobs/{digest}", accept=(200, 404))
        answer.close()
        return answer.status == 200

    def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield a part of a blob. A whole blob (no offset, no length) is compared with its digest and size.

        Interrupted transfers are resumed. The caller must check what a partial read returns. Raise NotThere.
        """
        whole = length is None
        return read_blob(
            self.name, self.transport, entry, offset, length, lambda at, end: self._pieces(entry, at, end, whole)
        )

    def _open_blob(self, entry: BlobEntry, at: int, end: int, ranges: bool) -> RegistryAnswer | None:
        """Request a blob from a byte on. Return None if the registry refuses the range."""
        partial = ranges and (at > 0 or end < entry.size)
        headers = {"Range": f"bytes={at}-{end - 1}"} if partial else {}
        try:
            answer = self._request(
                "GET", f"blobs/{entry.digest}", headers=headers, accept=(200, 206, 416) if partial else (200, 206)
            )
        except NotThere as error:
            raise no_blob(entry.digest, self.name, error.why) from None
        if answer.status == 416:
            answer.close()
            return None
        return answer

    def _pieces(self, entry: BlobEntry, at: int, end: int, whole: bool) -> Iterator[bytes]:
        """Yield the bytes of a blob from `at` to `end`, as far as they arrive."""
        # If a range is refused, read and skip what comes before.
        answer = self._open_blob(entry, at, end, True) or self._open_blob(entry, at, end, False)
        assert answer is not None
        skip = at - begins(answer, entry, at, self.name)
        for chunk in answer.chunks():
            if skip:
                chunk, skip = chunk[skip:], max(0, skip - len(chunk))
            piece = chunk[: end - at]
            at += len(piece)
            if len(chunk) > len(piece) and (whole or answer.status == 206):
                answer.close()
                raise too_long(entry.digest, entry.size, self.name)
            if piece:
                yield piece
            if at == end and not whole:
                break
        answer.close()

    def referrers(self, digest: str, artifact_type: str = "") -> list[BlobEntry]:
        """Return the descriptors of manifests whose subject is a digest, from the API or the fallback tag."""
        check_digest(digest, self.name)
        if self._lists is not False:
            found = self._listed(digest, artifact_type)
            if found is not None:
                self._lists = True
                return found
            self._lists = False
        document = self.manifest(fallback_tag(digest))
        return filtered(document.data, artifact_type) if document is not None else []

    def _listed(self, digest: str, artifact_type: str) -> list[BlobEntry] | None:
        """Return the referrers that the registry lists, or None if it has no such list."""
        target = f"{self._base}/referrers/{digest}"
        if artifact_type:
            target += f"?artifactType={quote(artifact_type, safe='')}"
        found: dict[str, BlobEntry] = {}
        # Without this API, registries answer 404, and some 400 or 405.
        for answer, data in self._paged(target, MAX_MANIFEST, (200, 400, 404, 405), {"Accept": OCI_INDEX}):
            value = json_object(data, self.name) if answer.status == 200 else {}
            if answer.status != 200 or not isinstance(value.get("manifests"), list):
                return None
            for item in entries_of(value, self.name):
                entry = entry_of(item, self.name)
                if not artifact_type or entry.artifact_type == artifact_type:
                    found[entry.digest] = entry
            if len(found) > MAX_REFERRERS:
                raise Corrupt(
                    "An image has too many documents",
                    where=self.name,
                    why=f"the limit is {MAX_REFERRERS}",
                    hint="delete those of its signatures, bills of materials and other documents that nobody needs",
                )
        return list(found.values())

    def tags(self, prefix: str = "") -> list[str]:
        """Return all tags that begin with a prefix, sorted. A repository that does not exist has none."""
        found: set[str] = set()
        for answer, data in self._paged(f"{self._base}/tags/list?n={PAGE}", MAX_PAGE, (200, 404), {}):
            if answer.status == 404:
                return []
            names = json_object(data, self.name).get("tags") or []
            if not isinstance(names, list):
                raise Corrupt("The registry's list of tags is not valid", where=self.name)
            found |= {name for name in names if isinstance(name, str) and is_tag(name) and name.startswith(prefix)}
            if len(found) > MAX_TAGS:
                raise Corrupt("The registry's list is too long", where=self.name, why=f"the limit is {MAX_TAGS} tags")
        return sorted(found)

    def _paged(
        self, target: str, limit: int, accept: tuple[int, ...], headers: dict[str, str]
    ) -> Iterator[tuple[RegistryAnswer, bytes]]:
        """Yield the pages of a list. The header Link names the next one, which must be of the same registry."""
        url = self.transport.base + target
        seen = {url}
        size = 0
        for _ in range(MAX_PAGES):
            answer, data = self.transport.fetch(
                url, self.name, limit, repository=self.repository, scopes=self._pull, headers=headers, accept=accept
            )
            size += len(data)
            if size > MAX_LIST:
                raise Corrupt("The registry's list is too long", where=self.name, why=f"the limit is {MAX_LIST} bytes")
            yield answer, data
            link = re.search(_LINK, answer.header("Link"))
            if answer.status != 200 or link is None:
                return
            following = self.transport.join(url, link[1], self.name)
            if origin(split_url(following)) != origin(split_url(self.transport.base)):
                why = f"the next page is {following[:200]}"
                raise Denied("The registry continues a list on another server", where=self.name, why=why)
            if following in seen:
                break
            seen.add(following)
            url = following
        why = f"fpack read {counted(len(seen), 'page')}"
        raise Corrupt("The registry's list does not end", where=self.name, why=why)

    # Writing

    def write_blob(self, source: BlobSource) -> bool:
        """Write a blob unless it exists. Return whether bytes were transferred (not if it existed or was mounted)."""
        if self.has_blob(source.digest):
            return False
        return self.upload(source)

    def upload(self, source: BlobSource) -> bool:
        """Write a blob that does not exist. Return whether bytes were transferred (not if it was mounted)."""
        from . import uploads  # an unchanged push and a pull send nothing

        return uploads.Upload(self.transport, self.name, self.repository, source).run()

    def write_manifest(self, data: bytes, media_type: str, tag: str = "") -> BlobEntry:
        """Write a manifest or index whose blobs exist, by digest or under a tag.

        If it has a subject and the repository lists no referrers itself, update the list in the fallback tag.
        """
        entry = describe(data, media_type)
        if len(data) > MAX_MANIFEST:
            raise RepositoryError("A manifest is too large", where=self.name, why=f"the limit is {MAX_MANIFEST} bytes")
        if tag and not is_tag(tag):
            raise RepositoryError(f"{tag[:150]!r} cannot be a tag", where=self.name)
        answer = self._put(tag or entry.digest, data, media_type)
        subject = subject_of(data)
        if subject and answer.header("OCI-Subject") != subject and not self._has_list(subject):
            self._add_referrer(subject, entry._replace(annotations=annotations_of(data)))
        return entry

    def _put(self, reference: str, data: bytes, media_type: str) -> RegistryAnswer:
        answer = self._request(
            "PUT", f"manifests/{reference}", scopes=self._push, headers={"Content-Type": media_type}, body=data,
            accept=(200, 201, 202),
        )  # fmt: skip
        answer.read(answers.MAX_ERROR)
        told = answer.header("Docker-Content-Digest")
        if is_digest(told) and told != digest_of(data):
            why = f"it keeps {told}, and {digest_of(data)} was sent"
            raise Corrupt("The registry keeps another manifest than the one that was sent", where=self.name, why=why)
        return answer

    def _has_list(self, digest: str) -> bool:
        """Return whether the registry lists referrers itself."""
        if self._lists is None:
            self._lists = self._listed(digest, "") is not None
        return self._lists

    def _add_referrer(self, subject: str, entry: BlobEntry) -> None:
        """Add a descriptor to the list in the fallback tag. Others may do so at once, and the last one wins."""
        with self._listing:
            for _ in range(MAX_RACES):
                found = self.manifest(fallback_tag(subject))
                if found is not None and any(known.digest == entry.digest for known in filtered(found.data, "")):
                    return
                data = referrers_document(found.data if found else None, entry, entry.annotations)
                self._put(fallback_tag(subject), data, OCI_INDEX)
        raise RepositoryError(
            "The list of referrers cannot be updated", where=self.name, why="others change it at the same time"
        )

    def delete(self, reference: str) -> bool:
        """Delete a tag, a manifest or a blob, if the registry can. Return whether it existed."""
        if not is_tag(reference) and not is_digest(reference):
            return False
        subject = ""
        if is_digest(reference):
            try:
                found = self._manifest(reference, attempts=1)
            except Unavailable:
                # docker-registry fails if a blob is asked for as a manifest.
                if self._remove(f"blobs/{reference}"):
                    return True
                found = self.manifest(reference)
            if found is None:
                return self._remove(f"blobs/{reference}")
            subject = subject_of(found.data)
        existed = self._remove(f"manifests/{reference}")
        if subject and existed and not self._has_list(subject):
            self._drop_referrer(subject, reference)
        return existed

    def _remove(self, path: str) -> bool:
        answer = self._request("DELETE", path, scopes=self._delete, accept=(200, 202, 204, 400, 404, 405))
        data = answer.read(answers.MAX_ERROR)
        if answer.status in (400, 405):
            raise RepositoryError(
                "The registry does not delete this",
                where=self.name,
                why=answers.reason(answer.status, answer.phrase, data),
                hint="its configuration may not permit it",
            )
        return answer.status != 404

    def _drop_referrer(self, subject: str, digest: str) -> None:
        with self._listing:
            found = self.manifest(fallback_tag(subject))
            if found is None:
                return
            kept = [entry.value() for entry in filtered(found.data, "") if entry.digest != digest]
            document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": kept}
            self._put(fallback_tag(subject), json.dumps(document, separators=(",", ":")).encode(), OCI_INDEX)

    def _request(
        self,
        method: str,
        path: str,
        *,
        scopes: tuple[str, ...] = (),
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        accept: tuple[int, ...],
    ) -> RegistryAnswer:
        return self.transport.request(
            method,
            f"{self._base}/{path}",
            self.name,
            repository=self.repository,
            scopes=scopes or self._pull,
            headers=headers,
            body=body,
            accept=accept,
        )


def _media_type(answer: RegistryAnswer) -> str:
    return answer.header("Content-Type").partition(";")[0].strip().lower()
