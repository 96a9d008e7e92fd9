"""Read what a CMake project needs and installs from its CMakeLists.txt and the files that these include.

Commands are followed in their order. Conditions are evaluated as far as they are known on Linux, with the defaults of
the project's options: what other systems need is left out, and what depends on the unknown is not required.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fpack.builders.debian.contents.cmake_modules import cmake_needs
from fpack.builders.debian.contents.needs import HEADER, LIBRARY, PC, PROGRAM, BuildNeed

from .cmake_conditions import OFF, SYSTEM, expanded, truth
from .wanted import Branches, BuildFacts, BuildRequirement, Truth, both, line_of

_COMMENT = re.compile(r"#\[(=*)\[.*?\]\1\]|\"(?:[^\"\\]|\\.)*\"|#[^\n]*", re.DOTALL)
_COMMAND = re.compile(r"^[ \t]*(\w+)[ \t]*\(", re.MULTILINE)
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|\[(=*)\[(.*?)\]\2\]|([()])|([^\s()"]+)', re.DOTALL)
_NO_LIBRARIES = re.compile(
    r"(?:m|dl|rt|pthread|util|c|stdc\+\+|stdc\+\+fs|atomic|gcc_s|crypt|resolv|anl|ws2_32|winmm|shlwapi|bcrypt|iconv|intl|log)\Z|.*[^\w+.-]|-"
)
_ADD_EXECUTABLE = (
    "add_executable",
    "qt_add_executable",
    "qt5_add_executable",
    "qt6_add_executable",
    "ecm_add_executable",
)
# Words of target_link_libraries that name no library.
_LINK_WORDS = ("PUBLIC", "PRIVATE", "INTERFACE", "LINK_PUBLIC", "LINK_PRIVATE", "debug", "optimized", "general")
_MAX_VALUE = 4096  # characters of a variable that are remembered
_MAX_FILES, _MAX_COMMANDS, _MAX_WORDS, _MAX_DEPTH = 400, 40_000, 2000, 40


class _Command(NamedTuple):
    name: str
    words: list[str]
    line: int
    text: str


class _CmakeState:
    """The state while the files are read. holds: of the place that is read now."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.values: dict[str, str | None] = {**SYSTEM}  # None: of an unknown value
        self.wanted: list[tuple[str, BuildRequirement]] = []  # with the name by which its result is called
        self.required: set[str] = set()
        self.executables: dict[str, str] = {}
        self.installed: list[str] = []
        self.scripts: list[str] = []
        self.targets: set[str] = set()
        self.linked: list[tuple[str, str, Truth]] = []
        self.libraries = False
        self.unknown_install = False
        self.installs_by_function = False
        self.project: tuple[str, str | None] | None = None
        self.seen: set[str] = set()
        self.commands = 0
        self.depth = 0


def read_cmake(texts: Mapping[str, str]) -> BuildFacts:
    """Return what the CMakeLists.txt of a project and the files that it includes say."""
    state = _CmakeState(texts)
    _file(state, "CMakeLists.txt", "", True)
    wanted: list[BuildRequirement] = []
    for name, item in state.wanted:
        wanted.append(item._replace(required=item.required or name.lower() in state.required))
    for name, where, holds in state.linked:
        if name not in state.targets and name.removeprefix("-l") and not _NO_LIBRARIES.match(name.removeprefix("-l")):
            wanted.append(BuildRequirement((BuildNeed(LIBRARY, name.removeprefix("-l")),), holds is True, where))
    programs = [state.executables[target] for target in dict.fromkeys(state.installed) if target in state.executables]
    programs += [name for name in dict.fromkeys(state.scripts) if name not in programs]
    title, version = state.project or (None, None)
    known = state.installs_by_function or (
        not state.unknown_install and bool(state.installed or state.libraries or state.scripts)
    )
    return BuildFacts(wanted, programs, state.libraries, known, title, version)


def _file(state: _CmakeState, path: str, base: str, outer: Truth) -> None:
    """Read one file. base: the directory of the CMakeLists.txt that it belongs to."""
    text = state.texts.get(path)
    if text is None or path in state.seen or len(state.seen) >= _MAX_FILES or state.depth > _MAX_DEPTH:
        return
    state.seen.add(path)
    state.depth += 1
    _commands_of(state, path, text, base, outer)
    state.depth -= 1


