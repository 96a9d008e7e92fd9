"""Test that the log of a failed build tells what it lacks, and that the error says what to do."""

from __future__ import annotations

import pytest
from fpack.builders.debian.contents.finder import NeedFinder
from fpack.builders.debian.contents.index import ContentsIndex
from fpack.builders.debian.contents.table import FileTable, pack_rows
from fpack.builders.debian.contents.text import parse_rows
from fpack.builders.exec.hints import advice, advice_for_tests, remedies

LIB = "usr/lib/x86_64-linux-gnu"
INDEX = f"""\
usr/include/zlib.h libdevel/zlib1g-dev
usr/include/Poco/zlib.h libdevel/libpoco-dev
usr/include/x86_64-linux-gnu/openssl/ssl.h libdevel/libssl-dev
{LIB}/libpng16.so libdevel/libpng-dev
{LIB}/pkgconfig/zlib.pc libdevel/zlib1g-dev
{LIB}/pkgconfig/libffi.pc libdevel/libffi-dev
{LIB}/cmake/fmt/fmt-config.cmake libdevel/libfmt-dev
usr/bin/bison devel/bison
usr/bin/yacc devel/bison,devel/byacc
usr/sbin/glslc devel/glslc
"""


def finder(text: str) -> NeedFinder:
    table = FileTable(memoryview(pack_rows(parse_rows([text.encode()]))))
    return NeedFinder(ContentsIndex("trixie", "amd64", 0, [table]))


@pytest.mark.parametrize(
    ("line", "lacks", "field", "search", "package"),
    [
        ("m.c:1:10: fatal error: zlib.h: No such file or directory", "zlib.h", "libs", "--header zlib.h", "zlib1g-dev"),
        (
            "a.cc:1:10: fatal error: openssl/ssl.h: No such file or directory",
            "openssl/ssl.h", "libs", "--header openssl/ssl.h", "libssl-dev",
        ),
        ("/usr/bin/ld: cannot find -lpng16: No such file or directory", "png16", "libs", "--lib png16", "libpng-dev"),
        ('m.build:2:4: ERROR: Dependency "zlib" not found, tried pkgconfig', "zlib", "libs", "--pc zlib", "zlib1g-dev"),
        ("No package 'libffi' found", "libffi", "libs", "--pc libffi", "libffi-dev"),
        (
            '  Could not find a package configuration file provided by "fmt" with any of',
            "fmt", "libs", "--cmake fmt", "libfmt-dev",
        ),
        ("  Could NOT find ZLIB (missing: ZLIB_LIBRARY ZLIB_INCLUDE_DIR)", "ZLIB", "libs", "--pc zlib", "zlib1g-dev"),
        ("/run/fpack/2-build: line 1: bison: command not found", "bison", "tools", "--program bison", "bison"),
        ("/bin/sh: 1: yacc: not found", "yacc", "tools", "--program yacc", "bison"),
        ("make: yacc: No such file or directory", "yacc", "tools", "--program yacc", "bison"),
        (
            "meson.build:3:7: ERROR: Program 'glslc' not found or not executable",
            "glslc", "tools", "--program glslc", "glslc",
        ),
    ],
)  # fmt: skip
def test_what_a_build_lacks(line: str, lacks: str, field: str, search: str, package: str) -> None:
    log = f"-- build\n{line}\nmake: *** [Makefile:2: all] Error 1"
    start = f"unless the project has {lacks} itself, add"
    assert advice(log) == f"{start} the package that has it to `{field}`: fpack search {search}"
    assert advice(log, lambda: finder(INDEX)) == f"{start} {package} of trixie to `{field}`; fpack fix does so"
    if lacks != "yacc":  # which the table of alternatives knows
        said = advice(log, lambda: finder(""))
        assert said.startswith("no package of trixie has the ") and "try fpack search" in said


def test_a_log_without_a_known_message_opens_no_index() -> None:
    assert advice("error: expected ';'", lambda: pytest.fail("opened")) == ""


@pytest.mark.parametrize(
    ("line", "lacks", "run"),
    [
        ("error: no matching package named `anyhow` found", "anyhow", "cargo vendor"),
        ('error: failed to select a version for the requirement `serde = "^2"`', "serde", "cargo vendor"),
        (
            "main.go:3:8: cannot find module providing package example.org/x: import lookup disabled by -mod=vendor",
            "example.org/x",
            "go mod vendor",
        ),
        (
            "example.org/x@v1.2.3: is explicitly required in go.mod, but not marked as explicit in vendor/modules.txt",
            "example.org/x",
            "go mod vendor",
        ),
        ("Could not find gem 'rack' in locally installed gems.", "rack", "bundle cache"),
        ("Could not find rack-3.1.0 in locally installed gems", "rack-3.1.0", "bundle cache"),
        ("npm error code ENOTCACHED", "package-lock.json", "npm install"),
        ("ERROR: No matching distribution found for six==1.17.0", "six", "lock the requirements again"),
    ],
)
def test_what_a_lock_lacks(line: str, lacks: str, run: str) -> None:
    said = advice(f"-- build\n{line}\n")
    assert lacks in said and run in said and "fpack search" not in said


