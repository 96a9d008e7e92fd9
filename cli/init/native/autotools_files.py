"""Read what a project with autoconf needs and installs from configure.ac and its Makefile.am files.

A check is required if it stands at the top level of configure.ac and says no other way, or if it fails with a message.
Checks inside of shell or m4 conditions are not required: they belong to options or other systems.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from fpack.builders.debian.contents.needs import HEADER, LIBRARY, PACKAGE, PC, PROGRAM, BuildNeed, macro_package

from .autoconf_conditions import ShellConditions
from .wanted import BuildFacts, BuildRequirement, line_of

_SUBDIRS = re.compile(r"^[ \t]*(?:DIST_)?SUBDIRS[ \t]*\+?=([^#\n]*)", re.MULTILINE)
_INCLUDE = re.compile(r"^[ \t]*include[ \t]+(?:\$[({](?:(top_)?srcdir)[)}]/)?([\w./+-]+)", re.MULTILINE)
_CALL = re.compile(r"\b((?:A[CMXS]|PKG|LT|IT|GTK|GNOME|XDT|GOBJECT|GLIB|VALA|m4|XORG|YELP|APPSTREAM|gl)_\w+)\b(\()?")
_DNL = re.compile(r"\bdnl\b[^\n]*|^[ \t]*#[^\n]*", re.MULTILINE)
_VARIABLE = re.compile(
    r"^[ \t]*(\w+)=(?:[\"']([^\"'`]{0,4000})[\"']|([^\"'`\s]*))[ \t]*$|"
    r"m4_define\(\s*\[(\w+)\]\s*,\s*\[([^\]]*)\]",
    re.MULTILINE,
)
# A text that m4 puts in the place of a name. define is the name of m4_define in old files.
_DEFINITION = re.compile(r"\b(?:m4_)?define\(\s*\[?(\w+)\]?\s*,\s*\[?([^\[\]()]{0,200})\]?\s*\)")
_MAX_TEXT = 1000  # characters of an argument with its names replaced
_MAX_ROUNDS = 8  # definitions that name definitions
_FAILS = re.compile(r"AC_(?:MSG_)?(?:ERROR|FAILURE)|\bexit\s+1")
_MAX_CALLS = 5000  # of macros in one file
# Libraries that other systems have apart from the C library, and those that come with the compiler.
_NO_LIBRARIES = frozenset({
    "m", "dl", "rt", "pthread", "util", "c", "socket", "nsl", "resolv", "bsd", "crypt", "posix", "posix4", "inet",
    "intl", "iconv", "cposix", "sun", "seq", "compat", "ws2_32", "gcc", "stdc++", "elf", "kvm", "w", "PW", "BSD",
    "ucb", "network", "xnet", "gen", "sec", "thread", "threads", "lthread", "svld", "dld", "be", "root", "poll",
    "devstat", "kstat", "perfstat", "c_r", "pthreads", "mvec", "gnugetopt", "security", "winmm", "iphlpapi", "regex",
})  # fmt: skip
_LANGUAGES: Mapping[str, str] = {
    "AC_PROG_CXX": "g++", "AC_PROG_F77": "gfortran", "AC_PROG_FC": "gfortran", "AC_PROG_OBJC": "gobjc",
    "AM_PATH_PYTHON": "python3", "AC_PROG_YACC": "bison", "AC_PROG_LEX": "flex", "AM_PROG_LEX": "flex",
    "AM_PROG_VALAC": "valac", "AC_PROG_SWIG": "swig", "AM_GNU_GETTEXT": "gettext", "IT_PROG_INTLTOOL": "intltool",
    "AC_PROG_INTLTOOL": "intltool", "AX_PROG_FLEX": "flex", "AX_PROG_BISON": "bison", "AX_BOOST_BASE": "libboost-dev",
    "AX_LIB_SQLITE3": "libsqlite3-dev", "AX_WITH_CURSES": "libncurses-dev", "AX_PYTHON_DEVEL": "python3-dev",
    "AX_CHECK_GL": "libgl-dev", "AX_CHECK_GLU": "libglu1-mesa-dev", "AX_CHECK_GLUT": "freeglut3-dev",
    "AX_LIB_READLINE": "libreadline-dev", "AX_CHECK_OPENSSL": "libssl-dev", "AX_PATH_GSL": "libgsl-dev",
    "AX_LIB_MYSQL": "libmariadb-dev-compat", "AX_LIB_POSTGRESQL": "libpq-dev", "AX_CHECK_ZLIB": "zlib1g-dev",
    "AX_BLAS": "libblas-dev", "AX_LAPACK": "liblapack-dev", "AX_PROG_DOXYGEN": "",
    "AM_PATH_GLIB_2_0": "libglib2.0-dev", "AM_PATH_GTK_2_0": "libgtk2.0-dev", "AM_PATH_GTK_3_0": "libgtk-3-dev",
    "AM_PATH_SDL": "libsdl1.2-dev", "AM_PATH_SDL2": "libsdl2-dev", "AM_PATH_XML2": "libxml2-dev",
    "AM_PATH_LIBGCRYPT": "libgcrypt20-dev", "AM_PATH_GPG_ERROR": "libgpg-error-dev", "AM_PATH_GPGME": "libgpgme-dev",
    "LIBCURL_CHECK_CONFIG": "libcurl4-openssl-dev", "AC_PATH_XTRA": "libx11-dev", "AC_PATH_X": "libx11-dev",
    "AX_LIB_GCRYPT": "libgcrypt20-dev", "AX_PERL_EXT": "libperl-dev", "AX_CXX_COMPILE_STDCXX": "g++",
    "AX_CXX_COMPILE_STDCXX_11": "g++", "AX_CXX_COMPILE_STDCXX_14": "g++", "AX_CXX_COMPILE_STDCXX_17": "g++",
    "GTK_DOC_CHECK": "", "AM_PROG_AS": "", "LT_LANG": "",
}  # fmt: skip
_PROGRAMS = (
    "AC_PATH_PROG",
    "AC_PATH_PROGS",
    "AC_CHECK_PROG",
    "AC_CHECK_PROGS",
    "AC_PATH_TOOL",
    "AC_CHECK_TOOL",
    "AX_PROG_CHECK",
)


class _Macro(NamedTuple):
    """A call of a macro. top: it stands in no condition that may not hold, and in no argument of another macro."""

    name: str
    args: list[str]
    at: int
    end: int
    top: bool


def read_autotools(texts: Mapping[str, str], *, bootstrap: bool = False) -> BuildFacts:
    """Return what a project's configure.ac and Makefile.am files say. bootstrap: configure is generated first."""
    path = "configure.ac" if "configure.ac" in texts else "configure.in"
    text = _DNL.sub(lambda found: " " * len(found[0]), texts.get(path, ""))
    wanted: list[BuildRequirement] = []
    values = {found[0] or found[3]: found[1] or found[2] or found[4] for found in _VARIABLE.findall(text)}
    definitions = dict(_DEFINITION.findall(text))
    name = version = None
    for macro in _macros(text):
        where = f"{path}:{line_of(text, macro.at)}"
        if macro.name.startswith("PKG_CHECK_"):
            wanted.append(BuildRequirement((BuildNeed(PACKAGE, "pkgconf"),), True, where))
        if macro.name == "AC_INIT" and len(macro.args) > 1:
            given = [_replaced(arg, definitions) for arg in macro.args[:4]]
            name, version = (_plain(_expanded(arg, values)) for arg in given[:2])
            name = _plain(given[3]) if len(given) > 3 and _plain(given[3]) else name
            name = name.removeprefix("GNU ").replace(" ", "-")
        wanted += _wanted(macro, text, where, values)
        if bootstrap and (package := macro_package(macro.name)):
            wanted.append(BuildRequirement((BuildNeed(PACKAGE, package),), True, where))
            if macro.name.startswith("AM_GNU_GETTEXT"):
                wanted.append(BuildRequirement((BuildNeed(PACKAGE, "autopoint"),), True, where))
    if bootstrap:
        local = [
            n
            for n in texts
            if n.endswith(".m4") and "/" in n and n.rpartition("/")[2] not in ("libtool.m4", "aclocal.m4")
        ]
        used = {found[1] for n in local for found in _CALL.finditer(texts[n]) if found[1].startswith(("AX_", "PKG_"))}
        defined = {d for n in local for d in re.findall(r"(?:AC_DEFUN(?:_ONCE)?|m4_define)\(\s*\[?(\w+)", texts[n])}
        wanted = [w for w in wanted if not _is_defined(w, text, defined)]
        wanted += [
            BuildRequirement((BuildNeed(PACKAGE, p),), True, "m4")
            for m in sorted(used - defined)
            if (p := macro_package(m))
        ]
    made = [texts[n] for n in sorted(_entered(texts), key=lambda n: (n.count("/"), n))]
    programs = [p for content in made for p in _listed(content, r"s?bin_(?:PROGRAMS|SCRIPTS)|games_PROGRAMS")]
    libraries = any(_listed(content, r"\w*(?:lib|_)LTLIBRARIES|lib_LIBRARIES") for content in made)
    is_known = bool(made) and bool(programs or libraries)
    sbin = {p for content in made for p in _listed(content, r"sbin_(?:PROGRAMS|SCRIPTS)")}
    return BuildFacts(wanted, list(dict.fromkeys(programs)), libraries, is_known, name, version, sbin)


