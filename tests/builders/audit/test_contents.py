"""Test the facts of a package in an image."""

from __future__ import annotations

import pytest
from fpack.builders.audit.contents import payload
from support.growth import check_linear


def _uses(text: str) -> tuple[str, ...]:
    return payload([], {"control": f"Package: a\nVersion: 1\nBuilt-Using: {text}\n"}).uses


def test_sources_of_parts_are_named() -> None:
    assert _uses("gcc-14 (= 14.2.0-19), musl( = 1.2 ), c++x (=1)") == ("c++x", "gcc-14")


@pytest.mark.parametrize("repeated", ["a", "a(=", "a ", "a (= 1 "])
def test_built_using_is_read_in_time_in_proportion_to_it(repeated: str) -> None:
    check_linear(lambda size: _uses(repeated * (size // len(repeated))))
