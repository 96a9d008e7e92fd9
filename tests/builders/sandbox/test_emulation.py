"""The kernel's rules for emulators, and that a sandbox alone has one."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from fpack.builders.machines import BIG_ENDIAN, HALF, MACHINES
from fpack.builders.sandbox import emulation
from fpack.builders.sandbox.emulation import rule, rule_of

needs_table = pytest.mark.skipif(not emulation.is_possible(), reason="the kernel has one table for the machine")
# Runs a program of another machine in a namespace that has a rule for it; the interpreter is /bin/echo.
PROGRAM = """
import os, sys
from fpack.builders.sandbox.emulation import enter, rule
enter(rule(183, False, False), os.open("/bin/echo", os.O_RDONLY | os.O_CLOEXEC))
print(os.getuid(), open("/proc/self/status").read().split("CapEff:")[1].split()[0], flush=True)
os.execv(sys.argv[1], ["name", "argument"])
"""


def parts(text: str) -> tuple[bytes, bytes]:
    """Return the magic and the mask of a rule."""
    words = text.split(":")
    magic, mask = (bytes.fromhex(word.replace("\\x", "")) for word in words[4:6])
    return magic, mask


@pytest.mark.parametrize("arch", list(MACHINES))
def test_a_rule_is_for_the_programs_of_its_machine_only(arch: str) -> None:
    magic, mask = parts(rule(MACHINES[arch].elf, arch in HALF, arch in BIG_ENDIAN))
    assert len(magic) == len(mask) == 20

    def is_matched(other: str, kind: int, abi: int = 0) -> bool:
        is_big = other in BIG_ENDIAN
        ident = bytes((0x7F, *b"ELF", 1 if other in HALF else 2, 2 if is_big else 1, 1, abi))
        header = struct.pack(">16sHH" if is_big else "<16sHH", ident, kind, MACHINES[other].elf)
        return all(a & m == b & m for a, b, m in zip(header, magic, mask, strict=True))

    for other, names in MACHINES.items():
        assert is_matched(other, 2) == is_matched(other, 3, 3) == (names.elf == MACHINES[arch].elf)
        assert not is_matched(other, 1), "an object file is no program"


def test_a_rule_has_the_name_of_an_architecture() -> None:
    assert rule_of("arm64") == rule(183, False, False)
    assert rule_of("s390x") == rule(22, False, True) and rule_of("i386") == rule(3, True, False)
    assert rule_of("pdp11") is None


@needs_table
def test_the_rule_holds_in_the_namespace_alone(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(struct.pack("<16sHH", b"\x7fELF\2\1\1", 2, 183).ljust(128, b"\0"))
    program.chmod(0o755)
    words = [sys.executable, "-c", PROGRAM, str(program)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd="/")
    # With the flag P, the interpreter gets the path of the program and the name by which it was started.
    user, told = done.stdout.splitlines()
    assert told == f"{program} name argument"
    assert user.split()[0] == str(os.getuid())
    with pytest.raises(OSError, match="Exec format error"):
        subprocess.run([program], check=False)
