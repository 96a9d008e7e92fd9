"""The packages and programs of a project in the fpack.fp that is written for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.builders.debian.contents.finder import NeedFinder
from fpack.builders.debian.contents.index import ContentsIndex
from fpack.builders.debian.contents.needs import HEADER, LIBRARY, PACKAGE, PC, PROGRAM, BuildNeed
from fpack.builders.debian.contents.table import FileTable, pack_rows
from fpack.builders.debian.contents.text import parse_rows
from fpack.cli.init.detect import guess
from fpack.cli.init.guess import LIBRARY as IS_LIBRARY
from fpack.cli.init.guess import Guess
from fpack.cli.init.native.complete import complete, with_listed, with_packages, with_programs
from fpack.cli.init.native.mapping import choose
from fpack.cli.init.native.programs import main_program
from fpack.cli.init.native.terminal import draws, with_terminal
from fpack.cli.init.native.texts import list_files, read_texts
from fpack.cli.init.native.wanted import BuildFacts, BuildRequirement
from fpack.cli.init.project import Project, read_project
from fpack.cli.init.template import render
from fpack.cli.options import SharedOptions
from support.archives.archive import Archive
from support.processes.program import Fpack

LIB = "usr/lib/x86_64-linux-gnu"
INDEX = f"""\
usr/include/zlib.h libdevel/zlib1g-dev
usr/include/sub/deep.h libdevel/libdeep-dev
usr/include/stdio.h libdevel/libc6-dev
{LIB}/libz.so libdevel/zlib1g-dev
{LIB}/pkgconfig/zlib.pc libdevel/zlib1g-dev
{LIB}/pkgconfig/wave.pc libdevel/libwave-dev
{LIB}/pkgconfig/tide.pc libdevel/libtide-dev
usr/bin/glslc devel/glslc
"""
FINDER = NeedFinder(
    ContentsIndex("trixie", "amd64", 0, [FileTable(memoryview(pack_rows(parse_rows([INDEX.encode()]))))])
)


def wanted(kind: str, *names: str, required: bool = True, where: str = "f:1", quiet: bool = False) -> BuildRequirement:
    return BuildRequirement(tuple(BuildNeed(kind, name) for name in names), required, where, quiet)


def test_needs_become_packages_with_their_reasons() -> None:
    chosen = choose(
        [
            wanted(HEADER, "zlib.h", where="a.c:3"), wanted(LIBRARY, "z"), wanted(PROGRAM, "glslc"), wanted(PC, "wave"),
            wanted(PC, "tide", required=False), wanted(HEADER, "stdio.h"), wanted(HEADER, "deep.h"),
        ],
        FINDER,
        {"libc6-dev"},
    )  # fmt: skip
    assert [(p.name, p.field) for p in chosen.packages] == [
        ("libwave-dev", "libs"), ("zlib1g-dev", "libs"), ("glslc", "tools"),
    ]  # fmt: skip
    assert [p.name for p in chosen.optional] == ["libtide-dev"] and not chosen.unknown
    assert chosen.packages[1].why == ("f:1: -lz", "a.c:3: <zlib.h>")


def test_one_of_several_alternatives_is_enough() -> None:
    assert [p.name for p in choose([wanted(PC, "never", "wave")], FINDER).packages] == ["libwave-dev"]
    assert choose([wanted(PC, "wave", "tide")], FINDER, {"libtide-dev"}).packages == []


def test_what_no_package_has_is_told_unless_the_line_is_met_or_quiet() -> None:
    unknown = choose([wanted(PC, "never"), wanted(LIBRARY, "no", quiet=True), wanted(HEADER, "no.h")], FINDER).unknown
    assert [item.needs[0].name for item in unknown] == ["never"]
    assert choose([wanted(PC, "never"), wanted(PC, "wave")], FINDER).unknown == []


def _guess(call: str = "meson", name: str = "wave") -> Guess:
    return Guess(call, name, None, [], [], ["@/bin/x"], [], ["meson.build: a Meson project", "the image runs x"])


def test_a_guess_gets_packages_reasons_and_what_is_left_to_do() -> None:
    facts = BuildFacts([wanted(PC, "wave", where="meson.build:3"), wanted(PC, "tide", required=False)])
    facts = facts._replace(
        wanted=[*facts.wanted, wanted(PACKAGE, "g++", where="meson.build:1"), wanted(PC, "no", where="f:9")]
    )
    made = with_packages(_guess(), facts, FINDER, frozenset)
    assert dict(made.fields) == {"libs": "[debian.libwave-dev]", "tools": '[debian."g++"]'}
    assert "meson.build:3: wave is in libwave-dev" in made.reasons and "meson.build:1 asks for g++" in made.reasons
    assert "left out what is optional (tide of libtide-dev)" in made.reasons
    assert made.todo == ["f:9 needs the pkg-config module no, which no package of trixie has"]


def test_packages_follow_those_that_a_field_has() -> None:
    fields = [("libs", '[debian.wave, debian."g++"]'), ("a", "1")]
    made = with_listed(fields, "libs", ["wave", "g++", "tide", "wav"])
    assert made == [("libs", '[debian.wave, debian."g++", debian.tide, debian.wav]'), ("a", "1")]
    assert with_listed(fields, "libs", ["wave"]) == fields and with_listed([], "tools", ["x"]) == [
        ("tools", "[debian.x]")
    ]


def test_a_long_list_has_a_line_for_each_package() -> None:
    facts = BuildFacts([wanted(PACKAGE, f"a-rather-long-name-of-a-library-{n}-dev") for n in range(4)])
    assert dict(with_packages(_guess(), facts, FINDER, frozenset).fields)["libs"].count("\n") == 5


@pytest.mark.parametrize(
    ("programs", "libraries", "name", "entrypoint", "library"),
    [
        (["tool", "wave"], False, "wave", "@/bin/wave", False),
        (["test-x", "wavectl"], False, "wave", "@/bin/wavectl", False),
        ([], True, "wave", None, True),
        (["wave-dump"], True, "libwave", None, True),
        (["libwave"], True, "libwave", "@/bin/libwave", False),
    ],
)
def test_the_program_of_the_image(
    programs: list[str], libraries: bool, name: str, entrypoint: str | None, library: bool
) -> None:
    facts = BuildFacts((), programs, libraries, True, None, "1.5")
    guess = _guess(name=name)
    made = with_programs(guess._replace(reasons=[*guess.reasons, IS_LIBRARY]), facts)
    assert made.library == library and made.version == "1.5"
    if entrypoint:
        assert made.entrypoint == [entrypoint] and not any(IS_LIBRARY in line for line in made.reasons)
    else:
        assert any(IS_LIBRARY in line for line in made.reasons)


def test_a_program_with_the_projects_name_comes_first() -> None:
    assert main_program(["a", "Wave_Form"], "wave-form") == "Wave_Form"
    assert main_program(["chat", "pppd"], "ppp") == "pppd" and main_program(["b", "ab"], "a1") == "b"
    assert main_program(["testcrypt", "plink"], "putty") == "plink"
    assert main_program(["iname", "adm", "d"], "scsi", "Run d. adm starts it: adm -m (see adm(8)).") == "adm"
    assert main_program(["iname", "scsi"], "scsi", "iname iname") == "scsi"
    assert main_program(["fidentify", "testdisk"], "testdisk") == "testdisk"
    assert main_program(["wave-test", "b"], "c") == "b" and main_program(["wave-test"], "c") == "wave-test"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("CMakeLists.txt", "project(wave)\nadd_executable(crest c.c)\nadd_executable(wave w.c)\n"),
        ("meson.build", "project('wave')\nexecutable('test-x', 'x.c')\nexecutable('wave', 'w.c')\n"),
    ],
)
def test_of_programs_that_may_be_installed_the_projects_counts(file: str, text: str) -> None:
    found = guess(Project("thing", {file: text}))
    assert found is not None and found.entrypoint == ["@/bin/wave"]


def test_a_configure_that_git_ignores_is_made_first(tmp_path: Path) -> None:
    for name in ("configure", "configure.ac"):
        (tmp_path / name).write_text("AC_INIT([wave], [1.0])\n")
    found = guess(read_project(tmp_path))
    assert (
        found is not None and ("bootstrap", "true") not in complete(found, tmp_path, SharedOptions(), "trixie").fields
    )
    (tmp_path / ".gitignore").write_text("*.o\n/configure\n")
    assert ("bootstrap", "true") in complete(found, tmp_path, SharedOptions(), "trixie").fields


def test_files_are_read_with_limits_and_without_links(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "subprojects").mkdir()
    for name in ("meson.build", "a/b/CMakeLists.txt", "subprojects/meson.build", "a/x.c"):
        (tmp_path / name).write_text(name)
    (tmp_path / "a" / "meson.build").symlink_to(tmp_path / "meson.build")
    (tmp_path / "a" / "big.cmake").write_bytes(b"x" * (1 << 21))
    assert dict(read_texts(tmp_path)) == {"meson.build": "meson.build", "a/b/CMakeLists.txt": "a/b/CMakeLists.txt"}
    assert "a/x.c" in read_texts(tmp_path, sources=True)
    assert list_files(tmp_path) == {"meson.build", "a/b/CMakeLists.txt", "a/x.c", "a/big.cmake"}


def test_init_writes_the_packages_of_the_archive(fpack: Fpack, archive: Archive, tmp_path: Path) -> None:
    archive.add("libwave-dev", files={f"{LIB}/pkgconfig/wave.pc": ""})
    for name in (
        "meson", "ninja-build", "pkgconf", "gcc", "libc6-dev", "diffutils", "findutils", "gawk", "grep", "gzip",
        "libc-bin", "patch", "sed", "tar", "xz-utils",
    ):  # fmt: skip
        archive.add(name)
    archive.publish(contents=True)
    project = tmp_path / "wave"
    project.mkdir()
    (project / "meson.build").write_text(
        "project('wave', 'c', version: '2')\ndependency('wave')\ndependency('never')\n"
        "executable('wave', 'x.c', install: true)\n"
    )
    done = fpack("init", cwd=project)
    text = (project / "fpack.fp").read_text()
    assert "libs = [debian.libwave-dev]" in text and 'version = "2"' in text and '"${wave}/bin/wave"' in text
    assert "meson.build:2: wave is in libwave-dev" in done.stderr
    assert "to do: meson.build:3 needs the pkg-config module never" in done.stderr


def test_a_package_that_is_chosen_anyway_is_taken() -> None:
    index = f"{LIB}/libqt.so x/a-gles-dev,x/qt-dev\n{LIB}/pkgconfig/gui.pc x/qt-dev\n"
    table = FileTable(memoryview(pack_rows(parse_rows([index.encode()]))))
    finder = NeedFinder(ContentsIndex("trixie", "amd64", 0, [table]))
    assert [p.name for p in choose([wanted(LIBRARY, "qt"), wanted(PC, "gui")], finder).packages] == ["qt-dev"]


def test_init_without_an_index_says_what_is_needed(tmp_path: Path) -> None:
    fpack = Fpack(tmp_path / "home")
    fpack.env["FPACK_MIRROR"] = "debian=file:///nowhere only"
    project = tmp_path / "wave"
    project.mkdir()
    (project / "meson.build").write_text("project('wave', 'c')\ndependency('wave')\n")
    done = fpack("init", cwd=project)
    assert "to do: add to `libs` and `tools` the packages for the pkg-config module wave" in done.stderr
    assert fpack("init", "--fix", "--print", cwd=project, status=2).stderr


def test_the_image_of_a_program_that_draws_on_a_terminal_names_one() -> None:
    drawn = with_terminal(_guess(), ["libslang2-dev", "zlib1g-dev"])
    assert drawn.image_env == [("TERM", "xterm")]
    assert drawn.reasons[-1] == "libslang2-dev draws on a terminal, so the image has ncurses-base and TERM=xterm"
    assert "packages = [wave, debian.ncurses-base]" in render(drawn, "trixie")
    assert not with_terminal(_guess(), ["zlib1g-dev"]).image_env
    assert not with_terminal(_guess()._replace(library=True), ["libncurses-dev"]).image_env
    assert draws(["libc.so.6", "libtinfo.so.6"]) == "libtinfo.so.6" and not draws(["libc.so.6", "libreadline.so.8"])
