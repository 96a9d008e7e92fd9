"""Append the rows of every commit to a file beside the database, from which the database can be rebuilt.

`db/journal` is a sequence of records, each a batch of rows with a checksum. A record that a crash cut off or that has
rotted is skipped: the reader looks for the next record. Rows are canonical arrays that begin with their kind:

    ["path", hash, name, tree, size, registered, references]    ["derivation", body]
    ["realisation", key, output, path]                          ["output", derivation, output, path]
    ["pin", path, project, name, expires]                       ["use", path, project, name, day]
    ["root", name, path or nil]                                 ["settle", generation]
    ["history", at, derivation, name, kind, outcome, microseconds, path or nil]

A `settle` row has the generation of the builders: `output` rows before one of another generation do not count.
A later row replaces an earlier row with the same key. The journal may have rows of deleted paths and of failed commits.
So a rebuild accepts a path only if its tree has the digest that the row records.

A row is written before its commit, and synced before the commit is synced (`JournaledConnection.sync`, and durable
transactions). So after a loss of power, the journal has the rows of all paths that fpack reported as built.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from blake3 import blake3
from fpack.store import canonical
from fpack.store.errors import NotCanonical
from fpack.store.files.sync import sync_directory

Row = Sequence[object]

MAGIC = b"\xf7fpj"
_LENGTH, _CHECKSUM = 4, 16
_HEAD = len(MAGIC) + _LENGTH + _CHECKSUM
MAX_RECORD = 1 << 28
_BATCH = 1 << 16  # bytes of a record, about
_FIELD = 16  # bytes of a field that is a name or a number, about
# For each kind, the query that selects the columns of its rows.
SELECT = {
    "path": "SELECT hash, name, tree, size, registered, refs FROM paths ORDER BY id",
    "derivation": "SELECT body FROM derivations ORDER BY id",
    "realisation": "SELECT key, output, path FROM realisations ORDER BY id",
    "output": "SELECT derivation, output, path FROM outputs ORDER BY id",
    "pin": "SELECT path, project, name, expires FROM pins",
    "root": "SELECT name, path FROM named_roots",
    "use": "SELECT path, project, name, day FROM uses",
    "history": "SELECT at, derivation, name, kind, outcome, CAST(seconds * 1e6 AS INTEGER), path FROM history "
    "ORDER BY id",
}


def record(rows: Sequence[Row]) -> bytes:
    """Encode a batch of rows."""
    return _framed(canonical.encode(rows))


def append(path: Path, rows: Sequence[Row]) -> bool:
    """Append rows to the journal, each record in one write. Return False if there is no journal."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        for piece in _records(rows):
            data = memoryview(piece)
            while data:
                data = data[os.write(fd, data) :]
    finally:
        os.close(fd)
    return True


def create(path: Path, rows: Sequence[Row], db: sqlite3.Connection) -> None:
    """Write the journal of a database that has no other rows than these, within a transaction."""
    _replace(path, chain([_settled(db)], _records(rows)))


def rewrite(path: Path, db: sqlite3.Connection) -> None:
    """Replace the journal by a journal of the database's present rows, within a transaction."""
    _replace(path, _all_records(db))


def _replace(path: Path, records: Iterable[bytes]) -> None:
    temporary = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
    try:
        with open(temporary, "xb") as file:
            os.fchmod(file.fileno(), 0o600)
            for piece in records:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
        sync_directory(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _all_records(db: sqlite3.Connection) -> Iterator[bytes]:
    """Yield the framed records of a journal that holds exactly the database's rows."""
    yield _settled(db)
    for kind, query in SELECT.items():
        yield from _records((kind, *row) for row in db.execute(query))


def _settled(db: sqlite3.Connection) -> bytes:
    (generation,) = db.execute("PRAGMA application_id").fetchone()
    return record([["settle", generation]])


def _records(rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield the framed records of rows. The records are small, because new memory takes longer than their headers."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        for field in row:
            size += len(field) if field.__class__ is bytes else _FIELD
        if size > _BATCH:
            yield _framed(canonical.encode_ordered(batch))
            batch, size = [], 0
    if batch:
        yield _framed(canonical.encode_ordered(batch))


def _framed(payload: bytes) -> bytes:
    return b"".join((MAGIC, len(payload).to_bytes(_LENGTH, "little"), blake3(payload).digest(_CHECKSUM), payload))


def read(path: Path) -> Iterator[list[list[object]]]:
    """Yield the batches with a correct checksum. Yield nothing if there is no journal."""
    try:
        size = os.stat(path).st_size
        file = open(path, "rb")  # noqa: SIM115
    except FileNotFoundError:
        return
    with file:
        at = 0
        while at + _HEAD <= size:
            file.seek(at)
            head = file.read(_HEAD)
            length = int.from_bytes(head[len(MAGIC) : len(MAGIC) + _LENGTH], "little")
            if head.startswith(MAGIC) and length <= min(MAX_RECORD, size - at - _HEAD):
                payload = file.read(length)
                if blake3(payload).digest(_CHECKSUM) == head[-_CHECKSUM:]:
                    at += _HEAD + length
                    yield from _batch(payload)
                    continue
            at = _next(file.fileno(), at + 1)


def _next(fd: int, at: int) -> int:
    """Return the position of the next MAGIC at or after `at`, or the end of the file if there is no MAGIC."""
    while True:
        block = os.pread(fd, 1 << 20, at)
        found = block.find(MAGIC)
        if found >= 0:
            return at + found
        if len(block) < len(MAGIC):
            return at + len(block)
        at += len(block) - len(MAGIC) + 1


def _batch(payload: bytes) -> Iterator[list[list[object]]]:
    """Yield the rows of a record; nothing if the record is damaged."""
    try:
        rows = canonical.decode(payload)
    except NotCanonical:
        return
    if isinstance(rows, list):
        yield [row for row in rows if isinstance(row, list) and row]


def rows_of(batches: Iterable[list[list[object]]]) -> Iterator[list[object]]:
    """Yield the rows of batches, one by one."""
    for batch in batches:
        yield from batch
