"""One value, one encoding; and nothing else is accepted."""

from __future__ import annotations

import subprocess
import sys

import msgpack
import pytest
from fpack.store import canonical, derivation
from fpack.store.errors import NotCanonical
from hypothesis import given
from hypothesis import strategies as st

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary()
values = st.recursive(scalars, lambda v: st.lists(v) | st.dictionaries(st.text(), v), max_leaves=30)


@given(values)
def test_decoding_gives_the_value_back(value: object) -> None:
    assert canonical.decode(canonical.encode(value)) == value


@given(st.dictionaries(st.text(), st.integers(0, 9), min_size=2))
def test_the_order_of_a_record_does_not_count(value: dict[str, int]) -> None:
    assert canonical.encode(dict(reversed(value.items()))) == canonical.encode(value)


@given(st.binary(max_size=60))
def test_no_bytes_do_harm_and_accepted_ones_are_canonical(data: bytes) -> None:
    try:
        value = canonical.decode(data)
    except NotCanonical:
        return
    assert canonical.encode(value) == data


@pytest.mark.parametrize(
    "data",
    [
        b"\xcd\x00\x01",  # 1 in three bytes
        b"\x82\xa1b\x01\xa1a\x02",  # keys out of order
        b"\x82\xa1a\x01\xa1a\x02",  # a key twice
        b"\xd9\x01a",  # a long form of a short string
        b"\x01\x02",  # something after the value
        msgpack.packb(1.5),
        b"\x81\x01\x02",  # a key that is no string
        b"\x91" * 5000 + b"\x00",
        b"",
        b"\xdd\xff\xff\xff\xff",  # a list of 2^32 - 1
    ],
)
def test_other_encodings_are_rejected(data: bytes) -> None:
    with pytest.raises(NotCanonical):
        canonical.decode(data)


@pytest.mark.parametrize("value", [1.5, {1: 2}, object(), 2**64, -(2**63) - 1, {"a": {1, 2}}, "\ud800"])
def test_values_without_an_encoding_are_rejected(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical.encode(value)


def test_nesting_has_a_limit() -> None:
    value: list[object] = []
    for _ in range(1000):
        value = [value]
    with pytest.raises(NotCanonical, match="deep"):
        canonical.encode(value)


def test_a_value_is_seen_without_its_form_being_checked() -> None:
    assert canonical.peek(canonical.encode({"b": [1, None], "a": "x"})) == {"a": "x", "b": [1, None]}
    assert canonical.peek(b"\xcd\x00\x01") == 1
    assert canonical.peek(b"") is canonical.peek(b"\xc1") is canonical.peek(b"\x91" * 2000) is None


def test_the_parts_of_derivations_that_are_written_out_are_encodings() -> None:
    names = ("inputs", "kind", "name")
    assert canonical.encode({"args": 0, **dict.fromkeys("bcdefg", 0)})[:6] == derivation._ARGS
    assert tuple(map(canonical.encode, names)) == (derivation._INPUTS, derivation._KIND, derivation._NAME)
    assert [canonical.encode([0] * n)[:1] for n in range(16)] == derivation._LENGTHS
    assert derivation._around_inputs([], ["out"]) == derivation._PLAIN
    assert canonical.encode([bytes(derivation.HASH_BYTES), 0])[: -derivation.HASH_BYTES - 1] == derivation._PAIR


def test_an_evaluation_of_plain_data_needs_no_encoder() -> None:
    text = "import sys, fpack.lang.evaluator; sys.exit('msgpack' in sys.modules or 'datetime' in sys.modules)"
    subprocess.run([sys.executable, "-c", text], check=True)


def number(value: object) -> int:
    """Return the number of values and keys in a value."""
    if isinstance(value, dict):
        return 1 + sum(1 + number(item) for item in value.values())
    return 1 + sum(map(number, value)) if isinstance(value, (list, tuple)) else 1


@given(values)
def test_the_number_of_values_has_a_limit(value: object) -> None:
    data = canonical.encode(value)
    assert canonical.decode(data, most=number(value)) == canonical.decode(data)
    if number(value) > 1:
        with pytest.raises(NotCanonical):
            canonical.decode(data, most=number(value) - 1)
