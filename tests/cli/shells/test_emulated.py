"""Shells for another architecture, whose programs an emulator of the lock runs.

Here the emulator is this machine's `echo`. It prints what the kernel passes to an emulator: the path of the program,
and the arguments from the program's own name on.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import pytest
from fpack.builders.sandbox import emulation
from fpack.cli.errors import UsageError
from fpack.cli.shells.emulator import check
from fpack.cli.workspace import machine
from support.archives.archive import Archive, file
from support.archives.packages import ESSENTIAL
from support.archives.shells import packages_of
from support.images.pushed import push_with_record
from support.needs import needs_bubblewrap
from support.processes.program import Fpack
from support.servers.registry import Registry, open_registry
from support.stores.elves import elf

pytestmark = [
    needs_bubblewrap,
    pytest.mark.skipif(not emulation.is_possible(), reason="the kernel has one table for the machine"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the archive is for this machine and another one"),
    pytest.mark.skipif(not machine.runs_instead("riscv64"), reason="this machine has an emulator"),
]
PROJECT = """
debian = import("fpack/debian").trixie.for("riscv64")
box = container { packages = [debian.greet], closure = "depends", platform = "linux/riscv64" }
image = box.image
server = service { image = box, start = "greet server" }
"""
NAMES = "/usr/bin/{0} {0}"  # the path and the own name of a program, as the emulator prints them


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Return an archive with programs for another machine, `echo` as their emulator, and what `echo` loads."""
    made = Archive(tmp_path_factory.mktemp("archive"), archs=("amd64", "riscv64"))
    libraries = packages_of("echo")
    emulator = libraries.pop("usr/bin/echo")
    program = file(elf(machine=243, kind=2), 0o755)
    programs = {"usr/bin/greet": program, "usr/bin/sh": program}
    made.add("base-files", arch="riscv64", files={"etc/debian_version": "13.1\n"})
    made.add("greet", arch="riscv64", files={**programs, **libraries})
    for name in ESSENTIAL:
        made.add(name, arch="riscv64")
    made.add("qemu-user", "1:10.0", arch="amd64", files={"usr/bin/qemu-riscv64": emulator})
    made.publish()
    return made


@pytest.fixture
def fpack(tmp_path: Path, archive: Archive) -> Fpack:
    made = Fpack(tmp_path / "home", archive)
    (made.home / "fpack.fp").write_text(PROJECT)
    return made


def test_its_programs_run_by_the_emulator_of_the_lock(fpack: Fpack) -> None:
    told = NAMES.format("greet") + " you"
    for words in (["run"], ["run"], ["run", "--container"], ["run", "--container", "--network", "off"]):
        assert fpack(*words, "#image", "--", "greet", "you").stdout.strip() == told
    assert fpack("shell", "#image", "--", "greet", "you").stdout.strip() == told
    assert "package trixie amd64 qemu-user " in (fpack.home / "fpack.lock").read_text()
    assert "cannot run outside of the shell" in fpack.fails("shell", "#image", "--print-env")


def test_a_service_has_its_own_emulator(fpack: Fpack) -> None:
    assert fpack("run", "#server").stdout.startswith("/bin/sh /bin/sh /fpack/store/")


def test_an_image_is_tried_by_the_emulator(fpack: Fpack, tmp_path: Path) -> None:
    """The image of a container that names its platform, and that of a file for --arch."""
    told = NAMES.format("greet") + " you"
    assert fpack("try", "#box", "--", "greet", "you").stdout.strip() == told
    # This emulator is a program that always succeeds.
    packed = fpack.pack("#box", "-o", tmp_path / "box.tar", "--try", "greet you")
    assert packed["tried"] == [{"command": ["greet", "you"], "kept": False}]
    assert fpack("try", "--arch", "riscv64", tmp_path / "box.tar", "--", "greet", "you").stdout.strip() == told


def test_an_image_of_a_registry_runs_by_an_emulator_of_the_stable_release(fpack: Fpack, tmp_path: Path) -> None:
    fpack.pack("#box", "-o", tmp_path / "box.tar")
    assert fpack.archive is not None
    other = Fpack(tmp_path / "other", fpack.archive)
    with Registry() as registry:
        push_with_record(fpack, tmp_path / "box.tar", open_registry(registry, name="team/box"))
        words = ("--plain-http", "--arch", "riscv64", f"{registry.host}/team/box:1.0", "--", "greet", "you")
        assert other("run", *words).stdout.strip() == NAMES.format("greet") + " you"


def test_the_emulator_stays_as_long_as_the_shell(fpack: Fpack) -> None:
    fpack("run", "#image", "--", "greet")
    fpack("gc")
    assert list((fpack.home / "store/store").glob("*-qemu-user-*"))
    assert fpack("run", "#image", "--", "greet").stdout.strip() == NAMES.format("greet")


def test_where_no_sandbox_can_have_one_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulation, "is_possible", lambda: False)
    machine.can_emulate.cache_clear()
    try:
        with pytest.raises(UsageError, match="tools is for riscv64; this machine runs amd64") as error:
            machine.needs_emulator("riscv64", "tools", "go there")
    finally:
        machine.can_emulate.cache_clear()
    assert "qemu-user-binfmt, or go there" in error.value.hint
    assert not machine.needs_emulator("amd64", "tools", "go there")


@pytest.mark.parametrize(
    ("programs", "emulator", "is_refused"),
    [
        ({"bin/a": 243}, "", True),
        ({"bin/a": 243}, "riscv64", False),
        ({"bin/a": 243}, "s390x", True),
        ({"bin/a": 243, "bin/b": 62}, "", False),  # one runs
        ({"bin/a": 62}, "", False),
        ({"bin/text": 0}, "", False),
        ({"": 243}, "", True),
    ],
)
def test_a_program_that_the_shell_does_not_run_is_told(
    tmp_path: Path, programs: dict[str, int], emulator: str, is_refused: bool
) -> None:
    for name, number in programs.items():
        path = tmp_path / "made" / name if name else tmp_path / "made"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(elf(machine=number, kind=2) if number else b"#!/bin/sh\n")
    if "" not in programs:
        (tmp_path / "made/bin/lost").symlink_to("nowhere")
    rule = emulation.rule_of(emulator)
    with pytest.raises(UsageError, match="a of app is for riscv64") if is_refused else nullcontext():
        names = [*([] if "" in programs else ["lost"]), *(name.rpartition("/")[2] or "a" for name in programs)]
        check(tmp_path / "made", names, None if rule is None else (rule, "/x"), "app")
