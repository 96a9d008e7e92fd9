"""Test the ELF reader with real files, and that no file makes it fail."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from fpack.builders.machines import MACHINES
from fpack.builders.payload import elf
from fpack.builders.payload.meta import LoadFacts
from hypothesis import given, settings
from hypothesis import strategies as st
from support.properties import examples

GCC = shutil.which("gcc")
needs_gcc = pytest.mark.skipif(GCC is None, reason="needs gcc")


def compile_c(place: Path, *options: str) -> Path:
    source = place.with_suffix(".c")
    source.write_text("int answer(void) { return 42; } int main(void) { return answer(); }\n")
    subprocess.run([str(GCC), "-o", str(place), str(source), *options], check=True, cwd=place.parent)
    return place


def read(place: Path) -> LoadFacts | None:
    return elf.facts(place.read_bytes()[: elf.HEAD], str(place))


def reader(content: bytes) -> elf.Reader:
    return lambda offset, size: content[offset : offset + size]


@needs_gcc
def test_a_program(tmp_path: Path) -> None:
    library = compile_c(tmp_path / "libx.so.1", "-shared", "-fPIC", "-Wl,-soname,libx.so.1")
    facts = read(compile_c(tmp_path / "p", "-Wl,--no-as-needed", str(library), "-Wl,-rpath,$ORIGIN/../lib:/opt/x"))
    assert facts is not None
    assert facts.machine in {machine.elf for machine in MACHINES.values()}
    assert facts.needed[0] == "libx.so.1"
    assert "libc.so.6" in facts.needed
    assert facts.interp.startswith("/lib")
    assert facts.runpath == ("$ORIGIN/../lib", "/opt/x")
    assert facts.soname == ""


@needs_gcc
def test_rpath_counts_where_there_is_no_runpath(tmp_path: Path) -> None:
    facts = read(compile_c(tmp_path / "p", "-Wl,--disable-new-dtags,-rpath,/opt/old"))
    assert facts is not None
    assert facts.runpath == ("/opt/old",)


@needs_gcc
def test_a_library(tmp_path: Path) -> None:
    facts = read(compile_c(tmp_path / "l.so", "-shared", "-fPIC", "-Wl,-soname,libanswer.so.7"))
    assert facts is not None
    assert (facts.soname, facts.interp) == ("libanswer.so.7", "")


@needs_gcc
def test_a_static_program_and_an_object(tmp_path: Path) -> None:
    source = tmp_path / "s.c"
    source.write_text("void _start(void) { for (;;) ; }\n")
    subprocess.run([str(GCC), "-static", "-nostdlib", "-o", "s", "s.c"], check=True, cwd=tmp_path)
    subprocess.run([str(GCC), "-c", "-o", "s.o", "s.c"], check=True, cwd=tmp_path)
    static = read(tmp_path / "s")
    assert static is not None
    assert static.needed == ()
    assert static.interp == ""
    assert read(tmp_path / "s.o") is None


@needs_gcc
def test_it_agrees_with_pyelftools() -> None:
    from elftools.elf.elffile import ELFFile

    compared = 0
    for program in filter(None, map(shutil.which, ["gcc", "tar", "grep", "bash"])):
        place = Path(program).resolve()
        if not place.read_bytes().startswith(elf.ELF_MAGIC):
            continue
        facts = read(place)
        with place.open("rb") as file:
            section = ELFFile(file).get_section_by_name(".dynamic")
            needed = [tag.needed for tag in section.iter_tags() if tag.entry.d_tag == "DT_NEEDED"] if section else []
        assert facts is not None
        assert list(facts.needed) == needed
        compared += 1
    assert compared


@pytest.mark.parametrize(
    ("line", "facts"),
    [
        (b"#!/bin/sh\n", LoadFacts(interp="/bin/sh")),
        (b"#! /bin/sh -e\nrest", LoadFacts(interp="/bin/sh")),
        (b"#!\t/usr/bin/perl\t-w\n", LoadFacts(interp="/usr/bin/perl")),
        (b"#!/usr/bin/env python3", LoadFacts(interp="/usr/bin/env", needed=("python3",))),
        (b"#!/usr/bin/env -S A=1 -i node --flag\n", LoadFacts(interp="/usr/bin/env", needed=("node",))),
        (b"#!/usr/bin/env\n", LoadFacts(interp="/usr/bin/env")),
        (b"#!\n", None),
        (b"#!", None),
        (b"#!relative\n", None),
        (b"#!/bin/\x00\xff\n", None),
        (b"#!/\xff\xfe\n", None),
    ],
)
def test_scripts(line: bytes, facts: LoadFacts | None) -> None:
    assert elf.script_facts(line) == facts


class Image:
    """Return a hand-made 64-bit little-endian file. segments: (type, offset, address, size)."""

    def __init__(self, segments: list[tuple[int, int, int, int]], body: bytes = b"", **header: int) -> None:
        fields = {"kind": 3, "machine": 62, "phoff": 64, "entry": 56, "count": len(segments)} | header
        self.content = (
            b"\x7fELF\x02\x01\x01" + bytes(9)
            + struct.pack("<HHIQQQ", fields["kind"], fields["machine"], 1, 0, fields["phoff"], 0)
            + struct.pack("<IHHHHHH", 0, 64, fields["entry"], fields["count"], 0, 0, 0)
            + b"".join(struct.pack("<IIQQQQQQ", t, 0, o, a, a, s, s, 0) for t, o, a, s in segments)
            + body
        )  # fmt: skip

    def facts(self) -> LoadFacts | None:
        return elf.elf_facts(reader(self.content))


def dynamic(*tags: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("<qQ", *tag) for tag in tags)


BIG = (1 << 64) - 1
AT = 64 + 2 * 56


def test_a_library_made_by_hand() -> None:
    strings = b"\0liba.so\0libb.so\0"
    tags = dynamic((1, 1), (1, 9), (5, 0x1000), (10, len(strings)), (0, 0), (1, 9))
    image = Image([(2, AT, 0, len(tags)), (1, AT + len(tags), 0x1000, len(strings))], tags + strings)
    assert image.facts() == LoadFacts(62, ("liba.so", "libb.so"))


@pytest.mark.parametrize(
    ("segments", "body"),
    [
        ([(2, BIG, 0, BIG), (1, 0, 0, BIG)], b""),
        ([(2, AT, 0, BIG), (1, BIG, BIG - 1, BIG)], dynamic((1, BIG), (5, BIG), (10, BIG))),
        ([(2, AT, 0, 1 << 40), (1, BIG, 0, BIG)], dynamic((1, 1), (5, 0), (10, BIG))),
        ([(2, AT, 0, 15), (1, 0, 0, 1)], b"\x01" * 15),
        ([(2, AT, 0, 1 << 40), (1, 0, 0, BIG)], dynamic((1, 1)) * 5000),
        ([(2, AT, 0, 64), (2, AT, 0, 64)], dynamic((5, 0), (5, 0), (14, BIG), (29, BIG))),
        ([(3, BIG, 0, BIG), (3, 0, 0, 4096)], b""),
    ],
)
def test_offsets_that_lead_nowhere(segments: list[tuple[int, int, int, int]], body: bytes) -> None:
    facts = Image(segments, body).facts()
    assert facts is None or facts.needed == ()


@pytest.mark.parametrize(
    "header",
    [
        {"phoff": BIG},
        {"phoff": 1 << 62},
        {"entry": 1},
        {"entry": 0},
        {"count": 0},
        {"count": 65535},
        {"kind": 1},
        {"kind": 4},
    ],
)
def test_headers_that_are_wrong(header: dict[str, int]) -> None:
    assert Image([(1, 0, 0, 1)], **header).facts() is None


def test_offsets_on_a_real_file(tmp_path: Path) -> None:
    """os.pread fails for offsets beyond 2^63."""
    place = tmp_path / "evil"
    place.write_bytes(Image([(2, BIG, 0, BIG), (3, BIG - 5, 0, 5), (1, BIG, 0, BIG)]).content)
    facts = read(place)
    assert facts is None or facts.needed == ()


@pytest.mark.parametrize("cut", range(0, 64, 3))
def test_cut_off_headers(cut: int) -> None:
    assert elf.elf_facts(reader(Image([(1, 0, 0, 1)]).content[:cut])) is None


@settings(max_examples=examples(400), deadline=None)
@given(st.integers(0, 3), st.integers(0, 3), st.binary(max_size=400))
def test_random_files(bits: int, order: int, rest: bytes) -> None:
    content = b"\x7fELF" + bytes([bits, order]) + rest
    facts = elf.elf_facts(reader(content))
    assert facts is None or isinstance(facts, LoadFacts)


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 500), st.binary(min_size=1, max_size=8)), max_size=6))
def test_random_damage(patches: list[tuple[int, bytes]]) -> None:
    strings = b"\0liba.so\0libb.so\0"
    tags = dynamic((1, 1), (1, 9), (5, 0x1000), (10, len(strings)), (14, 1), (29, 9), (0, 0))
    content = bytearray(
        Image([(2, AT, 0, len(tags)), (1, AT + len(tags), 0x1000, len(strings))], tags + strings).content
    )
    for at, patch in patches:
        content[4 + at : 4 + at + len(patch)] = patch
    facts = elf.elf_facts(reader(bytes(content)))
    for text in (*(facts.needed if facts else ()), facts.interp if facts else ""):
        text.encode()
