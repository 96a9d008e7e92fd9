"""Import a closure file: verify all of it, then make its paths valid.

The trees are written to this process's private directory. They become valid only when the whole file is verified, each
path after those that it references.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from fpack.store.errors import StoreError
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath
from fpack.store.store import FinishedOutput, Store

from .format import ClosureEntry
from .reader import ClosureReader, NullSink, TreeSink

_BATCH = 256  # paths that are made valid in one transaction

Progress = Callable[[int, int], None]  # paths read, paths in all


class ImportedClosure(NamedTuple):
    """The result of an import. roots: the paths that were exported. added: paths that the store did not have before."""

    roots: tuple[StorePath, ...]
    added: tuple[StorePath, ...]
    present: tuple[StorePath, ...]
    size: int


def import_closure(store: Store, file: BinaryIO, progress: Progress = lambda done, total: None) -> ImportedClosure:
    """Add the paths of a closure file to the store. Raise BadClosureFile, and add none, if the file is not intact.

    The paths are kept from gc while this process lives.
    """
    reader = ClosureReader(file)
    _check_space(store, reader.header.size)
    writers: dict[StorePath, TreeWriter] = {}
    present: list[StorePath] = []

    def begin(entry: ClosureEntry) -> TreeSink:
        # A path that is kept now stays valid while the others are read.
        if store.info(entry.path) is not None and store.keep([entry.path]):
            present.append(entry.path)
            return NullSink()
        return writers.setdefault(entry.path, store.writer())

    finished: list[FinishedOutput] = []
    for number, entry in enumerate(reader.trees(begin)):
        writer = writers.pop(entry.path, None)
        if writer is not None:
            writer.release()
            finished.append(FinishedOutput(entry.path.name, writer, entry.references, None, entry.path))
        progress(number + 1, reader.header.paths)
    added: list[StorePath] = []
    for at in range(0, len(finished), _BATCH):
        added += store.register_all(b"", finished[at : at + _BATCH])
    return ImportedClosure(reader.header.roots, tuple(added), tuple(present), reader.header.size)


def _check_space(store: Store, size: int) -> None:
    """Raise StoreError if the disk has less free space than the files need that the store may lack."""
    status = os.statvfs(store.root)
    free = status.f_bavail * status.f_frsize
    if size > free:
        raise StoreError(
            "There is not enough space for the closure",
            where=str(store.root),
            why=f"its files have {size} bytes, and {free} are free",
            hint="fpack gc deletes what is unused",
        )
