"""Test the needs that files of build systems state, required and optional, without those for other systems."""

from __future__ import annotations

import textwrap

import pytest
from fpack.builders.debian.contents.needs import CMAKE, HEADER, LIBRARY, PACKAGE, PC, PROGRAM
from fpack.cli.init.guess import Guess
from fpack.cli.init.native.autotools_files import read_autotools
from fpack.cli.init.native.cmake_files import read_cmake
from fpack.cli.init.native.complete import with_programs
from fpack.cli.init.native.makefiles.make_files import read_includes, read_make
from fpack.cli.init.native.makefiles.make_install import InstallWay, install_way
from fpack.cli.init.native.meson_files import read_meson
from fpack.cli.init.native.stylesheets import stylesheet_needs
from fpack.cli.init.native.wanted import BuildFacts
from support.growth import check_linear


def said(facts: BuildFacts) -> tuple[set[str], set[str]]:
    """Return the names of the required and of the optional needs."""
    required = {need.name for item in facts.wanted if item.required for need in item.needs}
    return required, {need.name for item in facts.wanted for need in item.needs} - required


CMAKE_FILES = {
    "CMakeLists.txt": """\
        cmake_minimum_required(VERSION 3.16)
        project(wave VERSION 1.2.3 LANGUAGES C CXX)
        option(WITH_GUI "build the window" OFF)
        option(WITH_NET "use the network" ON)
        set(QT 6)  # which one
        find_package(Threads REQUIRED)
        find_package(ZLIB REQUIRED)
        find_package(PNG)               # used without a question below
        find_package(JPEG)              # only if it was found
        find_package(EXPAT)
        if(NOT EXPAT_FOUND)
          message(FATAL_ERROR "expat is needed")
        endif()
        if(WIN32)
          find_package(Direct3D REQUIRED)
        elseif(APPLE)
          find_library(COCOA Cocoa REQUIRED)
        else()
          pkg_check_modules(ALSA REQUIRED alsa>=1.1)
        endif()
        if(WITH_GUI)
          find_package(Qt${QT} REQUIRED COMPONENTS Widgets)
        endif()
        if(WITH_NET AND NOT MSVC)
          pkg_check_modules(NET REQUIRED IMPORTED_TARGET libcurl libnghttp2)
        endif()
        if(SOME_UNKNOWN)
          find_package(OpenSSL REQUIRED)
        endif()
        #[[ find_package(Never REQUIRED) ]]
        if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
          find_library(CAP_LIBRARY NAMES cap REQUIRED)
        endif()
        add_subdirectory(src)
        include(cmake/More.cmake)
        """,
    "src/CMakeLists.txt": """\
        add_executable(wave-bin main.c)
        set_target_properties(wave-bin PROPERTIES OUTPUT_NAME wave)
        add_executable(helper h.c)
        add_library(core core.c)
        target_link_libraries(wave-bin PRIVATE core m ncurses ${PNG_LIBRARIES} Threads::Threads)
        if(JPEG_FOUND)
          target_link_libraries(wave-bin PRIVATE JPEG::JPEG)
        endif()
        install(TARGETS wave-bin RUNTIME DESTINATION bin)
        """,
    "cmake/More.cmake": "find_package(fmt 9 REQUIRED)\nfunction(later)\n find_package(Later REQUIRED)\nendfunction()\n",
}


def test_a_cmake_project() -> None:
    facts = read_cmake({name: textwrap.dedent(text) for name, text in CMAKE_FILES.items()})
    required, optional = said(facts)
    assert required == {"zlib", "libpng", "expat", "alsa", "libcurl", "libnghttp2", "cap", "ncurses", "fmt"}
    assert optional == {"jpeglib.h", "openssl", "Later"}
    assert (facts.name, facts.version, facts.programs) == ("wave", "1.2.3", ["wave"])
    kinds = {need.name: (need.kind, need.least) for item in facts.wanted for need in item.needs}
    assert kinds["alsa"] == (PC, "1.1") and kinds["fmt"] == (CMAKE, "9") and kinds["cap"] == (LIBRARY, "")
    where = {need.name: item.where for item in facts.wanted for need in item.needs}
    assert where["zlib"] == "CMakeLists.txt:7" and where["ncurses"] == "src/CMakeLists.txt:5"


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ('check_include_files("stdio.h;wave.h" W)\nif(W)\nelse(W)\n message(FATAL_ERROR "x")\nendif()', True),
        ("check_include_file(wave.h W)\nif(NOT W)\n if(UNIX)\n  message(FATAL_ERROR x)\n endif()\nendif()", True),
        ("check_include_file(wave.h W)\nif(NOT W)\n if(MINE)\n  message(FATAL_ERROR x)\n endif()\nendif()", False),
        ("check_include_file(wave.h W)\nif(NOT W)\n message(STATUS x)\nendif()", False),
    ],
)
def test_headers_without_which_cmake_stops(text: str, required: bool) -> None:
    assert said(read_cmake({"CMakeLists.txt": text})) == (({"wave.h"}, set()) if required else (set(), {"wave.h"}))


