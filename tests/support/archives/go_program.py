"""Go programs made by hand: a function table and build information, in the forms of all versions and machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

GO_1_20 = 0xFFFFFFF1
TABLE = 96  # bytes before the names of the table

Order = Literal["little", "big"]


def go_program(
    functions: Sequence[str],
    modules: Sequence[str],
    *,
    magic: int = GO_1_20,
    width: int = 8,
    order: Order = "little",
    main: str = "example.com/app",
) -> bytes:
    """Return a program. modules: lines such as `dep\\ta\\tv1`, after that of the main module."""
    first = 2 if magic == 0xFFFFFFFA else 3
    names = "".join(f"{name}\0" for name in ("runtime.main", *functions)).encode()
    words = [len(functions) + 1, 1, *[0] * (first - 2), TABLE, TABLE + len(names), 0, 0, 0]
    table = magic.to_bytes(4, order) + bytes([0, 0, 1, width]) + b"".join(n.to_bytes(width, order) for n in words)
    lines = [f"path\t{main}", f"mod\t{main}\t(devel)\t", *modules]
    text = b"0" * 16 + "".join(f"{line}\n" for line in lines).encode() + b"0" * 16
    head = b"\x7fELF" + bytes(12) + b"\xff Go buildinf:" + bytes([width, 2]) + bytes(16)
    return head + _string(b"go1.99") + _string(text) + table.ljust(TABLE, b"\0") + names


def _string(content: bytes) -> bytes:
    size, prefix = len(content), b""
    while size > 127:
        prefix, size = prefix + bytes([size & 127 | 128]), size >> 7
    return prefix + bytes([size]) + content
