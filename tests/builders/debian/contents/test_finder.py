"""The package that meets a need: which one of several, and that the choice depends on nothing else."""

from __future__ import annotations

import random

import pytest
from fpack.builders.debian.contents.cmake_modules import cmake_needs
from fpack.builders.debian.contents.finder import NeedFinder, PackageTraits
from fpack.builders.debian.contents.index import ContentsIndex
from fpack.builders.debian.contents.needs import (
    CMAKE,
    HEADER,
    LIBRARY,
    LIBS,
    MACRO,
    PACKAGE,
    PC,
    PERL,
    PROGRAM,
    PYTHON,
    RUBY,
    SONAME,
    TOOLS,
    TYPELIB,
    BuildNeed,
)
from fpack.builders.debian.contents.table import FileTable, pack_rows
from fpack.builders.debian.contents.text import parse_rows

LIB = "usr/lib/x86_64-linux-gnu"
INDEX = f"""\
usr/include/zlib.h libdevel/zlib1g-dev
usr/include/Poco/zlib.h libdevel/libpoco-dev
usr/include/curses.h libdevel/libncurses-dev,libdevel/libncurses5-dev
usr/include/x86_64-linux-gnu/curl/curl.h libdevel/libcurl4-gnutls-dev,libdevel/libcurl4-openssl-dev
usr/include/gtk-3.0/gtk/gtk.h libdevel/libgtk-3-dev
usr/include/gtk-4.0/gtk/gtk.h libdevel/libgtk-4-dev
usr/include/boost/version.hpp libdevel/libboost1.74-dev
usr/include/event.h libdevel/libevent-dev,libdevel/libev-libevent-dev
usr/include/c++/12/vector libdevel/libstdc++-12-dev
usr/lib/gcc/x86_64-linux-gnu/12/include/stdarg.h libdevel/libgcc-12-dev
usr/lib/llvm-14/include/stdarg.h libdevel/llvm-14-dev
usr/include/stdio.h libdevel/libc6-dev
usr/include/c++/12/tr1/stdio.h libdevel/libstdc++-12-dev
usr/include/old.h libdevel/libthing-dev,libdevel/libthing9-dev
{LIB}/libpng16.so libdevel/libpng-dev
{LIB}/libfoo.so.2 libs/libfoo2
{LIB}/libonly.a libdevel/libonly-dev
{LIB}/plugins/libpng16.so x/other
{LIB}/pkgconfig/zlib.pc libdevel/zlib1g-dev
usr/lib/python3/dist-packages/zlib.pc x/no
{LIB}/pkgconfig/wayland-client.pc libdevel/libwayland-dev
usr/share/pkgconfig/wayland-protocols.pc devel/wayland-protocols
{LIB}/cmake/Qt6/Qt6Config.cmake libdevel/qt6-base-dev
{LIB}/cmake/fmt/fmt-config.cmake libdevel/libfmt-dev
usr/share/cmake/nlohmann_json/nlohmann_jsonConfig.cmake libdevel/nlohmann-json3-dev
usr/bin/bison devel/bison,devel/bison++
usr/sbin/glslc devel/glslc
usr/lib/python3/dist-packages/numpy/__init__.py python/python3-numpy
"""
# Name, version, description, dependencies.
PACKAGES = {
    "libncurses5-dev": PackageTraits("6", "transitional package for libncurses-dev", frozenset({"libncurses-dev"})),
    "libthing9-dev": PackageTraits("9"),
    "libthing-dev": PackageTraits("9", "", frozenset({"libthing9-dev"})),
    "libold0t64": PackageTraits("1.0"),
    "zlib1g-dev": PackageTraits("1:1.3.dfsg+really1.3.1-1"),
    **{
        name: PackageTraits("1.0")
        for name in (
            "libncurses-dev", "libcurl4-gnutls-dev", "libcurl4-openssl-dev", "libgtk-3-dev", "libgtk-4-dev",
            "libboost-dev",
            "libevent-dev", "libev-libevent-dev", "libpng-dev", "libfoo2", "libonly-dev", "other", "libwayland-dev",
            "wayland-protocols", "qt6-base-dev", "libfmt-dev", "nlohmann-json3-dev", "bison", "bison++", "glslc",
            "python3-numpy", "libxml-parser-perl", "ruby-rack", "gir1.2-gtk-4.0", "libkf6i18n-dev", "autoconf-archive",
            "gcc", "g++", "libc6-dev", "python3-dev", "libboost-filesystem-dev", "python3-yaml", "libpoco-dev", "perl",
        )
    },
}  # fmt: skip