@pytest.mark.parametrize(
    ("program", "address", "packages"),
    [
        ("xsltproc", "http://docbook.sourceforge.net/release/xsl/current/x.xsl", {"docbook-xsl"}),
        ("xsltproc", "http://cdn.docbook.org/release/xsl/current/x.xsl", {"docbook-xsl-ns"}),
        ("xmllint", "http://www.oasis-open.org/docbook/xml/4.5/docbookx.dtd", {"docbook-xml"}),
        ("gperf", "http://docbook.sourceforge.net/release/xsl/current/x.xsl", set()),
        ("xsltproc", "http://example.org/x.xsl", set()),
    ],
)
def test_stylesheets_of_documentation(program: str, address: str, packages: set[str]) -> None:
    texts = {"meson.build": f"find_program('{program}')\nx = '{address}'\n"}
    found = list(stylesheet_needs(read_meson(texts).wanted, texts))
    assert said(BuildFacts(found)) == (packages, set()) and all(item.where == "meson.build:2" for item in found)


def test_a_library_of_cmake_has_no_programs() -> None:
    facts = read_cmake({"CMakeLists.txt": "project(x)\nadd_library(x x.c)\ninstall(TARGETS x EXPORT y)\n"})
    assert facts.known and facts.libraries and not facts.programs


def test_scripts_that_cmake_installs_are_programs_after_the_compiled_ones() -> None:
    scripts = "install(PROGRAMS tools/first ${DIR}/second.sh DESTINATION bin)\n"
    text = f"project(x)\n{scripts}add_executable(wave w.c)\ninstall(TARGETS wave DESTINATION bin)\n"
    facts = read_cmake({"CMakeLists.txt": text.replace("${DIR}/", "")})
    assert facts.known and facts.programs == ["wave", "first", "second.sh"]
    assert with_programs(Guess("cmake", "x", None, [], [], ["@/bin/x"]), facts).entrypoint == ["@/bin/wave"]
    for unknown in (
        text.replace("tools/first", "${NAME}"),
        text.replace("DESTINATION bin)", "DESTINATION bin RENAME b)"),
    ):
        assert not read_cmake({"CMakeLists.txt": unknown}).known


def test_functions_of_a_project_install_programs() -> None:
    body = "function(installed_program name)\ninstall(TARGETS ${name})\nendfunction()\n"
    for own in (body, ""):  # it may be in a file whose name is not known
        text = f"project(x)\n{own}add_executable(try t.c)\nadd_executable(wave w.c)\ninstalled_program(wave)\n"
        facts = read_cmake({"CMakeLists.txt": text})
        assert facts.known and facts.programs == ["wave"]


@pytest.mark.parametrize(
    "text",
    ["if(", "if()\n", "find_package(", "else()\nendif()\nendif()\n", "add_subdirectory(.)\n",
     "if(NOT NOT NOT X)\nendif()", "include(CMakeLists.txt)\n", "set(A ${A}${A})\n" * 50, "if(" + "(" * 5000 + ")",
     "find_package(${X})", "project(${P})"],
)  # fmt: skip
def test_damaged_files_of_cmake_are_read(text: str) -> None:
    read_cmake({"CMakeLists.txt": text})


