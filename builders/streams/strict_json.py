"""Parse JSON of others. A document on which parsers differ, or that is nested too deeply, is refused."""

from __future__ import annotations

import json
import math

from fpack.light_typing import Any, NoReturn

MAX_VALUES = 2_500_000  # each takes up to 150 bytes of memory, and 3 bytes of a document


def parse(data: bytes, limit: int | None = None) -> Any:
    """Parse JSON in UTF-8. Raise ValueError, with the reason as its text, if it is not unambiguous.

    Duplicate fields, NaN, infinity and lone surrogates are ambiguous. limit: the most bytes; without it, the caller has
    limited the size.
    """
    if limit is not None and len(data) > limit:
        raise ValueError(f"it has more than {limit} bytes")
    if most_values(data) > MAX_VALUES:
        raise ValueError(f"it has more than {MAX_VALUES} values")
    try:
        value = json.loads(data.decode(), object_pairs_hook=_no_duplicates, parse_constant=_refuse, parse_float=_finite)
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode()  # fails for a lone surrogate
        return value
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("it has half of a surrogate pair") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None


def most_values(data: bytes) -> int:
    """Return how many values a document has at most, without parsing it; 0 if they are few."""
    return sum(map(data.count, (b",", b"[", b"{"))) if len(data) > MAX_VALUES else 0


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a field occurs twice")
    return value


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")
