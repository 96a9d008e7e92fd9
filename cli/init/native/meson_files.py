"""Read what a Meson project needs and installs from its meson.build files.

Conditions are evaluated as far as they are known on Linux, with the defaults of the project's options.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from fpack.builders.debian.contents.cmake_modules import cmake_needs
from fpack.builders.debian.contents.needs import LIBRARY, PACKAGE, PC, PROGRAM, TYPELIB, Need

from .wanted import Branches, BuildFacts, Truth, Wanted, both, either, line_of, negated

_TOKEN = re.compile(
    r"'''(?P<long>.*?)'''|(?P<f>f?)'(?P<text>(?:[^'\\\n]|\\.)*)'|(?P<comment>#[^\n]*)|(?P<name>[A-Za-z_]\w*)|"
    r"(?P<number>\d+)|(?P<newline>\n)|(?P<op>==|!=|\+=|<=|>=|[()\[\]{}.,:=?+<>/*%-])",
    re.DOTALL,
)
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
_SYSTEMS = {
    "system": "linux",
    "kernel": "linux",
    "cpu_family": "x86_64",
    "endian": "little",
    "get_id": "gcc",
    "get_argument_syntax": "gcc",
}

Token = tuple[str, str, int]  # kind, text, offset
Value = bool | str | int | list[object] | None  # None: unknown


class _Call(NamedTuple):
    """A call. target: the variable that it is assigned to, or "". name: with its object, as `cc.find_library`."""

    target: str
    name: str
    args: list[list[Token]]
    named: Mapping[str, list[Token]]
    at: int


class _State:
    def __init__(self, texts: Mapping[str, str], files: Collection[str]) -> None:
        self.texts = texts
        self.files = files
        self.values: dict[str, Value] = {}
        self.options = _options(texts.get("meson_options.txt") or texts.get("meson.options") or "")
        self.wanted: list[Wanted] = []
        self.programs: list[str] = []
        self.libraries = False
        self.name: str | None = None
        self.version: str | None = None
        self.modules: dict[str, str] = {}
        self.seen: set[str] = set()
        self.tokens = 0


def read_meson(texts: Mapping[str, str], files: Collection[str] = ()) -> BuildFacts:
    """Return what the meson.build files of a project say. files: the paths of all its files."""
    state = _State(texts, files)
    _file(state, "", True)
    known = bool(state.programs or state.libraries)
    return BuildFacts(
        state.wanted, list(dict.fromkeys(state.programs)), state.libraries, known, state.name, state.version
    )


def _file(state: _State, directory: str, outer: Truth) -> None:
    path = posixpath.join(directory, "meson.build")
    text = state.texts.get(path)
    if text is None or path in state.seen or len(state.seen) >= _MAX_FILES or path.count("/") > _MAX_DEPTH:
        return
    state.seen.add(path)
    branches = Branches()
    loops = 0
    for line in _statements(text):
        state.tokens += len(line)
        if state.tokens > _MAX_TOKENS:
            return
        word = line[0][1] if line[0][0] == "name" else ""
        if word == "if":
            branches.begin(_truth(state, line[1:]))
        elif word == "elif":
            branches.otherwise(_truth(state, line[1:]))
        elif word == "else":
            branches.otherwise()
        elif word == "endif":
            branches.end()
        elif word in ("foreach", "endforeach"):
            loops += 1 if word == "foreach" else -1
        else:
            holds = both(outer, branches.holds)
            if loops > 0:
                holds = both(holds, None)
            if holds is not False:
                _statement(state, directory, path, text, line, holds)


def _statement(state: _State, directory: str, path: str, text: str, line: list[Token], holds: Truth) -> None:
    target = line[0][1] if len(line) > 2 and line[0][0] == "name" and line[1][1] == "=" else ""
    for call in _calls(line, target):
        if call.name == "subdir":
            where = _string(state, call.args[0]) if call.args else None
            if where:
                _file(state, posixpath.normpath(posixpath.join(directory, where)), holds)
        else:
            _call(state, directory, f"{path}:{line_of(text, call.at)}", call, holds)
    if target:
        value = _evaluate(state, line[2:])
        state.values[target] = value if holds is True or target not in state.values else None


def _call(state: _State, directory: str, where: str, call: _Call, holds: Truth) -> None:
    words = [word for arg in call.args for word in _strings(state, arg)]
    name = call.name.rpartition(".")[2]
    required = _required(state, call, holds)
    if call.name == "project":
        state.name = words[0] if words else None
        state.version = _string(state, call.named["version"]) if "version" in call.named else None
        _languages(state, words[1:], where, holds)
    elif call.name == "add_languages":
        _languages(state, words, where, required if holds is not False else False)
    elif call.name == "import" and words:
        state.modules[call.target] = words[0]
    elif call.name == "dependency":
        if required is not False:
            _dependency(state, words, call, where, required is True)
    elif name == "find_library" and words and words[0] not in _NO_LIBRARIES:
        if required is not False:
            state.wanted.append(Wanted((Need(LIBRARY, words[0]),), required is True, where))
    elif name in ("find_program", "find_installation"):
        _program(state, directory, name, words, where, required)
    elif name in ("executable",) and words:
        if _is_true(state, call, "install"):
            state.programs.append(words[0])
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
        output = _string(state, call.named["output"])
        state.programs += [output] if output else []
    else:
        module = state.modules.get(call.name.rpartition(".")[0])
        for package in _MODULES.get((module or "", name), "").split():
            state.wanted.append(Wanted((Need(PACKAGE, package),), holds is True, where))


def _languages(state: _State, words: list[str], where: str, holds: Truth) -> None:
    for word in words:
        if word in _LANGUAGES:
            state.wanted.append(Wanted((Need(PACKAGE, _LANGUAGES[word]),), holds is True, where))


def _dependency(state: _State, words: list[str], call: _Call, where: str, required: bool) -> None:
    names = [word for word in words if word]
    if not names:
        return
    least = next(
        (found[1] for v in _strings(state, call.named.get("version", [])) if (found := re.match(r">=\s*([\d.]+)", v))),
        "",
    )
    parts = _strings(state, call.named.get("modules", []))
    if names[0] in _SPECIAL:
        kind, _, name = _SPECIAL[names[0]].partition(":")
        needs = {"p": [Need(PC, name, least)], "d": [Need(PACKAGE, name)], "c": cmake_needs(name, parts)}.get(kind, [])
        state.wanted += [Wanted((need,), required, where) for need in needs]
        return
    state.wanted.append(Wanted(tuple(Need(PC, name, least) for name in names), required, where))


def _program(state: _State, directory: str, name: str, words: list[str], where: str, required: Truth) -> None:
    if required is False:
        return
    if name == "find_installation":
        words = words or ["python3"]
    beside = {posixpath.normpath(posixpath.join(directory, word)) for word in words}
    if not words or beside & set(state.files) or any("/" in word for word in words):
        return
    state.wanted.append(Wanted(tuple(Need(PROGRAM, word) for word in words), required is True, where))


def _required(state: _State, call: _Call, holds: Truth) -> Truth:
    """Return whether a call fails if it finds nothing. False: it looks for nothing."""
    if call.name == "add_languages" and "required" not in call.named and "native" in call.named:
        return both(holds, True)
    if "required" not in call.named:
        return both(holds, True)
    value = _evaluate(state, call.named["required"])
    if value == "disabled":
        return False
    return both(holds, True) if value in (True, "enabled") else None


def _is_true(state: _State, call: _Call, name: str) -> bool:
    return name in call.named and _evaluate(state, call.named[name]) is not False


# Statements and calls.


def _tokens(text: str) -> Iterator[Token]:
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        if kind in ("long", "text"):
            yield (
                "str",
                found["long"] if found["long"] is not None else found["text"].replace("\\'", "'"),
                found.start(),
            )
        elif kind == "newline":
            yield "newline", "\n", found.start()
        elif kind not in ("comment", "f"):
            yield kind, found[0], found.start()


def _statements(text: str) -> Iterator[list[Token]]:
    """Yield the tokens of each statement: a line break ends one, except in brackets."""
    line: list[Token] = []
    depth = 0
    for token in _tokens(text):
        if token[0] == "op":
            depth += (token[1] in "([{") - (token[1] in ")]}")
        if token[0] != "newline":
            line.append(token)
        elif depth <= 0 and line:
            yield line
            line, depth = [], 0
    if line:
        yield line


def _calls(line: list[Token], target: str) -> Iterator[_Call]:
    """Yield the calls of a statement, outer ones first."""
    for number, token in enumerate(line):
        if token[1] != "(" or number == 0 or line[number - 1][0] != "name":
            continue
        name = line[number - 1][1]
        if number > 2 and line[number - 2][1] == "." and line[number - 3][0] == "name":
            name = f"{line[number - 3][1]}.{name}"
        args: list[list[Token]] = []
        named: dict[str, list[Token]] = {}
        for part in _parts(line, number + 1):
            if len(part) > 1 and part[0][0] == "name" and part[1][1] == ":":
                named[part[0][1]] = part[2:]
            elif part:
                args.append(part)
        yield _Call(target, name, args, named, token[2])


def _parts(line: list[Token], start: int) -> list[list[Token]]:
    """Return the arguments after an opening bracket."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in line[start:]:
        if token[0] == "op" and token[1] in "([{":
            depth += 1
        elif token[0] == "op" and token[1] in ")]}":
            depth -= 1
            if depth < 0:
                break
        if token[1] == "," and token[0] == "op" and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


