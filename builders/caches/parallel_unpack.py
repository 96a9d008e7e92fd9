"""Unpack many small parts of a blob with several processes.

Writing small files keeps Python busy, so threads would wait for each other. The processes are copies of this one: they
have the bytes already, and send back a few numbers for each tree.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from fpack.store import parallel
from fpack.store.canonical import Value
from fpack.store.files.remove import remove_tree
from fpack.store.files.writer import TreeWriter
from fpack.store.sessions.deferred_names import UnnamedFiles

from .format.errors import BadContent
from .format.records import DetachedFile, PathRecord
from .unpack import IN_MEMORY, unpack

FEWEST = 32  # parts for which a process is worth its start
_MOST = 8  # processes


def is_possible(records: Sequence[PathRecord]) -> bool:
    """Return whether `unpack_all` can unpack the parts: they are small, and each has all of its files."""
    return all(record.raw <= IN_MEMORY and not record.is_layer and not record.files for record in records)


def unpack_all(
    parts: Sequence[tuple[PathRecord, memoryview]], pool: UnnamedFiles, directory: Path
) -> Iterator[tuple[PathRecord, TreeWriter | BadContent]]:
    """Write and verify trees. Yield each record with its finished writer, or with what is wrong, in any order.

    parts: records, and the bytes of their parts. directory: of the trees.
    """
    writers = [TreeWriter(pool, directory / record.path.base) for record, _ in parts]

    def work(number: int) -> Iterator[Value]:
        (record, data), tree = parts[number], writers[number]
        try:
            unpack([(record, tree)], [bytes(data)], _no_files)
            yield [number, tree.finish(top=False), record.size, pool.taken()]
        except BadContent as error:
            pool.taken()
            remove_tree(tree.disk)
            yield [number, error.what, error.where, error.why]

    jobs = min(len(os.sched_getaffinity(0)), _MOST) if len(parts) >= FEWEST else 1
    for row in parallel.spread(len(parts), work, jobs):
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
