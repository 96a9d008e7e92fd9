"""Read and write the indexes of one cache.

Reading needs one list of tags, and one request for each index that this machine has not seen. Indexes are kept on disk
by digest, so that the next command fetches only new ones.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from fpack import light_hashes
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import BlobEntry, NotThere, Repository, RepositoryError
from fpack.light_typing import TYPE_CHECKING, NamedTuple
from fpack.store import threads
from fpack.store.files import replace
from fpack.store.path import StorePath

from .format import index as indexes
from .format.artifacts import EMPTY, OCI_MANIFEST, artifact, blob_source
from .format.errors import BadIndex
from .format.index import Index, IndexTag, parse_tag, tag_of
from .format.records import PathRecord
from .format.statements import Realisation, decode_claims
from .seen import CacheMemory

if TYPE_CHECKING:
    from fpack.builders.attest.keys import PublicKey

_WORKERS = 8  # indexes that are read at a time
_FUTURE = 86_400_000  # milliseconds by which a signer's clock may be ahead
MAX_DECODED = 4 * indexes.MAX_INDEX  # bytes of all indexes together: while they are joined, each is there twice
MAX_BLOBS = 20_000  # that a manifest lists: registries accept manifests of 4 MiB

Warn = Callable[[str], None]


class SignedPath(NamedTuple):
    """A claim of a trusted signer: the path, the signer's key and the time of the statement."""

    base: str
    signer: PublicKey
    time: int


class CacheFiles(NamedTuple):
    """Directories of this machine. copies: indexes that can be fetched again. memory: see `seen`."""

    copies: Path
    memory: Path


