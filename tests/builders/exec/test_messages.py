"""Messages of real tools about what is missing, as they printed them, and what is made of them."""

from __future__ import annotations

import re

import pytest
from fpack.builders.debian.contents.needs import (
    CMAKE,
    HEADER,
    LIBRARY,
    MACRO,
    PACKAGE,
    PC,
    PERL,
    PROGRAM,
    PYTHON,
    RUBY,
    SONAME,
)
from fpack.builders.exec.failed_tests import failed_tests
from fpack.builders.exec.messages import (
    MESSAGES,
    asks_questions,
    find_missing,
    is_out_of_order,
    lacks_directories,
    old_sources,
)
from support.growth import check_linear

CORPUS = [
    # gcc, g++, clang, gfortran
    ("main.c:1:10: fatal error: zlib.h: No such file or directory\n    1 | #include <zlib.h>", HEADER, "zlib.h"),
    ("./src/ui.h:4:10: fatal error: QtGui/QWidget: No such file or directory", HEADER, "QtGui/QWidget"),
    ("main.c:1:10: fatal error: 'openssl/ssl.h' file not found\n#include <openssl/ssl.h>", HEADER, "openssl/ssl.h"),
    ("meson.build:3:0: ERROR: Program or command 'pod2man' not found or not executable", PROGRAM, "pod2man"),
    ("meson.build:24:8: ERROR: Problem encountered: python3 jinja2 missing", PYTHON, "jinja2"),
    ("gcc: fatal error: cannot execute 'cc1plus': execvp: No such file or directory", PACKAGE, "g++"),
    ("f951: gfortran: fatal error: cannot execute 'f951': execvp: No such file or directory", PACKAGE, "gfortran"),
    ("/usr/bin/ld: cannot find Scrt1.o: No such file or directory", PACKAGE, "libc6-dev"),
    # ld, gold, lld, mold
    ("/usr/bin/ld: cannot find -lpng16: No such file or directory", LIBRARY, "png16"),
    ("/usr/bin/ld: cannot find -lncursesw\ncollect2: error: ld returned 1 exit status", LIBRARY, "ncursesw"),
    ("ld.lld: error: unable to find library -lcurl", LIBRARY, "curl"),
    ("mold: fatal: library not found: bz2", LIBRARY, "bz2"),
    # pkg-config
    ("No package 'libffi' found", PC, "libffi"),
    ("Package 'gobject-2.0', required by 'virtual:world', not found", PC, "gobject-2.0"),
    ("Package libudev was not found in the pkg-config search path.\nPerhaps you should add", PC, "libudev"),
    ("configure: error: Package requirements (gtk+-3.0 >= 3.22) were not met:", PC, "gtk+-3.0"),
    ("configure: error: The pkg-config script could not be found or is too old.", PACKAGE, "pkgconf"),
    # Meson
    ('meson.build:2:4: ERROR: Dependency "wayland-client" not found, tried pkgconfig', PC, "wayland-client"),
    ("meson.build:12:0: ERROR: Dependency 'gtk4' is required but not found.", PC, "gtk4"),
    ("meson.build:8:0: ERROR: Dependency lookup for libdrm with method 'pkgconfig' failed: Pkg-config", PC, "libdrm"),
    ("Run-time dependency fmt found: NO (tried pkgconfig and cmake)\nNot looking for a fallback subproject\n\n"
     "meson.build:5:6: ERROR: Automatic wrap-based subproject downloading is disabled", PC, "fmt"),
    ("meson.build:9:5: ERROR: C shared or static library 'popt' not found", LIBRARY, "popt"),
    ("meson.build:409:25: ERROR: C shared library 'z' not found", LIBRARY, "z"),
    ("meson.build:3:7: ERROR: Program 'glslc' not found or not executable", PROGRAM, "glslc"),
    ("RuntimeError: The 'apxs' command appears not to be installed or is not executable.", PROGRAM, "apxs"),
    ("meson.build:3:7: ERROR: Program(s) ['gdbus-codegen'] not found or not executable", PROGRAM, "gdbus-codegen"),
    ("meson.build:1:0: ERROR: Unknown compiler(s): [['c++'], ['g++'], ['clang++']]", PACKAGE, "g++"),
    ("meson.build:7:19: ERROR: python3 is missing modules: jinja2", PYTHON, "jinja2"),
    ("error: Package `gee-0.8' not found in specified Vala API directories or GObject-Introspection", PC, "gee-0.8"),
    # CMake
    ("CMake Warning at cmake/FindPHP.cmake:68 (message):\n  Could not find libphp.  Ensure PHP", PC, "libphp"),
    ('  Could not find a package configuration file provided by "Qt6" with any of', PACKAGE, "qt6-base-dev"),
    ('  Could not find a package configuration file provided by "fmt" with any of', CMAKE, "fmt"),
    ('  Could not find a package configuration file provided by "boost_system"', PACKAGE, "libboost-system-dev"),
    ("CMake Error at FindPackageHandleStandardArgs.cmake:230 (message):\n  Could NOT find ZLIB (missing: ZLIB_LIBRARY "
     "ZLIB_INCLUDE_DIR)", PC, "zlib"),
    ("CMake Error at X.cmake:1 (message):\n  Could NOT find Boost (missing: system thread) (found version)", PACKAGE,
     "libboost-system-dev"),
    ("CMake Error:\n  Could NOT find Python3 (missing: Python3_INCLUDE_DIRS Development)", PACKAGE, "python3-dev"),
    ('  By not providing "FindGLEW2.cmake" in CMAKE_MODULE_PATH this project has', CMAKE, "GLEW2"),
    ("  The following required packages were not found:\n\n   - libsystemd>=230", PC, "libsystemd"),
    ('  Failed to find required Qt component "Svg".', CMAKE, "Qt6Svg"),
    ("  No CMAKE_CXX_COMPILER could be found.", PACKAGE, "g++"),
    ("CMake Error at CMakeLists.txt:74 (message):\n  gengetopt not found\nCall Stack:\n", PROGRAM, "gengetopt"),
    ("CMake Error at CMakeLists.txt:5 (find_library):\n  Could not find READLINE using the following names: readline",
     LIBRARY, "readline"),
    # autoconf, automake, configure
    ("configure.ac:9: error: possibly undefined macro: AC_PROG_LIBTOOL", MACRO, "AC_PROG_LIBTOOL"),
    ("./configure: line 4: syntax error near unexpected token `FOO,'\n./configure: line 4: `PKG_CHECK_MODULES(FOO, f)'",
     MACRO, "PKG_CHECK_MODULES"),
    ('Can\'t exec "autopoint": No such file or directory at /usr/share/autoconf/Autom4te/F.pm', PROGRAM, "autopoint"),
    ("Makefile.am:3: error: Libtool library used but 'LIBTOOL' is undefined", PACKAGE, "libtool"),
    ("checking for pcap.h... no\nconfigure: error: cannot find pcap headers", HEADER, "pcap.h"),
    ("checking for tgetent in -ltinfo... no\nconfigure: error: termcap is required", LIBRARY, "tinfo"),
    ("checking for xmlto... no\nconfigure: error: you need xmlto", PC, "xmlto"),
    ("checking for perl... no\nconfigure: error: perl not found", PROGRAM, "perl"),
    ("configure: error: XML::Parser perl module is required for intltool", PERL, "XML::Parser"),
    ("checking for curl libs... configure: error: curl-config --libs failed.", PROGRAM, "curl-config"),
    ("Checking for traditional termcap... not found\nThis package needs termcap to run.", PC, "termcap"),
    # make, shells, env, exec
    ("/run/fpack/2-build: line 1: bison: command not found", PROGRAM, "bison"),
    ("/bin/sh: 1: yacc: not found", PROGRAM, "yacc"),
    ("./configure: 190: xmkmf: not found", PROGRAM, "xmkmf"),
    ("make: yacc: No such file or directory", PROGRAM, "yacc"),
    ("make[2]: asciidoc: Command not found", PROGRAM, "asciidoc"),
    ("/usr/bin/env: 'perl': No such file or directory", PROGRAM, "perl"),
    ("/bin/sh: ./gen.pl: /usr/bin/perl: bad interpreter: No such file or directory", PROGRAM, "perl"),
    ("make: *** No rule to make target '/usr/include/libnl3/netlink.h', needed by 'x.o'.", HEADER, "libnl3/netlink.h"),
    # Python
    ("ModuleNotFoundError: No module named 'Cython'", PYTHON, "Cython"),
    ("ImportError: libpq.so.5: cannot open shared object file: No such file or directory", SONAME, "libpq.so.5"),
    ("./gen: error while loading shared libraries: libfoo.so.2: cannot open shared object file", SONAME, "libfoo.so.2"),
    ("Error: pg_config executable not found.", PACKAGE, "libpq-dev"),
    ("The headers or library files could not be found for jpeg,\na required dependency when compiling", PC, "jpeg"),
    # Perl, Ruby
    ("Can't locate XML/Parser.pm in @INC (you may need to install the XML::Parser module)", PERL, "XML::Parser"),
    ("<internal:/usr/lib/ruby/rubygems.rb>:136:in `require': cannot load such file -- rake (LoadError)", RUBY, "rake"),
    ("mkmf.rb can't find header files for ruby at /usr/lib/ruby/include/ruby.h", PACKAGE, "ruby-dev"),
    ("checking for zlib.h... no\nzlib.h is missing\n*** extconf.rb failed ***", HEADER, "zlib.h"),
    ("checking for main() in -lidn... no\nERROR: no idn library!\n*** extconf.rb failed ***", LIBRARY, "idn"),
    ("checking for -lsnappy... no\n*** extconf.rb failed ***", LIBRARY, "snappy"),
    ("checking for pkg-config for libgit2... not found\n*** extconf.rb failed ***", PC, "libgit2"),
    # npm and node-gyp
    ("gyp ERR! find Python\ngyp ERR! find Python Python is not set from command line", PACKAGE, "python3"),
    ("gyp ERR! stack Error: not found: make", PROGRAM, "make"),
    ("Package pangocairo was not found in the pkg-config search path.\ngyp: Call to 'pkg-config", PC, "pangocairo"),
    # cargo's -sys crates
    ("  The system library `openssl` required by crate `openssl-sys` was not found.", PC, "openssl"),
    ("  The file `dbus-1.pc` needs to be installed", PC, "dbus-1"),
    ("  error: could not find native static library `z`, perhaps an -L flag is missing?", LIBRARY, "z"),
    ("failed to execute command: No such file or directory (os error 2)\nis `cmake` not installed?", PROGRAM, "cmake"),
    ("Could not find `protoc` installation and this build crate cannot proceed", PROGRAM, "protoc"),
    ("Unable to find libclang: \"couldn't find any valid shared libraries\"", PACKAGE, "libclang-dev"),
    # cgo
    ('# runtime/cgo\ncgo: C compiler "gcc" not found: exec: "gcc": executable file not found in $PATH', PROGRAM, "gcc"),
    ('go build: exec: "pkg-config": executable file not found in $PATH', PROGRAM, "pkg-config"),
    # configure, in words of its author
    ("checking where to find pcap.h... no idea\nconfigure: error: can't find pcap.h\n  You're not going to get far",
     HEADER, "pcap.h"),
    ("checking for a curses library containing mvchgat... none found\nconfigure: error: Curses! Foiled again!",
     PC, "curses"),
    ("configure: error: *** zlib.h is missing. Please install it", HEADER, "zlib.h"),
    ("configure: error: Sorry, libnl-3 was not detected. You need it.", PC, "libnl-3"),
    ("configure: error: please install the libxen-dev package", PACKAGE, "libxen-dev"),
    ("configure: error: Lua is required", PC, "Lua"),
    ("Could not run `A=1 pkg-config --libs --cflags oniguruma 'oniguruma >= 6'`\nIt is absent.", PC, "oniguruma"),
    ("The pkg-config command could not be found.", PACKAGE, "pkgconf"),
    ("configure: error: Autoconf 2.65 or better is required.\n    Please make sure it is installed", PC, "Autoconf"),
    ("configure: error: This package requires Bison >= 3.0", PC, "Bison"),
    ("configure: error: you need libevent version 2.1 or newer", PC, "libevent"),
    ("configure: error: 'pod2man' could not be found", PC, "pod2man"),
    # what projects say themselves
    ("CMake Error: no libcap header. Install libcap-dev", PACKAGE, "libcap-dev"),
    ("FileNotFoundError: [Errno 2] No such file or directory: 'make'", PROGRAM, "make"),
    ("checking for file... FILE_UTILITY_NOT_FOUND\nconfigure: error: no file", PC, "file"),
    ("ERROR: Unable to find Docbook XSL stylesheets", PACKAGE, "docbook-xsl"),
    # documentation
    ("I/O error : Attempt to load http://docbook.sourceforge.net/release/xsl/current/manpages/docbook.xsl",
     PACKAGE, "docbook-xsl"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "name"), CORPUS, ids=[f"{kind}-{name}" for _, kind, name in CORPUS])
