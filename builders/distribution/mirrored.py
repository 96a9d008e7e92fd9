"""Read a repository from its mirrors first, and write it where it is."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from fpack.light_typing import IO, TypeVar

from .names import is_digest
from .protocol import (
    BlobEntry,
    BlobSource,
    Corrupt,
    ManifestDocument,
    NotThere,
    Repository,
    RepositoryError,
    Unavailable,
    differs,
    too_long,
)
from .registry_config import ALL, BY_DIGEST, BY_TAG

IN_MEMORY = 4 << 20  # bytes of a blob that are compared without a file
CHUNK = 1 << 20  # bytes
T = TypeVar("T")


class MirroredRepository:
    """A repository with mirrors, each with what may be read from it: ALL, BY_DIGEST or BY_TAG.

    A mirror that fails, or lacks what is asked for, is passed over. Content proves itself by its digest; for a tag, a
    mirror is believed as the configuration says.
    """

    def __init__(self, main: Repository, mirrors: Sequence[tuple[Repository, str]]) -> None:
        self.name = main.name
        self._main = main
        self._mirrors = mirrors
        self._bad: set[str] = set()  # mirrors that sent wrong content are not asked again

    def resolve(self, tag: str) -> BlobEntry | None:
        """Return the descriptor of a tag's or a digest's manifest, or None."""
        return self._first(tag, lambda repository: repository.resolve(tag))

    def manifest(self, reference: str) -> ManifestDocument | None:
        """Return the manifest or index of a tag or a digest, or None."""
        return self._first(reference, lambda repository: repository.manifest(reference))

    def _first(self, reference: str, ask: Callable[[Repository], T | None]) -> T | None:
        for repository in self._for(reference):
            try:
                found = ask(repository)
            except RepositoryError as error:
                self._note(repository, error)
                continue
            if found is not None:
                return found
        return ask(self._main)

    def _for(self, reference: str) -> Iterator[Repository]:
        wanted = (ALL, BY_DIGEST) if is_digest(reference) else (ALL, BY_TAG)
        return (one for one, pull in self._mirrors if pull in wanted and one.name not in self._bad)

    def _note(self, mirror: Repository, error: RepositoryError) -> None:
        if isinstance(error, Corrupt):
            self._bad.add(mirror.name)

    def has_blob(self, digest: str) -> bool:
        """Return whether a blob exists where the repository is written."""
        return self._main.has_blob(digest)

    def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield a part of a blob. If a mirror fails in the middle, the next one goes on.

        A whole blob of a mirror is compared with its digest before any of it is yielded, so that wrong content comes
        from the next mirror, or from the repository itself. Whoever reads a part compares the whole.
        """
        if offset == 0 and length is None:
            yield from self._whole(entry)
            return
        end = entry.size if length is None else min(offset + length, entry.size)
        at = offset
        for repository in self._for(entry.digest):
            try:
                for piece in repository.read_blob(entry, at, end - at):
                    at += len(piece)
                    yield piece
                if at >= end:
                    return
            except NotThere:
                continue
            except RepositoryError as error:
                self._note(repository, error)
                if isinstance(error, Corrupt) and at > offset:
                    raise  # what was read already may be wrong
        if at == offset:
            yield from self._main.read_blob(entry, offset, length)
        else:
            yield from self._main.read_blob(entry, at, end - at)

    def _whole(self, entry: BlobEntry) -> Iterator[bytes]:
        """Yield a blob, from a temporary file if a mirror has it."""
        mirrors = list(self._for(entry.digest))
        if not mirrors:
            yield from self._main.read_blob(entry)
            return
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
            for repository in (*mirrors, self._main):
                at = file.seek(0, os.SEEK_END)
                if repository is self._main and at == 0:
                    break
                try:
                    for piece in repository.read_blob(entry, at, entry.size - at if at else None):
                        at += file.write(piece)
                        if at > entry.size:
                            raise too_long(entry.digest, entry.size, repository.name)
                    if at < entry.size:
                        continue
                    if (found := _digest(file)) != entry.digest:
                        raise differs(entry.digest, found, repository.name)
                except NotThere:
                    continue
                except RepositoryError as error:
                    self._note(repository, error)
                    if isinstance(error, Corrupt):
                        file.truncate(0)  # the beginning may be that of another mirror, so all of it is read again
                    continue
                file.seek(0)
                while piece := file.read(CHUNK):
                    yield piece
                return
        yield from self._main.read_blob(entry)

    def write_blob(self, source: BlobSource) -> bool:
        """Write a blob unless it exists."""
        return self._main.write_blob(source)

    def write_manifest(self, data: bytes, media_type: str, tag: str = "") -> BlobEntry:
        """Write a manifest or index."""
        return self._main.write_manifest(data, media_type, tag)

    def referrers(self, digest: str, artifact_type: str = "") -> list[BlobEntry]:
        """Return the descriptors of manifests whose subject is a digest.

        Mirrors seldom have them, so they are asked only if the registry cannot be asked.
        """
        try:
            return self._main.referrers(digest, artifact_type)
        except Unavailable:
            for repository in self._for(digest):
                with suppress(RepositoryError):
                    if found := repository.referrers(digest, artifact_type):
                        return found
            raise

    def tags(self, prefix: str = "") -> list[str]:
        """Return all tags that begin with a prefix."""
        return self._main.tags(prefix)

    def delete(self, reference: str) -> bool:
        """Delete a tag, a manifest or a blob."""
        return self._main.delete(reference)


def _digest(file: IO[bytes]) -> str:
    """Return the digest of a file's content."""
    file.seek(0)
    return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"  # type: ignore[arg-type]
