"""Fetch closures of store paths from caches, verify them, and make them valid.

A record says which range of which blob has the tree of a path. Ranges that are neighbours in a blob are read with one
request, called a run, and a path that several closures need is fetched once. Trees are written in any order; paths are
registered after the paths that they reference, since only then is a path valid, and while others are still read. A file
of a tree that is a blob of its own (a detached file, such as a layer of an image) is fetched as that blob.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fpack.builders.distribution.protocol import BlobEntry, Denied, RepositoryError, Unavailable
from fpack.store import base32, threads
from fpack.store.errors import StoreError
from fpack.store.files.pool import Pool
from fpack.store.files.remove import remove_tree
from fpack.store.files.tree import chunks
from fpack.store.files.writer import TreeWriter
from fpack.store.locks import build_lock
from fpack.store.path import StorePath
from fpack.store.sessions.registration import FinishedOutput
from fpack.store.store import Store

from . import parallel_unpack
from .cache import Cache
from .cache_set import CacheSet
from .format.errors import BadContent, CacheError
from .format.index import PACK, PACK_TYPE
from .format.records import DetachedFile, PathRecord
from .pieces import Pieces
from .unpack import unpack
from .unpack_queue import UnpackQueue

WORKERS = 6  # runs that are read at once
LARGE = 8 << 20  # bytes of a range that is stored while it arrives, so that a later command continues
_GAP = 64 << 10  # unwanted bytes between two wanted ranges that are read and dropped
_EARLY = 192  # paths that are made valid while as many others are still read, so that the disk works meanwhile
_BATCH = 512  # paths that are made valid in one transaction, under their locks

Progress = Callable[[int, int], None]  # bytes read, bytes in all


class _CachedPath(NamedTuple):
    """A store path with the cache to read it from. The record names the range of a blob that has the path's tree."""

    cache: Cache
    record: PathRecord


class _Read(NamedTuple):
    """A path whose bytes were read."""

    cached: _CachedPath
    data: memoryview