def _is_defined(wanted: BuildRequirement, text: str, defined: set[str]) -> bool:
    """Return whether a need for autoconf-archive comes from macros that the project defines itself."""
    if wanted.needs[0] != BuildNeed(PACKAGE, "autoconf-archive"):
        return False
    return set(re.findall(r"\bAX_\w+", text)) <= defined


def _wanted(macro: _Macro, text: str, where: str, values: Mapping[str, str]) -> Iterator[BuildRequirement]:
    name, args = macro.name, [*macro.args, *[""] * 6]
    if name in ("PKG_CHECK_MODULES", "PKG_CHECK_EXISTS", "PKG_CHECK_MODULES_STATIC"):
        first = 1 if name != "PKG_CHECK_EXISTS" else 0
        lacking = args[first + 2]
        required = (
            macro.top and name != "PKG_CHECK_EXISTS" and (not lacking.strip("[] \n\t") or bool(_FAILS.search(lacking)))
        )
        required = required or (macro.top and _fails_after(text, macro.end, args[0]))
        for need in _modules(_expanded(args[first], values)):
            yield BuildRequirement((need,), required, where)
    elif name in ("AC_CHECK_LIB", "AC_SEARCH_LIBS"):
        which = 0 if name == "AC_CHECK_LIB" else 1
        libs = [w for w in _plain(_expanded(args[which], values)).split() if re.fullmatch(r"[\w.+-]+", w)]
        lacking = args[3]
        if libs and not _NO_LIBRARIES.intersection(libs):
            fails = bool(_FAILS.search(lacking))
            required = macro.top and (fails or not lacking.strip("[] \n\t"))
            quiet = which == 1 or not fails  # the C library is searched first, and may have the function
            yield BuildRequirement(tuple(BuildNeed(LIBRARY, lib) for lib in libs), required, where, quiet=quiet)
    elif name in ("AC_CHECK_HEADER", "AC_CHECK_HEADERS"):
        required = macro.top and bool(_FAILS.search(args[2]))
        for header in _plain(_expanded(args[0], values)).replace("\\", " ").split():
            if re.fullmatch(r"[\w./+-]+\.\w+", header):
                yield BuildRequirement((BuildNeed(HEADER, header),), required, where)
    elif name in _PROGRAMS:
        which = 2 if name == "AX_PROG_CHECK" else 1
        words = [w for w in _plain(_expanded(args[which], values)).split() if re.fullmatch(r"[\w.+-]+", w)]
        if words and words[0] not in ("no", "yes", "pkg-config", "true", "false"):
            fails = bool(_FAILS.search("".join(args[2:5]))) or _fails_after(text, macro.end, args[0])
            # Programs like sdl-config name a library's flags; a value like NOT_FOUND is tested later.
            fails = fails or bool(re.search(r"(?i)not_?found|missing", args[which + 1]))
            required = macro.top and (fails or words[0].endswith("-config"))
            yield BuildRequirement(tuple(BuildNeed(PROGRAM, w) for w in words), required, where)
    elif _LANGUAGES.get(name) and not (name.startswith("AX_PROG") and not macro.top):
        yield BuildRequirement((BuildNeed(PACKAGE, _LANGUAGES[name]),), macro.top, where)
    elif name == "AC_LANG" and "C++" in args[0]:
        yield BuildRequirement((BuildNeed(PACKAGE, "g++"),), macro.top, where)


