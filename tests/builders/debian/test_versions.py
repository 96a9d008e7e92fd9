"""Test that versions are ordered as by dpkg."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise

import pytest
from fpack.builders.debian.version import InvalidVersion, check_version, satisfies, version_key
from hypothesis import given, settings
from hypothesis import strategies as st

ORDERED = [
    "0~",
    "0",
    "0.0~~",
    "0.0~rc1",
    "0.0",
    "1.0~rc1-1",
    "1.0~rc1-1+b1",
    "1.0-0ubuntu1",
    "1.0-1~bpo12+1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb13u1",
    "1.0-1.1",
    "1.0-2",
    "1.0-10",
    "1.0a-1",
    "1.0+dfsg-1",
    "1.0.1-1",
    "1.2-1",
    "1.10-1",
    "2-1-1",
    "1:0.1",
    "1:1.0~",
    "2:0",
    "10:0",
]
EQUAL = [("1.0", "1.0-0"), ("0:1.0", "1.0"), ("1.00", "1.0"), ("1.", "1.0"), ("1.0-", "1.0-0"), ("a", "a0")]

parts = st.text("0123456789abzAZ.+~", min_size=1, max_size=8).map(lambda text: "1" + text)
versions = st.builds(
    lambda epoch, upstream, revision: f"{epoch}{upstream}{revision}",
    st.sampled_from(["", "0:", "1:", "12:"]),
    parts,
    st.one_of(st.just(""), parts.map(lambda text: "-" + text)),
)


def test_known_order() -> None:
    for low, high in pairwise(ORDERED):
        assert version_key(low) < version_key(high), (low, high)


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_known_equals(one: str, other: str) -> None:
    assert version_key(one) == version_key(other)
    assert satisfies(one, "=", other)


@given(versions, versions)
def test_relations_agree_with_each_other(one: str, other: str) -> None:
    assert satisfies(one, "<<", other) == (not satisfies(one, ">=", other)) == satisfies(other, ">>", one)
    assert satisfies(one, "<=", other) == (satisfies(one, "<<", other) or satisfies(one, "=", other))


@given(versions)
def test_a_tilde_goes_before_and_all_else_after(version: str) -> None:
    if "-" in version:
        assert version_key(version + "~") < version_key(version) < version_key(version + "a")
    assert version_key(version) == version_key(version)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg, which is compared with, is not installed")
@settings(max_examples=60, deadline=None)
@given(versions, versions)
def test_dpkg_agrees(one: str, other: str) -> None:
    for name, relation in (("lt", "<<"), ("eq", "="), ("gt", ">>")):
        answer = subprocess.run(["dpkg", "--compare-versions", one, name, other], check=False).returncode == 0
        assert satisfies(one, relation, other) is answer, (one, relation, other)


@pytest.mark.parametrize("text", ["", " ", "1 0", "1_0", "1/2", "ü", "1\n", "9999999999:1", "1" * 300, "x:1 "])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidVersion):
        check_version(text)
    with pytest.raises(InvalidVersion):
        version_key(text)
