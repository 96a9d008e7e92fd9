"""Encode bytes in base 32, 5 bits a character, most significant bits first.

The alphabet leaves out e, o, u and t, so that few words appear.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"
_TO_TEXT = bytes.maketrans(bytes(range(32)), ALPHABET.encode())
# The digits of int() in base 32 for the characters of the alphabet, and a character that int() refuses for all others.
_TO_DIGITS = bytearray(b"!" * 256)
for _letter, _digit in zip(ALPHABET.encode(), b"0123456789abcdefghijklmnopqrstuv", strict=True):
    _TO_DIGITS[_letter] = _digit
_FIVE = Struct(">IB")
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
_TWENTY = Struct(">IBIBIBIB").unpack
_TOGETHER = 256  # hashes that `encode_all` encodes with a few operations on one number
# (shift, the bits of each 8 bytes that stay, the bits that move): 40 bits become 2 x 20, then 4 x 10, then 8 x 5.
_SPREAD = tuple(
    (shift, *(int.from_bytes(mask.to_bytes(8, "big") * (4 * _TOGETHER), "big") for mask in masks))
    for shift, masks in (
        (12, (0x00000000_000FFFFF, 0x000000FF_FFF00000)),
        (6, (0x000003FF_000003FF, 0x000FFC00_000FFC00)),
        (3, (0x001F001F_001F001F, 0x03E003E0_03E003E0)),
    )
)


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


def encode_all(hashes: Sequence[bytes]) -> list[str]:
    """Encode hashes of 20 bytes, several times as fast as one by one."""
    found: list[str] = []
    for at in range(0, len(hashes), _TOGETHER):
        some = hashes[at : at + _TOGETHER]
        data = b"".join(some)
        if len(data) != 20 * len(some):
            raise ValueError("a hash does not have 20 bytes")
        # Each 5 bytes become the 5 low bytes of 8 bytes, whose 40 bits are then spread, 5 to a byte.
        spread = bytearray(len(data) // 5 * 8)
        for byte in range(5):
            spread[byte + 3 :: 8] = data[byte::5]
        bits = int.from_bytes(spread, "big")
        for shift, low, high in _SPREAD:
            bits = bits & low | (bits & high) << shift
        text = bits.to_bytes(len(spread), "big").translate(_TO_TEXT).decode("ascii")
        found += [text[start : start + 32] for start in range(0, len(text), 32)]
    return found


def decode(text: str) -> bytes:
    """Return the bytes that `encode` encoded as `text`. Raise ValueError for any other text."""
    if len(text) % 8:
        raise ValueError("length is not a multiple of 8")
    # A character outside of ASCII raises UnicodeEncodeError, which is a ValueError.
    digits = text.encode("ascii").translate(_TO_DIGITS)
    return int(digits, 32).to_bytes(len(text) // 8 * 5, "big") if digits else b""


def lowest(start: str, length: int = 32) -> bytes | None:
    """Return the lowest bytes whose encoding, of `length` characters, begins with `start`; None if there are none."""
    if len(start) > length or any(c not in ALPHABET for c in start):
        return None
    return decode(start.ljust(length, ALPHABET[0]))