def _fails_after(text: str, at: int, variable: str) -> bool:
    """Return whether the next lines fail if a variable of a check says that nothing was found."""
    name = re.escape(_plain(variable))
    after = text[at : at + 400]
    found = re.search(
        rf"(?:test|\[)\s[^\n]*\b(?:{name}|have_{name.lower()})\b[^\n]*(?:\n[^\n]*){{0,3}}?AC_MSG_ERROR", after
    )
    return bool(name) and found is not None


def _modules(text: str) -> Iterator[BuildNeed]:
    words = re.findall(r"[^\s,\"'\[\]]+", _plain(text))
    number = 0
    while number < len(words):
        module = words[number]
        number += 1
        least = ""
        if number < len(words) and words[number] in (">=", "=", ">", "<", "<=", "!="):
            least = words[number + 1] if number + 1 < len(words) and words[number] in (">=", "=") else ""
            number += 2
        if re.fullmatch(r"[A-Za-z_][\w.+-]*", module):
            yield BuildNeed(PC, module, least if re.fullmatch(r"\d[\w.]*", least) else "")


def _macros(text: str) -> Iterator[_Macro]:
    """Yield the calls of macros. Those in arguments of others follow these."""
    until = 0  # the end of the last call at the top level
    conditions = ShellConditions(text)
    for call in islice(_CALL.finditer(text), _MAX_CALLS):
        holds = conditions.go_to(call.start())
        args, end = _arguments(text, call.end()) if call[2] else ([], call.end())
        is_outer = call.start() >= until
        if is_outer and call[1] not in ("AC_DEFUN", "m4_define"):
            until = end
            conditions.skip(end)
            conditions.give(call[1], args)
        yield _Macro(call[1], args, call.start(), end, is_outer and holds is True)


