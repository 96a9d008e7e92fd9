"""Read a blob from a server: go on after an interruption, and compare a whole blob with its digest."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from fpack.builders.net.errors import HttpError

from .names import check_digest, digest_of
from .protocol import BlobEntry, Corrupt, RepositoryError, differs, too_short, wrong_size
from .transport import RegistryAnswer, Transport

PROGRESS = 1 << 16  # bytes after which an interrupted transfer counts as a new one
_CONTENT_RANGE = r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)\Z"


class ServedBlobs(ABC):
    """The blobs of a repository whose server has them by the keys of an image layout. A subclass sends the requests."""

    name: str
    _transport: Transport

    @abstractmethod
    def _request(self, method: str, key: str, *, accept: tuple[int, ...] = (200,)) -> RegistryAnswer:
        """Send a request for a key. Raise RepositoryError for a status that is not in `accept`."""

    @abstractmethod
    def _pieces(self, entry: BlobEntry, at: int, end: int) -> Iterator[bytes]:
        """Yield the bytes of a blob between two offsets, as far as they arrive."""

    def has_blob(self, digest: str) -> bool:
        """Return whether a blob exists."""
        answer = self._request("HEAD", blob_key(check_digest(digest, self.name)), accept=(200, 404))
        answer.close()
        return answer.status == 200

    def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield a part of a blob. A whole blob is compared with its digest and size. Raise NotThere.

        Interrupted transfers are resumed. The caller must check what a partial read returns.
        """
        return read_blob(
            self.name, self._transport, entry, offset, length, lambda at, end: self._pieces(entry, at, end)
        )


def blob_key(digest: str) -> str:
    """Return the path of a blob in an image layout."""
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def read_blob(
    name: str,
    transport: Transport,
    entry: BlobEntry,
    offset: int,
    length: int | None,
    pieces: Callable[[int, int], Iterator[bytes]],
) -> Iterator[bytes]:
    """Yield a part of a blob. A whole blob (no offset, no length) is compared with its digest and size.

    name: of the repository, for messages. pieces: asks the server, and yields the bytes between two offsets as far as
    they arrive; raises HttpError if the connection breaks. It is called once even for an empty whole blob.
    """
    check_digest(entry.digest, name)
    whole = offset == 0 and length is None
    end = entry.size if length is None else min(offset + length, entry.size)
    hasher = hashlib.sha256() if whole else None
    at, failures, mark = offset, 0, offset
    while at < end or whole:
        try:
            for piece in pieces(at, end):
                at += len(piece)
                if hasher is not None:
                    hasher.update(piece)
                    if at == end and (found := f"sha256:{hasher.hexdigest()}") != entry.digest:
                        raise differs(entry.digest, found, name)
                yield piece
            if at >= end:
                break
            cause: RepositoryError = too_short(entry.digest, at, entry.size, name)
        except HttpError as error:
            cause = transport.unreachable(name, error)
            if not error.transient:
                raise cause from None
        failures = 0 if at - mark >= PROGRESS else failures + 1
        mark = at
        if failures > transport.retries:
            raise cause
        transport.pause(failures)
    if whole and not end and digest_of(b"") != entry.digest:
        raise differs(entry.digest, digest_of(b""), name)


def begins(answer: RegistryAnswer, entry: BlobEntry, at: int, name: str) -> int:
    """Return the offset of a blob at which an answer begins: 0 or `at`. Raise Corrupt if it is not of this blob."""
    if answer.status == 206:
        given = answer.header("Content-Range")
        match = re.match(_CONTENT_RANGE, given)
        if match is None or int(match[1]) != at or match[2] not in ("*", str(entry.size)):
            answer.close()
            what = f"The server sent another range of the blob {entry.digest} than the requested one"
            why = f"its Content-Range is {given[:80]!r}" if given else "it has no Content-Range"
            raise Corrupt(what, where=name, why=why)
        return at
    if answer.length not in (None, entry.size):
        answer.close()
        raise wrong_size(entry.digest, answer.length, entry.size, name)
    return 0
