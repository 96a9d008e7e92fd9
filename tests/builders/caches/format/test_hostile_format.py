"""Records, statements and indexes that whoever can write to a cache has made: each is refused, and says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import pytest
import zstandard
from fpack.builders.attest.keys import ED25519, generate
from fpack.builders.caches.format import index as indexes
from fpack.builders.caches.format import statements
from fpack.builders.caches.format.errors import BadIndex
from fpack.builders.caches.format.index import Index
from fpack.builders.caches.format.records import MAX_FILES, PathRecord, decode_record
from fpack.builders.caches.format.statements import FORMAT, Realisation, SignedStatement, decode_claims, resolved_id
from fpack.store import canonical
from fpack.store.path import make

KEY = generate(ED25519)
TREE = bytes(range(32))
OTHER = make("other", TREE, [])
PATH = make("app", TREE, [OTHER])
RECORD = PathRecord(PATH, TREE, 5, (OTHER,), "", TREE, 100, 0, 50, 10, "fpack/store")
FILE = ["blob", TREE, 3]


def refused(decode: Callable[[], object]) -> str:
    with pytest.raises(BadIndex) as caught:
        decode()
    return caught.value.why


def test_a_record_of_many_small_values_is_refused_before_they_are_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index of 128 MB can have a record of so many lists, and each takes 150 bytes of memory."""
    monkeypatch.setattr(msgpack, "unpackb", None)
    assert "too many values" in refused(lambda: decode_record(PATH.base, msgpack.packb([[]] * 20_000)))


def row(**changes: Any) -> list[Any]:
    """Return the fields of the record, with changes."""
    names = [name for name in PathRecord._fields if name not in ("path", "files")]
    values = dict(zip(names, canonical.decode(RECORD.encode()), strict=True)) | changes  # type: ignore[arg-type]
    return list(values.values())


def test_the_record_itself_is_read() -> None:
    assert decode_record(PATH.base, RECORD.encode()) == RECORD
    detached = RECORD._replace(files=(), codec="zstd")
    assert decode_record(PATH.base, canonical.encode([*row(), [FILE]])).files[0].name == "blob"
    assert detached.blobs == {RECORD.blob_digest: 100}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"size": "5"}, "wrong type"),
        ({"size": -1}, "wrong type"),
        ({"offset": True}, "wrong type"),
        ({"tree": TREE[:31]}, "wrong type"),
        ({"blob": "text"}, "wrong type"),
        ({"references": OTHER.base}, "wrong type"),
        ({"prefix": b"bytes"}, "wrong type"),
        ({"length": 1 << 20, "blob_size": 1 << 21}, "larger than its tar"),
        ({"offset": 51}, "out of range"),
        ({"length": 0}, "out of range"),
        ({"codec": "lzma"}, "out of range"),
        ({"references": [OTHER.base, OTHER.base]}, "not sorted"),
        ({"references": [PATH.base]}, "not sorted"),
        ({"references": [5]}, "not a text"),
        ({"references": [f"/fpack/store/{OTHER.base}"]}, "not a name"),
        ({"output": "dev"}, "not the output"),
        ({"output": "x" * 201}, "not the output"),
        ({"references": []}, "another path"),
    ],
)
def test_a_record_with_a_wrong_field(changes: dict[str, Any], why: str) -> None:
    assert why in refused(lambda: decode_record(PATH.base, canonical.encode(row(**changes))))


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([], "too many files"),
        ("blob", "too many files"),
        ([[f"{number}", TREE, 1] for number in range(MAX_FILES + 1)], "too many files"),
        ([["blob", TREE]], "other fields"),
        ([["blob", "text", 3]], "wrong types"),
        ([["../blob", TREE, 3]], "out of range"),
        ([["..", TREE, 3]], "out of range"),
        ([["blob", TREE, -1]], "out of range"),
        ([FILE, FILE], "twice"),
    ],
)
def test_a_record_with_wrong_files(files: Any, why: str) -> None:
    assert why in refused(lambda: decode_record(PATH.base, canonical.encode([*row(), files])))