def _arguments(text: str, at: int) -> tuple[list[str], int]:
    """Return the arguments after an opening parenthesis, and the offset after the closing one."""
    args: list[str] = []
    start, parens, squares = at, 0, 0
    limit = min(len(text), at + 40_000)
    while at < limit:
        char = text[at]
        if char == "[":
            squares += 1
        elif char == "]":
            squares -= 1
        elif squares <= 0:
            if char == "(":
                parens += 1
            elif char == ")":
                if parens == 0:
                    return [*args, text[start:at]], at + 1
                parens -= 1
            elif char == "," and parens == 0:
                args.append(text[start:at])
                start = at + 1
        at += 1
    return args, at


def _plain(text: str) -> str:
    return re.sub(r"[\[\]\"']", " ", text).strip()


def _replaced(text: str, definitions: Mapping[str, str]) -> str:
    """Return a text with the names that m4 replaces, or as it is if the result would be long."""
    made = text
    for _ in range(_MAX_ROUNDS):
        before = made
        made = re.sub(r"[A-Za-z_]\w*", lambda found: definitions.get(found[0], found[0]), before)
        if made == before or len(made) > _MAX_TEXT:
            break
    # Brackets are quotes: what is next to one is joined with what is beside the other.
    return made.replace("][", "").replace("[", "").replace("]", "") if len(made) <= _MAX_TEXT else text


def _expanded(text: str, values: Mapping[str, str]) -> str:
    """Return a text with the shell variables and m4 names whose values are known."""
    text = re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], found[0]), text)
    return re.sub(r"\b([a-z]\w*_(?:version|req\w*|required))\b", lambda found: values.get(found[1], found[0]), text)


def _listed(content: str, names: str) -> list[str]:
    """Return the words of variables of a Makefile.am; those in conditionals are left out."""
    content = re.sub(r"\\\n", " ", content)
    found: list[str] = []
    depth = 0
    for line in content.splitlines():
        if re.match(r"if\b", line):
            depth += 1
        elif re.match(r"endif\b", line):
            depth -= 1
        given = re.match(rf"(?:{names})\s*\+?=\s*([^#]*)", line)
        if given and depth <= 0:
            found += [word.rpartition("/")[2] for word in given[1].split() if re.fullmatch(r"[\w.+/%-]+", word)]
    return found


def _entered(texts: Mapping[str, str]) -> set[str]:
    """Return the paths of the Makefile.am files that make enters from the top, and of the fragments that they include.

    These are all, if a list of directories is made by configure, or there is no file at the top.
    """
    every = {path for path in texts if path.endswith(".am")}
    found: set[str] = set()
    waiting = ["Makefile.am"]
    while waiting:
        path = waiting.pop()
        if path in found or path not in texts:
            continue
        found.add(path)
        text = re.sub(r"\\\n", " ", texts[path])
        below = path[: path.rfind("/") + 1] if path.endswith("Makefile.am") else ""
        for words in _SUBDIRS.findall(text):
            for word in words.split():
                if re.search(r"[$@]", word) and word not in ("$(SUBDIRS)", "${SUBDIRS}"):
                    return every | found
                waiting.append(posixpath.normpath(f"{below}{word}/Makefile.am"))
        waiting += [posixpath.normpath(f"{'' if top else below}{file}") for top, file in _INCLUDE.findall(text)]
    return found or every
