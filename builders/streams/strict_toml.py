"""Parse TOML that others wrote.

`tomllib` takes time and memory that grow with the square of the number of parts of a key: a key of 100 kB such as
`a.a.a` takes 20 seconds and several gigabytes.
"""

from __future__ import annotations

import re
from typing import Any

MAX_PARTS = 256  # of a key
# Possessive quantifiers and the lookbehind keep the time linear.
_PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-])(?:{_PART}){{{MAX_PARTS}}}")


def parse(text: str) -> dict[str, Any]:
    """Return the table of a TOML text. Raise tomllib.TOMLDecodeError, also if a key has more than MAX_PARTS parts."""
    import tomllib

    if _LONG_KEY.search(text):
        raise tomllib.TOMLDecodeError(f"a key has more than {MAX_PARTS} parts")
    return tomllib.loads(text)