def test_a_message(text: str, kind: str, name: str) -> None:
    found = find_missing(f"-- build\n{text}\nmake: *** [Makefile:2: all] Error 1\n")
    assert found and (found[0].needs[0].kind, found[0].needs[0].name) == (kind, name)


@pytest.mark.parametrize(
    "line",
    [
        "main.c:3:53: error: expected ';' before '}' token",
        "cat: data.txt: No such file or directory",
        "make: *** No rule to make target 'x'.  Stop.",
        "checking for zlib.h... no\nchecking for stdio.h... yes",
        "fatal error: ./generated.h: No such file or directory",
        "/bin/sh: 1: --so-suffix: not found",
        "bash: ./run-me: command not found",
        "configure: error: the library could not be found",
        "configure: error: C compiler cannot create executables",
        "# Could not find library 'bats-support' relative to test file or in BATS_LIB_PATH",
        "configure: error: working directory is missing",
        "configure: error: source directory not found",
        "configure: error: Your system was not found",
        "configure: error: something is not needed",
        "configure: error: zlib is not required",
        "configure: error: invalid value: argument required",
        "configure: error: a newer one needs to be installed",
        "configure: error: version 3.1 or newer is required",
        "configure: error: this needs at least 64 MB",
        "/usr/include/foo/config.h:12:2: error: #error Define FOO before this file",
        "/usr/include/bits/x.h:3:4: error: 'y' was not declared in this scope",
        "",
    ],
)
def test_other_failures_name_nothing(line: str) -> None:
    assert find_missing(line) == []