MESON_FILES = {
    "meson_options.txt": """\
        option('gui', type: 'feature', value: 'enabled')
        option('docs', type: 'feature', value: 'disabled')
        option('x11', type: 'feature')
        option('tests', type: 'boolean', value: false)
        """,
    "meson.build": """\
        project('wave', 'c', 'cpp',
          version: '3.1', meson_version: '>= 0.60')
        cc = meson.get_compiler('c')
        glib_req = '>= 2.66'
        glib = dependency('glib-2.0', version: glib_req)  # comment
        m = cc.find_library('m', required: false)
        popt = cc.find_library('popt')
        threads = dependency('threads')
        gtk = dependency('gtk4', required: get_option('gui'))
        x11 = dependency('x11', required: get_option('x11'))
        doc = dependency('gi-docgen', required: get_option('docs'))
        maybe = dependency('libsystemd', required: false)
        either = dependency('libpcre2-8', 'libpcre', fallback: ['pcre', 'dep'])
        if host_machine.system() == 'windows'
          dependency('dxgi')
        elif host_machine.system() == 'linux' and not get_option('tests')
          dependency('libudev')
        endif
        if get_option('tests')
          dependency('check')
        endif
        gnome = import('gnome')
        i18n = import('i18n')
        find_program('glslc')
        find_program('tools/gen.py')
        run_command('pod2man', 'a.pod', check : true)
        run_command('git', 'describe')
        foreach name : ['a', 'b']
          dependency(name)
        endforeach
        subdir('src')
        """,
    "src/meson.build": """\
        gnome.compile_resources('x', 'x.xml')
        executable('wave', 'main.c', dependencies: [glib, gtk], install: true)
        executable('helper', 'h.c')
        """,
}


def test_a_meson_project() -> None:
    facts = read_meson({name: textwrap.dedent(text) for name, text in MESON_FILES.items()}, {"tools/gen.py"})
    required, optional = said(facts)
    assert required == {
        "glib-2.0",
        "popt",
        "gtk4",
        "libpcre2-8",
        "libpcre",
        "libudev",
        "glslc",
        "pod2man",
        "g++",
        "libglib2.0-dev-bin",
    }
    assert optional == {"x11", "libsystemd", "git"}
    assert (facts.name, facts.version, facts.programs, facts.libraries) == ("wave", "3.1", ["wave"], False)
    glib = next(item for item in facts.wanted if item.needs[0].name == "glib-2.0")
    assert glib.needs[0].least == "2.66" and glib.where == "meson.build:5"


@pytest.mark.parametrize(
    ("loop", "name"),
    [
        ("foreach k, v : all", "k"),
        ("foreach k, v : {'wave': files('w.c'), 'tide': ['t.c']}", "k"),
        ("foreach k : ['wave', 'tide']", "k"),
        ("foreach k : [['wave', 'w.c'], ['tide', 't.c']]", "k[0]"),
    ],
)
def test_programs_of_a_loop_of_meson(loop: str, name: str) -> None:
    text = f"all = {{'wave': 'w.c', 'tide': 't.c'}}\n{loop}\nexecutable({name}, v, install: true)\nendforeach\n"
    facts = read_meson({"meson.build": text + "executable('cli', 'c.c', install: true)\n"})
    assert facts.programs == ["wave", "tide", "cli"]
    assert read_meson({"meson.build": text.replace(", install: true", "")}).programs == []


@pytest.mark.parametrize(
    "text",
    ["if", "endif\nendif", "x = [x]\ny = x", "project(", "dependency()", "if a in 'b == c'\nendif", "subdir('.')",
     "x = not not not", "a = ((((", "if not in x\nendif", "'''", "foreach", "foreach a", "foreach a : [",
     "foreach a : a", "foreach a : [[], {}]\nexecutable(a, install: true)",
     "foreach a : []\nexecutable(a[0], 'x', install: true)"],
)  # fmt: skip
def test_damaged_files_of_meson_are_read(text: str) -> None:
    read_meson({"meson.build": text})


