"""Define what a build can need of Debian, such as a header or a pkg-config module, and the files that meet a need.

Most needs are met by whichever package has a file of a certain name, which Debian's index of files tells. The tables
here are for the exceptions: where the package that a build wants is not the one that has the file, or no file tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

HEADER = "header"
LIBRARY = "library"
PC = "pkg-config module"
CMAKE = "CMake package"
PROGRAM = "program"
PYTHON = "Python module"
PERL = "Perl module"
RUBY = "Ruby library"
TYPELIB = "GObject typelib"
MACRO = "autoconf macro"
SONAME = "shared library"
PACKAGE = "Debian package"
KINDS = (SONAME, HEADER, LIBRARY, PC, CMAKE, PROGRAM, PYTHON, PERL, RUBY, TYPELIB, MACRO, PACKAGE)

# The fields of a build in the language (`libs = [...]`, `tools = [...]`) to which found packages are added.
LIBS, TOOLS = "libs", "tools"


class BuildNeed(NamedTuple):
    """A thing that a build needs. kind: of KINDS. least: the least version, or ""."""

    kind: str
    name: str
    least: str = ""

    @property
    def field(self) -> str:
        """The field of a build in the language that takes the package: LIBS or TOOLS."""
        is_library = self.kind in (HEADER, LIBRARY, PC, CMAKE, SONAME) or (
            self.kind == PACKAGE and self.name.endswith("-dev")
        )
        return LIBS if is_library else TOOLS

    def __str__(self) -> str:
        return f"the {self.kind} {self.name}{f' >= {self.least}' if self.least else ''}"


class Place(NamedTuple):
    """A file that meets a need. file: an absolute path, or the end of one. below: a pattern of the path's directory."""

    file: str
    below: re.Pattern[str] | None = None


# The directories that compilers, linkers and pkg-config search without options.
_ARCH = r"(?:/[\w.]+-linux-gnu\w*)?"
_PKGCONFIG = re.compile(rf"/usr/(?:lib{_ARCH}|share)/pkgconfig\Z")
_CMAKE = re.compile(rf"/usr/(?:lib{_ARCH}|share)(?:/cmake)?(?:/|\Z)")
_LIB = re.compile(rf"/usr/lib{_ARCH}\Z")
_COMPILER = re.compile(r"/usr/(?:lib/gcc/[\w.]+-linux-gnu\w*/\d+/include|include/c\+\+/\d+)(?:/|\Z)")
_INCLUDE = re.compile(rf"/usr/include{_ARCH}(?:/|\Z)")
_PYTHON = re.compile(r"/usr/lib/python3(?:\.\d+)?(?:/dist-packages|/lib-dynload)?\Z")
_BIN = ("/usr/bin", "/usr/sbin", "/usr/games")