# Values.


def _strings(state: _State, tokens: list[Token]) -> list[str]:
    """Return the strings in an expression, those of variables whose values are known included."""
    if any(token[1] == "(" for token in tokens):
        value = _evaluate(state, tokens)
        return [value] if isinstance(value, str) else []
    found: list[str] = []
    for kind, text, _ in tokens:
        if kind == "str":
            found.append(text)
        elif kind == "name" and text in state.values:
            value = state.values[text]
            found += (
                [value]
                if isinstance(value, str)
                else [v for v in value if isinstance(v, str)]
                if isinstance(value, list)
                else []
            )
    return found


def _string(state: _State, tokens: list[Token]) -> str | None:
    value = _evaluate(state, tokens)
    return value if isinstance(value, str) else None


def _evaluate(state: _State, tokens: list[Token]) -> Value:
    """Return the value of a simple expression, or None."""
    if not tokens or len(tokens) > 400:
        return None
    if len(tokens) == 1:
        kind, text, _ = tokens[0]
        if kind == "str":
            return text
        if kind == "number":
            return int(text[:18])
        return {"true": True, "false": False}.get(text, state.values.get(text))
    texts = [text for _, text, _ in tokens]
    if texts[0] == "[" and texts[-1] == "]":
        single = [part[0] for part in _parts(tokens, 1) if len(part) == 1]
        return list(_strings(state, single))
    if texts[0] == "get_option" and len(tokens) == 4:
        return state.options.get(texts[2])
    if len(texts) > 4 and texts[0] == "get_option" and texts[4] == "." and len(texts) >= 8:
        option = state.options.get(texts[2])
        asked = {"enabled": "enabled", "disabled": "disabled", "auto": "auto"}.get(texts[5])
        if asked and option is not None and len(texts) == 8:
            return option == asked
        if asked is None and texts[5] == "allowed" and len(texts) == 8:
            return False if option == "disabled" else None
        return (
            "disabled" if option == "disabled" else "enabled" if option == "enabled" and texts[5] == "require" else None
        )
    if len(tokens) == 5 and texts[1] == "." and texts[3] == "(":
        if texts[2] in _SYSTEMS:
            return _SYSTEMS[texts[2]]
        value = state.values.get(texts[0])
        if texts[2] in ("enabled", "disabled", "auto") and isinstance(value, str):
            return value == texts[2]
        if texts[0] == "meson" and texts[2] in ("is_cross_build", "is_subproject"):
            return False
    if _has_operators(tokens):
        return _truth(state, tokens)
    return None


