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

from fpack.builders.distribution.protocol import BlobEntry, Denied, RepositoryError, Unavailable
from fpack.light_typing import NamedTuple
from fpack.store import base32, threads
from fpack.store.errors import StoreError
from fpack.store.files.remove import remove_tree
from fpack.store.files.tree import chunks
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath
from fpack.store.sessions import deferred_names
from fpack.store.sessions.deferred_names import UnnamedFiles
from fpack.store.sessions.registration import FinishedOutput
from fpack.store.store import Store

from . import parallel_unpack, ranges
from .cache import Cache
from .cache_set import CacheSet
from .format.errors import BadContent, CacheError
from .format.index import PACK_TYPE
from .format.records import DetachedFile, PathRecord
from .path_trees import PathTree, PlannedPath, registrable
from .pieces import Pieces
from .ranges import CachedPath
from .unpack import unpack
from .unpack_queue import UnpackQueue

WORKERS = 6  # runs that are read at once
LARGE = 8 << 20  # bytes of a range that is stored while it arrives, so that a later command continues
_EARLY = 96  # paths that are made valid while as many others are still read
_NEVER = 1 << 62
_BATCH = 512  # paths that are made valid in one transaction, under their locks

Progress = Callable[[int, int], None]  # bytes read, bytes in all


class _Read(NamedTuple):
    """A path whose bytes were read, or are read when it is unpacked.

    size: of the bytes in memory or in files. stored: has their file, and deletes it when it is closed.
    """

    cached: CachedPath
    read: Callable[[], Iterable[bytes]]
    size: int
    stored: contextlib.ExitStack | None = None


