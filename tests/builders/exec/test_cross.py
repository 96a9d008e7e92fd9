"""Builds for another architecture: their linkers, `strip`, and files for the wrong one."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fpack.builders.exec import cross
from fpack.builders.exec.outputs import OutputReader, ScannedOutput
from fpack.builders.protocol import BuildError
from support.stores.elves import elf

ARM, OWN = 183, 62


def scanned(directory: Path) -> ScannedOutput:
    out = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return OutputReader(out, set(), {}, 1 << 20, lambda: None).scan("x")
    finally:
        os.close(out)


def archive(member: bytes) -> bytes:
    """Return a static library with a table of symbols and an object file."""

    def part(name: bytes, content: bytes) -> bytes:
        head = name.ljust(16) + b"0".ljust(12) + b"0".ljust(6) + b"0".ljust(6) + b"644".ljust(8)
        return head + str(len(content)).encode().ljust(10) + b"`\n" + content + b"\n" * (len(content) % 2)

    return b"!<arch>\n" + part(b"/", b"123") + part(b"//", b"long names") + part(b"a.o/", member)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bin/app", elf(interp="/lib64/ld", machine=OWN)),
        ("lib/liba.so", elf(soname="liba.so", machine=OWN)),
        ("lib/a.o", elf(machine=OWN, kind=1)),
        ("lib/liba.a", archive(elf(machine=OWN, kind=1))),
    ],
)
def test_a_file_for_another_machine_is_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    for path, data in (("bin/good", elf(machine=ARM)), (name, content), ("lib/text.a", b"!<arch>\n"), ("sh", b"#!/x")):
        (tmp_path / "x" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / path).write_bytes(data)
    found = scanned(tmp_path)
    assert found.machines == {"bin/good": ARM, name: OWN}
    with pytest.raises(BuildError) as error:
        cross.check_machines(found, "arm64", (), "app-1")
    assert error.value.where == f"app-1/{name}" and "it is for amd64" in error.value.why
    assert "$CC" in error.value.why and "foreign" in error.value.hint
    cross.check_machines(found, "arm64", (f"/{name}",), "app-1")
    with pytest.raises(BuildError, match="than amd64"):
        cross.check_machines(found, "amd64", (f"/{name}",), "app-1")


def test_a_cross_compiler_finds_the_script_of_its_own_linker(tmp_path: Path) -> None:
    (tmp_path / "usr/lib/gcc-cross/aarch64-linux-gnu/14").mkdir(parents=True)
    control = ["bin/ld", "bin/aarch64-linux-gnu-ld", "bin/aarch64-linux-gnu-ld.bfd", "libraries"]
    found = dict(cross.linkers(tmp_path, "arm64", control))
    assert set(found) == {"bin/aarch64-linux-gnu/14/ld", "bin/aarch64-linux-gnu/14/ld.bfd"}
    assert found["bin/aarch64-linux-gnu/14/ld"].endswith('exec /run/fpack/bin/aarch64-linux-gnu-ld "$@"\n')
    assert list(cross.linkers(tmp_path, None, control)) == []
    assert list(cross.linkers(tmp_path, "riscv64", control)) == []


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (None, "usr/bin/strip"),
        ("arm64", "usr/bin/aarch64-linux-gnu-strip"),
        ("i386", "usr/bin/i686-linux-gnu-strip"),
    ],
)
def test_strip_is_that_of_the_target(target: str | None, path: str) -> None:
    assert cross.strip(target) == path


def test_a_program_of_the_result_that_cannot_run_is_told() -> None:
    log = "/bin/sh: 1: /build/objects/tidy: Exec format error"
    task: Any = SimpleNamespace(args={"target": "arm64"})
    assert "emulate = true" in cross.advice(task, log)
    assert cross.advice(task, "error: x") == ""
    for args in ({}, {"target": "arm64", "emulator": "/x#arm64"}):
        assert cross.advice(cast(Any, SimpleNamespace(args=args)), log) == ""