# Programs whose names are links of Debian's alternatives, or which have another name in Debian.
_PROGRAMS: Mapping[str, str] = {
    "awk": "gawk", "c++": "g++", "cc": "gcc", "cxx": "g++", "javac": "default-jdk-headless",
    "jar": "default-jdk-headless", "java": "default-jre-headless", "lex": "flex", "nc": "netcat-openbsd",
    "pkg-config": "pkgconf", "pip": "python3-pip", "pip3": "python3-pip", "python": "python-is-python3",
    "rst2html": "python3-docutils", "rst2man": "python3-docutils", "rst2html.py": "python3-docutils",
    "rst2man.py": "python3-docutils", "vi": "vim-tiny", "yacc": "bison", "libtool": "libtool-bin",
    "sphinx-build": "python3-sphinx", "clang-format": "clang-format", "qmake": "qt5-qmake", "pytest": "python3-pytest",
    "latex": "texlive-latex-base", "pdflatex": "texlive-latex-base", "makeinfo": "texinfo", "autopoint": "autopoint",
    "node-gyp": "node-gyp", "tclsh": "tcl", "wish": "tk", "cython": "cython3", "lua": "lua5.4",
    "luac": "lua5.4", "pod2man": "perl", "pod2html": "perl", "ld": "binutils", "javadoc": "default-jdk-headless",
    "python3": "python3", "perl": "perl", "ruby": "ruby", "guile": "guile-3.0", "clang": "clang", "clang++": "clang",
    "llvm-config": "llvm-dev", "node": "nodejs", "go": "golang-go",
}  # fmt: skip
# Headers and libraries outside of the directories that compilers search, which builds find by other means: an option,
# or a program of the package such as python3-config. Also those of which one of several packages is usual.
_HEADERS: Mapping[str, str] = {
    "Python.h": "python3-dev", "ruby.h": "ruby-dev", "jni.h": "default-jdk-headless", "tcl.h": "tcl-dev",
    "tk.h": "tk-dev", "EXTERN.h": "libperl-dev", "perl.h": "libperl-dev", "R.h": "r-base-dev",
    "Rinternals.h": "r-base-dev", "mpi.h": "libopenmpi-dev", "libguile.h": "guile-3.0-dev", "cblas.h": "libblas-dev",
    "lapacke.h": "liblapacke-dev", "hdf5.h": "libhdf5-dev", "pybind11/pybind11.h": "pybind11-dev",
    "numpy/arrayobject.h": "python3-numpy", "caml/mlvalues.h": "ocaml", "node_api.h": "libnode-dev",
    "node.h": "libnode-dev", "v8.h": "libnode-dev", "omp.h": "gcc", "quadmath.h": "gcc",
}  # fmt: skip
_LIBRARIES: Mapping[str, str] = {
    "blas": "libblas-dev", "cblas": "libblas-dev", "lapack": "liblapack-dev", "stdc++": "g++", "gomp": "gcc",
    "gfortran": "gfortran", "gcc_s": "gcc", "atomic": "gcc", "quadmath": "gcc", "tcl": "tcl-dev", "tk": "tk-dev",
    "lua": "liblua5.4-dev", "perl": "libperl-dev", "ruby": "ruby-dev", "jvm": "default-jdk-headless",
    "mysqlclient": "libmariadb-dev-compat", "MagickWand": "libmagickwand-dev", "mpi": "libopenmpi-dev",
    "hdf5": "libhdf5-dev", "objc": "gobjc", "asan": "gcc", "ubsan": "gcc", "tsan": "gcc", "python3": "python3-dev",
    "php": "libphp-embed",
}  # fmt: skip
_CMAKES: Mapping[str, str] = {
    "LLVM": "llvm-dev",
    "Clang": "libclang-dev",
    "pybind11": "pybind11-dev",
    "Vc": "vc-dev",
    "TBB": "libtbb-dev",
    "Guile": "guile-3.0-dev",
    "PHP": "php-dev",
}
_PCS: Mapping[str, str] = {
    "lua": "liblua5.4-dev", "python3": "python3-dev", "python3-embed": "python3-dev", "ruby": "ruby-dev",
    "blas": "libblas-dev", "cblas": "libblas-dev", "lapack": "liblapack-dev", "tcl": "tcl-dev", "tk": "tk-dev",
    "hdf5": "libhdf5-dev", "lua-5.4": "liblua5.4-dev", "guile-3.0": "guile-3.0-dev",
    # Those of systemd moved to a package of their own.
    "systemd": "systemd-dev", "udev": "systemd-dev",
}  # fmt: skip
_TABLES: Mapping[str, Mapping[str, str]] = {
    PROGRAM: _PROGRAMS, HEADER: _HEADERS, LIBRARY: _LIBRARIES, CMAKE: _CMAKES, PC: _PCS,
}  # fmt: skip
# Macros that autoconf itself does not have, by the beginning of their names, and the packages that define them.
_MACROS: Mapping[str, str] = {
    "AX_": "autoconf-archive", "PKG_": "pkgconf", "LT_": "libtool", "AC_PROG_LIBTOOL": "libtool",
    "AM_PROG_LIBTOOL": "libtool", "AC_LIBTOOL_": "libtool", "AC_DISABLE_STATIC": "libtool",
    "AM_GNU_GETTEXT": "gettext", "AM_ICONV": "gettext", "AC_LIB_": "gettext", "gl_": "gnulib",
    "IT_PROG_INTLTOOL": "intltool", "AC_PROG_INTLTOOL": "intltool", "GTK_DOC_CHECK": "gtk-doc-tools",
    "GOBJECT_INTROSPECTION_": "libgirepository1.0-dev", "GLIB_GSETTINGS": "libglib2.0-dev",
    "AM_PATH_GLIB": "libglib2.0-dev", "AM_PATH_GTK": "libgtk2.0-dev", "AM_PATH_SDL": "libsdl1.2-dev",
    "AM_PATH_SDL2": "libsdl2-dev", "AM_PATH_LIBGCRYPT": "libgcrypt20-dev", "AM_PATH_GPG_ERROR": "libgpg-error-dev",
    "AM_PATH_GPGME": "libgpgme-dev", "AM_PATH_CPPUNIT": "libcppunit-dev", "AM_PATH_CHECK": "check",
    "GNOME_": "gnome-common", "YELP_HELP_INIT": "yelp-tools", "XDT_": "xfce4-dev-tools", "VALA_": "valac",
    "AM_PROG_VALAC": "valac", "XORG_": "xutils-dev", "APPSTREAM_XML": "appstream", "AM_MAINTAINER_MODE": "automake",
    "AC_PROG_SWIG": "autoconf-archive", "AM_NLS": "gettext", "LIBCURL_CHECK_CONFIG": "libcurl4-openssl-dev",
    "XIPH_PATH_": "libogg-dev", "LIB_SOCKET_NSL": "autoconf-archive",
}  # fmt: skip