class Table:
    def facts(self, name: str) -> PackageTraits | None:
        return PACKAGES.get(name)


def finder(text: str = INDEX, *, table: bool = True) -> NeedFinder:
    index = ContentsIndex("trixie", "amd64", 0, [FileTable(memoryview(pack_rows(parse_rows([text.encode()]))))])
    return NeedFinder(index, Table() if table else None)


FINDER = finder()


@pytest.mark.parametrize(
    ("need", "package"),
    [
        (BuildNeed(HEADER, "zlib.h"), "zlib1g-dev"),  # not the one in a directory of another library
        (BuildNeed(HEADER, "curses.h"), "libncurses-dev"),  # not the transitional one
        (BuildNeed(HEADER, "curl/curl.h"), "libcurl4-openssl-dev"),  # of equal ones the usual one
        (BuildNeed(HEADER, "gtk/gtk.h"), "libgtk-4-dev"),  # the newest
        (BuildNeed(HEADER, "event.h"), "libevent-dev"),  # the one with the nearest name
        (BuildNeed(HEADER, "boost/version.hpp"), "libboost-dev"),  # the release has no libboost1.74-dev
        (BuildNeed(HEADER, "vector"), "g++"),
        (BuildNeed(HEADER, "stdarg.h"), "gcc"),
        (BuildNeed(HEADER, "stdio.h"), None),  # this release has libc6-dev: see below
        (BuildNeed(HEADER, "Python.h"), "python3-dev"),
        (BuildNeed(LIBRARY, "png16"), "libpng-dev"),
        (BuildNeed(LIBRARY, "only"), "libonly-dev"),
        (BuildNeed(SONAME, "libfoo.so.2"), "libfoo2"),
        (BuildNeed(PC, "wayland-client"), "libwayland-dev"),
        (BuildNeed(PC, "wayland-protocols"), "wayland-protocols"),
        (BuildNeed(CMAKE, "Qt6"), "qt6-base-dev"),
        (BuildNeed(CMAKE, "fmt"), "libfmt-dev"),
        (BuildNeed(CMAKE, "nlohmann_json"), "nlohmann-json3-dev"),
        (BuildNeed(CMAKE, "KF6I18n"), "libkf6i18n-dev"),  # by the rule for names
        (BuildNeed(PROGRAM, "bison"), "bison"),
        (BuildNeed(PROGRAM, "yacc"), "bison"),  # an alternative
        (BuildNeed(PROGRAM, "glslc"), "glslc"),
        (BuildNeed(PROGRAM, "/usr/bin/bison"), "bison"),
        (BuildNeed(PYTHON, "numpy.linalg"), "python3-numpy"),
        (BuildNeed(PYTHON, "yaml"), "python3-yaml"),  # by the rule for names
        (BuildNeed(PERL, "XML::Parser"), "libxml-parser-perl"),
        (BuildNeed(PERL, "File::Basename"), "perl"),
        (BuildNeed(RUBY, "rack"), "ruby-rack"),
        (BuildNeed(TYPELIB, "Gtk-4.0"), "gir1.2-gtk-4.0"),
        (BuildNeed(MACRO, "AX_CXX_COMPILE_STDCXX"), "autoconf-archive"),
        (BuildNeed(PACKAGE, "bison"), "bison"),
        (BuildNeed(HEADER, "nowhere.h"), None),
        (BuildNeed(PC, "nowhere"), None),
        (BuildNeed(PROGRAM, "../bison"), None),
    ],
)  # fmt: skip
def test_the_package_of_a_need(need: BuildNeed, package: str | None) -> None:
    found = FINDER.find(need)
    if need == BuildNeed(HEADER, "stdio.h"):
        package = "libc6-dev"  # the C library has it too, so it is none of the compiler's own
    assert found.best == package and found.need == need
    if found.best:
        assert found.best in PACKAGES


