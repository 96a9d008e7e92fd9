"""Unpack many small parts of a blob with several processes.

Writing small files keeps Python busy, so threads would wait for each other. The processes are copies of this one: they
have the bytes already, and send back a few numbers for each tree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

from fpack.store import parallel
from fpack.store.canonical import Value
from fpack.store.files.remove import remove_tree
from fpack.store.files.writer import TreeWriter

from .format.errors import BadContent
from .format.records import DetachedFile, PathRecord
from .unpack import IN_MEMORY, unpack

FEWEST = 32  # parts for which a process is worth its start
_MOST = 8  # processes


def is_worthwhile(records: Sequence[PathRecord]) -> bool:
    """Tell whether `unpack_all` can unpack the parts, and is faster than unpacking one after the other."""
    return len(records) >= FEWEST and all(
        record.raw <= IN_MEMORY and not record.is_layer and not record.files for record in records
    )


def unpack_all(
    records: Sequence[PathRecord], data: bytes, start: int, writer: Callable[[PathRecord], TreeWriter]
) -> Iterator[tuple[PathRecord, TreeWriter | BadContent]]:
    """Write and verify trees. Yield each record with its finished writer, or with what is wrong, in any order.

    data: the part of the blob that has all records, from offset `start` on. writer: returns a new writer.
    """
    writers = [writer(record) for record in records]

    def work(number: int) -> Iterator[Value]:
        record, tree = records[number], writers[number]
        at = record.offset - start
        try:
            unpack([(record, tree)], [data[at : at + record.length]], _no_files)
            yield [number, tree.finish(top=False), tree.size]
        except BadContent as error:
            remove_tree(tree.disk)
            yield [number, error.what, error.where, error.why]

    jobs = min(len(os.sched_getaffinity(0)), _MOST)
    for row in parallel.spread(len(records), work, jobs):
        assert isinstance(row, list)
        number, *rest = row
        if len(rest) == 2:
            writers[number].take_over((), *rest)
            yield records[number], writers[number]
        else:
            what, where, why = rest
            yield records[number], BadContent(what, where=where, why=why)


def _no_files(file: DetachedFile) -> AbstractContextManager[Iterable[bytes]]:
    raise BadContent("A part has files of its own", where=file.name)
