"""Import a closure file: verify all of it, then make its paths valid.

The trees are written to this process's private directory. They become valid only when the whole file is verified, each
path after the paths that it references.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from typing import BinaryIO, NamedTuple

from fpack.store.errors import StoreError
from fpack.store.files.remove import remove_tree
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath
from fpack.store.sessions.registration import FinishedOutput
from fpack.store.store import Store

from .format import ClosureEntry
from .reader import ClosureReader, NullSink, TreeSink

_BATCH = 256  # paths that are made valid in one transaction

Progress = Callable[[int, int], None]  # paths read, paths in all


class ImportedClosure(NamedTuple):
    """The result of an import. roots: the paths that were exported. added: paths that the store did not have before.

    present: paths that the store had already. size: bytes of all files.
    """

    roots: tuple[StorePath, ...]
    added: tuple[StorePath, ...]
    present: tuple[StorePath, ...]
    size: int


def import_closure(store: Store, file: BinaryIO, progress: Progress = lambda done, total: None) -> ImportedClosure:
    """Add the paths of a closure file to the store. Raise BadClosureFile, and add no path, if the file is damaged.

    gc keeps the paths while this process lives.
    """
    reader = ClosureReader(file)
    _check_space(store, reader.header.size)
    present: list[StorePath] = []

    def begin(entry: ClosureEntry) -> TreeWriter | None:
        # The path stays valid while the rest of the file is read.
        if store.info(entry.path) is not None and store.keep([entry.path]):
            present.append(entry.path)
            return None
        return store.writer()

    with _received(store, reader, begin, progress) as trees:
        finished = [FinishedOutput(e.path.name, writer, e.references, None, e.path) for e, writer in trees]
        added: list[StorePath] = []
        for at in range(0, len(finished), _BATCH):
            added += store.register_all(b"", finished[at : at + _BATCH])
    return ImportedClosure(reader.header.roots, tuple(added), tuple(present), reader.header.size)


@contextlib.contextmanager
def trees_of(
    store: Store, file: BinaryIO, paths: Collection[StorePath], progress: Progress = lambda done, total: None
) -> Iterator[list[tuple[StorePath, TreeWriter]]]:
    """Verify a closure file, and yield the trees of those of `paths` that it holds. Delete the trees at the end."""
    reader = ClosureReader(file)

    def begin(entry: ClosureEntry) -> TreeWriter | None:
        return store.writer() if entry.path in paths else None

    with _received(store, reader, begin, progress) as trees:
        yield [(entry.path, writer) for entry, writer in trees]


@contextlib.contextmanager
def _received(
    store: Store, reader: ClosureReader, begin: Callable[[ClosureEntry], TreeWriter | None], progress: Progress
) -> Iterator[list[tuple[ClosureEntry, TreeWriter]]]:
    """Read the whole file and yield the trees for which `begin` returned a writer. Delete the rest at the end."""
    writers: dict[StorePath, TreeWriter] = {}
    received: list[tuple[ClosureEntry, TreeWriter]] = []

    def sink(entry: ClosureEntry) -> TreeSink:
        writer = begin(entry)
        if writer is None:
            return NullSink()
        writers[entry.path] = writer
        return writer

    try:
        for number, entry in enumerate(reader.trees(sink)):
            if (writer := writers.get(entry.path)) is not None:
                writer.release()
                received.append((entry, writer))
            progress(number + 1, reader.header.paths)
        yield received
    except BaseException:
        for writer in writers.values():
            remove_tree(writer.disk)
        # The pool also links to the files of these trees.
        for path, _ in store.pool.unused():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        raise
    for writer in writers.values():
        remove_tree(writer.disk)


def _check_space(store: Store, size: int) -> None:
    """Raise StoreError if the disk has less free space than all files of the closure need."""
    status = os.statvfs(store.root)
    free = status.f_bavail * status.f_frsize
    if size > free:
        raise StoreError(
            "There is not enough space for the closure",
            where=str(store.root),
            why=f"its files have {size} bytes, and {free} are free",
            hint="fpack gc deletes what is unused",
        )
