"""Encode JSON in the form over which in-toto links are signed.

The form is OLPC's canonical JSON: sorted fields, no white space, whole numbers, and only `"` and `\\` escaped in text.
"""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 32


def encode(value: Any) -> bytes:
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