class _PathTree:
    """The tree of a path, which one thread writes and several may wait for."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.writer: TreeWriter | None = None
        self.error: Exception | None = None
        self.registered = False

    def finish(self, writer: TreeWriter | None, error: Exception | None = None) -> None:
        self.writer, self.error = writer, error
        self.ready.set()


class Fetcher:
    """Fetch closures into a store. Close it at the end."""

    def __init__(self, store: Store, caches: CacheSet, warn: Callable[[str], None] = lambda text: None) -> None:
        self._store = store
        self._caches = caches
        self._warn = warn
        self._lock = threading.Lock()
        self._registering = threading.Lock()  # several closures can share paths
        self._unpacking = UnpackQueue(self._unpack)  # parallel unpacking uses all processors
        self._contents: dict[StorePath, _PathTree] = {}
        self._available: dict[StorePath, bool] = {}  # paths with their closures that the store or the caches have
        self._workers = threads.Workers(WORKERS, "cache")

    def has_closure(self, path: StorePath) -> bool:
        """Return whether the store or the caches have a path and all that it references, as far as indexes say."""
        todo, seen = [path], set()
        while todo:
            now = todo.pop()
            if now in seen or self._available.get(now):
                continue
            seen.add(now)
            if self._store.info(now) is not None:
                continue
            cached = self._find(now)
            if cached is None:
                return False
            todo += cached.record.references
        self._available.update(dict.fromkeys(seen, True))
        return True

    def forget_lookups(self) -> None:
        """Forget what was available: a cache has failed."""
        self._available.clear()

    def fetch(
        self,
        paths: Sequence[StorePath],
        progress: Progress = lambda done, total: None,
        check: Callable[[], None] = lambda: None,
    ) -> list[StorePath]:
        """Make paths and their closures valid. Return the paths that were fetched, each after its references.

        gc keeps the paths while this process lives. Raise CacheError if no cache gives a path. check: called while
        waiting, to stop by an exception.
        """
        plan = self._plan(paths)
        free = os.statvfs(self._store.root)
        lengths = (length for cached in plan for length in _lengths(cached.record))
        stored = sorted(length for length in lengths if length >= LARGE)
        needed = sum(cached.record.size for cached in plan) + sum(stored[-WORKERS:])  # large ranges on disk at once
        if needed > free.f_bavail * free.f_frsize:
            raise CacheError("There is not enough space for what a cache offers", why=f"its files have {needed} bytes")
        with self._lock:
            mine = [cached for cached in plan if cached.record.path not in self._contents]
            self._contents.update({cached.record.path: _PathTree() for cached in mine})
        position = {cached.record.path: number for number, cached in enumerate(plan)}
        # What others reference is read first, since it can be registered first.
        for run in sorted(_runs(mine), key=lambda run: min(position[cached.record.path] for cached in run)):
            self._workers.submit(partial(self._read_run, run))
        self._make_valid(plan, progress, check)
        if not self._store.keep(paths):
            raise CacheError("A path was deleted while it was fetched", where=str(paths[0]))
        return [cached.record.path for cached in plan]

    def close(self) -> None:
        """End the workers, and delete what was not registered."""
        self._workers.stop()
        for content in self._contents.values():
            if content.writer is not None and not content.registered:
                with contextlib.suppress(OSError):
                    remove_tree(content.writer.disk)

    # Planning

    def _find(self, path: StorePath) -> _CachedPath | None:
        for cache in self._caches.alive:
            record = cache.record(path.base)
            if record is not None:
                return _CachedPath(cache, record)
        return None

    def _plan(self, paths: Sequence[StorePath]) -> list[_CachedPath]:
        """Return what is missing of closures, each path after its references. Raise CacheError for a missing path."""
        plan: dict[StorePath, _CachedPath] = {}
        found = self._missing(paths)
        done: set[StorePath] = set()
        todo: list[tuple[StorePath, bool]] = [(path, False) for path in reversed(paths)]
        while todo:
            path, is_left = todo.pop()
            if is_left:
                plan[path] = found[path]
            elif path not in done and path in found:
                done.add(path)
                todo.append((path, True))
                todo += [(other, False) for other in found[path].record.references if other not in done]
        return list(plan.values())

    def _missing(self, paths: Sequence[StorePath]) -> dict[StorePath, _CachedPath]:
        """Return the paths of closures that the store lacks, and keep those that it has."""
        found: dict[StorePath, _CachedPath] = {}
        seen: set[StorePath] = set()
        level = dict.fromkeys(paths)
        while level:
            seen.update(level)
            infos = self._store.database.infos(base32.decode(path.hash) for path in level)
            valid = [info.path for info in infos.values()]
            if valid and not self._store.keep(valid):
                valid = [path for path in valid if self._store.keep([path])]
            missing = level.keys() - set(valid)
            level = {}
            for path in missing:
                cached = self._find(path)
                if cached is None:
                    raise CacheError("No cache has a store path", where=str(path))
                found[path] = cached
                level.update(dict.fromkeys(other for other in cached.record.references if other not in seen))
        return found

    # Reading

    def _read_run(self, run: Sequence[_CachedPath]) -> None:
        """Read neighbours in a blob with one request. After a failure, read the rest one by one, from any cache."""
        left = list(run)
        first, last = run[0], run[-1]
        cache, start, end = first.cache, first.record.offset, last.record.offset + last.record.length
        try:
            if len(run) > 1 and first.record.is_layer and cache in self._caches.alive:
                with self._bytes(cache, first.record) as layer:
                    self._receive(run, layer)
                left.clear()
            elif parallel_unpack.is_possible([cached.record for cached in run]) and cache in self._caches.alive:
                data = memoryview(b"".join(cache.repository.read_blob(_entry(first.record), start, end - start)))
                left.clear()
                self._unpacking.add([_Read(cached, _content_of(cached, data, start)) for cached in run], len(data))
            elif len(run) > 1 and cache in self._caches.alive:
                pieces = Pieces(cache.repository.read_blob(_entry(first.record), start, end - start))
                at = start
                for cached in run:
                    pieces.skip(cached.record.offset - at)
                    self._receive([cached], pieces.take(cached.record.length))
                    at = cached.record.offset + cached.record.length
                    left.pop(0)
        except (BadContent, RepositoryError) as error:
            self._blame(cache, error)
        except (StoreError, OSError):
            pass  # a fault of this machine's disk, which is told if a path fails alone
        self._read_each(left)

    def _read_each(self, left: Iterable[_CachedPath]) -> None:
        """Read paths one by one, from any cache."""
        for cached in left:
            try:
                self._read_alone(cached)
            except Exception as error:
                self._contents[cached.record.path].finish(None, error)

    def _unpack(self, items: Sequence[_Read]) -> None:
        """Unpack what was read, with several processes if it is much. Read again what is wrong."""
        left = {item.cached.record.path: item.cached for item in items}
        try:
            directory = self._store.session.fresh()
            os.mkdir(directory, 0o700)
            ranges = [(item.cached.record, item.data) for item in items]
            with self._store.pool.held_open() as pool:
                for record, result in parallel_unpack.unpack_all(ranges, partial(_writer, pool, directory)):
                    if isinstance(result, TreeWriter):
                        del left[record.path]
                        self._contents[record.path].finish(result)
                    else:
                        self._blame(left[record.path].cache, result)
        except (StoreError, OSError):
            pass  # a fault of this machine's disk, which is told if a path fails alone
        self._read_each(left.values())

    def _read_alone(self, cached: _CachedPath) -> None:
        """Read a path from the first cache that has it and gives it."""
        caches = [cached.cache, *(cache for cache in self._caches.alive if cache is not cached.cache)]
        error: Exception | None = None
        for cache in caches:
            record = cached.record if cache is cached.cache else cache.record(cached.record.path.base)
            if record is None or cache not in self._caches.alive:
                continue
            # A path is registered with the references of the first record, which only its own bytes prove.
            if record.references != cached.record.references:
                continue
            try:
                with self._bytes(cache, record) as pieces:
                    self._receive([_CachedPath(cache, record)], pieces)
                return
            except (BadContent, RepositoryError) as failure:
                self._blame(cache, failure)
                error = failure
        raise error or CacheError("No cache gives a store path", where=str(cached.record.path))

    def _blame(self, cache: Cache, error: Exception) -> None:
        """Tell what a cache did wrong. One that does not answer is not asked again."""
        self.forget_lookups()
        if isinstance(error, (Unavailable, Denied)):
            self._caches.failed(cache, error)
        else:
            self._warn(f"the cache {cache.address} gave wrong content: {error}")

    def _receive(self, run: Sequence[_CachedPath], pieces: Iterable[bytes]) -> None:
        """Write and verify the tree of one path, or the trees of paths of one layer."""
        wanted = [(cached.record, self._store.writer()) for cached in run]
        try:
            unpack(wanted, pieces, partial(self._blob, run[0].cache))
            for _, writer in wanted:
                writer.release()
        except BaseException:
            for _, writer in wanted:
                remove_tree(writer.disk)
            raise
        for record, writer in wanted:
            self._contents[record.path].finish(writer)

    def _blob(self, cache: Cache, file: DetachedFile) -> AbstractContextManager[Iterable[bytes]]:
        """Open the blob of a detached file."""
        return self._range(cache, BlobEntry(PACK_TYPE, file.blob_digest, file.size), 0, file.size)

    def _bytes(self, cache: Cache, record: PathRecord) -> AbstractContextManager[Iterable[bytes]]:
        """Open the range of a record."""
        return self._range(cache, _entry(record), record.offset, record.length)

    def _range(
        self, cache: Cache, entry: BlobEntry, offset: int, length: int
    ) -> AbstractContextManager[Iterable[bytes]]:
        if length >= LARGE:
            return self._stored(cache, entry, offset, length)
        return contextlib.nullcontext(cache.repository.read_blob(entry, offset, length))

    @contextlib.contextmanager
    def _stored(self, cache: Cache, entry: BlobEntry, offset: int, length: int) -> Iterator[Iterator[bytes]]:
        """Yield a large range, which is stored while it arrives. A file that an earlier command left is continued."""
        name = f"{entry.digest.removeprefix('sha256:')[:32]}-{offset:x}"
        lock = build_lock(self._store.root, name)
        directory = self._store.root / "partial" / name
        with lock:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = directory / "part"
            with open(file, "ab") as out:
                size = out.tell()
                if size > length:
                    out.truncate(0)
                    size = 0
                if size < length:
                    for piece in cache.repository.read_blob(entry, offset + size, length - size):
                        out.write(piece)
            try:
                yield chunks(file)
            finally:
                remove_tree(directory)  # it is used up, or wrong

    # Registering

    def _make_valid(self, plan: Sequence[_CachedPath], progress: Progress, check: Callable[[], None]) -> None:
        """Register paths after those that they reference, in batches: the first ones while others are still read."""
        total = sum(_transfer(cached.record) for cached in plan)
        done, left = 0, list(plan)
        while left:
            unread = [content for cached in left if not (content := self._contents[cached.record.path]).ready.is_set()]
            ready, rest, read = self._registrable(left)
            progress(done + read, total)
            if rest and not unread:
                why = "its paths reference each other in a circle"
                raise CacheError("A cache gives no closure of a store path", where=str(rest[0].record.path), why=why)
            if rest and min(len(ready), len(unread)) < _EARLY:
                check()
                unread[min(len(unread), _EARLY) - 1].ready.wait(0.1)
                continue
            self._register(ready)
            done += sum(_transfer(record) for record, _ in ready)
            left = rest

    def _registrable(
        self, plan: Sequence[_CachedPath]
    ) -> tuple[list[tuple[PathRecord, _PathTree]], list[_CachedPath], int]:
        """Return the paths that can be registered, the others, and how many bytes of both were read.

        Raise the error of a path that no cache gave.
        """
        ready: list[tuple[PathRecord, _PathTree]] = []
        rest: list[_CachedPath] = []
        missing = {cached.record.path for cached in plan}
        read = 0
        for cached in plan:
            content = self._contents[cached.record.path]
            if content.error is not None:
                raise content.error
            is_read = content.ready.is_set()
            read += _transfer(cached.record) if is_read else 0
            if is_read and missing.isdisjoint(cached.record.references):
                missing.remove(cached.record.path)
                ready.append((cached.record, content))
            else:
                rest.append(cached)
        return ready, rest, read

    def _register(self, contents: Sequence[tuple[PathRecord, _PathTree]]) -> None:
        with self._registering:
            new = [(record, content) for record, content in contents if not content.registered]
            for at in range(0, len(new), _BATCH):
                some = new[at : at + _BATCH]
                finished = []
                for record, content in some:
                    assert content.writer is not None
                    finished.append(
                        FinishedOutput(record.path.name, content.writer, record.references, None, record.path)
                    )
                self._store.register_all(b"", finished, deferred=True)  # no key: nothing was built here
                for _, content in some:
                    content.registered = True


def _writer(pool: Pool, directory: Path, record: PathRecord) -> TreeWriter:
    return TreeWriter(pool, directory / record.path.hash)


def _runs(plan: Sequence[_CachedPath]) -> Iterator[list[_CachedPath]]:
    """Divide paths into runs, each to be read with one request: neighbours in a blob, or paths in a layer."""
    ordered = sorted(plan, key=lambda cached: (cached.cache.address, cached.record.blob, cached.record.offset))
    layers: dict[tuple[str, bytes, int, int, str], list[_CachedPath]] = {}
    run: list[_CachedPath] = []
    for cached in ordered:
        record = cached.record
        if record.is_layer:
            key = (cached.cache.address, record.blob, record.length, record.raw, record.codec)
            layers.setdefault(key, []).append(cached)
            continue
        if run:
            last = run[-1].record
            gap = cached.record.offset - last.offset - last.length
            is_next = cached.cache is run[-1].cache and cached.record.blob == last.blob and 0 <= gap <= _GAP
            size = cached.record.offset + cached.record.length - run[0].record.offset
            if not is_next or size > PACK:
                yield run
                run = []
        run.append(cached)
    if run:
        yield run
    yield from layers.values()


def _content_of(cached: _CachedPath, data: memoryview, start: int) -> memoryview:
    """Return the bytes of a cached. data: of its run, from offset `start` of the blob on."""
    at = cached.record.offset - start
    return data[at : at + cached.record.length]


def _lengths(record: PathRecord) -> list[int]:
    return [record.length, *(file.size for file in record.files)]


def _transfer(record: PathRecord) -> int:
    return sum(_lengths(record))


def _entry(record: PathRecord) -> BlobEntry:
    return BlobEntry(PACK_TYPE, record.blob_digest, record.blob_size)