@pytest.mark.parametrize(
    "said",
    [
        "note: previous declaration of 'memcpy' with type 'void *(void *)'",
        "error: conflicting types for 'strchr'",
        "error: two or more data types in declaration specifiers",
        "error: redefinition of 'struct timeval'",
    ],
)
def test_a_declaration_that_contradicts_a_header_of_the_system_is_of_an_old_source(said: str) -> None:
    assert old_sources(f"/usr/include/string.h:43:14: {said}\nmake: *** [Makefile:2: all] Error 1\n") == "CFLAGS"


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ('  bin "sum" requires the features: `std`, `clap`', "sum needs the features `std`, `clap`"),
        (
            "   = note: `#[deny(deprecated)]` implied by `#[deny(warnings)]`",
            "turns the warnings of this compiler into errors",
        ),
    ],
)
def test_what_cargo_says_of_a_project_gives_advice(line: str, advice: str) -> None:
    (found,) = find_missing(f"   Compiling sum v1.0.0\n{line}\nerror: it failed\n")
    assert advice in found.advice and not found.needs


def test_status_lines_of_cmake_count_only_if_nothing_else_is_said() -> None:
    optional = (
        "-- Could NOT find Doxygen (missing: DOXYGEN_EXECUTABLE)\n-- Could NOT find ALSA (missing: ALSA_LIBRARY)\n"
    )
    error = "CMake Error\n  Could NOT find ZLIB (missing: ZLIB_LIBRARY)\n"
    assert [item.name for item in find_missing(optional + error)] == ["ZLIB"]
    assert [item.name for item in find_missing(optional)] == ["ALSA"]