CONFIGURE = """\
    AC_INIT([wave], [2.5], [bugs@example.org])
    glib_version=2.50
    reqs="
      gobject-2.0 >= $glib_version
      gio-2.0
    "
    AC_PROG_CC
    AC_PROG_CXX
    LT_INIT
    AX_PTHREAD
    dnl PKG_CHECK_MODULES([NEVER], [never])
    PKG_CHECK_MODULES([BASE], [$reqs])
    PKG_CHECK_MODULES(XML, libxml-2.0 >= 2.4, [have_xml=yes], [AC_MSG_ERROR([no xml])])
    PKG_CHECK_MODULES(SOUP, libsoup-3.0, [have_soup=yes], [have_soup=no])
    AC_ARG_WITH([ssl], [AS_HELP_STRING([--with-ssl])],
      [PKG_CHECK_MODULES([SSL], [openssl])])
    if test "x$enable_gui" = xyes; then
      PKG_CHECK_MODULES([GTK], [gtk+-3.0])
    fi
    AC_CHECK_LIB([m], [sin])
    AC_CHECK_LIB([z], [deflate], [], [AC_MSG_ERROR([zlib is needed])])
    AC_CHECK_LIB(popt, poptGetContext)
    AC_SEARCH_LIBS([tgetent], [tinfo ncurses], [], [AC_MSG_ERROR([no terminal])])
    AC_CHECK_HEADERS([pcap.h sys/sockio.h])
    AC_CHECK_HEADER([ev.h], [], [AC_MSG_ERROR([no libev])])
    AC_PATH_PROG([XMLTO], [xmlto], [no])
    AC_PATH_PROG([GPERF], [gperf])
    if test -z "$GPERF"; then
      AC_MSG_ERROR([gperf is needed])
    fi
    AC_OUTPUT
    """


def test_an_autotools_project() -> None:
    texts = {
        "configure.ac": textwrap.dedent(CONFIGURE),
        "src/Makefile.am": "bin_PROGRAMS = wave \\\n  wave-tool\nif GUI\nbin_PROGRAMS += gwave\nendif\n",
    }
    facts = read_autotools(texts)
    required, optional = said(facts)
    assert required == {
        "gobject-2.0", "gio-2.0", "libxml-2.0", "z", "popt", "tinfo", "ncurses", "ev.h", "gperf", "g++", "pkgconf",
    }  # fmt: skip
    assert optional == {"libsoup-3.0", "openssl", "gtk+-3.0", "pcap.h", "sys/sockio.h", "xmlto"}
    assert (facts.name, facts.version, facts.programs) == ("wave", "2.5", ["wave", "wave-tool"])
    tools = said(read_autotools(texts, bootstrap=True))[0]
    assert tools - required == {"libtool", "autoconf-archive"}
    own = {**texts, "m4/ax_pthread.m4": "AC_DEFUN([AX_PTHREAD], [true])"}
    assert said(read_autotools(own, bootstrap=True))[0] - required == {"libtool"}


def test_a_name_and_a_version_that_m4_defines() -> None:
    text = """\
        define([PRODUCT_NAME], [Big Wave])
        define([PRODUCT_TARNAME], [big-wave])
        m4_define([MAJOR], [1])
        m4_define([FIX], [0])
        m4_define([ALL], [MAJOR.2.FIX])
        m4_define([A], [B B])
        m4_define([B], [A A])
        AC_INIT([PRODUCT_NAME], [ALL], [A], [PRODUCT_TARNAME])
        """
    facts = read_autotools({"configure.ac": textwrap.dedent(text)})
    assert (facts.name, facts.version) == ("big-wave", "1.2.0")
    facts = read_autotools({"configure.ac": "AC_INIT([wave], m4_esyscmd([git describe]))\n"})
    assert facts.name == "wave"


def test_programs_of_autoconf_that_are_tested_later_and_those_in_sbin() -> None:
    texts = {
        "configure.ac": "AC_PATH_PROG(FILE, file, FILE_UTILITY_NOT_FOUND)\nAC_PATH_PROG(MAN, xmlto, no)\n",
        "Makefile.am": "bin_PROGRAMS =\nsbin_PROGRAMS = served\ninclude tools/Makemodule.am\n",
        "tools/Makemodule.am": "bin_PROGRAMS += \\\n\tserve\n",
    }
    facts = read_autotools(texts)
    assert said(facts) == ({"file"}, {"xmlto"})
    assert (set(facts.programs), set(facts.sbin)) == ({"serve", "served"}, {"served"})
    guess = Guess("autotools", "served", None, [], [], ["@/bin/served"])
    assert with_programs(guess, facts).entrypoint == ["@/sbin/served"]