class Fetcher:
    """Fetch closures into a store. Close it at the end."""

    def __init__(self, store: Store, caches: CacheSet, warn: Callable[[str], None] = lambda text: None) -> None:
        self._store = store
        self._caches = caches
        self._warn = warn
        self._lock = threading.Lock()
        self._finishing = threading.Condition()
        self._finished = 0  # paths that were written, or failed
        self._awaited = _NEVER  # the least number of those that a thread waits for
        self._registering = threading.Lock()  # several closures can share paths
        self._unpacking = UnpackQueue(self._unpack)  # parallel unpacking uses all processors
        self._contents: dict[StorePath, PathTree] = {}
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
        plan, doubtful = self._plan(paths)
        self._read(plan)
        while doubtful:
            for path in doubtful:
                self._wait_for(self._contents[path], check)
            plan, doubtful = self._plan(paths)
            self._read(plan)
        self._make_valid(plan, progress, check)
        if not self._store.keep(paths):
            raise CacheError("A path was deleted during its fetch", where=str(paths[0]), hint="run the command again")
        return [cached.record.path for cached in plan]

    def _read(self, plan: Sequence[CachedPath]) -> None:
        """Begin to read the paths of a plan that no thread reads yet."""
        written = {path for path, content in list(self._contents.items()) if content.writer is not None}
        left = [cached for cached in plan if cached.record.path not in written]
        free = os.statvfs(self._store.root)
        lengths = (n for cached in left if not cached.cache.is_here for n in ranges.lengths(cached.record))
        stored = sorted(length for length in lengths if length >= LARGE)
        needed = sum(cached.record.size for cached in left) + sum(stored[-3 * WORKERS :])  # on disk at once
        if needed > (available := free.f_bavail * free.f_frsize):
            raise CacheError(
                "There is not enough space for the paths of a cache",
                where=str(self._store.root),
                why=f"their files have {needed} bytes, and {available} are free",
                hint="fpack gc deletes what is unused",
            )
        with self._lock:
            mine = [cached for cached in plan if cached.record.path not in self._contents]
            self._contents.update({cached.record.path: PathTree(cached) for cached in mine})
        position = {cached.record.path: number for number, cached in enumerate(plan)}
        # What others reference is read first, since it can be registered first.
        runs = sorted(ranges.runs(mine), key=lambda run: min(position[cached.record.path] for cached in run))
        for some in ranges.together(runs):
            self._workers.submit(partial(self._read_runs, some))

    def _wait_for(self, content: PathTree, check: Callable[[], None]) -> None:
        """Wait until a path is written. Raise its error."""
        while True:
            finished = self._finished
            if content.error is not None:
                raise content.error
            if content.writer is not None:
                return
            check()
            self._wait(finished + 1)

    def close(self) -> None:
        """End the workers, and delete what was not registered."""
        self._workers.stop()
        for content in self._contents.values():
            if content.writer is not None and not content.registered:
                with contextlib.suppress(OSError):
                    remove_tree(content.writer.disk)

    # Planning

    def _find(self, path: StorePath) -> CachedPath | None:
        for cache in self._caches.alive:
            record = cache.record(path.base)
            if record is not None:
                return CachedPath(cache, record)
        return None

    def _plan(self, paths: Sequence[StorePath]) -> tuple[list[CachedPath], list[StorePath]]:
        """Return what is missing of closures, each path after its references, and those whose references are left out.

        Raise CacheError for a missing path.
        """
        plan: dict[StorePath, CachedPath] = {}
        found, doubtful = self._missing(paths)
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
        return list(plan.values()), doubtful

    def _missing(self, paths: Sequence[StorePath]) -> tuple[dict[StorePath, CachedPath], list[StorePath]]:
        """Return the paths of closures that the store lacks, and keep those that it has.

        References that are in doubt are left out: who can write to a cache could fill the disk with them. The second
        value has the paths that they are of, which have to be read first.
        """
        found: dict[StorePath, CachedPath] = {}
        doubtful: list[StorePath] = []
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
                content = self._contents.get(path)
                cached = self._find(path) if content is None else content.cached
                if cached is None:
                    raise CacheError("No cache has a store path", where=str(path))
                found[path] = cached
                if self._is_in_doubt(cached.record):
                    doubtful.append(path)
                    continue
                level.update(dict.fromkeys(other for other in cached.record.references if other not in seen))
        return found, doubtful

    def _is_in_doubt(self, record: PathRecord) -> bool:
        """Return whether the references of a record are unproven, and others than those that trusted signers name."""
        if not record.output:
            return False  # the hash in the path has proved them
        content = self._contents.get(record.path)
        if content is not None and content.writer is not None:
            return False  # its own bytes have
        return not all(any(cache.is_signed(other) for cache in self._caches.alive) for other in record.references)

    # Reading

    def _read_runs(self, runs: Iterable[Sequence[CachedPath]]) -> None:
        """Read runs, one after the other, and unpack together what can be."""
        if items := [item for run in runs for item in self._read_run(run)]:
            self._unpacking.add(items, sum(item.size for item in items))

    def _read_run(self, run: Sequence[CachedPath]) -> list[_Read]:
        """Read neighbours in a blob with one request. Return those that are not unpacked yet.

        After a failure, read the rest one by one, from any cache.
        """
        left, failure = list(run), None
        first, last = run[0], run[-1]
        cache, start, end = first.cache, first.record.offset, last.record.offset + last.record.length
        try:
            if len(run) > 1 and first.record.is_layer and cache in self._caches.alive:
                with self._bytes(cache, first.record) as layer:
                    self._receive(run, layer)
                left.clear()
            elif self._is_unpacked_later(run):
                if cache.is_here and not all(parallel_unpack.is_small(cached.record) for cached in run):
                    return [_Read(cached, partial(_from_directory, cached), 0) for cached in run]
                if len(run) == 1 and first.record.length >= LARGE:
                    stored = contextlib.ExitStack()
                    place = ranges.stored(self._store.root, cache, ranges.entry(first.record), start, end - start)
                    file = stored.enter_context(place)
                    return [_Read(first, partial(chunks, file), end - start, stored)]
                data = memoryview(b"".join(cache.repository.read_blob(ranges.entry(first.record), start, end - start)))
                return [
                    _Read(cached, partial(ranges.content_of, cached, data, start), cached.record.length)
                    for cached in run
                ]
            elif len(run) > 1 and cache in self._caches.alive:
                pieces = Pieces(cache.repository.read_blob(ranges.entry(first.record), start, end - start))
                at = start
                for cached in run:
                    pieces.skip(cached.record.offset - at)
                    self._receive([cached], pieces.take(cached.record.length))
                    at = cached.record.offset + cached.record.length
                    left.pop(0)
        except (BadContent, RepositoryError) as error:
            self._blame(cache, error)
            failure = error
        except (StoreError, OSError):
            pass  # a fault of this machine's disk, which is told if a path fails alone
        self._read_each(left, failure)
        return []

    def _is_unpacked_later(self, run: Sequence[CachedPath]) -> bool:
        """Return whether the trees of a run are unpacked together with others: a large one alone, or small ones."""
        records = [cached.record for cached in run]
        return (
            run[0].cache in self._caches.alive
            and all(map(parallel_unpack.is_possible, records))
            and (len(run) == 1 or run[0].cache.is_here or all(map(parallel_unpack.is_small, records)))
        )

    def _read_each(self, left: Iterable[CachedPath], error: Exception | None = None) -> None:
        """Read paths one by one, from any cache. error: of a cache that was asked for all of them."""
        for cached in left:
            try:
                self._read_alone(cached, error)
            except Exception as failure:
                self._finish(cached.record.path, None, failure)

    def _unpack(self, items: Sequence[_Read]) -> None:
        """Unpack what was read, with several processes if it is much. Read again what is wrong."""
        left = {item.cached.record.path: item.cached for item in items}
        try:
            directory = self._store.session.fresh()
            os.mkdir(directory, 0o700)
            parts = [(item.cached.record, item.read) for item in items]
            with self._store.pool.opened() as names:
                pool = UnnamedFiles(self._store.root / "files", names, directory)
                for record, result in parallel_unpack.unpack_all(parts, pool, directory):
                    if isinstance(result, TreeWriter):
                        del left[record.path]
                        self._finish(record.path, result)
                    else:
                        self._blame(left[record.path].cache, result)
        except (StoreError, OSError):
            pass  # a fault of this machine's disk, which is told if a path fails alone
        finally:
            for item in items:
                if item.stored is not None:
                    item.stored.close()
        self._read_each(left.values())

    def _read_alone(self, cached: CachedPath, error: Exception | None) -> None:
        """Read a path from the first cache that has it and gives it."""
        caches = [cached.cache, *(cache for cache in self._caches.alive if cache is not cached.cache)]
        for cache in caches:
            record = cached.record if cache is cached.cache else cache.record(cached.record.path.base)
            if record is None or cache not in self._caches.alive:
                continue
            # A path is registered with the references of the first record, which only its own bytes prove.
            if record.references != cached.record.references:
                continue
            try:
                with self._bytes(cache, record) as pieces:
                    self._receive([CachedPath(cache, record)], pieces)
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

    def _receive(self, run: Sequence[CachedPath], pieces: Iterable[bytes]) -> None:
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
            self._finish(record.path, writer)

    def _finish(self, path: StorePath, writer: TreeWriter | None, error: Exception | None = None) -> None:
        content = self._contents[path]
        content.writer, content.error = writer, error
        with self._finishing:
            self._finished += 1
            if self._finished >= self._awaited:
                self._awaited = _NEVER
                self._finishing.notify_all()

    def _wait(self, finished: int) -> None:
        """Wait until so many paths were written or failed, or for a short time."""
        with self._finishing:
            if self._finished < finished:
                self._awaited = min(self._awaited, finished)
                self._finishing.wait(0.1)

    def _blob(self, cache: Cache, file: DetachedFile) -> AbstractContextManager[Iterable[bytes]]:
        """Open the blob of a detached file."""
        return self._range(cache, BlobEntry(PACK_TYPE, file.blob_digest, file.size), 0, file.size)

    def _bytes(self, cache: Cache, record: PathRecord) -> AbstractContextManager[Iterable[bytes]]:
        """Open the range of a record."""
        return self._range(cache, ranges.entry(record), record.offset, record.length)

    def _range(
        self, cache: Cache, entry: BlobEntry, offset: int, length: int
    ) -> AbstractContextManager[Iterable[bytes]]:
        if length >= LARGE and not cache.is_here:
            return self._stored_pieces(cache, entry, offset, length)
        return contextlib.nullcontext(cache.repository.read_blob(entry, offset, length))

    @contextlib.contextmanager
    def _stored_pieces(self, cache: Cache, entry: BlobEntry, offset: int, length: int) -> Iterator[Iterator[bytes]]:
        """Yield a large range, which is stored while it arrives."""
        with ranges.stored(self._store.root, cache, entry, offset, length) as file:
            yield chunks(file)

    # Registering

    def _make_valid(self, plan: Sequence[CachedPath], progress: Progress, check: Callable[[], None]) -> None:
        """Register paths after those that they reference, in batches: the first ones while others are still read."""
        left = [
            PlannedPath(cached.record, self._contents[cached.record.path], ranges.transfer(cached.record))
            for cached in plan
        ]
        total, done = sum(planned.transfer for planned in left), 0
        missing = {planned.record.path for planned in left}
        while left:
            finished = self._finished
            unread, ready, rest = registrable(left, missing)
            read = sum([planned.transfer for planned in left if planned.content.writer is not None])
            progress(done + read, total)
            if rest and not unread:
                where, why = str(rest[0].record.path), "its paths reference each other in a circle"
                raise CacheError("The closure of a store path in a cache is not valid", where=where, why=why)
            if rest and min(len(ready), unread) < _EARLY:
                check()
                self._wait(finished + min(unread, _EARLY))
                continue
            self._register(ready)
            done += sum(planned.transfer for planned in ready)
            missing.difference_update(planned.record.path for planned in ready)
            left = rest

    def _register(self, ready: Sequence[PlannedPath]) -> None:
        with self._registering:
            new = [planned for planned in ready if not planned.content.registered]
            for at in range(0, len(new), _BATCH):
                some = new[at : at + _BATCH]
                finished = []
                for record, content, _ in some:
                    assert content.writer is not None
                    finished.append(
                        FinishedOutput(record.path.name, content.writer, record.references, None, record.path)
                    )
                self._store.register_all(b"", finished, deferred=True)  # no key: nothing was built here
                for planned in some:
                    planned.content.registered = True
                if unnamed := [entry.writer.unnamed for entry in finished if entry.writer.unnamed]:
                    self._store.after_sync(partial(deferred_names.add, self._store.root, self._store.pool, unnamed))


def _from_directory(cached: CachedPath) -> Iterator[bytes]:
    """Yield the part of a path. Raise RepositoryError if it cannot be read."""
    record = cached.record
    return cached.cache.repository.read_blob(ranges.entry(record), record.offset, record.length)
