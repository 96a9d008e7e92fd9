"""Push closures of store paths to a cache, with signed realisations.

Paths that the cache has are not written again. All blobs are written before the index that names them, so an
interrupted push leaves only blobs, and the next one continues: packs are a pure function of their paths.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fpack.builders.attest.keys import PrivateKey
from fpack.builders.distribution.protocol import BlobSource, RepositoryError
from fpack.store import DAY, base32, canonical, threads
from fpack.store.canonical import Value
from fpack.store.closure_file.format import ordered
from fpack.store.errors import StoreError
from fpack.store.files.remove import remove_tree
from fpack.store.path import StorePath, parse
from fpack.store.store import Store

from . import deletion_mark, image_layers, uses
from .cache import Cache, now
from .format import index as indexes
from .format.errors import CacheError
from .format.index import Index
from .format.records import PathRecord, decode_record
from .format.statements import Realisation, SignedStatement, decode_claims, derivation_id, resolved_id, sign
from .image_layers import PathInLayer
from .packs import PathContent, group, record_in_layer, write_pack

_WORKERS = 4  # uploads at a time
_ATTEMPTS = 3

Progress = Callable[[int, int], None]  # bytes of files written, bytes of files in all
Mounts = Callable[[str], Sequence[str]]  # repositories that may have a blob, by digest


class CachePush(NamedTuple):
    """The result of a push. pushed: paths that the cache did not have. present: paths that it had.

    written: bytes of the blobs that were transferred. realisations: newly signed ones. blobs: digests of what was
    written or was there, of the paths in `pushed`.
    """

    pushed: tuple[StorePath, ...]
    present: tuple[StorePath, ...]
    written: int
    realisations: int
    blobs: tuple[str, ...] = ()


def realisations_of(store: Store, paths: Iterable[StorePath], generation: int) -> list[Realisation]:
    """Return what this store knows of derivations whose outputs are `paths`."""
    found: list[Realisation] = []
    for path in paths:
        for key, name in store.database.realisations_of(path):
            found.append(Realisation(resolved_id(key), name, path.base))
        for output in store.database.outputs_of(path):
            found.append(Realisation(derivation_id(generation, output.derivation), output.name, path.base))
    return sorted(set(found))


def push(
    store: Store,
    cache: Cache,
    paths: Sequence[StorePath],
    realisations: Sequence[Realisation],
    key: PrivateKey | None,
    progress: Progress = lambda done, total: None,
    check: Callable[[], None] = lambda: None,
    parts: Mapping[StorePath, PathInLayer] = {},
    mounts: Mounts = lambda digest: (),
) -> CachePush:
    """Write the closures of `paths`, and the realisations, to a cache. The caller keeps the paths from gc.

    key: signs the realisations; without it, only paths are written. parts: paths that layers of images have: if the
    cache has the layer, it refers to it. mounts: repositories of the same registry that may have a blob. Raise
    StoreError for a damaged path, and RepositoryError if the cache cannot be written.
    """
    cache.refresh()
    closure = _closure(store, paths)
    pushed: list[StorePath] = []
    blobs: set[str] = set()
    written = 0
    statements = _statements(cache, realisations, key)
    signed = sum(len(decode_claims(statement).realisations) for statement in statements)
    lost: set[StorePath] = set()
    for _ in range(_ATTEMPTS):
        missing = [content for content in closure if content.path in lost or not cache.has(content.path)]
        if not missing and not statements:
            break
        paths_written = _write(store, cache, missing, _Layers(store, cache, parts, mounts), progress, check)
        written += paths_written.written
        blobs |= {name for base, data in paths_written.records.items() for name in decode_record(base, data).blobs}
        named = {content.path for content in missing} if key is not None else set()
        named.update(parse(row.base) for statement in statements for row in decode_claims(statement).realisations)
        cache.publish(Index(now(), paths_written.records, tuple(statements), derivations=_makers(store, named)))
        pushed += [content.path for content in missing]
        statements = []
        # A gc of the cache may have dropped paths, or deleted blobs that were there: look again.
        lost = _lost(cache, paths_written, check)
        cache.refresh()
    cache.compact()
    new = set(pushed)
    present = tuple(content.path for content in closure if content.path not in new)
    renewed = [path for path in present if (record := cache.record(path.base)) is not None and record.day < _today()]
    if renewed:
        uses.record(cache.repository, renewed)
    return CachePush(tuple(sorted(new)), present, written, signed, tuple(sorted(blobs)))


def _lost(cache: Cache, written: _WrittenBlobs, check: Callable[[], None]) -> set[StorePath]:
    """Return the paths whose blobs were there when they were pushed, and are not any more."""
    if not written.relied:
        return set()
    deletion_mark.wait(cache.repository, check)
    gone = {digest for digest in written.relied if not cache.repository.has_blob(digest)}
    if not gone:
        return set()
    records = (decode_record(base, data) for base, data in written.records.items())
    return {record.path for record in records if gone & record.blobs.keys()}


def _today() -> int:
    return int(time.time()) // DAY


def _closure(store: Store, paths: Sequence[StorePath]) -> list[PathContent]:
    """Return the closure of paths, each path after its references."""
    infos = store.database.infos(base32.decode(path.hash) for path in store.closure(paths))
    by_hash = {hash_: info.path for hash_, info in infos.items()}
    references = {}
    for info in infos.values():
        try:
            others = {by_hash[hash_] for hash_ in info.references}
        except KeyError:
            hint = "run the command again"
            raise StoreError("A path was deleted while it was pushed", where=str(info.path), hint=hint) from None
        references[info.path] = sorted(others - {info.path})
    described = {info.path: info for info in infos.values()}
    return [
        PathContent(
            path,
            described[path].tree,
            described[path].size,
            tuple(references[path]),
            image_layers.detached(os.fspath(store.disk(path))),
        )
        for path in ordered(references)
    ]


def _makers(store: Store, paths: Iterable[StorePath]) -> dict[str, bytes]:
    """Return the derivations that made paths: no evaluation gives those of which other builders make a part."""
    found = {}
    for path in paths:
        bodies: list[Value] = []
        for output in store.database.outputs_of(path)[: indexes.MAX_MAKERS]:
            body = store.database.derivation(output.derivation)
            if body is not None and sum(map(len, bodies)) + len(body) < indexes.MAX_BODIES - 100:
                bodies.append(body)
        if bodies:
            found[path.base] = canonical.encode(bodies)
    return found


def _statements(cache: Cache, realisations: Sequence[Realisation], key: PrivateKey | None) -> list[SignedStatement]:
    """Sign the realisations that this key has not signed in the cache yet."""
    if key is None:
        return []
    spki = key.public.spki
    new = [
        row
        for row in realisations
        if not any(claim.signer.spki == spki and claim.base == row.base for claim in cache.claims(row.id, row.output))
    ]
    return [sign(key, now(), new)] if new else []


class _WrittenBlobs(NamedTuple):
    """The blobs and paths of a push that were written. relied: digests of blobs that were there before."""

    records: Mapping[str, bytes]
    written: int
    relied: set[str]


class _Layers:
    """The layers of images in the repository of a cache. The methods can be called from several threads."""

    def __init__(self, store: Store, cache: Cache, parts: Mapping[StorePath, PathInLayer], mounts: Mounts) -> None:
        self._store = store
        self._cache = cache
        self._parts = parts
        self.mounts = mounts
        self._there: dict[str, bool] = {}
        self.relied: set[str] = set()  # blobs that were there

    def write(self, content: PathContent) -> int:
        """Write the detached files of a path. Return the number of bytes that were transferred."""
        written = 0
        for file in content.files:
            blob = image_layers.source(self._store.tree(content.path), file, self.mounts(file.blob_digest))
            if self._cache.repository.write_blob(blob):
                written += file.size
            else:
                self.relied.add(file.blob_digest)
            self._there[file.blob_digest] = True
        return written

    def record(self, content: PathContent) -> PathRecord | None:
        """Return the record of a path in a layer, or None if the cache has no layer with it."""
        part = self._parts.get(content.path)
        if part is None:
            return None
        if part.blob_digest not in self._there:
            self._there[part.blob_digest] = self._has(part)
            self.relied.add(part.blob_digest)
        return record_in_layer(self._store, content, part) if self._there[part.blob_digest] else None

    def _has(self, part: PathInLayer) -> bool:
        """Return whether the cache has a layer, or gets it from another repository. Nothing is sent."""
        if self._cache.repository.has_blob(part.blob_digest):
            return True
        mounts = self.mounts(part.blob_digest)
        if not mounts:
            return False
        try:
            self._cache.repository.write_blob(BlobSource(part.blob_digest, part.blob_size, _refuse, mounts))
        except _NotMounted:
            return False
        return True


class _NotMounted(RepositoryError):
    """No repository gives a blob to another one."""


def _refuse(offset: int) -> Iterator[bytes]:
    raise _NotMounted("The layer is not sent")
    yield b""


def _write(
    store: Store,
    cache: Cache,
    contents: Sequence[PathContent],
    layers: _Layers,
    progress: Progress,
    check: Callable[[], None],
) -> _WrittenBlobs:
    """Write the blobs of paths, several at once: first layers, to which other paths may refer."""
    directory = store.session.fresh()
    os.mkdir(directory, 0o700)
    today = _today()
    done = 0
    records: dict[str, bytes] = {}
    written = 0

    def one(pack: tuple[int, list[PathContent]]) -> tuple[dict[str, bytes], int, int]:
        number, inside = pack
        check()
        made = write_pack(store, inside, Path(directory, str(number)), check)
        try:
            moved = cache.repository.write_blob(made.source()._replace(mounts=layers.mounts(made.digest)))
            if not moved:
                layers.relied.add(made.digest)
        finally:
            os.unlink(made.file)
        return (
            {record.path.base: record._replace(day=today).encode() for record in made.records},
            made.size if moved else 0,
            sum(content.size for content in inside),
        )

    try:
        with threads.Workers(_WORKERS, "push") as workers:
            blobs = [workers.submit(partial(layers.write, content)) for content in contents if content.files]
            for blob in blobs:
                while not blob.wait(0.1):
                    check()
                written += blob.result()
            referring = {content.path: layers.record(content) for content in contents}
            for path, record in referring.items():
                if record is not None:
                    records[path.base] = record._replace(day=today).encode()
            contents = [content for content in contents if referring[content.path] is None]
            total = sum(content.size for content in contents)
            jobs = [workers.submit(lambda pack=pack: one(pack)) for pack in enumerate(group(contents))]  # type: ignore[misc]
            for job in jobs:
                while not job.wait(0.1):
                    check()
                more, moved, size = job.result()
                records.update(more)
                written += moved
                done += size
                progress(done, total)
    finally:
        remove_tree(directory)
    return _WrittenBlobs(records, written, layers.relied)


class _FinishedOutputs(NamedTuple):
    realisations: Sequence[Realisation]
    paths: Sequence[StorePath]
    then: Callable[[], None]


class BackgroundPush:
    """Push outputs while builds go on. A failed push is reported, and fails no build."""

    def __init__(
        self, store: Store, cache: Cache, key: PrivateKey | None, generation: int, warn: Callable[[str], None]
    ) -> None:
        self._store = store
        self._cache = cache
        self._key = key
        self._generation = generation
        self._warn = warn
        self._workers = threads.Workers(1, "cache push")
        self._lock = threading.Lock()
        self._waiting: list[_FinishedOutputs] = []
        self._jobs: list[threads.ThreadJob[None]] = []
        self._failed = False

    def add(self, realisations: Sequence[Realisation], paths: Sequence[StorePath], then: Callable[[], None]) -> None:
        """Push paths and realisations. then: called at the end, also of a failure."""
        with self._lock:
            self._waiting.append(_FinishedOutputs(realisations, paths, then))
        self._jobs.append(self._workers.submit(self._drain))

    def close(self) -> None:
        """Wait for what is being pushed."""
        for job in self._jobs:
            job.wait()
        self._workers.close()

    def _drain(self) -> None:
        """Push all that waits, with one index."""
        with self._lock:
            some, self._waiting = self._waiting, []
        try:
            if some and not self._failed:
                paths = [path for finished in some for path in finished.paths]
                rows = [row for finished in some for row in finished.realisations]
                push(self._store, self._cache, paths, rows, self._key)
        except (RepositoryError, StoreError, CacheError, OSError) as error:
            self._failed = True
            why = (error.strerror if isinstance(error, OSError) else None) or error
            self._warn(f"nothing more is pushed to the cache {self._cache.address}: {why}")
        finally:
            for finished in some:
                finished.then()
