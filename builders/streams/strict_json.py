"""Parse JSON of others. A document on which parsers differ, or that is nested too deeply, is refused."""

from __future__ import annotations

import json
from typing import Any


def parse(data: bytes) -> Any:
    """Parse JSON in UTF-8. Raise ValueError, with the reason as its text, if it is not unambiguous.

    Duplicate fields, NaN, infinity and lone surrogates are ambiguous. The caller limits the size.
    """
    try:
        value = json.loads(data.decode(), object_pairs_hook=_no_duplicates, parse_constant=_refuse)
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode()  # fails for a lone surrogate
        return value
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("it has half of a surrogate pair") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a field occurs twice")
    return value


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is not a number")
