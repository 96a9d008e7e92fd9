"""Keep a repository in a bucket with the interface of S3.

Objects below the prefix: `blobs/sha256/HEX`, `tags/TAG` with the descriptor of a manifest, and `referrers/HEX/HEX` with
that of a referrer. No object is shared by writers, so nothing has to be locked. A blob is written only if it does not
exist (If-None-Match), and its SHA-256 is part of the signed request, so the server verifies it, too.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote
from xml.etree.ElementTree import Element, ParseError

from fpack.builders.net.errors import HttpError

from . import answers
from .blob_reader import ServedBlobs, begins, blob_key
from .http_fields import retry_after
from .layout_index import MAX_MANIFEST, annotations_of, checked_manifest, describe, entry_of, json_object, subject_of
from .names import is_digest, is_tag
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
    too_short,
)
from .signature_v4 import EMPTY, AwsAccess, sign
from .transport import Body, RegistryAnswer, Transport

MAX_PAGE = 8 << 20  # bytes of a list of objects
MAX_PAGES = 2000  # of a list of objects
MAX_OBJECTS = 2_000_000  # of a list; servers put 1,000 on a page
_EXISTS = 412  # the status of a write that must not replace, if the object exists


class BucketRepository(ServedBlobs):
    """The repository below a prefix of a bucket. path: the quoted path of the prefix at the server."""

    def __init__(self, name: str, transport: Transport, path: str, prefix: str, access: AwsAccess) -> None:
        self.name = name
        self._transport = transport
        self._bucket_path = path
        self._prefix = f"{prefix}/" if prefix else ""
        self._access = access

    # Reading

    def resolve(self, tag: str) -> BlobEntry | None:
        """Return the descriptor of a tag's or a digest's manifest, or None."""
        if is_digest(tag):
            found = self.manifest(tag)
            return describe(found.data, found.media_type) if found is not None else None
        data = self._get(f"tags/{tag}") if is_tag(tag) else None
        return entry_of(json_object(data, self.name), self.name) if data is not None else None

    def manifest(self, reference: str) -> ManifestDocument | None:
        """Return the manifest or index of a tag or a digest, compared with the digest, or None."""
        entry = None if is_digest(reference) else self.resolve(reference)
        digest = entry.digest if entry is not None else reference
        if not is_digest(digest) or (data := self._get(blob_key(digest))) is None:
            return None
        return checked_manifest(data, digest, entry, self.name)

    def referrers(self, digest: str, artifact_type: str = "") -> list[BlobEntry]:
        """Return the descriptors of manifests whose subject is a digest."""
        if not is_digest(digest):
            return []
        found = []
        for key in self._list(f"referrers/{digest.removeprefix('sha256:')}/"):
            data = self._get(key)
            if data is not None:
                found.append(entry_of(json_object(data, self.name), self.name))
        return [entry for entry in found if not artifact_type or entry.artifact_type == artifact_type]

    def tags(self, prefix: str = "") -> list[str]:
        """Return all tags that begin with a prefix, sorted."""
        names = (key.removeprefix("tags/") for key in self._list(f"tags/{prefix}"))
        return sorted(name for name in names if is_tag(name))

    def blobs(self) -> Iterator[tuple[str, int, float]]:
        """Yield each blob's digest, its size, and the time when it was written, in seconds since 1970."""
        start = "blobs/sha256/"
        for entry in self._objects(start):
            digest = f"sha256:{entry.key.removeprefix(start)}"
            if is_digest(digest):
                yield digest, entry.size, entry.written

    def attached(self) -> Iterator[tuple[str, str]]:
        """Yield the subject and the digest of each manifest that is about another one."""
        for key in self._list("referrers/"):
            _, subject, digest = (*key.split("/"), "", "")[:3]
            if is_digest(f"sha256:{subject}") and is_digest(f"sha256:{digest}"):
                yield f"sha256:{subject}", f"sha256:{digest}"

    # Writing

    def write_blob(self, source: BlobSource) -> bool:
        """Write a blob unless it exists. Return whether bytes were transferred."""
        if self.has_blob(source.digest):
            return False
        answer = self._request(
            "PUT",
            blob_key(source.digest),
            headers={"If-None-Match": "*"},
            body=lambda: self._checked(source),
            size=source.size,
            payload=source.digest.removeprefix("sha256:"),
            accept=(200, _EXISTS),
        )
        answer.close()
        return answer.status == 200

    def write_manifest(self, data: bytes, media_type: str, tag: str = "") -> BlobEntry:
        """Write a manifest or index, by digest or under a tag. List it if it has a subject."""
        if len(data) > MAX_MANIFEST:
            raise RepositoryError("A manifest is too large", where=self.name, why=f"the limit is {MAX_MANIFEST} bytes")
        if tag and not is_tag(tag):
            raise RepositoryError(f"{tag[:150]!r} cannot be a tag", where=self.name)
        entry = describe(data, media_type)
        self.write_blob(BlobSource(entry.digest, len(data), lambda offset: iter((data[offset:],))))
        if subject := subject_of(data):
            value = entry._replace(annotations=annotations_of(data)).value()
            names = f"{subject.removeprefix('sha256:')}/{entry.digest.removeprefix('sha256:')}"
            self._put(f"referrers/{names}", json.dumps(value).encode())
        if tag:
            self._put(f"tags/{tag}", json.dumps(entry.value()).encode())
        return entry

    def delete(self, reference: str) -> bool:
        """Delete a tag, or a manifest or blob with the tags that name it. Return whether it existed."""
        if not is_digest(reference):
            if not is_tag(reference) or self._get(f"tags/{reference}") is None:
                return False
            self._request("DELETE", f"tags/{reference}", accept=(200, 204, 404)).close()
            return True
        if not self.has_blob(reference):
            return False
        if self._is_manifest(reference):
            for tag in self.tags():
                entry = self.resolve(tag)
                if entry is not None and entry.digest == reference:
                    self._request("DELETE", f"tags/{tag}", accept=(200, 204, 404)).close()
            for key in list(self._list(f"referrers/{reference.removeprefix('sha256:')}/")):
                self._request("DELETE", key, accept=(200, 204, 404)).close()
        self._request("DELETE", blob_key(reference), accept=(200, 204, 404)).close()
        return True

    def _is_manifest(self, digest: str) -> bool:
        try:
            return self._get(blob_key(digest)) is not None and self.manifest(digest) is not None
        except Corrupt:
            return False

    def _checked(self, source: BlobSource) -> Iterator[bytes]:
        """Yield a blob. Raise Corrupt before its last piece if it differs from its digest, so that it is not stored."""
        hasher, size, held = hashlib.sha256(), 0, b""
        for piece in source.chunks(0):
            hasher.update(piece)
            size += len(piece)
            if size > source.size:
                break
            if held:
                yield held
            held = piece
        if size > source.size:
            raise too_long(source.digest, source.size, self.name)
        if size < source.size:
            raise too_short(source.digest, size, source.size, self.name)
        if (found := f"sha256:{hasher.hexdigest()}") != source.digest:
            raise differs(source.digest, found, self.name)
        if held:
            yield held

    # Objects

    def _get(self, key: str) -> bytes | None:
        """Return a small object, or None."""
        answer = self._request("GET", key, accept=(200, 404))
        if answer.status == 404:
            answer.close()
            return None
        try:
            data = answer.read(MAX_MANIFEST)
        except HttpError as error:
            raise self._transport.unreachable(self.name, error) from None
        if len(data) > MAX_MANIFEST:
            raise Corrupt("A document is too large", where=self.name, why=f"the limit is {MAX_MANIFEST} bytes")
        return data

    def _put(self, key: str, data: bytes) -> None:
        payload = hashlib.sha256(data).hexdigest()
        self._request("PUT", key, body=data, size=len(data), payload=payload).close()

    def _list(self, start: str) -> Iterator[str]:
        """Yield the keys below the prefix that begin with `start`."""
        return (entry.key for entry in self._objects(start))

    def _objects(self, start: str) -> Iterator[_BucketObject]:
        """Yield the objects below the prefix whose keys begin with `start`."""
        token, count = "", 0
        for _ in range(MAX_PAGES):
            query = {"list-type": "2", "prefix": self._prefix + start}
            if token:
                query["continuation-token"] = token
            answer = self._request("GET", None, query=query, accept=(200, 404))
            if answer.status == 404:
                answer.close()
                return  # there is no such bucket yet
            try:
                data = answer.read(MAX_PAGE)
            except HttpError as error:
                raise self._transport.unreachable(self.name, error) from None
            page = _xml(data, self.name)
            for entry in (item for item in page if _local(item.tag) == "Contents"):
                count += 1
                if count > MAX_OBJECTS:
                    why = f"the limit is {MAX_OBJECTS} objects"
                    raise Corrupt("A list of objects is too long", where=self.name, why=why)
                key = _field(entry, "Key")
                if key.startswith(self._prefix + start):
                    size, written = _field(entry, "Size"), _seconds(_field(entry, "LastModified"))
                    number = int(size) if size.isascii() and size.isdigit() and len(size) < 20 else 0
                    yield _BucketObject(key.removeprefix(self._prefix), number, written)
            token = _field(page, "NextContinuationToken")
            if not token or _field(page, "IsTruncated") != "true":
                return
        raise Corrupt("A list of objects does not end", where=self.name, why=f"fpack read {MAX_PAGES} pages")

    def _pieces(self, entry: BlobEntry, at: int, end: int) -> Iterator[bytes]:
        """Yield the bytes of a blob between two offsets, as far as they arrive."""
        if at >= end and entry.size:
            return
        partial = entry.size and (at > 0 or end < entry.size)
        headers = {"Range": f"bytes={at}-{end - 1}"} if partial else {}
        answer = self._request("GET", blob_key(entry.digest), headers=headers, accept=(200, 206, 404, 416))
        if answer.status == 404:
            answer.close()
            raise no_blob(entry.digest, self.name, "the bucket's server answered 404")
        if partial and answer.status != 206:
            answer.close()
            raise Corrupt(f"The bucket's server does not send parts of the blob {entry.digest}", where=self.name)
        if not partial and answer.length is None:
            answer.close()
            raise Corrupt(f"The bucket's server does not tell the size of the blob {entry.digest}", where=self.name)
        begins(answer, entry, at, self.name)
        for piece in answer.chunks():
            if wanted := piece[: end - at]:
                at += len(wanted)
                yield wanted

    def _request(
        self,
        method: str,
        key: str | None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        size: int | None = None,
        payload: str = EMPTY,
        accept: tuple[int, ...] = (200,),
    ) -> RegistryAnswer:
        """Send a signed request, and repeat it if it fails in a way that may pass. Redirects are not followed."""
        transport = self._transport
        transport.check_offline(self.name)
        path = self._bucket_path if key is None else f"{self._bucket_path}/{quote(self._prefix + key)}"
        words = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in sorted((query or {}).items()))
        limit = transport.attempts
        for attempt in range(limit):
            last = attempt + 1 == limit
            pause: float | None = None
            signed = sign(self._access, method, transport.host, path or "/", words, payload)
            url = f"{transport.base}{path or '/'}{'?' if words else ''}{words}"
            try:
                answer = transport.send(method, url, {**(headers or {}), **signed}, body, size)
                transport.answered()
                if answer.status in accept:
                    return answer
                data = answer.read(answers.MAX_ERROR)
                if answer.status not in answers.TRANSIENT or last:
                    raise self._failure(answer.status, data)
                pause = retry_after(answer.header("Retry-After"))
            except HttpError as error:
                if not error.transient or last:
                    raise transport.unreachable(self.name, error) from None
            transport.pause(attempt, pause)
        raise AssertionError("there is at least one attempt")

    def _failure(self, status: int, data: bytes) -> RepositoryError:
        try:
            said = _text(_xml(data, self.name), "Message") or _text(_xml(data, self.name), "Code")
        except Corrupt:
            said = ""
        why = f"the server answered {status}{': ' if said else ''}{said[:300]}"
        if status in (401, 403):
            hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write ~/.aws/credentials"
            return Denied("The bucket does not permit this", where=self.name, why=why, hint=hint)
        if status == 404:
            return NotThere("The bucket does not have this", where=self.name, why=why)
        if status in (301, 307):
            return RepositoryError("The bucket is in another region", where=self.name, why=why, hint="set AWS_REGION")
        if status == 429 or status >= 500:
            return Unavailable("The bucket's server failed", where=self.name, why=why, hint="try again later")
        return RepositoryError("The bucket's server refused the request", where=self.name, why=why)


class _BucketObject(NamedTuple):
    """An object of a bucket. written: seconds since 1970; endless if the server does not tell it."""

    key: str
    size: int
    written: float


def _seconds(text: str) -> float:
    """Return a time of a list of objects in seconds since 1970. One that is not valid is in the future."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return math.inf


def _xml(data: bytes, where: str) -> Element:
    """Parse an answer. Documents that declare entities are refused: they could expand to any size.

    A document with null bytes may be UTF-16, in which a declaration has other bytes.
    """
    from xml.etree.ElementTree import fromstring

    if len(data) > MAX_PAGE or b"<!" in data or b"\0" in data:
        raise Corrupt("A list of objects is not valid", where=where)
    try:
        return fromstring(data)
    except ParseError as error:
        raise Corrupt("A list of objects is not XML", where=where, why=str(error)) from None


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _field(element: Element, name: str) -> str:
    """Return the text of a child, or "". Searching all that is below nested elements would take very long."""
    return next((child.text or "" for child in element if _local(child.tag) == name), "")


def _text(root: Element, name: str) -> str:
    """Return the text of the first element of a document with a name, or ""."""
    return next((entry.text or "" for entry in root.iter() if _local(entry.tag) == name), "")
