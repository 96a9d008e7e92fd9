"""Hashes in bytes: found wherever they stand, and replaced over the borders of pieces."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest
from fpack.builders.exec import references
from fpack.builders.exec.references import Finder, patch, rewrite, search_packed
from fpack.store.base32 import ALPHABET
from hypothesis import given
from hypothesis import strategies as st
from support.traced_memory import peak_memory

HASHES = [bytes((ALPHABET[i:] + ALPHABET[:i]).encode()) for i in range(3)]
NEW = {hash_: hash_[::-1] for hash_ in HASHES}

noise = st.binary(max_size=40) | st.text(ALPHABET, max_size=70).map(str.encode)
parts = st.lists(noise | st.sampled_from(HASHES), max_size=8)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


@given(parts, st.lists(st.integers(0, 50), max_size=8))
def test_every_hash_is_found_whatever_surrounds_it_and_however_it_is_cut(parts: list[bytes], sizes: list[int]) -> None:
    data = b"".join(parts)
    finder = Finder(set(HASHES))
    for piece in cut(data, sizes):
        finder.feed(piece)
    assert finder.found == {hash_ for hash_ in HASHES if hash_ in data}


@given(parts, st.lists(st.integers(0, 50), max_size=8), st.integers(1, 9), st.integers(0, 3))
def test_every_hash_is_found_however_the_data_is_divided(
    parts: list[bytes], sizes: list[int], part: int, dense: int
) -> None:
    data = b"".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(references, "_PART", part)
        patch.setattr(references, "_DENSE", dense)
        finder = Finder(set(HASHES))
        for piece in cut(data, sizes):
            finder.feed(piece)
    assert finder.found == {hash_ for hash_ in HASHES if hash_ in data}


@given(parts, st.lists(st.integers(0, 50), max_size=8))
def test_rewriting_a_stream_is_rewriting_the_whole(parts: list[bytes], sizes: list[int]) -> None:
    changes = {HASHES[0]: NEW[HASHES[0]]}
    data = b"".join(parts)
    assert b"".join(rewrite(cut(data, sizes), changes)) == data.replace(HASHES[0], NEW[HASHES[0]])


@given(st.binary(min_size=1, max_size=100), st.lists(st.integers(0, 30), max_size=8), st.integers(0, 120), st.data())
def test_patching_a_stream_is_patching_the_whole(data: bytes, sizes: list[int], at: int, draw: st.DataObject) -> None:
    new = draw.draw(st.binary(max_size=max(len(data) - at, 0)))
    expected = data[:at] + new + data[at + len(new) :]
    assert b"".join(patch(cut(data, sizes), [(at, new)])) == (expected if new else data)


def test_utf_16_is_noticed() -> None:
    finder = Finder(set(HASHES), HASHES[:1])
    text = ("x" + HASHES[0].decode()).encode("utf-16-le")
    finder.feed(text[:20])
    finder.feed(text[20:])
    assert finder.wide == {HASHES[0]} and not finder.found


@pytest.mark.parametrize("kind", ["gzip", "two members", "zip", "cut off"])
def test_packed_files_are_looked_into(kind: str) -> None:
    text = b"see /fpack/store/" + HASHES[1] + b"-x"
    if kind == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a", b"nothing")
            archive.writestr("b", text * 50)
        data = buffer.getvalue()
    else:
        data = gzip.compress(text * 50)
        if kind == "two members":
            data = gzip.compress(b"nothing") + data
        elif kind == "cut off":
            data = data[:-9]
    finder = Finder(set(HASHES))
    search_packed(io.BytesIO(data), data[:4], finder, lambda: None)
    assert finder.found == {HASHES[1]}


@given(st.binary(max_size=200), st.sampled_from([b"\x1f\x8b", b"\x1f\x8b\x08\x00", b"PK\x03\x04"]))
def test_damaged_packed_files_end_the_search_and_nothing_else(data: bytes, magic: bytes) -> None:
    search_packed(io.BytesIO(magic + data), magic, Finder(set(HASHES)), lambda: None)


def test_a_file_that_unpacks_to_much_takes_little_memory() -> None:
    data = gzip.compress(bytes(100 << 20), 9)
    assert peak_memory(lambda: search_packed(io.BytesIO(data), data[:4], Finder(set(HASHES)), lambda: None)) < 16 << 20