@pytest.mark.parametrize(
    ("before", "condition", "required"),
    [
        ("AC_ARG_WITH(gui, [x],\n if x; then want=no; else want=yes; fi,\n want=yes)", 'if test "x$want" != xno', True),
        ("AC_ARG_WITH(gui, [x], [want=yes], [want=no])", 'if test "x$want" = "xyes"', False),
        ("AC_ARG_ENABLE([big-gui], [x])", 'if test -z "$enable_big_gui"', True),
        ("AC_ARG_ENABLE([gui], [x], [], [enable_gui=auto])", 'if test "$enable_gui" = no', False),
        ("want=yes", "if [ x$want = xyes ]", True),
        ("want=yes", "if test $want = no; then\n:\nelse", True),
        ("want=yes", "if test $want = no; then\n:\nelif test $want = yes", True),
        ("want=no", 'if test "$want" = yes && test -n "$other"', False),
        ("want=yes\nAC_CHECK_FUNC([f], [want=no])", "if test $want = yes", False),
        ("want=yes\nif test -n $x; then\nwant=no\nfi", "if test $want = yes", False),
        ("want=`uname`", "if test $want = yes", False),
        ("", "for try in 1 2; do", True),
        ("", "while true; do", False),
    ],
)
def test_conditions_of_autoconf_by_the_defaults_of_options(before: str, condition: str, required: bool) -> None:
    word = "fi" if condition.startswith("if") else "done"
    then = "" if condition.endswith(("do", "else")) else "; then"
    check = "AC_SEARCH_LIBS([f], [wave], [], [AC_ERROR(it is needed)])"
    text = f"AC_INIT([a], [1])\n{before}\n{condition}{then}\n  {check}\n{word}\nAC_CHECK_LIB([z], [g])\n"
    names, optional = said(read_autotools({"configure.ac": text}))
    assert "z" in names and ("wave" in names) == required and ("wave" in optional) != required


@pytest.mark.parametrize(
    ("top", "programs"),
    [
        ("SUBDIRS = . src", ["wave"]),
        ("SUBDIRS = src \\\n  $(DOCS)", ["hello", "wave"]),
        ("SUBDIRS = src\nDIST_SUBDIRS = $(SUBDIRS) examples", ["hello", "wave"]),
        ("include $(srcdir)/bin/local.mk", ["tide"]),
        ("include $(top_srcdir)/../local.mk\nSUBDIRS = ../src .. src/..", []),
    ],
)
def test_programs_of_the_directories_that_make_enters(top: str, programs: list[str]) -> None:
    texts = {
        "configure.ac": "AC_INIT([a], [1])\n",
        "Makefile.am": top,
        "src/Makefile.am": "bin_PROGRAMS = wave\n",
        "bin/local.mk": "bin_SCRIPTS = %D%/tide\n",
        "examples/Makefile.am": "bin_PROGRAMS = hello\n",
    }
    assert read_autotools(texts).programs == programs


def test_a_function_may_be_in_the_c_library() -> None:
    checks = "AC_SEARCH_LIBS([argp_parse], [argp], [], [AC_ERROR(no)])\nAC_CHECK_LIB([tide], [f], [], [AC_ERROR(no)])"
    found = read_autotools({"configure.ac": f"AC_INIT([a], [1])\n{checks}\n"}).wanted
    assert [(item.needs[0].name, item.required, item.quiet) for item in found] == [
        ("argp", True, True), ("tide", True, False)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["AC_INIT(", "AC_CHECK_LIB([[[[", "PKG_CHECK_MODULES(A, B" + "(" * 9999, "fi\nfi\nif x; then"]
)
def test_damaged_files_of_autoconf_are_read(text: str) -> None:
    read_autotools({"configure.ac": text}, bootstrap=True)


