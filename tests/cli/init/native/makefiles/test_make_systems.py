"""Makefiles below the top of a project, and those with a target for each system."""

from __future__ import annotations

import pytest
from fpack.cli.init.detect import guess
from fpack.cli.init.native.makefiles.make_files import read_make
from fpack.cli.init.native.makefiles.make_systems import FoundMakefile, find_makefile
from fpack.cli.init.project import Project
from fpack.cli.init.template import render

BY_SYSTEM = """\
# what can be made
all:
\t@echo 'Make what? Choices: generic, sunos, linux_asm'
\t@echo ''

PROGRAMS = wave$E crest$E
BINDIR = $(prefix)/bin

generic: flags
\t$(MAKE) wave
sunos:
\t$(MAKE) wave LIBS=-lsunos
install: $(PROGRAMS)
\tmkdir -p $(BINDIR)
\tcp $(PROGRAMS) $(BINDIR)
"""
INSTALL = "First:\n\n   make -f unix/Makefile system\n\nIf `cc' is preferred, try make -f\nunix/Makefile generic\n"


def project(files: dict[str, str], name: str = "crest") -> Project:
    return Project(name, files, frozenset(path.partition("/")[0] for path in files if "/" in path))


def test_a_makefile_that_the_instructions_name_is_read_with_the_target_of_this_system() -> None:
    files = {"INSTALL": INSTALL, "unix/Makefile": BY_SYSTEM, "vms/Makefile": "all:\n", "os2/Makefile": "all:\n"}
    assert find_makefile(project(files)) == FoundMakefile("unix/Makefile", ("-f", "unix/Makefile"), "generic")
    found = guess(project(files))
    assert found is not None
    text = render(found, "trixie")
    assert '  flags = ["-f", "unix/Makefile"]\n' in text
    assert '  target = "generic"\n' in text
    assert 'entrypoint = ["${crest}/bin/crest"]' in text, "the one of several programs with the project's name"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"Makefile": "all: wave\n"}, FoundMakefile("Makefile")),
        ({"Makefile": "linux:\n\t$(CC) a.c\n"}, FoundMakefile("Makefile")),
        ({"Makefile": "none:\n\t@echo choose\nposix:\n\tx\nlinux:\n\tx\n"}, FoundMakefile("Makefile", (), "linux")),
        ({"Makefile": "none:\n\t@echo choose\nposix:\n\tx\nlinux:\n\tx\n", "README": "Run `make posix`.\n"},
         FoundMakefile("Makefile", (), "posix")),
        ({"Makefile": "none:\n\t@echo choose\nvms:\n\tx\n"}, FoundMakefile("Makefile")),
        ({"src/Makefile": "all: wave\n", "doc/Makefile": "all:\n"}, None),
        ({"src/Makefile": "all: wave\n", "README": "wave\n"}, FoundMakefile("src/Makefile", ("-C", "src"))),
        ({"src/Makefile": "all: wave\n", "lib/Makefile": "all:\n", "README": "make -C doc\nmake -C ./src/\n"},
         FoundMakefile("src/Makefile", ("-C", "src"))),
        ({"a/b/Makefile": "no:\n\t@echo x\nlinux:\n\tx\nunix:\n", "README": "make -C a/b unix\n"},
         FoundMakefile("a/b/Makefile", ("-C", "a/b"), "unix")),
        ({"doc/Makefile": "all:\n", "README": "make -C doc\n"}, None),
        ({"src/x": "", "README": "make -C ../../etc\nmake -C /\nmake -C src\n"}, None),
        ({"doc/Makefile": "all:\n"}, None),
        ({"a/Makefile": "all:\n", "b/Makefile": "all:\n"}, None),
        ({"README": "make -f ../../etc/passwd\n"}, None),
        ({"README": "make"}, None),
    ],
)  # fmt: skip
def test_the_makefile_of_a_project(files: dict[str, str], found: FoundMakefile | None) -> None:
    assert find_makefile(project(files)) == found


def test_a_makefile_in_a_directory_is_installed_from_there() -> None:
    found = guess(project({"src/Makefile": "wave: wave.o\n\tcc -o wave wave.o\n"}, "wave"))
    assert found is not None and '  flags = ["-C", "src"]\n' in render(found, "trixie")
    assert 'install = "install -D src/wave \\"$out/bin/wave\\""' in render(found, "trixie")
    found = guess(project({"src/Makefile": "wave: wave.o\ninstall:\n\tcp wave $(PREFIX)/bin/\n"}, "wave"))
    assert found is not None and "make -C src install PREFIX=" in render(found, "trixie")


def test_all_programs_of_a_makefile_without_install_are_installed() -> None:
    text = "ALL=tide wave docs\nall: $(ALL)\ntide: $(LIB_OBJS) tide.o\n\tcc\nwave: wave.o\n\tcc\ndocs:\n\ttrue\n"
    found = guess(project({"Makefile": text}, "waves"))
    assert found is not None and found.entrypoint == ["@/bin/tide"] and not found.todo
    line = 'install -D tide \\"$out/bin/tide\\"; install -D wave \\"$out/bin/wave\\"'
    assert f'install = "{line}"' in render(found, "trixie")


def test_a_target_that_looks_like_an_option_is_no_program() -> None:
    text = "all: wave tide -x\nwave: wave.o\n\tcc\ntide: tide.o\n\tcc\n-x: x.o\n\tcc\n"
    found = guess(project({"Makefile": text}, "wave"))
    assert found is not None and "bin/tide" in render(found, "trixie") and "-x" not in render(found, "trixie")


def test_what_recipes_of_other_systems_link_is_not_needed() -> None:
    texts = {"unix/Makefile": BY_SYSTEM, "beos/Makefile": "LIBS = -lbe\n"}
    assert read_make(texts, "unix/Makefile", texts, by_system=True).wanted == []
    assert [str(item.needs[0]) for item in read_make(texts, "unix/Makefile", texts).wanted] == [
        "the library sunos", "the library be",
    ]  # fmt: skip


def test_programs_find_the_shared_libraries_that_a_makefile_installs() -> None:
    text = (
        "libtide.so: tide.o\n\t$(CC) -shared -o $@ tide.o\ntide: main.o libtide.so\n\t$(CC) -L. -o $@ main.o -ltide\n"
        "install:\n\tinstall -D tide $(PREFIX)/bin/tide\n\tinstall -D libtide.so $(PREFIX)/lib/libtide.so\n"
    )
    line = '  patch = "export LD_RUN_PATH=\\"$out/lib\\""\n'
    for makefile, expected in ((text, True), (text.replace("-L.", "-L. -Wl,-rpath,x"), False), ("install:\n", False)):
        found = guess(project({"Makefile": makefile}, "tide"))
        assert found is not None and (line in render(found, "trixie")) is expected
        assert any("`patches` are not applied" in reason for reason in found.reasons) is expected
