"""Closures are complete whatever the shape of the references, and a path that is not valid is an error."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fpack.store import base32, graph
from fpack.store.database import Database
from fpack.store.errors import StoreError
from fpack.store.graph import closure
from fpack.store.path import StorePath
from hypothesis import given
from hypothesis import strategies as st


def database(path: Path, references: list[list[int]]) -> list[StorePath]:
    """Make a database with a path for each list, which has the numbers of the paths that it references."""
    noise = random.Random(1)
    hashes = [noise.randbytes(20) for _ in references]
    paths = [StorePath(base32.encode(hash_), f"p{number}") for number, hash_ in enumerate(hashes)]
    found = Database(path)
    with found.transaction() as db:
        for hash_, store_path, below in zip(hashes, paths, references, strict=True):
            joined = b"".join(sorted(hashes[number] for number in below))
            found.insert_paths(db, [(hash_, store_path.name, bytes(32), 1, 1, joined)])
    found.close()
    return paths


def reached(references: list[list[int]], start: list[int]) -> set[int]:
    seen: set[int] = set()
    todo = list(start)
    while todo:
        number = todo.pop()
        if number not in seen:
            seen.add(number)
            todo += references[number]
    return seen


@given(
    st.lists(st.lists(st.integers(0, 59), max_size=4), min_size=1, max_size=60),
    st.lists(st.integers(0, 59), min_size=1, max_size=3),
    st.sampled_from([1, 2, 12]),
    st.sampled_from([0, 20_000]),
)
def test_any_graph(
    tmp_path_factory: pytest.TempPathFactory, below: list[list[int]], start: list[int], rounds: int, table: int
) -> None:
    references = [[number % len(below) for number in numbers] for numbers in below]
    start = [number % len(below) for number in start]
    path = tmp_path_factory.mktemp("db") / "fpack.sqlite"
    paths = database(path, references)
    found = Database(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph, "_ROUNDS", rounds)
        patch.setattr(graph, "_SMALL_TABLE", table)
        result = closure(found, [base32.decode(paths[number].hash) for number in start])
    assert result == sorted(paths[number] for number in reached(references, start))
    found.close()


def test_a_deep_chain_takes_few_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = database(tmp_path / "fpack.sqlite", [[number - 1] if number else [] for number in range(3000)])
    found = Database(tmp_path / "fpack.sqlite")
    queries = []
    rows = found._rows

    def counted(query: str, values: object = ()) -> list[tuple[object, ...]]:
        queries.append(query)
        return rows(query, values)  # type: ignore[arg-type]

    monkeypatch.setattr(found, "_rows", counted)
    assert len(closure(found, [base32.decode(paths[-1].hash)])) == 3000
    assert len(queries) < 30
    found.close()


@pytest.mark.parametrize("length", [2, 40])
def test_a_reference_that_is_not_valid(tmp_path: Path, length: int) -> None:
    paths = database(tmp_path / "fpack.sqlite", [[number - 1] if number else [] for number in range(length)])
    found = Database(tmp_path / "fpack.sqlite")
    with found.transaction() as db:
        found.forget(db, [(base32.decode(paths[0].hash),)])
    with pytest.raises(StoreError, match=paths[0].hash):
        closure(found, [base32.decode(paths[-1].hash)])
    with pytest.raises(StoreError, match="no path"):
        closure(found, [bytes(20)])
    found.close()
