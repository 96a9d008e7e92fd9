"""Projects whose Makefiles are for BSD's make: how they are told from others, what they build, and what they need."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.builders.debian.contents.needs import LIBRARY, PACKAGE
from fpack.cli.init.detect import guess
from fpack.cli.init.guess import Guess
from fpack.cli.init.native.makefiles.bsd_make import is_bsd
from fpack.cli.init.native.makefiles.make_files import read_make
from fpack.cli.init.project import read_project

PROGRAM = "PROG=\tpost\nSRCS=\tpost.c \\\n\tlist.c\n.include <bsd.prog.mk>\n"


def _guess(directory: Path, files: dict[str, str]) -> Guess:
    for name, text in files.items():
        path = directory / "post-1.2" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = guess(read_project(directory / "post-1.2"))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "text", [PROGRAM, ".include <lib.mk>\n", ".if defined(X)\nA=1\n.endif\n", ".for x in a b\n.endfor\n", ".ifdef X\n"]
)
def test_bsd_makefiles_are_known_by_their_directives(text: str) -> None:
    assert is_bsd(text)


@pytest.mark.parametrize("text", ["include a.mk\nall: x\n", ".PHONY: all\n.SUFFIXES: .c\n", "a:\n\t. include <b.mk>\n"])
def test_makefiles_of_gnu_make_are_not_bsds(text: str) -> None:
    assert not is_bsd(text)


def test_the_image_runs_the_program_that_the_makefile_names(tmp_path: Path) -> None:
    found = _guess(tmp_path, {"Makefile": PROGRAM, "post.c": ""})
    assert (found.call, found.fields, found.entrypoint) == ("make", [("bsd", "true")], ["@/bin/post"])
    assert not found.library and not found.todo


def test_programs_of_the_listed_directories_count(tmp_path: Path) -> None:
    files = {"Makefile": "SUBDIR= lib other \\\n post\n.include <bsd.subdir.mk>\n", "lib/Makefile": "LIB=list\n"}
    files |= {"other/Makefile": "PROG=a\n", "post/Makefile": "PROG=post\n", "unlisted/Makefile": "PROG=no\n"}
    assert _guess(tmp_path, files).entrypoint == ["@/bin/post"]


def test_a_library_alone_has_no_image(tmp_path: Path) -> None:
    assert _guess(tmp_path, {"Makefile": "LIB=list\nSRCS=list.c\n.include <bsd.lib.mk>\n"}).library


def test_gnu_makes_own_file_wins(tmp_path: Path) -> None:
    found = _guess(tmp_path, {"Makefile": PROGRAM, "GNUmakefile": "all: post\ninstall:\n\ttrue\n"})
    assert ("bsd", "true") not in found.fields


def test_sources_that_use_functions_of_bsd_need_its_library() -> None:
    sources = {"post.c": '#include "x.h"\nint f(void) { return strlcpy (a, b, 3); }\n', "Makefile": PROGRAM}
    needs = [
        (item.where, need.kind, need.name) for item in read_make(sources, "Makefile").wanted for need in item.needs
    ]
    assert needs == [("post.c:2", PACKAGE, "libbsd-dev")]
    plain = {**sources, "Makefile": "all: post\n"}
    assert not any(item.needs[0].name == "libbsd-dev" for item in read_make(plain, "Makefile").wanted)
    assert not read_make({"Makefile": PROGRAM, "post.c": "int my_strlcpy;\n"}, "Makefile").wanted


def test_libraries_under_a_condition_are_optional() -> None:
    text = "LDADD= -lcurses\n.if ${A} == b\nLDADD+= -lz\n.else\nLDADD+= -ledit\n.endif\nLDADD+= -lutil\n"
    wanted = {item.needs[0].name: item.required for item in read_make({"Makefile": text}, "Makefile").wanted}
    assert wanted == {"curses": True, "z": False, "edit": False}
    assert all(item.needs[0].kind == LIBRARY for item in read_make({"Makefile": text}, "Makefile").wanted)
