"""The architecture of a compiled program, from its first bytes."""

from __future__ import annotations

import struct

import pytest
from fpack.builders.machines import BIG_ENDIAN, HALF, MACHINES, arch_of

HARD, SOFT = 0x5000400, 0x5000200


def head(arch: str, flags: int = 0) -> bytes:
    is_big = arch in BIG_ENDIAN
    ident = bytes((0x7F, *b"ELF", 1 if arch in HALF else 2, 2 if is_big else 1, 1))
    form = ">16sHHI12sI" if is_big else "<16sHHI12sI"
    return struct.pack(form, ident, 2, MACHINES[arch].elf, 1, bytes(12), flags)


@pytest.mark.parametrize("arch", list(MACHINES))
def test_each_architecture_is_known_by_its_programs(arch: str) -> None:
    assert arch_of(head(arch, HARD if arch == "armhf" else SOFT)) == arch


@pytest.mark.parametrize("text", [b"", b"#!/bin/sh\n" * 9, head("amd64")[:39], b"\x7fELF".ljust(40, b"\xff")])
def test_what_is_no_program_of_a_known_machine_has_none(text: bytes) -> None:
    assert arch_of(text) == ""
