"""Test TOML that others wrote."""

from __future__ import annotations

import tomllib
from contextlib import suppress

import pytest
from fpack.builders.streams.strict_toml import MAX_PARTS, parse
from support.growth import check_linear


def test_keys_of_many_parts_are_refused() -> None:
    assert parse("a.b.'c.d' = 1") == {"a": {"b": {"c.d": 1}}}
    parse("a." * (MAX_PARTS - 1) + "a = 1")
    for part in ("a.", '"" . ', "'x'\t."):
        for text in (part * MAX_PARTS + "a = 1", f"[{part * MAX_PARTS}a]", f"x = {{ {part * MAX_PARTS}a = 1 }}"):
            with pytest.raises(tomllib.TOMLDecodeError, match="more than 256 parts"):
                parse(text)


@pytest.mark.parametrize("repeated", ["a.", "a", "a. ", '"', '"".', "'", "a.'", "[a.", "a.\n"])
def test_time_is_in_proportion_to_the_length(repeated: str) -> None:
    def read(size: int) -> None:
        with suppress(tomllib.TOMLDecodeError):
            parse(repeated * (size // len(repeated)))

    check_linear(read)
