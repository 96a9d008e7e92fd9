"""A flipped bit in the database never leads to another path: a path is right, not found, or an error."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest
from fpack.store import base32
from fpack.store.database import Database
from fpack.store.derivation import Output
from fpack.store.errors import FpackError
from fpack.store.path import StorePath
from fpack.store.store import Store

PATHS, FLIPS = 60, 300
PAGE, INDEX_LEAF = 4096, 10  # https://www.sqlite.org/fileformat2.html, 1.6


@pytest.fixture
def made(tmp_path: Path) -> tuple[bytes, dict[Output, StorePath]]:
    """Return a database, and the path of each output in it. Each output's derivation is its key, too."""
    store = Store(tmp_path / "store")
    paths = {}
    for number in range(PATHS):
        writer = store.writer()
        writer.file("f", [b"%d" % number])
        output = Output(random.Random(number).randbytes(20))
        paths[output] = store.register(f"name{number}", writer, [], output.derivation, output)
    store.close()
    place = tmp_path / "store/db/fpack.sqlite"
    database = sqlite3.connect(place)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return place.read_bytes(), paths


def answers(place: Path, paths: dict[Output, StorePath]) -> list[tuple[StorePath, StorePath]]:
    """Return the right path and the one that the database gives, for each question that it answers."""
    found: list[tuple[StorePath, StorePath | None]] = []
    try:
        database = Database(place)
    except FpackError:
        return []
    try:
        for output, path in paths.items():
            for ask in (
                lambda output=output: database.built(output),
                lambda output=output: database.realised(output.derivation, output.name),
                lambda path=path: getattr(database.info(base32.decode(path.hash)), "path", None),
            ):
                try:
                    found.append((path, ask()))
                except FpackError:
                    continue
        try:
            together = database.built_all(paths)
            found += [(path, together.get(output)) for output, path in paths.items()]
        except FpackError:
            pass
    finally:
        database.close()
    return [(right, given) for right, given in found if given is not None]


def test_the_answers(made: tuple[bytes, dict[Output, StorePath]], tmp_path: Path) -> None:
    content, paths = made
    (tmp_path / "copy").write_bytes(content)
    assert len(answers(tmp_path / "copy", paths)) == 4 * PATHS
    assert all(right == given for right, given in answers(tmp_path / "copy", paths))


def test_no_flipped_bit_of_an_index_leads_to_another_path(
    made: tuple[bytes, dict[Output, StorePath]], tmp_path: Path
) -> None:
    content, paths = made
    pages = [at for at in range(PAGE, len(content), PAGE) if content[at] == INDEX_LEAF]
    chance = random.Random(1)
    hashes = {path.hash for path in paths.values()}
    for number in range(FLIPS):
        changed = bytearray(content)
        changed[chance.choice(pages) + chance.randrange(PAGE)] ^= 1 << chance.randrange(8)
        place = tmp_path / f"{number}.sqlite"
        place.write_bytes(changed)
        for right, given in answers(place, paths):
            assert given.hash == right.hash or given.hash not in hashes
            assert given.name == right.name or given.name not in {path.name for path in paths.values()}