@pytest.mark.parametrize(
    ("line", "java", "level"),
    [
        ("error: Source option 7 is no longer supported. Use 8 or later.", "Java 7", "level = 8 "),
        ("[ERROR] error: Target option 6 is no longer supported. Use 7 or later.", "Java 6", "level = 7 "),
        ("error: release version 5 not supported", "Java 5", "level = 8 "),
    ],
)
def test_sources_that_are_too_old_for_java(line: str, java: str, level: str) -> None:
    said = advice(f"> Task :compileJava\n{line}\n")
    assert java in said and level in said


def test_the_first_of_several_counts() -> None:
    said = advice("b.c:1:1: fatal error: b.h: No such file or directory\n/bin/sh: 1: flex: not found")
    assert "b.h" in said and "flex" not in said


@pytest.mark.parametrize(
    "line",
    [
        "main.c:3:53: error: expected ';' before '}' token",
        "cat: data.txt: No such file or directory",
        "make: *** No rule to make target 'x'.  Stop.",
        "zlib.h not found",
        "fatal error: \x1b[1m: No such file or directory",
        "",
    ],
)
def test_other_failures_get_no_advice(line: str) -> None:
    assert advice(line) == ""


def test_further_missing_things_are_told_too() -> None:
    names = ("zlib.h", "openssl/ssl.h")
    log = "\n".join(f"a.c:1:1: fatal error: {name}: No such file or directory" for name in names)
    said = advice(log, lambda: finder(INDEX))
    assert said.endswith("add zlib1g-dev of trixie to `libs`, libssl-dev for openssl/ssl.h; fpack fix does so")


def test_remedies_name_the_need_that_a_package_meets() -> None:
    log = "checking for png16... no\nconfigure: error: no png\n"
    assert [r.packages for r in remedies(log, lambda: finder(INDEX))] == [()]
    log = "CMake Error\n  Could NOT find Fmt (missing: FMT_LIBRARY)\n"
    found = remedies(log.replace("Fmt", "Ffi"), lambda: finder(INDEX))
    assert [(r.need.kind, r.packages) for r in found] == [("pkg-config module", ("libffi-dev",))]


def test_failed_tests_are_named() -> None:
    said = advice_for_tests("FAIL: net\nFAIL: dns\n")
    assert "the tests net, dns failed" in said and "check = null" in said and "--no-check" in advice_for_tests("error")


def test_old_sources_are_told_how_to_be_accepted() -> None:
    said = advice("cron.c:213:22: error: implicit declaration of function 'time' [-Wimplicit-function-declaration]")
    assert "-fpermissive -fcommon in CFLAGS" in said
    said = advice("a.cpp:2:9: error: ISO C++17 does not allow dynamic exception specifications")
    assert "-std=gnu++14 in CXXFLAGS" in said


@pytest.mark.parametrize(
    ("log", "what"),
    [
        ("mkdir: cannot create directory ‘/usr/share/x’: Read-only file system", "installs to /usr/share/x, outside"),
        (
            "t.c:9:1: warning: implicit declaration of function ‘f’ [-Wimplicit-function-declaration]\n"
            "mkdir: cannot create directory ‘/depot/wave’: No such file or directory",
            "installs to /depot/wave, outside",
        ),
        ("mkdir /usr/share/perl/5.40.1/X: Read-only file system at Install.pm line 470.", "/usr/share/perl/5.40.1/X,"),
        ("install: cannot create directory '/x86_64-linux-gnu': Read-only file system", "to /x86_64-linux-gnu,"),
        ("OSError: [Errno 30] Read-only file system: '/etc/app.conf'", "installs to /etc/app.conf, outside of $out"),
        ("a.cpp:196:12: fatal error: longintrepr.h: No such file or directory", 'python = "3.10"'),
        ("install: '/usr/x': Read-only file system\na.c:1:1: fatal error: b.h: No such file or directory", "has b.h"),
    ],
)  # fmt: skip
def test_advice_without_a_package(log: str, what: str) -> None:
    assert what in advice(log)