def test_a_missing_program_counts_if_nothing_else_is_said_and_the_build_ended_there() -> None:
    early = "./configure: line 5: /usr/bin/file: No such file or directory\n" + "checking...\n" * 60
    assert find_missing(early) == []
    both = "/bin/sh: 1: git: not found\na.c:1:1: fatal error: a/b.h: No such file or directory"
    assert [item.name for item in find_missing(both)] == ["a/b.h"]


def test_colours_do_not_hide_a_message() -> None:
    assert find_missing("a.c:1:10: \x1b[01;31mfatal error: \x1b[mzlib.h: No such file or directory")[0].name == "zlib.h"


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in MESSAGES], ids=lambda pattern: pattern.pattern)
def test_a_pattern_bounds_the_names_that_may_begin_anywhere(pattern: re.Pattern[str]) -> None:
    """A log without lines is one long word: a name without a limit would be read once for each of its letters."""
    assert not re.match(r"\(?(?:\[[^\]]*\]|\\[wS])*(?:\[[^\]]*\]|\\[wS])[*+]", pattern.pattern)


def test_each_thing_is_told_once_and_a_long_log_is_read_from_its_end() -> None:
    line = "a.c:1:10: fatal error: zlib.h: No such file or directory\n"
    assert len(find_missing(line * 50_000)) == 1