def macro_package(name: str) -> str | None:
    """Return the package that defines an autoconf macro: the one of the longest known beginning of its name."""
    found = [start for start in _MACROS if name.startswith(start)]
    return _MACROS[max(found, key=len)] if found else None


def known_package(need: BuildNeed) -> str | None:
    """Return the package that the tables name for a need, before the index of files is asked; None for most needs."""
    name = need.name.rpartition("/")[2] if need.kind == PROGRAM else need.name
    return _TABLES.get(need.kind, {}).get(name)


def named_packages(need: BuildNeed) -> Sequence[str]:
    """Return names that the package of a need may have by Debian's rules for names, best first.

    Such a package need not exist. For example, the Perl module `Foo::Bar` is in `libfoo-bar-perl`.
    """
    name = need.name
    if need.kind == MACRO:
        package = macro_package(name)
        return [package] if package else []
    if need.kind == PERL:
        return [f"lib{name.replace('::', '-').lower()}-perl", "perl"] if name else []
    if need.kind == RUBY:
        word = name.replace("/", "-").replace("_", "-").lower()
        return [f"ruby-{word}", word, "ruby-dev" if word == "mkmf" else "ruby"]
    if need.kind == TYPELIB:
        return [f"gir1.2-{name.lower()}"]
    if need.kind == PYTHON:
        word = re.sub(r"[-_.]+", "-", name).lower()
        return [f"python3-{word.removeprefix('python-')}"]
    word = name.lower().replace("_", "-")
    if need.kind == CMAKE:
        kde = re.fullmatch(r"kf([56])(\w+)", name.lower())
        return [f"libkf{kde[1]}{kde[2]}-dev"] if kde else [f"lib{word}-dev", f"{word}-dev"]
    if need.kind in (PC, LIBRARY):
        return [f"lib{word.removeprefix('lib')}-dev", f"{word}-dev"]
    return [name] if need.kind == PACKAGE else []


def of_compiler(path: str) -> str | None:
    """Return the package of the compiler if `path` lies in the directories of its own headers, as gcc's `stddef.h`."""
    if not _COMPILER.match(path):
        return None
    return "g++" if path.startswith("/usr/include/c++") else "gcc"


def places(need: BuildNeed) -> list[Place]:
    """Return the files that meet a need, best first."""
    name = need.name.strip("/")
    lower = name.lower()
    if need.kind == HEADER:
        return [
            Place(name, re.compile(rf"/usr/include{_ARCH}(?:/{re.escape(_parent(name))})?\Z")),
            Place(name, _INCLUDE),
        ]
    if need.kind == LIBRARY:
        return [Place(f"lib{name}.so", _LIB), Place(f"lib{name}.a", _LIB)]
    if need.kind == SONAME:
        return [Place(name, _LIB)]
    if need.kind == PC:
        return [Place(f"{name}.pc", _PKGCONFIG)]
    if need.kind == CMAKE:
        return [
            Place(f"{name}Config.cmake", _CMAKE),
            Place(f"{lower}-config.cmake", _CMAKE),
            Place(f"{name}-config.cmake", _CMAKE),
        ]
    if need.kind == PROGRAM:
        return [Place(need.name)] if need.name.startswith("/") else [Place(f"{where}/{name}") for where in _BIN]
    if need.kind == PYTHON:
        top = name.partition(".")[0]
        return [Place(f, _PYTHON) for f in (top, f"{top}.py", f"{top}.so")]
    return []


def _parent(name: str) -> str:
    return name.rpartition("/")[0]
