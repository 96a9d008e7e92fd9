"""Encode bytes in base 32, 5 bits a character, most significant bits first.

The alphabet leaves out e, o, u and t, so that few words appear.
"""

from __future__ import annotations

from struct import Struct

ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"
_VALUES = {c: i for i, c in enumerate(ALPHABET)}
_FIVE = Struct(">IB")
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
_TWENTY = Struct(">IBIBIBIB").unpack


def encode(data: bytes) -> str:
    """Encode `data`, whose length must be a multiple of 5 bytes, as 8 characters for each 5 bytes."""
    if len(data) % 5:
        raise ValueError("length is not a multiple of 5")
    pairs = _PAIRS
    if len(data) == 20:
        # Store hashes are encoded very often, so their length has a fast path.
        a, b, c, d, e, f, g, h = _TWENTY(data)
        return (
            f"{pairs[a >> 22]}{pairs[a >> 12 & 1023]}{pairs[a >> 2 & 1023]}{pairs[(a & 3) << 8 | b]}"
            f"{pairs[c >> 22]}{pairs[c >> 12 & 1023]}{pairs[c >> 2 & 1023]}{pairs[(c & 3) << 8 | d]}"
            f"{pairs[e >> 22]}{pairs[e >> 12 & 1023]}{pairs[e >> 2 & 1023]}{pairs[(e & 3) << 8 | f]}"
            f"{pairs[g >> 22]}{pairs[g >> 12 & 1023]}{pairs[g >> 2 & 1023]}{pairs[(g & 3) << 8 | h]}"
        )
    out = ""
    for a, b in _FIVE.iter_unpack(data):
        out += f"{pairs[a >> 22]}{pairs[a >> 12 & 1023]}{pairs[a >> 2 & 1023]}{pairs[(a & 3) << 8 | b]}"
    return out


def decode(text: str) -> bytes:
    """Return the bytes that `encode` encoded as `text`. Raise ValueError for any other text."""
    if len(text) % 8:
        raise ValueError("length is not a multiple of 8")
    out = bytearray()
    for i in range(0, len(text), 8):
        n = 0
        for c in text[i : i + 8]:
            if c not in _VALUES:
                raise ValueError(f"{c!r} is not a base 32 character")
            n = n << 5 | _VALUES[c]
        out += n.to_bytes(5, "big")
    return bytes(out)


def lowest(start: str, length: int = 32) -> bytes | None:
    """Return the lowest bytes whose encoding, of `length` characters, begins with `start`; None if there are none."""
    if len(start) > length or any(c not in _VALUES for c in start):
        return None
    return decode(start.ljust(length, ALPHABET[0]))