@pytest.mark.parametrize("data", [b"", b"\xc1", canonical.encode([1]), canonical.encode({"a": 1}), b"\x91" * 2000])
def test_bytes_that_are_no_record(data: bytes) -> None:
    refused(lambda: decode_record(PATH.base, data))


@pytest.mark.parametrize("base", ["", "app", "../app", f"{PATH.base}/below"])
def test_a_record_of_no_path(base: str) -> None:
    refused(lambda: decode_record(base, RECORD.encode()))


CLAIM = [resolved_id(bytes(20)), "out", PATH.base]


def claims(rows: Any = (CLAIM,), time: Any = 5, name: str = FORMAT, **more: Any) -> bytes:
    return msgpack.packb({"format": name, "realisations": list(rows), "time": time, **more})


def test_the_claims_themselves_are_read() -> None:
    made = statements.sign(KEY, 5, [Realisation(resolved_id(bytes(20)), "out", PATH.base)])
    assert made.payload == claims() and decode_claims(made).realisations[0].base == PATH.base


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (claims(name="fpack cache realisations 2"), "not those of a statement"),
        (claims(more=1), "entries"),
        (msgpack.packb([1]), ""),
        (claims()[:-1], ""),
        (claims() + b"\0", "more bytes"),
        (claims(time=-1), "wrong types"),
        (claims(time="5"), "wrong types"),
        (claims([CLAIM[:2]]), "other fields"),
        (claims([[b"short", "out", PATH.base]]), "wrong types"),
        (claims([[CLAIM[0], b"out", PATH.base]]), "wrong types"),
        (claims([[*CLAIM[:2], f"/fpack/store/{PATH.base}"]]), "names no path"),
        (claims([[*CLAIM[:2], "no path"]]), ""),
        (msgpack.packb({"format": FORMAT, "realisations": [], "time": 5}, use_single_float=True)[:-1] + b"\xcc\x05",
         "canonical"),
    ],
)  # fmt: skip
def test_a_statement_with_wrong_claims(payload: bytes, why: str) -> None:
    assert why in refused(lambda: decode_claims(SignedStatement(KEY.public.spki, payload, b"")))


def index(**changes: Any) -> bytes:
    """Return an index with changes of its fields, compressed. None: without the field."""
    fields = {"format": 1, "paths": {}, "statements": [], "subsumes": [], "time": 5} | changes
    body = msgpack.packb({name: fields[name] for name in sorted(fields) if fields[name] is not None})
    return zstandard.ZstdCompressor().compress(body)


def test_the_index_itself_is_read() -> None:
    made = Index(5, {PATH.base: RECORD.encode()}, (), ())
    blob = zstandard.ZstdCompressor().compress(made.body())
    assert indexes.decode(blob, "test") == made


@pytest.mark.parametrize(
    ("blob", "why"),
    [
        (b"no frame", ""),
        (index()[:-3], ""),
        (index(time=None), "fields"),
        (index(format=3), "reads formats"),
        (index(format=True), "reads formats"),
        (index(paths={"short": b"x"}), "wrong types"),
        (index(paths={PATH.base: "text"}), "wrong types"),
        (index(statements=[[b"", b""]]), "other fields"),
        (index(statements=[[b"", "text", b""]]), "wrong type"),
        (index(statements=[[bytes(2000), b"", b""]]), "wrong type"),
        (index(subsumes=["latest"]), "wrong types"),
        (index(subsumes=[[]]), "wrong types"),
        (index(time="5"), "wrong types"),
        (index(more=1), "fields"),
    ],
)
def test_an_index_with_a_wrong_field(blob: bytes, why: str) -> None:
    assert why in refused(lambda: indexes.decode(blob, "test"))


def test_tags_that_name_no_index() -> None:
    name = str(indexes.tag_of(Index(5, {}, (), ()), b"blob"))
    assert indexes.parse_tag(name) is not None
    assert all(indexes.parse_tag(tag) is None for tag in ("latest", f"{name}0", name.upper(), f"{name}\n", ""))
