"""Versions and ranges of Node packages, as npm understands them."""

from __future__ import annotations

import pytest
from fpack.builders.node.semver import newest, parse_range, satisfies


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("1.2.3", "^1.2", True), ("2.0.0", "^1.2", False), ("0.2.5", "^0.2.3", True), ("0.3.0", "^0.2.3", False),
        ("0.0.4", "^0.0.3", False), ("1.2.9", "~1.2.3", True), ("1.3.0", "~1.2", False), ("1.9.0", "~1", True),
        ("3.4.5", "*", True), ("1.5.0", "1.2 - 1.6", True), ("1.6.9", "1.2 - 1.6", True), ("1.7.0", "1.2 - 1.6", False),
        ("5.0.0", ">=4 <6 || 8", True), ("7.0.0", ">=4 <6 || 8", False), ("18.2.0", ">= 18", True),
        ("1.2.3", "1.x", True), ("1.2.3", "=1.2.3", True), ("1.2.3", "v1.2.3", True), ("1.2.3", "", True),
        ("1.0.0-beta", "^1.0.0", False), ("1.0.0-beta.2", "^1.0.0-beta", True), ("2.0.0-rc.1", "<2.0.0", False),
        ("1.1.0", "<=1", True), ("2.0.0", ">1", True), ("1.5.0", ">1", False), ("1.2.3", ">1.2", False),
        ("1.2.3+build", "1.2.3", True),
    ],
)  # fmt: skip
def test_ranges(version: str, wanted: str, fits: bool) -> None:
    assert satisfies(version, wanted) is fits


def test_the_newest() -> None:
    assert newest(["1.2.0", "1.10.0", "2.0.0", "x"], "^1") == "1.10.0" and newest(["2.0.0"], "^1") is None


@pytest.mark.parametrize("text", ["latest", "^", "git+ssh://x", "1.2.3.4", "9" * 3000])
def test_what_is_no_range(text: str) -> None:
    assert parse_range(text) is None and not satisfies("1.2.3", text)
