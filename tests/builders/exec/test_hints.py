"""What a build that failed lacks is found in its log, and what to do about it is said."""

from __future__ import annotations

import pytest
from fpack.builders.debian.contents.index import ContentsIndex
from fpack.builders.debian.contents.table import FileTable, pack_rows
from fpack.builders.debian.contents.text import parse_rows
from fpack.builders.exec.hints import advice

LIB = "usr/lib/x86_64-linux-gnu"
INDEX = f"""\
usr/include/zlib.h libdevel/zlib1g-dev
usr/include/Poco/zlib.h libdevel/libpoco-dev
usr/include/x86_64-linux-gnu/openssl/ssl.h libdevel/libssl-dev
{LIB}/libpng16.so libdevel/libpng-dev
{LIB}/pkgconfig/zlib.pc libdevel/zlib1g-dev
{LIB}/pkgconfig/libffi.pc libdevel/libffi-dev
{LIB}/cmake/Qt6/Qt6Config.cmake libdevel/qt6-base-dev
usr/bin/bison devel/bison
usr/bin/yacc devel/bison,devel/byacc
usr/sbin/glslc devel/glslc
"""


def index(text: str) -> ContentsIndex:
    table = FileTable(memoryview(pack_rows(parse_rows([text.encode()]))))
    return ContentsIndex("trixie", "amd64", 0, [table])


@pytest.mark.parametrize(
    ("line", "lacks", "field", "file", "package"),
    [
        ("main.c:1:10: fatal error: zlib.h: No such file or directory", "zlib.h", "libs", "zlib.h", "zlib1g-dev"),
        (
            "a.cc:1:10: fatal error: openssl/ssl.h: No such file or directory",
            "openssl/ssl.h", "libs", "openssl/ssl.h", "libssl-dev",
        ),
        ("/usr/bin/ld: cannot find -lpng16: No such file or directory", "png16", "libs", "libpng16.so", "libpng-dev"),
        ('m.build:2:4: ERROR: Dependency "zlib" not found, tried pkgconfig', "zlib", "libs", "zlib.pc", "zlib1g-dev"),
        ("No package 'libffi' found", "libffi", "libs", "libffi.pc", "libffi-dev"),
        (
            '  Could not find a package configuration file provided by "Qt6" with any of',
            "Qt6", "libs", "Qt6Config.cmake", "qt6-base-dev",
        ),
        ("  Could NOT find ZLIB (missing: ZLIB_LIBRARY ZLIB_INCLUDE_DIR)", "ZLIB", "libs", "zlib.pc", "zlib1g-dev"),
        ("/run/fpack/2-build: line 1: bison: command not found", "bison", "tools", "/usr/bin/bison", "bison"),
        ("/bin/sh: 1: yacc: not found", "yacc", "tools", "/usr/bin/yacc", "bison or byacc"),
        ("make: yacc: No such file or directory", "yacc", "tools", "/usr/bin/yacc", "bison or byacc"),
        (
            "meson.build:3:7: ERROR: Program 'glslc' not found or not executable",
            "glslc", "tools", "/usr/bin/glslc", "glslc",
        ),
    ],
)  # fmt: skip
def test_what_a_build_lacks(line: str, lacks: str, field: str, file: str, package: str) -> None:
    log = f"-- build\n{line}\nmake: *** [Makefile:2: all] Error 1"
    start = f"unless {lacks} is a file of the project, add"
    assert advice(log) == f"{start} the package that has it to `{field}`: fpack search --file {file}"
    assert advice(log, lambda: index(INDEX)) == f"{start} {package} of trixie to `{field}`"
    said = advice(log, lambda: index(""))
    assert said.startswith(f"no package of trixie has {file};") and "try fpack search" in said


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