@pytest.mark.parametrize(
    ("log", "names"),
    [
        ("PASS: one\nFAIL: t1000-zip.pl\nFAIL: two.sh\n", ["t1000-zip.pl", "two.sh"]),
        ("The following tests FAILED:\n\t  3 - net.dns (Failed)\n", ["net.dns"]),
        (" 3/12 wave:unit / decode      FAIL            0.02s   exit status 1\n", ["decode"]),
        ("1/2 prints  OK              0.05s\n2/2 fetches FAIL            0.03s   exit status 2\n", ["fetches"]),
        ("✖ fetches (37.1ms)\n✖ failing tests:\n", ["fetches"]),
        ("    ✕ dials a host (5 ms)\n   × reads 12ms\n", ["dials a host", "reads"]),
        ("--- FAIL: TestDial (0.00s)\nFAIL\n", ["TestDial"]),
        ("test net::dials ... FAILED\n", ["net::dials"]),
        ("FAILED tests/test_net.py::test_dial - OSError\n", ["tests/test_net.py::test_dial"]),
        ("FAIL: test_dial (tests.test_net.Net.test_dial)\n", ["test_dial"]),
        ("not ok 3 - dials\n", ["dials"]),
        ("error: x\n", []),
    ],
)
def test_the_names_of_failed_tests(log: str, names: list[str]) -> None:
    assert failed_tests(log) == names


def test_a_log_of_dots_takes_no_longer_than_others() -> None:
    check_linear(lambda size: failed_tests("." * size))


@pytest.mark.parametrize(
    ("log", "asks"),
    [
        ("Does your system support GNU gettext? (I18N) [n] make: *** [Makefile:146: config.h] Error 1", True),
        ("Install below: make[2]: *** [Makefile:6: all] Error 1", True),
        ('  File "setup.py", line 3, in <module>\nEOFError: EOF when reading a line\n', True),
        ("cc -c a.c\nmake: *** [Makefile:2: a.o] Error 1", False),
        ("Is it? [y]\nmake: *** [Makefile:2: a.o] Error 1", False),
    ],
)
def test_a_question_that_was_not_answered(log: str, asks: bool) -> None:
    assert asks_questions(log) == asks


@pytest.mark.parametrize(
    ("log", "is_so"),
    [
        ("make[1]: *** No rule to make target '../config.h', needed by 'a.a'.  Stop.", True),
        ("cc1: fatal error: gen.h: No such file or directory", True),
        ("a.c:1:2: error: expected ';'", False),
    ],
)
def test_a_parallel_make_that_was_out_of_order(log: str, is_so: bool) -> None:
    assert is_out_of_order(f"{log}\nmake: *** Waiting for unfinished jobs....\n") == is_so
    assert not is_out_of_order(log)
    between = "cc -c a.c\n" * 300
    assert not is_out_of_order(f"{log}\n{between}make: *** Waiting for unfinished jobs....\n")


@pytest.mark.parametrize(
    ("log", "does"),
    [
        ("install: cannot create regular file '/fpack/store/abc-wave-1/bin': No such file or directory", True),
        ("ln: failed to create symbolic link '/fpack/store/abc-wave-1/bin/x': No such file or directory", True),
        ("install: cannot create regular file '/fpack/store/abc-wave-1/bin/x': Not a directory", True),
        ("cp: cannot stat 'wave.1': No such file or directory", False),
        ("install: cannot create regular file '/usr/bin/x': No such file or directory", False),
    ],
)
def test_directories_that_an_installation_lacks(log: str, does: bool) -> None:
    assert lacks_directories(f"-- install\n{log}\n") == does