def _commands_of(state: _CmakeState, path: str, text: str, base: str, outer: Truth) -> None:
    branches = Branches()
    conditions: list[str] = []
    functions = 0
    for command in _commands(text):
        state.commands += 1
        if state.commands > _MAX_COMMANDS:
            return
        name, words = command.name, command.words
        if name == "if":
            branches.begin(truth(state.values, words))
            conditions.append(" ".join(words))
        elif name == "elseif":
            branches.otherwise(truth(state.values, words))
            conditions[-1:] = [" ".join(words)]
        elif name == "else":
            branches.otherwise()
            conditions[-1:] = [f"NOT ( {conditions[-1]} )"] if conditions else []
        elif name == "endif":
            branches.end()
            conditions[-1:] = []
        elif name in ("function", "macro", "foreach", "while"):
            functions += 1
        elif name in ("endfunction", "endmacro", "endforeach", "endwhile"):
            functions -= 1
        else:
            holds = both(outer, branches.holds)
            if functions > 0:
                holds = both(holds, None)
            if holds is False:
                continue
            if name in ("include", "add_subdirectory"):
                _follow(state, path, base, command, holds)
            elif name == "subdirs":
                for word in command.words:
                    _follow(state, path, base, command._replace(name="add_subdirectory", words=[word]), holds)
            elif name == "return" and holds is True:
                return
            else:
                _command(state, path, command, holds, conditions)


def _commands(text: str) -> Iterator[_Command]:
    """Yield the commands of a file, their names in lower case."""
    text = _COMMENT.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)
    at = 0
    while (start := _COMMAND.search(text, at)) is not None:
        words: list[str] = []
        depth, at = 1, start.end()
        while depth and len(words) < _MAX_WORDS and (word := _WORD.search(text, at)) is not None:
            at = word.end()
            if word[4]:
                depth += 1 if word[4] == "(" else -1
                if depth:
                    words.append(word[4])
            else:
                words.append(word[5] or word[3] or word[1] or "")
        at = max(at, start.end())
        yield _Command(start[1].lower(), words, line_of(text, start.start(1)), text[start.start() : at])
        if depth:
            return


def _follow(state: _CmakeState, path: str, base: str, command: _Command, holds: Truth) -> None:
    if not command.words:
        return
    where = expanded(state.values, command.words[0]) or ""
    for variable in ("${CMAKE_CURRENT_SOURCE_DIR}", "${CMAKE_CURRENT_LIST_DIR}"):
        where = where.replace(f"{variable}/", "")
    top = where.startswith(("${CMAKE_SOURCE_DIR}/", "${PROJECT_SOURCE_DIR}/"))
    where = re.sub(r"^\$\{\w+\}/", "", where)
    if "$" in where:
        return
    if command.name == "add_subdirectory":
        directory = posixpath.normpath(posixpath.join("" if top else base, where))
        _file(state, f"{directory}/CMakeLists.txt", directory, None if "EXCLUDE_FROM_ALL" in command.words else holds)
        return
    beside = posixpath.dirname(path)
    places = [posixpath.join(base, where), where, posixpath.join(beside, where)]
    if where == "CTest":
        return
    if not where.endswith(".cmake"):
        places = [found for found in state.texts if found.rpartition("/")[2] == f"{where}.cmake"][:1]
    found = next((p for p in map(posixpath.normpath, places) if p in state.texts), None)
    if found:
        _file(state, found, base, holds)


