"""Read what a Meson project needs and installs from its meson.build files.

Conditions are evaluated as far as they are known on Linux, with the defaults of the project's options.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping

from fpack.builders.debian.contents.cmake_modules import cmake_needs
from fpack.builders.debian.contents.needs import LIBRARY, PACKAGE, PC, PROGRAM, BuildNeed

from .meson_language import (
    MesonCall,
    MesonScope,
    Token,
    Value,
    calls,
    evaluate,
    parts,
    statements,
    string,
    strings,
    truth,
)
from .wanted import Branches, BuildFacts, BuildRequirement, Truth, both, line_of

_MAX_TOKENS = 200_000
_MAX_FILES, _MAX_DEPTH = 300, 20
# Dependencies that Meson finds by means of its own, and those of the compiler and of other systems.
_SPECIAL: Mapping[str, str] = {
    "threads": "", "openmp": "", "dl": "", "intl": "", "iconv": "", "appleframeworks": "", "cuda": "", "objfw": "",
    "atomic": "", "curses": "p:ncurses", "ncurses": "p:ncurses", "gl": "p:gl", "boost": "c:Boost", "gtest": "c:GTest",
    "gmock": "d:libgmock-dev", "llvm": "d:llvm-dev", "python3": "d:python3-dev", "python": "d:python3-dev",
    "cups": "c:CUPS", "mpi": "c:MPI", "blas": "c:BLAS", "lapack": "c:LAPACK", "pcap": "p:libpcap",
    "libgcrypt": "d:libgcrypt20-dev", "gpgme": "d:libgpgme-dev", "jdk": "d:default-jdk-headless",
    "jni": "d:default-jdk-headless", "wxwidgets": "c:wxWidgets", "hdf5": "c:HDF5", "qt5": "c:Qt5", "qt6": "c:Qt6",
    "qt4": "", "shaderc": "p:shaderc", "vulkan": "p:vulkan", "opengl": "p:gl", "zlib": "p:zlib", "ZLIB": "p:zlib",
    "m": "", "rt": "", "crypt": "", "netcdf": "d:libnetcdf-dev", "valgrind": "p:valgrind",
    "python-3.0": "d:python3-dev",
}  # fmt: skip
_LANGUAGES: Mapping[str, str] = {
    "cpp": "g++", "vala": "valac", "rust": "rustc", "fortran": "gfortran", "objc": "gobjc", "objcpp": "gobjc++",
    "d": "ldc", "cython": "cython3", "nasm": "nasm", "cs": "mono-mcs", "java": "default-jdk-headless",
}  # fmt: skip
_MODULES: Mapping[tuple[str, str], str] = {
    ("gnome", "compile_resources"): "libglib2.0-dev-bin", ("gnome", "compile_schemas"): "libglib2.0-bin",
    ("gnome", "generate_gir"): "libgirepository1.0-dev", ("gnome", "generate_vapi"): "valac",
    ("gnome", "gtkdoc"): "gtk-doc-tools", ("gnome", "yelp"): "itstool", ("gnome", "mkenums"): "libglib2.0-dev-bin",
    ("gnome", "mkenums_simple"): "libglib2.0-dev-bin", ("gnome", "genmarshal"): "libglib2.0-dev-bin",
    ("gnome", "gdbus_codegen"): "libglib2.0-dev-bin", ("gnome", "post_install"): "desktop-file-utils libgtk-3-bin",
    ("i18n", "gettext"): "gettext", ("i18n", "merge_file"): "gettext", ("i18n", "itstool_join"): "itstool",
}  # fmt: skip
_NO_LIBRARIES = frozenset({
    "m", "dl", "rt", "pthread", "util", "c", "stdc++", "socket", "nsl", "ws2_32", "iconv", "intl", "execinfo", "kvm",
    "bsd", "gdi32", "log", "atomic", "resolv", "crypt",
})  # fmt: skip


class _MesonState:
    def __init__(self, texts: Mapping[str, str], files: Collection[str]) -> None:
        self.texts = texts
        self.files = files
        self.scope = MesonScope()
        self.scope.options = _options(texts.get("meson_options.txt") or texts.get("meson.options") or "")
        self.wanted: list[BuildRequirement] = []
        self.programs: list[str] = []
        self.libraries = False
        self.name: str | None = None
        self.version: str | None = None
        self.modules: dict[str, str] = {}
        self.seen: set[str] = set()
        self.tokens = 0
        self.literals: dict[str, list[Token]] = {}  # the text of each variable's last value
        self.loops: dict[str, list[str]] = {}  # what the variable of a loop takes


def read_meson(texts: Mapping[str, str], files: Collection[str] = ()) -> BuildFacts:
    """Return what the meson.build files of a project say. files: the paths of all its files."""
    state = _MesonState(texts, files)
    _file(state, "", True)
    known = bool(state.programs or state.libraries)
    return BuildFacts(
        state.wanted, list(dict.fromkeys(state.programs)), state.libraries, known, state.name, state.version
    )


def _file(state: _MesonState, directory: str, outer: Truth) -> None:
    path = posixpath.join(directory, "meson.build")
    text = state.texts.get(path)
    if text is None or path in state.seen or len(state.seen) >= _MAX_FILES or path.count("/") > _MAX_DEPTH:
        return
    state.seen.add(path)
    branches = Branches()
    loops = 0
    for line in statements(text):
        state.tokens += len(line)
        if state.tokens > _MAX_TOKENS:
            return
        word = line[0][1] if line[0][0] == "name" else ""
        if word == "if":
            branches.begin(truth(state.scope, line[1:]))
        elif word == "elif":
            branches.otherwise(truth(state.scope, line[1:]))
        elif word == "else":
            branches.otherwise()
        elif word == "endif":
            branches.end()
        elif word in ("foreach", "endforeach"):
            loops += 1 if word == "foreach" else -1
            if word == "foreach":
                _begin_loop(state, line)
        else:
            holds = both(outer, branches.holds)
            if loops > 0:
                holds = both(holds, None)
            if holds is not False:
                _statement(state, directory, path, text, line, holds)


def _begin_loop(state: _MesonState, line: list[Token]) -> None:
    """Remember what the first variable of a loop takes: strings of an array, the first ones of its arrays, or keys."""
    colon = next((at for at, token in enumerate(line) if token[1] == ":"), len(line))
    values = line[colon + 1 :]
    if len(values) == 1:
        values = state.literals.get(values[0][1], [])
    if len(line) < 2 or not values or values[0][1] not in ("[", "{"):
        return
    # The first string of an element is a key of a dictionary, the element itself, or the first one of an array in it.
    elements = [part for part in parts(values, 1) if part and (part[0][0] == "str" or part[0][1] == "[")]
    state.loops[line[1][1]] = [word for part in elements for word in [t[1] for t in part if t[0] == "str"][:1] if word]


def _statement(state: _MesonState, directory: str, path: str, text: str, line: list[Token], holds: Truth) -> None:
    target = line[0][1] if len(line) > 2 and line[0][0] == "name" and line[1][1] == "=" else ""
    for call in calls(line, target):
        if call.name == "subdir":
            where = string(state.scope, call.args[0]) if call.args else None
            if where:
                _file(state, posixpath.normpath(posixpath.join(directory, where)), holds)
        else:
            _call(state, directory, f"{path}:{line_of(text, call.at)}", call, holds)
    if target:
        state.literals[target] = line[2:]
        value = evaluate(state.scope, line[2:])
        state.scope.values[target] = value if holds is True or target not in state.scope.values else None


def _call(state: _MesonState, directory: str, where: str, call: MesonCall, holds: Truth) -> None:
    words = [word for arg in call.args for word in strings(state.scope, arg)]
    name = call.name.rpartition(".")[2]
    required = _required(state, call, holds)
    if call.name == "project":
        state.name = words[0] if words else None
        state.version = string(state.scope, call.named["version"]) if "version" in call.named else None
        _languages(state, words[1:], where, holds)
    elif call.name == "add_languages":
        _languages(state, words, where, required if holds is not False else False)
    elif call.name == "import" and words:
        state.modules[call.target] = words[0]
    elif call.name == "dependency":
        if required is not False:
            _dependency(state, words, call, where, required is True)
    elif name == "find_" + "library" and words and words[0] not in _NO_LIBRARIES:
        if required is not False:
            state.wanted.append(BuildRequirement((BuildNeed(LIBRARY, words[0]),), required is True, where))
    elif name in ("find_program", "find_installation"):
        _program(state, directory, name, words, where, required)
    elif name == "run_command" and call.args and (program := string(state.scope, call.args[0])):
        _program(state, directory, name, [program], where, both(holds, _is_true(state, call, "check") or None))
    elif name == "executable" and call.args and call.args[0]:
        several = state.loops.get(call.args[0][0][1], []) if len(call.args[0]) in (1, 4) else []
        if _is_true(state, call, "install"):
            state.programs += several or words[:1]
    elif name in ("library", "shared_library", "static_library", "both_libraries", "shared_module"):
        state.libraries |= _is_true(state, call, "install")
    elif (
        name == "install_data" and "install_dir" in call.named and "bindir" in [t[1] for t in call.named["install_dir"]]
    ):
        state.programs += [posixpath.basename(word) for word in words]
    elif (
        name == "configure_file"
        and "output" in call.named
        and "bindir" in [t[1] for t in call.named.get("install_dir", ())]
    ):
        output = string(state.scope, call.named["output"])
        state.programs += [output] if output else []
    else:
        module = state.modules.get(call.name.rpartition(".")[0])
        for package in _MODULES.get((module or "", name), "").split():
            state.wanted.append(BuildRequirement((BuildNeed(PACKAGE, package),), holds is True, where))


def _languages(state: _MesonState, words: list[str], where: str, holds: Truth) -> None:
    for word in words:
        if word in _LANGUAGES:
            state.wanted.append(BuildRequirement((BuildNeed(PACKAGE, _LANGUAGES[word]),), holds is True, where))


def _dependency(state: _MesonState, words: list[str], call: MesonCall, where: str, required: bool) -> None:
    names = [word for word in words if word]
    if not names:
        return
    least = next(
        (
            found[1]
            for v in strings(state.scope, call.named.get("version", []))
            if (found := re.match(r">=\s*([\d.]+)", v))
        ),
        "",
    )
    units = strings(state.scope, call.named.get("modules", []))
    if names[0] in _SPECIAL:
        kind, _, name = _SPECIAL[names[0]].partition(":")
        needs = {
            "p": [BuildNeed(PC, name, least)],
            "d": [BuildNeed(PACKAGE, name)],
            "c": cmake_needs(name, units),
        }.get(kind, [])
        state.wanted += [BuildRequirement((need,), required, where) for need in needs]
        return
    state.wanted.append(BuildRequirement(tuple(BuildNeed(PC, name, least) for name in names), required, where))


def _program(state: _MesonState, directory: str, name: str, words: list[str], where: str, required: Truth) -> None:
    if required is False:
        return
    if name == "find_installation":
        words = words or ["python3"]
    beside = {posixpath.normpath(posixpath.join(directory, word)) for word in words}
    if not words or beside & set(state.files) or any("/" in word for word in words):
        return
    state.wanted.append(BuildRequirement(tuple(BuildNeed(PROGRAM, word) for word in words), required is True, where))


def _required(state: _MesonState, call: MesonCall, holds: Truth) -> Truth:
    """Return whether a call fails if it finds nothing. False: it looks for nothing."""
    if call.name == "add_languages" and "required" not in call.named and "native" in call.named:
        return both(holds, True)
    if "required" not in call.named:
        return both(holds, True)
    value = evaluate(state.scope, call.named["required"])
    if value == "disabled":
        return False
    return both(holds, True) if value in (True, "enabled") else None


def _is_true(state: _MesonState, call: MesonCall, name: str) -> bool:
    return name in call.named and evaluate(state.scope, call.named[name]) is not False


def _options(text: str) -> dict[str, Value]:
    """Return the defaults of the project's options. Meson's own options are unknown, but for a few."""
    found: dict[str, Value] = {
        "default_library": "shared",
        "buildtype": "release",
        "werror": False,
        "b_coverage": False,
        "b_sanitize": "none",
    }
    empty = MesonScope()
    for line in statements(text):
        for call in calls(line, ""):
            if call.name != "option" or not call.args:
                continue
            name, kind = string(empty, call.args[0]), string(empty, call.named.get("type", []))
            value: Value = True if kind == "boolean" else "auto" if kind == "feature" else None
            if kind == "combo" and "choices" in call.named:
                value = next(iter(strings(empty, call.named["choices"])), None)
            if "value" in call.named:
                value = evaluate(empty, call.named["value"])
            if kind == "boolean" and isinstance(value, str):
                value = value == "true"
            if name:
                found[name] = value
    return found
