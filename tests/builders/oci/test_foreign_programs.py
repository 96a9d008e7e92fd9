"""Programs for another machine: where they are an error, and where not."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.builders.oci.foreign_programs import ProgramFile, check_programs, programs_of_path
from fpack.builders.protocol import BuildError
from fpack.store.path import parse
from support.stores.elves import elf

AMD64, ARM64, I386, BPF = 62, 183, 3, 247
PATH = parse("/fpack/store/" + "0" * 32 + "-tool-1.0")


def program(path: str, machine: int, used: bool = False) -> ProgramFile:
    return ProgramFile(path, "tool", machine, used)


@pytest.mark.parametrize(
    ("files", "arch", "foreign"),
    [
        ([program("usr/local/bin/a", ARM64, True)], "amd64", "/usr/local/bin/a"),
        ([program("usr/local/bin/a", ARM64, True)], "arm64", ""),
        ([program("usr/local/bin/a", AMD64, True), program("usr/local/bin/b", ARM64, True)], "amd64", "b"),
        # One library for each machine.
        ([program("opt/app/x64.node", AMD64), program("opt/app/arm64.node", ARM64)], "amd64", ""),
        ([program("opt/app/x64.node", AMD64), program("opt/app/arm64.node", ARM64)], "arm64", ""),
        ([program("opt/app/x64.node", AMD64), program("opt/app/arm64.node", ARM64)], "s390x", "/opt/app/x64.node"),
        ([program("opt/app/x64.node", AMD64), program("opt/firmware/a", ARM64)], "amd64", "/opt/firmware/a"),
        # A processor of amd64 runs programs of i386, not the other way round. Others are not for programs of Linux.
        ([program("opt/app/a", I386)], "amd64", ""),
        ([program("opt/app/a", AMD64)], "i386", "/opt/app/a"),
        ([program("opt/app/a", BPF)], "amd64", ""),
        ([program("opt/app/a", AMD64)], "unknown", ""),
    ],
)
def test_what_is_for_another_machine(files: list[ProgramFile], arch: str, foreign: str) -> None:
    if not foreign:
        check_programs(files, arch, [])
        return
    with pytest.raises(BuildError) as caught:
        check_programs(files, arch, [])
    assert foreign in caught.value.where and "tool" in caught.value.what and f"image is for {arch}" in caught.value.what
    assert "foreign = [" in caught.value.hint


@pytest.mark.parametrize("glob", ["/opt/firmware/a", "/opt/firmware", "/opt/**/a", "/opt/f*"])
def test_what_is_meant(glob: str) -> None:
    files = [program("opt/firmware/a", ARM64), program("srv/b", ARM64)]
    with pytest.raises(BuildError) as caught:
        check_programs(files, "amd64", [glob])
    assert caught.value.where == "/srv/b"
    check_programs(files, "amd64", [glob, "/srv/b"])


def test_the_hint_names_a_glob_that_works() -> None:
    files = [program(f"{str(PATH)[1:]}/bin/a", ARM64, True)]
    with pytest.raises(BuildError) as caught:
        check_programs(files, "amd64", [])
    glob = caught.value.hint.partition('foreign = ["')[2].partition('"')[0]
    assert glob == "/fpack/store/*-tool"
    check_programs([files[0]._replace(path=f"fpack/store/{'0' * 32}-tool/bin/a")], "amd64", [glob])


def test_a_store_path_is_searched(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name, data, mode in [
        ("bin/arm", elf(machine=ARM64, kind=2), 0o555),
        ("bin/script", b"#!/bin/sh\n", 0o555),
        ("lib/libz.so.1", elf(machine=ARM64, soname="libz.so.1"), 0o444),
        ("lib/addon.node", elf(machine=AMD64), 0o444),
        ("share/object.so", b"\x7fELF" + bytes(3), 0o444),
        ("share/relocatable.so", elf(machine=ARM64, kind=1), 0o444),
        ("share/data", elf(machine=ARM64), 0o444),  # neither executable nor a library by its name
    ]:
        file = tree / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        file.chmod(mode)
    (tree / "bin/link").symlink_to("arm")
    (tree / "loop").symlink_to(".")
    prefix = str(PATH)[1:]
    assert sorted(programs_of_path(PATH, tree, lambda: None)) == [
        ProgramFile(f"{prefix}/bin/arm", "tool-1.0", ARM64, True),
        ProgramFile(f"{prefix}/lib/addon.node", "tool-1.0", AMD64, False),
        ProgramFile(f"{prefix}/lib/libz.so.1", "tool-1.0", ARM64, False),
    ]
    assert list(programs_of_path(PATH, tree / "bin/arm", lambda: None)) == [
        ProgramFile(prefix, "tool-1.0", ARM64, True)
    ]
    assert list(programs_of_path(PATH, tree / "bin/link", lambda: None)) == []
