"""Unpack many parts of blobs with several processes.

Writing files keeps Python busy, so threads would wait for each other. The processes are copies of this one: they have
the bytes of small parts already, read large ones themselves, and send back a few numbers for each tree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from fpack.builders.distribution.protocol import RepositoryError
from fpack.store import parallel
from fpack.store.canonical import Value
from fpack.store.files.remove import remove_tree
from fpack.store.files.writer import TreeWriter
from fpack.store.sessions.deferred_names import UnnamedFiles

from .format.errors import BadContent
from .format.records import DetachedFile, PathRecord
from .unpack import IN_MEMORY, unpack

FEWEST = 32  # parts for which a process is worth its start
_MUCH = 4 * IN_MEMORY  # bytes for which it is, too
_MOST = 8  # processes


Part = tuple[PathRecord, Callable[[], Iterable[bytes]]]  # a record, and what reads the bytes of its part


def is_possible(record: PathRecord) -> bool:
    """Return whether `unpack_all` can unpack a part: it is the part of one path, and has all of its files."""
    return not record.is_layer and not record.files


def is_small(record: PathRecord) -> bool:
    """Return whether a tree can be in memory while it waits."""
    return record.raw <= IN_MEMORY


def unpack_all(
    parts: Sequence[Part], pool: UnnamedFiles, directory: Path
) -> Iterator[tuple[PathRecord, TreeWriter | BadContent]]:
    """Write and verify trees. Yield each record with its finished writer, or with what is wrong, in any order.

    directory: of the trees.
    """
    large = [part for part in parts if not is_small(part[0])]
    if large:  # the largest first, so that all processes end at about the same time
        large.sort(key=lambda part: -part[0].raw)
        parts = [*large, *(part for part in parts if is_small(part[0]))]
    writers = [TreeWriter(pool, directory / record.path.base) for record, _ in parts]

    def work(number: int) -> Iterator[Value]:
        (record, read), tree = parts[number], writers[number]
        try:
            unpack([(record, tree)], read(), _no_files)
            yield [number, tree.finish(top=False), record.size, pool.taken()]
        except (BadContent, RepositoryError) as error:
            pool.taken()
            remove_tree(tree.disk)
            yield [number, error.what, error.where, error.why]

    is_much = len(parts) >= FEWEST or sum(record.raw for record, _ in large) > _MUCH
    jobs = min(len(os.sched_getaffinity(0)), _MOST) if is_much else 1
    for row in parallel.spread(len(parts), work, jobs, is_uneven=bool(large)):
        assert isinstance(row, list)
        number, *rest = row
        record, _ = parts[number]
        if rest[0].__class__ is str:
            what, where, why = rest
            yield record, BadContent(what, where=where, why=why)
            continue
        digest, size, writers[number].unnamed = rest
        if writers[number].node is None:
            writers[number].take_over((), digest, size)
        else:  # this process has written it
            writers[number].release()
        yield record, writers[number]


def _no_files(file: DetachedFile) -> AbstractContextManager[Iterable[bytes]]:
    raise BadContent("A part has files of its own", where=file.name)
