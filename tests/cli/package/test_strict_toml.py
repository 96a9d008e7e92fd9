"""Test TOML that others wrote."""

from __future__ import annotations

from contextlib import suppress

import pytest
from fpack.strict_toml import MAX_DIGITS, MAX_MARKS, MAX_PARTS, parse
from support.growth import check_linear


def test_keys_of_many_parts_are_refused() -> None:
    assert parse("a.b.'c.d' = 1") == {"a": {"b": {"c.d": 1}}}
    parse("a." * (MAX_PARTS - 1) + "a = 1")
    for part in ("a.", '"" . ', "'x'\t."):
        for text in (part * MAX_PARTS + "a = 1", f"[{part * MAX_PARTS}a]", f"x = {{ {part * MAX_PARTS}a = 1 }}"):
            with pytest.raises(ValueError, match=f"more than {MAX_PARTS} parts"):
                parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = " + "[" * 5000, "nested too deeply"),
        ("x = " + "{a = " * 5000, "nested too deeply"),
        *((f"x = {start}{'1' * MAX_DIGITS}", "digits") for start in ("1", "-1", "1.1", "1e+1", "0x", "07:32:00.1")),
        ("[a.b]\n" * (MAX_MARKS // 2 + 1), "values"),
    ],
)
def test_invalid_texts_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text)


def test_digests_are_no_numbers() -> None:
    digest = "1" * 2 * MAX_DIGITS
    assert parse(f"a = '{digest}'\nb = \"sha512-x{digest}\"") == {"a": digest, "b": f"sha512-x{digest}"}


@pytest.mark.parametrize("repeated", ["a.", "a", "a. ", '"', '"".', "'", "a.'", "[a.", "a.\n", "0x", "1_"])
def test_time_is_in_proportion_to_the_length(repeated: str) -> None:
    def read(size: int) -> None:
        with suppress(ValueError):
            parse(repeated * (size // len(repeated)))

    check_linear(read)