def test_a_makefile() -> None:
    texts = {
        "Makefile": textwrap.dedent("""\
            UNAME := $(shell uname -s)
            LDLIBS = -lncurses -lm -lown  # -lnever
            PKGS = sdl2 libpng
            CFLAGS += $(shell pkg-config --cflags $(PKGS))
            ifeq ($(UNAME),Darwin)
            LDLIBS += -lobjc
            else ifeq ($(UNAME),Linux)
            LDLIBS += -lasound
            endif
            ifdef WITH_SSL
            LDLIBS += -lssl
            endif
            ifeq ($(shell test -e x && echo y),y)
            LDLIBS += -lcap
            endif
            pg:
            \tcc `pg_config --cflags` \\
            \t  -lpq
            libown.a: own.o
            """),
        "main.c": "#include <stdio.h>\n/* #include <no.h> */\n#include <zlib.h>\n#ifdef X\n#include <x.h>\n#endif\n",
        "more.c": "#include <mine.h>\n",
        "mine.h": "#ifndef MINE_H\n#define MINE_H\n#include <ev.h>\n#endif\n",
        "win32/w.c": "#include <windows.h>\n",
        "tests/t.c": "#include <check.h>\n",
        "gui.cpp": "#include <vector>\n",
    }
    facts = read_make(texts, "Makefile", {*texts, "parse.y"})
    required, optional = said(facts)
    assert required == {
        "ncurses", "asound", "sdl2", "libpng", "pkgconf", "pq", "stdio.h", "zlib.h", "ev.h", "vector", "g++", "bison",
    }  # fmt: skip
    assert optional == {"cap"}
    kinds = {need.name: need.kind for item in facts.wanted for need in item.needs}
    assert (kinds["sdl2"], kinds["pq"], kinds["zlib.h"], kinds["g++"]) == (PC, LIBRARY, HEADER, PACKAGE)
    assert PROGRAM not in kinds.values()


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        ("ifneq (, $(findstring linux, $(MACHINE)))", True), ("ifneq ($(findstring MINGW,$(UNAME)),)", False),
        ("ifeq (, $(findstring darwin, $(MACHINE)))", True), ("ifneq ($(findstring $(UNAME), Linux FreeBSD),)", True),
        ("ifneq (,$(findstring x86_64,$(MACHINE)))", None), ("ifneq ($(filter $(UNAME), Linux),)", None),
        ("ifeq ($(strip $(PREFIX)),)", True), ("ifeq ($(a" * 3000, None),
    ],
)  # fmt: skip
def test_conditions_of_makefiles_about_the_system(condition: str, truth: bool | None) -> None:
    head = "MACHINE = $(shell $(CC) -dumpmachine)\nUNAME := $(shell uname -s)\n"
    facts = read_make({"Makefile": f"{head}{condition}\nLDLIBS += -lwave\nendif\n"}, "Makefile")
    assert said(facts) == ({True: {"wave"}, None: set(), False: set()}[truth], {"wave"} if truth is None else set())


def test_many_includes_are_read_in_time_in_proportion_to_their_number() -> None:
    check_linear(lambda size: read_includes({"a.c": "".join(f"#include <a{n}.h>\n" for n in range(size))}))
    found = read_includes({"a.c": "\n#include <a.h>\n#include <a.h>\n\n#include <b.h>\n"})
    assert [item.where for item in found] == ["a.c:2", "a.c:5"]


@pytest.mark.parametrize(
    ("makefile", "way"),
    [
        ("PREFIX ?= /usr/local\ninstall: x\n\tinstall -D x $(DESTDIR)$(PREFIX)/bin/x\n", InstallWay()),
        ("PREFIX = /usr\nBINDIR = $(PREFIX)/bin\ninstall: x\n\tmkdir -p $(BINDIR)\n\tcp x $(BINDIR)\n", InstallWay()),
        ("SBIN = $(ROOT)/sbin\ninstall:\n\tmkdir -p $(SBIN)\n\tcp x $(SBIN)\n", InstallWay(('SBIN="$out/sbin"',))),
        (
            "TOP = /usr/local\nBIN = $(TOP)/bin\nMAN = /usr/man\ninstall:\n\t-mkdir $(BIN)\n\tcp x.1 $(MAN)\n",
            InstallWay(('MAN="$out/share/man"', 'TOP="$out"')),
        ),
        ("install:\n\tinstall -D x $(DESTDIR)/usr/bin/x\n", InstallWay(staged=True)),
        (
            "install:\n\tinstall -D x $(DESTDIR)$(PREFIX)/bin/x\nifeq (a, a)\n\tinstall -d $(DESTDIR)/etc/x\nendif\n",
            InstallWay(staged=True),
        ),
        ("prefix=/usr\ninstall:\n\tinstall x $(prefix)/bin\n", InstallWay(directories=("$out/bin",))),
        (
            "WHERE := $(shell ldd /bin/make)\nLIBDIR := $(WHERE)\ninstall:\n\tinstall -D x $(DESTDIR)$(LIBDIR)/x\n",
            InstallWay(('LIBDIR="$out/lib"',)),
        ),
        ("LIBDIR = $(A)\nA = $(LIBDIR)\ninstall:\n\tinstall -D x $(DESTDIR)$(LIBDIR)/x\n", InstallWay()),
        ("all:\n\ttrue\n", InstallWay()),
    ],
)  # fmt: skip
def test_where_a_makefile_installs(makefile: str, way: InstallWay) -> None:
    assert install_way(makefile) == way