def _truth(state: _State, tokens: list[Token], depth: int = 0) -> Truth:
    """Return whether a condition holds; None if that is not known."""
    if depth > 40:
        return None
    for word, join in (("or", either), ("and", both)):
        parts = _split(tokens, word)
        if len(parts) > 1:
            found = _truth(state, parts[0], depth + 1)
            for part in parts[1:]:
                found = join(found, _truth(state, part, depth + 1))
            return found
    if tokens and tokens[0][1] == "not" and tokens[0][0] == "name":
        if len(tokens) > 1 and tokens[1][1] == "in":
            return None
        return negated(_truth(state, tokens[1:], depth + 1))
    if tokens and tokens[0][1] == "(" and tokens[-1][1] == ")":
        return _truth(state, tokens[1:-1], depth + 1)
    for operator in ("==", "!="):
        sides = _split(tokens, operator)
        if len(sides) == 2:
            left, right = (_evaluate(state, side) for side in sides)
            if left is None or right is None:
                return None
            return (left == right) == (operator == "==")
    sides = _split(tokens, "in")
    if len(sides) == 2:
        is_not = bool(sides[0]) and sides[0][-1][1] == "not"
        item = _evaluate(state, sides[0][:-1] if is_not else sides[0])
        values = _evaluate(state, sides[1])
        if item is None or not isinstance(values, list):
            return None
        return (item in values) != is_not
    value = _evaluate(state, tokens) if len(tokens) < 400 and not _has_operators(tokens) else None
    return value if isinstance(value, bool) else None


def _has_operators(tokens: list[Token]) -> bool:
    return any(text in ("and", "or", "not", "==", "!=", "in") for kind, text, _ in tokens if kind != "str")


def _split(tokens: list[Token], word: str) -> list[list[Token]]:
    """Split an expression at an operator outside of brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token[0] == "op":
            depth += (token[1] in "([{") - (token[1] in ")]}")
        if token[0] != "str" and token[1] == word and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _options(text: str) -> dict[str, Value]:
    """Return the defaults of the project's options. Meson's own options are unknown, but for a few."""
    found: dict[str, Value] = {
        "default_library": "shared",
        "buildtype": "release",
        "werror": False,
        "b_coverage": False,
        "b_sanitize": "none",
    }
    empty = _State.__new__(_State)
    empty.values, empty.options = {}, {}
    for line in _statements(text):
        for call in _calls(line, ""):
            if call.name != "option" or not call.args:
                continue
            name, kind = _string(empty, call.args[0]), _string(empty, call.named.get("type", []))
            value: Value = True if kind == "boolean" else "auto" if kind == "feature" else None
            if "value" in call.named:
                value = _evaluate(empty, call.named["value"])
            if kind == "boolean" and isinstance(value, str):
                value = value == "true"
            if name:
                found[name] = value
    return found


def typelib_needs(text: str) -> list[Need]:
    """Return the typelibs that a Python or JavaScript source asks GObject introspection for."""
    found = re.findall(r"require_version\(\s*['\"](\w+)['\"]\s*,\s*['\"]([\w.]+)['\"]", text)
    return [Need(TYPELIB, f"{name}-{version}") for name, version in found]
