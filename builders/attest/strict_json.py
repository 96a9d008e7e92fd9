"""Parse JSON of others without ambiguity, and encode it in the form over which in-toto links are signed.

The form is OLPC's canonical JSON: sorted fields, no white space, whole numbers, and only `"` and `\\` escaped in text.
"""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 32


def parse(data: bytes, limit: int) -> Any:
    """Parse a document of at most `limit` bytes. Raise ValueError with the reason if it is not unambiguous JSON.

    Duplicate fields, NaN, infinity and lone surrogates are refused, because parsers differ on them.
    """
    if len(data) > limit:
        raise ValueError(f"it has more than {limit} bytes")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_refuse)
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode()  # fails for a lone surrogate
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("it has half of a surrogate pair") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    return value


def canonical(value: Any) -> bytes:
    """Encode a JSON value canonically. Raise ValueError for a fraction, and for more than MAX_DEPTH levels."""
    return _encode(value, 0).encode("utf-8")


def _encode(value: Any, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join([_encode(item, depth + 1) for item in value]) + "]"
    if isinstance(value, dict):
        pairs = [f"{_encode(key, 0)}:{_encode(value[key], depth + 1)}" for key in sorted(value)]
        return "{" + ",".join(pairs) + "}"
    raise ValueError("it has a number that is not whole")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a field occurs twice")
    return value


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is not a number")