def test_of_two_packages_that_depend_on_each_other_the_one_with_the_file_counts() -> None:
    assert FINDER.find(BuildNeed(HEADER, "old.h")).packages == ("libthing9-dev", "libthing-dev")


def test_the_choice_does_not_depend_on_the_order_of_the_index() -> None:
    lines = INDEX.splitlines(keepends=True)
    needs = [BuildNeed(HEADER, name) for name in ("curses.h", "curl/curl.h", "gtk/gtk.h", "old.h")]
    for seed in range(5):
        random.Random(seed).shuffle(lines)
        other = finder("".join(lines))
        assert [other.find(need).packages for need in needs] == [FINDER.find(need).packages for need in needs]


@pytest.mark.parametrize(("least", "too_old"), [("1.2", ""), ("1.3", ""), ("1.4", "1.3.dfsg+really1.3.1"), ("x", "")])
def test_a_package_that_is_too_old_is_told(least: str, too_old: str) -> None:
    found = FINDER.find(BuildNeed(PC, "zlib", least))
    assert (found.best, found.too_old) == ("zlib1g-dev", too_old)


def test_a_library_whose_package_has_another_name_since_times_have_64_bits() -> None:
    renamed = "usr/lib/x86_64-linux-gnu/libold.so.0 libs/libold0\n"
    assert finder(renamed).find(BuildNeed(SONAME, "libold.so.0")).best == "libold0t64"


def test_a_file_that_moved_to_another_package_is_found_by_the_index_of_an_older_release() -> None:
    older = "usr/share/pkgconfig/systemd.pc admin/systemd\n"
    assert finder(older).find(BuildNeed(PC, "systemd")).best is None
    assert finder(older, table=False).find(BuildNeed(PC, "systemd")).best == "systemd-dev"


def test_without_a_table_all_packages_of_the_index_count() -> None:
    assert finder(table=False).find(BuildNeed(HEADER, "boost/version.hpp")).best == "libboost1.74-dev"


def test_the_field_of_a_build_that_takes_the_package() -> None:
    assert {BuildNeed(kind, "x").field for kind in (HEADER, LIBRARY, PC, CMAKE, SONAME)} == {LIBS}
    assert {BuildNeed(kind, "x").field for kind in (PROGRAM, PYTHON, PERL, RUBY, MACRO)} == {TOOLS}
    assert (BuildNeed(PACKAGE, "x-dev").field, BuildNeed(PACKAGE, "x").field) == (LIBS, TOOLS)


def test_files_of_the_best_package_come_first() -> None:
    assert [entry.path for entry in FINDER.files(BuildNeed(HEADER, "gtk/gtk.h"))][0].startswith("/usr/include/gtk-4.0")


@pytest.mark.parametrize(
    ("name", "components", "packages"),
    [
        ("Threads", (), []),
        ("ZLIB", (), ["zlib1g-dev"]),
        ("Boost", ("filesystem", "asio"), ["libboost-filesystem-dev"]),
        ("Boost", (), ["libboost-dev"]),
        ("Qt6", ("Core", "Widgets"), ["qt6-base-dev"]),
        ("fmt", (), ["libfmt-dev"]),
        ("Python3", ("Development",), ["python3-dev"]),
    ],
)
def test_what_find_package_needs(name: str, components: tuple[str, ...], packages: list[str]) -> None:
    assert [FINDER.find(need).best for need in cmake_needs(name, components)] == packages
