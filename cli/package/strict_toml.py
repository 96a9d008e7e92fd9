"""Parse TOML within bounds: it is written by others.

`tomllib` takes time and memory that grow with the square of the number of parts of a key: a key of 100 kB such as
`a.a.a` takes 20 seconds and several gigabytes. Each part of a table's name takes up to a kilobyte of memory, and each
digit of a number a hundred bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fpack.light_typing import Any

MAX_PARTS = 64  # of a key
MAX_MARKS = 600_000  # points, commas, brackets, braces and equals signs: a part of a key or a value has at least one
MAX_DIGITS = 1000  # in succession
# Possessive quantifiers and the lookbehinds keep the time linear.
_PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-])(?:{_PART}){{{MAX_PARTS}}}")
_LONG_NUMBER = re.compile(rf"(?<![\w'\"])[0-9]\w{{{MAX_DIGITS}}}")


def parse(text: str, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """Return the table of a TOML text. Raise ValueError for one that is invalid or beyond the bounds.

    parse_float: returns the value of a float, or raises ValueError.
    """
    import tomllib

    if len(text) > MAX_MARKS and sum(map(text.count, ".,[{=")) > MAX_MARKS:
        raise ValueError(f"it has more than {MAX_MARKS} values")
    if _LONG_KEY.search(text):
        raise ValueError(f"a key has more than {MAX_PARTS} parts")
    if _LONG_NUMBER.search(text):
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    try:
        return tomllib.loads(text, parse_float=parse_float)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