def _command(state: _CmakeState, path: str, command: _Command, holds: Truth, conditions: list[str]) -> None:
    name, where = command.name, f"{path}:{command.line}"
    words = [part for word in command.words if (part := expanded(state.values, word)) is not None]
    if not words:
        return
    if name == "project" and state.project is None:
        _project(state, words)
    elif name == "set":
        _set(state, words, holds)
    elif name in ("option", "dependent_option") and words[0] not in state.values:
        last = words[2] if len(words) > 2 else "OFF"
        state.values[words[0]] = last if holds is True else None
    elif name == "cmake_dependent_option":
        state.values.setdefault(words[0], None if len(words) > 2 and not OFF.match(words[2]) else "OFF")
    elif name == "message" and words[0] in ("FATAL_ERROR", "SEND_ERROR"):
        _require(state, conditions)
    elif name in ("check_include_file", "check_include_files", "check_include_file_cxx") and len(words) > 1:
        # Those before the last header are there for it.
        header = words[0].rpartition(";")[2]
        state.wanted.append((words[1], BuildRequirement((BuildNeed(HEADER, header),), False, where)))
        state.values[words[1]] = None
    elif name == "find_package":
        _find_package(state, words, where, holds)
    elif name in ("pkg_check_modules", "pkg_search_module"):
        _pkg_config(state, name, words, where, holds)
    elif name in ("find_" + "library", "find_path", "find_file", "find_program"):
        _find_file(state, name, words, where, holds)
    elif name in _ADD_EXECUTABLE:
        if "IMPORTED" not in words and "ALIAS" not in words:
            state.executables.setdefault(words[0], words[0])
            state.targets.add(words[0])
    elif name in ("add_library", "qt_add_library"):
        state.targets.add(words[0])
    elif name == "set_target_properties" and "OUTPUT_NAME" in words[:-1] and words[0] in state.executables:
        state.executables[words[0]] = words[words.index("OUTPUT_NAME") + 1]
    elif name == "install":
        _install(state, words)
    elif "install" in name and words[0] in state.executables:
        # A function of the project, whose body may be in a file that is not known.
        state.installed.append(words[0])
        state.installs_by_function = True
    elif name == "target_link_libraries":
        state.linked += [(word, where, holds) for word in words[1:] if word not in _LINK_WORDS]
    if name not in ("find_package", "pkg_check_modules", "message", "set"):
        _uses(state, command, conditions, holds)


def _project(state: _CmakeState, words: list[str]) -> None:
    version = words[words.index("VERSION") + 1] if "VERSION" in words[:-1] else None
    state.project = words[0], version
    state.values["PROJECT_NAME"] = state.values["CMAKE_PROJECT_NAME"] = words[0]
    state.values["PROJECT_VERSION"] = version


def _set(state: _CmakeState, words: list[str], holds: Truth) -> None:
    """Set a variable; a cached one only if it has no value. The value is unknown if the conditions are."""
    plain = [word for word in words[1:] if word != "PARENT_SCOPE"]
    if "CACHE" in plain:
        plain = plain[: plain.index("CACHE")]
    if not (words[0] in state.values and "CACHE" in words):
        value = ";".join(plain)
        state.values[words[0]] = value if holds is True and len(value) <= _MAX_VALUE else None


def _require(state: _CmakeState, conditions: list[str]) -> None:
    """Require what an error says is not found, by the conditions around it, the innermost last."""
    for condition in reversed(conditions):
        for lacking in re.findall(r"\bNOT\s+(?:\(\s*)?\$?\{?(\w+?)\}?(?:_FOUND)?(?=[\s)]|\Z)", condition):
            state.required.add(lacking.lower())
        if truth(state.values, condition.split()) is not True:
            break


def _uses(state: _CmakeState, command: _Command, conditions: list[str], holds: Truth) -> None:
    """Note which results of find_package are used without a condition that asks for them: these are required."""
    if holds is not True:
        return
    for used in re.findall(
        r"\$\{(\w+?)_(?:LIBRAR(?:Y|IES)|INCLUDE_DIRS?|LDFLAGS|LINK_LIBRARIES)\}|\b(\w+)::", command.text
    ):
        name = used[0] or used[1]
        if name and not any(name.lower() in condition.lower() for condition in conditions):
            state.required.add(name.lower())


_PARTS = frozenset({
    "COMPONENTS", "OPTIONAL_COMPONENTS", "REQUIRED", "QUIET", "EXACT", "MODULE", "CONFIG", "NO_MODULE",
    "NO_POLICY_SCOPE", "GLOBAL", "NAMES", "HINTS",
})  # fmt: skip


def _find_package(state: _CmakeState, words: list[str], where: str, holds: Truth) -> None:
    name = words[0]
    if not re.fullmatch(r"[\w.+-]+", name):
        return
    least = words[1] if len(words) > 1 and re.fullmatch(r"\d+(?:\.\d+)*", words[1]) else ""
    components: list[str] = []
    mode = ""
    for word in words[1:]:
        if word in _PARTS:
            mode = word
        elif (
            mode in ("COMPONENTS", "REQUIRED")
            and re.fullmatch(r"[\w.+-]+", word)
            or mode == ""
            and word != least
            and re.fullmatch(r"[\w.+-]+", word)
        ):
            components += [word]
    required = "REQUIRED" in words and holds is True
    needs = _components(name, components, least)
    for need in needs:
        state.wanted.append((name, BuildRequirement((need,), required, where)))
    # Later commands may test whether it was found. A required one is.
    for result in (f"{name}_FOUND", f"{name.upper()}_FOUND"):
        state.values[result] = "TRUE" if required or not needs else None


