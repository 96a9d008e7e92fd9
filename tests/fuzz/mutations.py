"""Inputs near good ones: the same for the same seed."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence

NUMBERS = (0, 1, 127, 128, 255, 256, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
_WORDS = (
    b"\x00", b"\xff", b"\n", b"\n\n", b"..", b"/../", b"//", b"-1", b"99999999999999999999", b"0x10", b"\x80",
    b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\x91" * 200, b"[" * 200, b"{" * 200,
    b'"', b"\\", b"\\u0000", b"\xed\xa0\x80", b": ", b" |", b"(>= ", b"NaN", b"1e999",
)  # fmt: skip


def mutations(seeds: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Yield `count` changed copies of the seeds."""
    chance = random.Random(seed)
    for _ in range(count):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            _change(data, seeds, chance)
        yield bytes(data)


def _change(data: bytearray, seeds: Sequence[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    end = min(len(data), at + chance.choice((1, 2, 4, 8, 16, 64, 512)))
    kind = chance.randrange(9)
    if kind == 0 and data:
        at %= len(data)
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 1:
        data[at:end] = b""
    elif kind == 2:
        data[at:at] = data[at:end] * chance.choice((1, 2, 50))
    elif kind == 3:
        del data[at:]
    elif kind == 4:
        data[at:end] = chance.choice(_WORDS)
    elif kind == 5:
        data[at:at] = chance.choice(_WORDS)
    elif kind == 6:
        number = chance.choice(NUMBERS)
        form = chance.randrange(4)
        text = (
            struct.pack("<Q", number), struct.pack(">Q", number), b"%d" % number, b"%011o\0" % min(number, 8**11 - 1),
        )[form]  # fmt: skip
        data[at : at + len(text)] = text
    elif kind == 7:
        other = chance.choice(seeds)
        start = chance.randrange(len(other) + 1)
        data[at:end] = other[start : start + end - at]
    else:
        data[at:end] = chance.randbytes(end - at)