class Cache:
    """A cache at one address. keys: the signers that are trusted. max_age: of statements, in days; None: any.

    Nothing is read before `refresh`. `refresh` and the methods that read can be called from several threads.
    """

    def __init__(
        self,
        address: str,
        repository: Repository,
        keys: Sequence[PublicKey],
        files: CacheFiles,
        *,
        max_age: float | None = None,
        warn: Warn = lambda text: None,
    ) -> None:
        self.address = address
        self.repository = repository
        self.memory = CacheMemory(files.memory, address)
        self._copies = files.copies
        self.is_here = repository.__class__ is DirectoryRepository  # its files need no copies
        self._keys = {key.spki: key for key in keys}
        self._max_age = max_age
        self._warn = warn
        self._refreshing = threading.Lock()
        self._is_checked = False
        self._loaded: dict[IndexTag, Index] = {}
        self._sizes: dict[IndexTag, int] = {}  # of decoded indexes
        self._counting = threading.Lock()
        self._bad: set[str] = set()
        self._subsumed: set[str] = set()
        self._statements: dict[bytes, int] = {}  # times of those that a trusted signer made, by digest
        self._claims: dict[tuple[bytes, str], dict[bytes, SignedPath]] = {}
        self._signed: set[str] = set()  # base names of the paths of all claims
        self._own: dict[str, PathRecord] = {}
        self._order: list[Index] = []

    # Reading

    def refresh(self) -> bool:
        """Fetch the indexes that were not seen. Return whether there were any.

        Raise RepositoryError if the cache does not answer, and RolledBack if it shows an older state than before.
        """
        with self._refreshing:
            for _ in range(3):
                new = self._unseen()
                if not new and self._is_checked:
                    return False
                if self._fetch(new):
                    break  # else an index was deleted meanwhile: another one has its content
            self._arrange()
            self.memory.check(self._newest())
            self._is_checked = True
            return True

    def _unseen(self) -> list[IndexTag]:
        tags = [tag for tag in map(parse_tag, self.repository.tags(indexes.PREFIX)) if tag is not None]
        listed = {str(tag) for tag in tags}
        for tag in [tag for tag in self._loaded if str(tag) not in listed]:
            del self._loaded[tag]
            self._sizes.pop(tag, None)
        new = [tag for tag in tags if tag not in self._loaded and str(tag) not in self._bad | self._subsumed]
        new.sort(reverse=True)
        if len(new) > indexes.MAX_INDEXES:
            self._warn(f"the cache {self.address} has {len(new)} indexes; only the newest are read")
        return new[: indexes.MAX_INDEXES]

    def _fetch(self, tags: list[IndexTag]) -> bool:
        """Load indexes, the newest first. Return False if one was deleted meanwhile."""
        complete = True
        # The newest ones first: what they contain of others need not be fetched.
        first, rest = tags[:_WORKERS], tags[_WORKERS:]
        for some in (first, rest):
            wanted = [tag for tag in some if str(tag) not in self._subsumed]
            for tag, found in zip(wanted, self._load_all(wanted), strict=True):
                if isinstance(found, Index):
                    self._loaded[tag] = found
                    self._subsumed.update(found.subsumes)
                elif found is None:
                    complete = False
                else:
                    self._bad.add(str(tag))
                    self._warn(f"an index of the cache {self.address} is ignored: {found}")
        return complete

    def _load_all(self, tags: Sequence[IndexTag]) -> Iterator[Index | BadIndex | None]:
        """Load indexes, several at a time if the cache is not a directory, whose files need no waiting."""
        if self.is_here:
            yield from map(self._load, tags)
            return
        with threads.Workers(_WORKERS, "cache index") as workers:
            yield from workers.map(self._load, tags)

    def _load(self, tag: IndexTag) -> Index | BadIndex | None:
        blob = self._copy(tag)
        if blob is None:
            entry = BlobEntry(indexes.MEDIA_TYPE, f"sha256:{tag.digest}", tag.size)
            try:
                blob = _limited(self.repository.read_blob(entry), tag.size)
            except NotThere:
                return None
            if light_hashes.sha256(blob).hexdigest() != tag.digest:
                return BadIndex("An index of a cache differs from its digest", where=str(tag))
            self._keep(tag, blob)
        try:
            with self._counting:
                self._sizes[tag] = indexes.decoded_size(blob, str(tag))
                if sum(self._sizes.values()) > MAX_DECODED:
                    del self._sizes[tag]
                    return BadIndex("The indexes of the cache are too large together", where=str(tag))
            return indexes.decode(blob, str(tag))
        except BadIndex as error:
            return error

    def _copy(self, tag: IndexTag) -> bytes | None:
        """Return the copy of an index on this machine, or None."""
        if self.is_here:
            return None
        with contextlib.suppress(OSError), open(self._copies / tag.digest, "rb") as file:
            blob = file.read(tag.size + 1)
            if light_hashes.sha256(blob).hexdigest() == tag.digest:
                return blob
        return None

    def _keep(self, tag: IndexTag, blob: bytes) -> None:
        if self.is_here:
            return
        with contextlib.suppress(OSError):  # the copy only saves a request
            os.makedirs(self._copies, 0o700, exist_ok=True)
            replace.write(self._copies / tag.digest, blob)

    def _arrange(self) -> None:
        self._order = [self._loaded[tag] for tag in sorted(self._loaded, reverse=True)]
        now = int(time.time() * 1000)
        oldest = 0 if self._max_age is None else now - int(self._max_age * 86_400_000)
        for index in self._order:
            for statement in index.statements:
                key = self._keys.get(statement.spki)
                digest = statement.digest
                if key is None or digest in self._statements or not statement.is_signed():
                    continue
                try:
                    claims = decode_claims(statement)
                except BadIndex as error:
                    self._warn(f"a statement in the cache {self.address} is ignored: {error}")
                    continue
                if claims.time > now + _FUTURE:
                    self._warn(f"a statement in the cache {self.address} is ignored: its time is in the future")
                    continue
                self._statements[digest] = claims.time
                if claims.time < oldest:
                    continue
                for row in claims.realisations:
                    self._claim(row, SignedPath(row.base, key, claims.time))

    def _claim(self, row: Realisation, claim: SignedPath) -> None:
        """Keep a claim. A signer's latest statement counts."""
        self._signed.add(claim.base)
        by_signer = self._claims.setdefault((row.id, row.output), {})
        before = by_signer.get(claim.signer.spki)
        if before is None or before.time < claim.time:
            by_signer[claim.signer.spki] = claim

    def _newest(self) -> dict[str, int]:
        """Return the time of the newest statement of each trusted signer that the cache shows now."""
        newest = {spki.hex(): 0 for spki in self._keys}
        for index in self._order:
            for statement in index.statements:
                if (time_ := self._statements.get(statement.digest)) is not None:
                    name = statement.spki.hex()
                    newest[name] = max(newest.get(name, 0), time_)
        return newest

    def claims(self, id_: bytes, output: str) -> list[SignedPath]:
        """Return what trusted signers say that an output of a derivation is."""
        return list(self._claims.get((id_, output), {}).values())

    def is_signed(self, path: StorePath) -> bool:
        """Return whether a trusted signer has named a path as an output."""
        return path.base in self._signed

    def record(self, base: str) -> PathRecord | None:
        """Return where the cache has a path, or None. Records that are not valid are passed over."""
        found = self._own.get(base)
        if found is not None:
            return found
        for index in self._order:
            if base not in index.paths:
                continue
            try:
                if (found := index.record(base)) is not None:
                    self._own[base] = found
                    return found
            except BadIndex:
                continue
        return None

    def makers(self, base: str) -> set[bytes]:
        """Return the encoded derivations of which a path is said to be an output. `claims` tells what is signed."""
        return {body for index in self._order if base in index.derivations for body in index.makers(base)}

    def has(self, path: StorePath) -> bool:
        """Return whether an index names a path."""
        return any(path.base in index.paths for index in self._order)

    @property
    def indexes(self) -> list[tuple[IndexTag, Index]]:
        """The loaded indexes, the newest first."""
        return [(tag, self._loaded[tag]) for tag in sorted(self._loaded, reverse=True)]

    @property
    def invalid(self) -> set[str]:
        """The tags of indexes that are passed over."""
        return set(self._bad)

    @property
    def trusted_statements(self) -> int:
        """The number of statements that trusted signers made."""
        return len(self._statements)

    # Writing

    def publish(self, index: Index) -> IndexTag:
        """Write an index, whose blobs exist, under a tag of its own. One that is too large becomes several."""
        entries = _blobs(index)
        is_large = len(index.body()) > indexes.MAX_INDEX or len(index.paths) > indexes.MAX_PATHS
        if (len(entries) > MAX_BLOBS or is_large) and len(index.paths) > 1:
            bases = sorted(index.paths, key=lambda base: _blob_of(index, base))
            (first, made), (second, others) = (
                ({base: index.paths[base] for base in some}, _of(index.derivations, some)) for some in _halves(bases)
            )
            self.publish(Index(index.time, second, derivations=others))
            return self.publish(index._replace(paths=first, derivations=made))
        blob = index.encode()
        if len(blob) > indexes.MAX_BLOB:
            raise BadIndex("An index of a cache is too large", where=self.address, why=f"it has {len(blob)} bytes")
        tag = tag_of(index, blob)
        entries.insert(0, BlobEntry(indexes.MEDIA_TYPE, f"sha256:{tag.digest}", len(blob)))
        for data in (EMPTY, blob):
            self.repository.write_blob(blob_source(data))
        document = artifact(entries)
        self.repository.write_manifest(document, OCI_MANIFEST, str(tag))
        self._keep(tag, blob)
        with self._refreshing:
            self._loaded[tag] = index
            self._subsumed.update(index.subsumes)
            self._arrange()
        return tag

    def compact(self) -> bool:
        """Join the indexes into one if there are many, and delete those. Return whether that was done."""
        if len(self._loaded) <= indexes.COMPACT_BEYOND:
            return False
        old = self.indexes
        self.publish(indexes.merged([index for _, index in old], now(), [str(tag) for tag, _ in old]))
        self.drop(tag for tag, _ in old)
        return True

    def drop(self, tags: Iterable[IndexTag]) -> None:
        """Delete indexes whose content is in another one, if the repository can delete."""
        for tag in tags:
            with contextlib.suppress(RepositoryError):
                entry = self.repository.resolve(str(tag))
                if entry is not None:
                    self.repository.delete(entry.digest)
                self.repository.delete(f"sha256:{tag.digest}")
            with self._refreshing:
                self._loaded.pop(tag, None)
                self._arrange()


def now() -> int:
    """Return the time in milliseconds since 1970."""
    return int(time.time() * 1000)


def _limited(pieces: Iterable[bytes], size: int) -> bytes:
    data = bytearray()
    for piece in pieces:
        data += piece
        if len(data) > size:
            break
    return bytes(data)


def _blobs(index: Index) -> list[BlobEntry]:
    """Return the blobs of an index: a registry's own gc spares what a manifest lists."""
    found: dict[str, BlobEntry] = {}
    for base in index.paths:
        with contextlib.suppress(BadIndex):
            record = index.record(base)
            if record is not None:
                for digest, size in record.blobs.items():
                    found[digest] = BlobEntry(indexes.PACK_TYPE, digest, size)
    return [found[digest] for digest in sorted(found)]


def _blob_of(index: Index, base: str) -> bytes:
    with contextlib.suppress(BadIndex):
        record = index.record(base)
        if record is not None:
            return record.blob
    return b""


def _of(derivations: Mapping[str, bytes], bases: Iterable[str]) -> dict[str, bytes]:
    return {base: derivations[base] for base in bases if base in derivations}


def _halves(items: list[str]) -> tuple[list[str], list[str]]:
    middle = len(items) // 2
    return items[:middle], items[middle:]