def _components(name: str, components: list[str], least: str) -> list[BuildNeed]:
    """Return the needs of a package; the parts of KDE's frameworks are packages of their own."""
    if re.fullmatch(r"KF[56]", name) and components:
        return [need for part in components for need in cmake_needs(f"{name}{part}", (), least)]
    return cmake_needs(name, components, least if name not in ("Boost", "Python", "Python3") else "")


def _pkg_config(state: _CmakeState, command: str, words: list[str], where: str, holds: Truth) -> None:
    required = "REQUIRED" in words and holds is True
    needs = []
    for text in " ".join(words[1:]).replace(";", " ").split():
        if (module := re.fullmatch(r"([\w.+-]+?)(?:(>=|=|<=|<|>)([\d.]+))?", text)) and not re.fullmatch(
            r"REQUIRED|QUIET|IMPORTED_TARGET|GLOBAL|NO_CMAKE_PATH|NO_CMAKE_ENVIRONMENT_PATH|[\d.]+", text
        ):
            needs.append(BuildNeed(PC, module[1], module[3] if module[2] in (">=", "=") else ""))
    if command == "pkg_search_module":
        if needs:
            state.wanted.append((words[0], BuildRequirement(tuple(needs), required, where)))
    else:
        state.wanted += [(words[0], BuildRequirement((need,), required, where)) for need in needs]
    state.values[f"{words[0]}_FOUND"] = "1" if required else None


_FIND_PARTS = frozenset({
    "NAMES", "NAMES_PER_DIR", "HINTS", "PATHS", "PATH_SUFFIXES", "DOC", "REQUIRED", "OPTIONAL", "NO_CACHE",
    "NO_DEFAULT_PATH", "REGISTRY_VIEW", "VALIDATOR", "NO_CMAKE_PATH", "NO_SYSTEM_ENVIRONMENT_PATH",
    "NO_CMAKE_FIND_ROOT_PATH", "NO_CMAKE_SYSTEM_PATH", "NO_PACKAGE_ROOT_PATH",
})  # fmt: skip


def _find_file(state: _CmakeState, command: str, words: list[str], where: str, holds: Truth) -> None:
    names: list[str] = []
    mode = "NAMES"
    for number, word in enumerate(words[1:]):
        if word in _FIND_PARTS:
            mode = word
        elif mode == "NAMES" and (number == 0 or "NAMES" in words) and re.fullmatch(r"[\w.+/-]+", word):
            names.append(word)
    if command == "find_" + "library":
        names = [re.sub(r"^lib(?=.+\.(?:so|a)$)|\.(?:so|a)$", "", found) for found in names]
        names = [found for found in names if not _NO_LIBRARIES.match(found)]
    kind = {"find_" + "library": LIBRARY, "find_program": PROGRAM}.get(command, HEADER)
    if names:
        required = "REQUIRED" in words and holds is True
        state.wanted.append(
            (words[0], BuildRequirement(tuple(BuildNeed(kind, found) for found in names), required, where))
        )
    state.values[words[0]] = None


def _scripts(words: list[str]) -> list[str]:
    """Return the names of the files that `install(PROGRAMS ...)` lists, or nothing if some are not known."""
    end = next((number for number, word in enumerate(words) if word in ("DESTINATION", "TYPE")), 0)
    names = [word.rpartition("/")[2] for word in words[1:end]]
    plain = "RENAME" not in words and all(re.fullmatch(r"[A-Za-z0-9][\w.+-]*", name) for name in names)
    return names if plain else []


def _install(state: _CmakeState, words: list[str]) -> None:
    if words[0] == "PROGRAMS" and "bin" in " ".join(words).lower() and (scripts := _scripts(words)):
        state.scripts += scripts
        return
    if words[0] != "TARGETS":
        state.unknown_install |= (
            words[0] in ("PROGRAMS", "CODE", "SCRIPT", "DIRECTORY") and "bin" in " ".join(words).lower()
        )
        return
    for word in words[1:]:
        if word in (
            "EXPORT",
            "RUNTIME",
            "LIBRARY",
            "ARCHIVE",
            "DESTINATION",
            "COMPONENT",
            "BUNDLE",
            "INCLUDES",
            "FILE_SET",
        ):
            return
        if word in state.executables:
            state.installed.append(word)
        elif word in state.targets:
            state.libraries = True
        else:
            state.unknown_install = True
