"""Store paths, base 32 and placeholders."""

from __future__ import annotations

import pytest
from fpack.store import base32, derivation, path
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import InvalidName, NotCanonical
from hypothesis import given
from hypothesis import strategies as st


@given(st.binary().filter(lambda b: len(b) % 5 == 0))
def test_base32_round_trip(data: bytes) -> None:
    assert base32.decode(base32.encode(data)) == data


@given(st.lists(st.binary(min_size=20, max_size=20), max_size=3), st.sampled_from([1, 300]))
def test_many_hashes_are_encoded_as_each_alone(hashes: list[bytes], times: int) -> None:
    assert base32.encode_all(hashes * times) == [base32.encode(hash_) for hash_ in hashes] * times


def test_only_hashes_can_be_encoded_together() -> None:
    with pytest.raises(ValueError):
        base32.encode_all([bytes(20), bytes(5)])


@pytest.mark.parametrize(
    "text", ["e" * 8, "0", "A" * 8, "+0000000", "-0000000", "0000_000", " 0000000", "0000000\n", "\u0663" * 8]
)
def test_base32_rejects_what_it_did_not_write(text: str) -> None:
    with pytest.raises(ValueError):
        base32.decode(text)


@pytest.mark.parametrize("name", ["", ".hidden", "-dash", "a/b", "a b", "a:b", "a~b", "ä", "a\n", "x" * 201])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        path.check_name(name)


@given(st.text())
def test_any_text_can_be_cleaned_to_a_name(text: str) -> None:
    assert path.check_name(path.clean_name(text))


def test_a_path_depends_on_name_tree_and_references() -> None:
    other = path.make("other", b"t" * 32, [])
    paths = {
        path.make("a", b"t" * 32, []),
        path.make("b", b"t" * 32, []),
        path.make("a", b"u" * 32, []),
        path.make("a", b"t" * 32, [other]),
    }
    assert len(paths) == 4
    assert all(path.parse(str(p)) == p for p in paths)


@pytest.mark.parametrize("text", ["/fpack/store/short-x", "/etc/passwd", "/fpack/store/" + "e" * 32 + "-x", ""])
def test_what_is_no_store_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        path.parse(text)


def test_references_are_found_in_text() -> None:
    p = path.make("libfoo-1.0", b"t" * 32, [])
    assert path.find_references(f"x{p}/lib:{p}") == [(p.hash, "libfoo-1.0")] * 2


def test_resolving_replaces_placeholders_everywhere() -> None:
    one = Derivation("text", "one", {"text": "1"})
    digest = derivation.digest(one.encode())
    hole = derivation.placeholder(digest, "one")
    real = path.make("one", b"t" * 32, [])
    two = Derivation("text", "two", {f"{hole}": [f"a {hole}/b", {"c": f"{hole}"}], "n": 1}, (Output(digest),))
    resolved = derivation.resolve(two, {Output(digest): (hole, real)})
    assert resolved.args == {str(real): [f"a {real}/b", {"c": str(real)}], "n": 1}
    assert resolved.inputs == ()


def test_derivations_round_trip_and_are_checked() -> None:
    drv = Derivation("text", "one", {"text": "1"}, (Output(b"d" * 20),), (Output(b"e" * 20, "dev"),))
    assert derivation.decode(drv.encode()) == drv
    with pytest.raises(NotCanonical):
        derivation.decode(b"\x80")
    with pytest.raises(InvalidName):
        drv._replace(name="a/b").encode()


@pytest.mark.parametrize(
    "outputs",
    [(), ("out", "out"), ("out", 1), ("out", "a b"), ("out", "../x"), ("out", "x\0--bind\0/\0/tmp")],
    ids=repr,
)
def test_outputs_have_names_of_the_store(outputs: tuple[str, ...]) -> None:
    """A manifest's derivations are anybody's, and a build has a variable with the name of each output."""
    with pytest.raises(NotCanonical):
        derivation.decode(Derivation("exec", "one", {}, outputs=outputs).encode())
