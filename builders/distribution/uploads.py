"""Upload a blob to a registry: mount it, else send it in one request, and after an interruption in pieces.

A registry need not keep what an interrupted request sent. If it tells how much it has, the upload goes on from there.
Otherwise it begins again, in pieces, so that a further interruption costs at most one of them. The upload of a blob of
more than one piece is recorded, so that this holds for a process that was killed and the next one, too.
https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from . import answers
from .http_fields import with_query
from .protocol import BlobSource, Corrupt, Denied, RepositoryError, Unavailable, too_long, too_short
from .transport import RegistryAnswer, Transport
from .upload_sessions import UploadSession, UploadSessions

PIECE = 16 << 20  # bytes
MAX_PIECE = 256 << 20  # a registry may ask for larger pieces, up to this size
MAX_MOUNTS = 3
MAX_STARTS = 20
_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})\Z")
_OCTETS = {"Content-Type": "application/octet-stream"}


class _LostUpload(RepositoryError):
    """An upload that the registry has forgotten, or whose offset differs."""


class Upload:
    """The upload of a blob to a repository of a registry. name: of the repository, for messages."""

    def __init__(self, transport: Transport, name: str, repository: str, source: BlobSource) -> None:
        self._transport = transport
        self._name = name
        self._repository = repository
        self._source = source
        self._push = (f"repository:{repository}:pull,push",)
        self._piece = PIECE
        self._session = UploadSession(None, "")

    def run(self) -> bool:
        """Upload the blob. Return False if it was mounted from another repository."""
        directory = self._transport.uploads if self._source.size > PIECE else None
        with UploadSessions(directory).open(self._transport.base, self._repository, self._source.digest) as session:
            self._session = session
            try:
                uploaded = self._goes_on() or self._upload()
            except Unavailable:
                raise  # the next push goes on
            except RepositoryError:
                session.forget()
                raise
            session.forget()
            return uploaded

    def _goes_on(self) -> bool:
        """Finish the upload that an earlier process began. Return False if there is none, or it cannot be finished."""
        location = self._session.location
        if not location:
            return False
        try:
            found = self._status(location, attempts=1)
        except RepositoryError:
            found = None  # the URL may be of a server that is gone
        try:
            self._resume(found, None)
            return True
        except Unavailable:
            raise
        except RepositoryError:
            self._session.forget()  # what the registry kept may be of no use
            return False

    def _upload(self) -> bool:
        location = self._start()
        if location is None:
            return False
        self._session.save(location)
        try:
            self._finish(location, 0, self._source.size)
        except (Unavailable, _LostUpload) as error:
            self._resume((location, None), error)
        return True

    def _resume(self, at: tuple[str, int | None] | None, cause: RepositoryError | None) -> None:
        """Send the rest in pieces. at: where an upload goes on, and its offset if known. cause: the failure so far."""
        best, failures, starts = 0, 0, 0
        while failures <= self._transport.retries and starts <= MAX_STARTS:
            try:
                if cause is not None:
                    self._transport.pause(failures)
                    # The answer to a complete upload may have been lost.
                    if self._exists():
                        return
                session, offset = at or ("", None)
                if session and offset is None:
                    session, offset = self._status(session) or ("", None)
                if not session or offset is None:
                    starts += 1
                    session, offset = self._begin({}), 0
                    self._session.save(session)
                at = (session, None)
                while offset < self._source.size:
                    session, offset = self._send(session, offset)
                    at = (session, None)
                    self._session.save(session)
                    if offset > best:
                        best, failures = offset, 0
                self._finish(session, offset, 0)
                return
            except (Unavailable, _LostUpload) as error:
                if isinstance(error, _LostUpload):
                    at = None
                cause = error
                failures += 1
        if cause is None or isinstance(cause, _LostUpload):
            why = cause.why if cause is not None else ""
            raise Unavailable("The registry does not keep an upload", where=self._name, why=why, hint="try again later")
        raise cause

    def _start(self) -> str | None:
        """Begin an upload, and return its location, or None if a repository had the blob and it was mounted."""
        for number, other in enumerate(self._source.mounts[:MAX_MOUNTS]):
            try:
                answer = self._post(
                    {"mount": self._source.digest, "from": other}, (*self._push, f"repository:{other}:pull")
                )
            except (Denied, RepositoryError) as error:
                if isinstance(error, Unavailable):
                    raise
                continue  # the registry does not mount from there
            if answer.status == 201:
                return None
            location = self._location(answer)
            if number + 1 == len(self._source.mounts[:MAX_MOUNTS]):
                return location
            self._cancel(location)
        return self._begin({})

    def _begin(self, query: dict[str, str]) -> str:
        return self._location(self._post(query, self._push))

    def _post(self, query: dict[str, str], scopes: tuple[str, ...]) -> RegistryAnswer:
        answer = self._transport.request(
            "POST", with_query(f"/v2/{self._repository}/blobs/uploads/", **query), self._name,
            repository=self._repository, scopes=scopes, accept=(201, 202) if query else (202,),
        )  # fmt: skip
        answer.read(answers.MAX_ERROR)
        least = answer.header("OCI-Chunk-Min-Length")
        if least.isascii() and least.isdigit() and len(least) < 12:
            self._piece = max(PIECE, min(int(least), MAX_PIECE))
        return answer

    def _location(self, answer: RegistryAnswer) -> str:
        location = answer.header("Location")
        if not location:
            what, why = "The registry names no URL for an upload", "its answer has no Location"
            raise Unavailable(what, where=self._name, why=why)
        return self._transport.join(answer.url, location, self._name)

    def _exists(self) -> bool:
        answer = self._transport.request(
            "HEAD", f"/v2/{self._repository}/blobs/{self._source.digest}", self._name,
            repository=self._repository, scopes=self._push, accept=(200, 404),
        )  # fmt: skip
        answer.close()
        return answer.status == 200

    def _status(self, location: str, attempts: int | None = None) -> tuple[str, int] | None:
        """Return where an upload goes on, and its offset, or None if the registry does not know."""
        try:
            answer = self._transport.request(
                "GET", location, self._name, repository=self._repository, scopes=self._push, accept=(200, 202, 204),
                attempts=attempts,
            )  # fmt: skip
        except Unavailable:
            raise
        except RepositoryError:
            return None
        answer.read(answers.MAX_ERROR)
        match = _RANGE.match(answer.header("Range"))
        if match is None:
            return None
        # `0-0` means one byte or none.
        offset = int(match[1]) + 1 if int(match[1]) else 0
        if offset > self._source.size:
            return None
        return self._next(answer, location), offset

    def _next(self, answer: RegistryAnswer, location: str) -> str:
        given = answer.header("Location")
        return self._transport.join(answer.url, given, self._name) if given else location

    def _send(self, location: str, offset: int) -> tuple[str, int]:
        """Send a piece. Return where the upload goes on, and its offset."""
        end = min(offset + self._piece, self._source.size)
        headers = {**_OCTETS, "Content-Range": f"{offset}-{end - 1}"}
        answer = self._transport.request(
            "PATCH", location, self._name, repository=self._repository, scopes=self._push, headers=headers,
            body=lambda: self._content(offset, end), size=end - offset, accept=(201, 202, 204, 400, 404, 416),
            attempts=1,
        )  # fmt: skip
        self._check(answer)
        match = _RANGE.match(answer.header("Range"))
        reached = int(match[1]) + 1 if match else end
        if not offset < reached <= end:
            why = f"it counts {reached} bytes, after {end} were sent"
            raise _LostUpload("The registry counts the bytes of an upload wrongly", where=self._name, why=why)
        return self._next(answer, location), reached

    def _finish(self, location: str, offset: int, size: int) -> None:
        """Send the last `size` bytes, and end the upload."""
        end = offset + size
        answer = self._transport.request(
            "PUT", with_query(location, digest=self._source.digest), self._name, repository=self._repository,
            scopes=self._push, headers=_OCTETS, body=(lambda: self._content(offset, end)) if size else b"", size=size,
            accept=(201, 204, 400, 404, 416), attempts=1,
        )  # fmt: skip
        self._check(answer)
        told = answer.header("Docker-Content-Digest")
        if told.startswith("sha256:") and told != self._source.digest:
            why = f"it keeps {told}, and {self._source.digest} was sent"
            raise Corrupt("The registry keeps other content than was sent", where=self._name, why=why)

    def _check(self, answer: RegistryAnswer) -> None:
        """Raise _LostUpload if the registry has forgotten an upload, and RepositoryError if it refuses the content."""
        data = answer.read(answers.MAX_ERROR)
        if answer.status < 400:
            return
        why = answers.reason(answer.status, answer.phrase, data)
        codes = answers.codes(data)
        if answer.status == 400 and "BLOB_UPLOAD_INVALID" not in codes and "BLOB_UPLOAD_UNKNOWN" not in codes:
            raise RepositoryError(f"The registry refuses the blob {self._source.digest}", where=self._name, why=why)
        raise _LostUpload("The registry has lost an upload", where=self._name, why=why)

    def _cancel(self, location: str) -> None:
        try:
            self._transport.request(
                "DELETE", location, self._name, repository=self._repository, scopes=self._push,
                accept=(200, 202, 204, 404, 405), attempts=1,
            ).close()  # fmt: skip
        except RepositoryError:
            pass  # the registry deletes it some day

    def _content(self, offset: int, end: int) -> Iterator[bytes]:
        """Yield the content between two offsets. Raise Corrupt if it does not have the size of the blob."""
        left = end - offset
        for chunk in self._source.chunks(offset):
            piece = chunk[:left]
            left -= len(piece)
            if len(chunk) > len(piece) and end == self._source.size:
                raise too_long(self._source.digest, self._source.size, self._name)
            if piece:
                yield piece
            if not left and end < self._source.size:
                return
        if left:
            raise too_short(self._source.digest, self._source.size - left, self._source.size, self._name)
