"""The order of versions of each ecosystem."""

from __future__ import annotations

import pytest
from fpack.builders.audit.versions import ECOSYSTEMS, MAX_LENGTH, key
from hypothesis import given
from hypothesis import strategies as st

# Ascending, each row. The orders are those of the specifications: SemVer 2.0 (11), PEP 440, and RubyGems.
SEMVER = (
    "0.0.0-0 0.0.1 1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1 "
    "1.2 1.10.0"
)
ORDERS = {
    "npm": SEMVER,
    "crates.io": SEMVER,
    "Go": "v0.0.0-20200101000000-abcdefabcdef v0.1.0 1.9.0 v1.10.0-pre v1.10.0+incompatible 2.0.0",
    "PyPI": "1.0.dev1 1.0a1.dev1 1.0a1 1.0a2 1.0b1 1.0rc1 1.0 1.0+x 1.0+x.2 1.0.post1.dev2 1.0.post1 1.1 1!0.1",
    "RubyGems": "0.9 1.0.a 1.0.b1 1.0.rc1 1.0 1.0.1.pre 1.0.1 1.2 1.10",
    "Debian": "1.0~rc1-1 1.0-1 1.0-1+b1 1.0-1+deb13u1 1.0-2 1.10-1 1:0.1-1",
    "Ubuntu": "1.0-1ubuntu0.1 1.0-1ubuntu1 1.0-2",
}
SAME = [
    ("npm", "1.2.0", "v1.2.0+build"),
    ("PyPI", "1.0", "1.0.0"),
    ("PyPI", "1.0-RC.1", "1.0rc1"),
    ("PyPI", "v1.0.post2", "1.0-2"),
    ("PyPI", "1.0.alpha", "1.0a0"),
    ("RubyGems", "1.0", "1"),
    ("Debian", "1.0", "0:1.0"),
    ("Go", "v1.2.3", "1.2.3"),
]


def test_each_ecosystem_has_an_order() -> None:
    assert ORDERS.keys() == ECOSYSTEMS


@pytest.mark.parametrize("ecosystem", sorted(ORDERS))
def test_versions_are_in_order(ecosystem: str) -> None:
    keys = [key(ecosystem, text) for text in ORDERS[ecosystem].split()]
    assert keys == sorted(keys) and len(set(keys)) == len(keys)


@pytest.mark.parametrize(("ecosystem", "one", "other"), SAME)
def test_notations_of_one_version_are_equal(ecosystem: str, one: str, other: str) -> None:
    assert key(ecosystem, one) == key(ecosystem, other)


@pytest.mark.parametrize("ecosystem", sorted(ECOSYSTEMS))
@pytest.mark.parametrize("text", ["", "latest!", "1.0;", "1" * (MAX_LENGTH + 1), "1.0\n", "\x1b[2J", "١", "a" * 10**6])
def test_what_is_no_version_is_refused(ecosystem: str, text: str) -> None:
    with pytest.raises(ValueError):
        key(ecosystem, text)


NUMBERS = st.integers(0, 12).map(str)
PHASES = st.builds("{}{}{}".format, st.sampled_from(["", ".", "-"]), st.sampled_from(["a", "b", "rc", "pre"]), NUMBERS)
EMPTY = st.just("")
PEP440 = st.builds(
    lambda epoch, release, pre, post, dev, local: f"{epoch}{'.'.join(release)}{pre}{post}{dev}{local}",
    st.sampled_from(["", "0!", "1!"]),
    st.lists(NUMBERS, min_size=1, max_size=4),
    EMPTY | PHASES,
    EMPTY | st.builds("{}{}".format, st.sampled_from([".post", "-", "rev", "-r"]), NUMBERS),
    EMPTY | st.builds("{}{}".format, st.sampled_from([".dev", "dev", "_dev"]), NUMBERS),
    EMPTY | st.builds("+{}".format, st.sampled_from(["a", "1", "a.1", "1.a", "ubuntu-2"])),
)


@given(PEP440, PEP440)
def test_pep440_is_as_in_the_library_packaging(one: str, other: str) -> None:
    packaging = pytest.importorskip("packaging.version")
    left, right = packaging.Version(one), packaging.Version(other)
    assert (key("PyPI", one) < key("PyPI", other), key("PyPI", one) == key("PyPI", other)) == (
        left < right,
        left == right,
    )


@given(st.text(max_size=40), st.sampled_from(sorted(ECOSYSTEMS)))
def test_every_text_has_a_key_or_is_refused(text: str, ecosystem: str) -> None:
    try:
        found = key(ecosystem, text)
    except ValueError:
        return
    assert found == key(ecosystem, text) and found > ()
