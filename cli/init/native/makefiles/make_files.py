"""Read what a project with plain Makefiles needs: linked libraries, pkg-config modules, headers of its sources."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from fpack.builders.debian.contents.needs import HEADER, LIBRARY, PACKAGE, PC, PROGRAM, BuildNeed

from ..wanted import Branches, BuildFacts, BuildRequirement, Truth, negated
from .bsd_make import library_needs
from .recipes import Rules

_ASSIGN = re.compile(r"^\s*(?:export\s+|override\s+)?([\w.-]+)\s*(\?=|:{0,3}=|\+=|!=)\s*(.*)$")
_CONDITION = re.compile(r"^\s*(ifeq|ifneq|ifdef|ifndef|else|endif)\b\s*(.*)$|^\.\s*(if\w*|elif\w*|else|endif)\b")
_LINKED = re.compile(r"(?<![\w./-])-l([A-Za-z][\w.+-]*)")
_PKG_CONFIG = re.compile(r"(?:pkg-config|pkgconf|\$[({]PKG_?CONFIG[)}])((?:\s+(?!2>)[^\s`)|&;>]+)+)")
_CONFIG = re.compile(r"(?<![\w/.+-])([a-z][\w.+]*-config)\s+--")
# A variable that is the name of a library which the project makes, as in `LIB_BASE = libwave`.
_OWN_LIBRARY = re.compile(r"\b\w+[ \t]*[:?]?=[ \t]*lib([\w+-]+)(?![\w./+-])")
_NO_LIBRARIES = frozenset({
    "m", "dl", "rt", "pthread", "util", "c", "stdc++", "stdc++fs", "gcc_s", "atomic", "resolv", "crypt", "iconv",
    "intl", "anl", "socket", "nsl", "ws2_32",
})  # fmt: skip
# The two sides of a condition: the first comma outside of a function's call is between them.
_SIDES = re.compile(r"\(\s*((?:\$\([^()]*(?:\([^()]*\)[^()]*)*\)|[^,$]|\$[^(])*?)\s*,\s*(.*?)\s*\)\s*$")
_MACHINE = re.compile(r"\d\d|arm|mips|ppc|powerpc|riscv|sparc|alpha")
_UNAME = re.compile(r"\buname\b(?!\s+-[mpr])")
_INCLUDE = re.compile(
    r"^[ \t]*#[ \t]*(include[ \t]*(?:<([^>\n]+)>|\"([^\"\n]+)\")|if\w*\b[^\n]*|el\w+[^\n]*|endif)", re.MULTILINE
)
# Sources that are no part of the programs, or of other systems.
_ELSEWHERE = re.compile(
    r"(?:^|/)(?:tests?|examples?|bench(?:marks?)?|docs?|contrib|demos?|samples?)/|"
    r"(?:^|[/_.-])(?:win|win32|win64|windows|w32|mac|macos|osx|darwin|freebsd|openbsd|netbsd|bsd|solaris|os2|dos|msdos|amiga|vms|beos|"
    r"haiku|wasm|emscripten|android|ios|mingw)(?:[/_.-]|$)"
)
_SOURCES = (".c", ".cc", ".cpp", ".cxx", ".C")
_MAX_LINES = 100_000


def read_make(
    texts: Mapping[str, str], makefile: str, files: Collection[str] = (), *, by_system: bool = False
) -> BuildFacts:
    """Return what a project's Makefiles and sources say.

    makefile: the path of the one that make reads first. by_system: it has a target for each system, so what its recipes
    link is not needed for this one.
    """
    wanted: list[BuildRequirement] = []
    values: dict[str, str] = {}
    others = [n for n in texts if re.search(r"(?:^|/)(?:GNUm|[mM])akefile$|\.mk$", n) and n != makefile]
    rules = Rules()
    for path in [makefile, *sorted([] if by_system else others, key=lambda n: (n.count("/"), n))]:
        text = texts.get(path, "")
        text = re.sub(r"^\t.*", "", text, flags=re.MULTILINE) if by_system else text
        wanted += _makefile(text, path, values, rules if path == makefile else None)
        if path == makefile:
            wanted += [
                BuildRequirement((BuildNeed(PROGRAM, name),), True, f"{path}:{number}", quiet=True)
                for number, name in rules.programs(values)
            ]
    made = {name for text in texts.values() for name in re.findall(r"\blib([\w.+-]+?)\.(?:a|so|la)\b", text)}
    build = [text for path, text in texts.items() if not path.endswith((*_SOURCES, ".h", ".hh", ".hpp", ".hxx"))]
    made |= {name for text in build for name in _OWN_LIBRARY.findall(text)}
    made |= {part[3:] for path in files for part in path.split("/")[:-1] if part.startswith("lib")}
    wanted = [w for w in wanted if w.needs[0].kind != LIBRARY or w.needs[0].name not in made]
    sources = {path: text for path, text in texts.items() if path.endswith((*_SOURCES, ".h", ".hh", ".hpp", ".hxx"))}
    wanted += read_includes(sources, files)
    wanted += library_needs(texts.get(makefile, ""), sources)
    if any(path.endswith(_SOURCES[1:]) for path in sources):
        wanted.append(
            BuildRequirement((BuildNeed(PACKAGE, "g++"),), True, next(p for p in sources if p.endswith(_SOURCES[1:])))
        )
    for ending, program in ((".y", "bison"), (".l", "flex")):
        found = next((path for path in sorted(files) if path.endswith(ending)), None)
        if found:
            wanted.append(BuildRequirement((BuildNeed(PACKAGE, program),), True, found))
    scripts = [path for path in dict.fromkeys(rules.test_words(values)) if path in files]
    return BuildFacts(wanted, test_scripts=scripts)


def _makefile(text: str, path: str, values: dict[str, str], rules: Rules | None) -> Iterator[BuildRequirement]:
    branches = Branches()
    for number, line in _lines(text):
        condition = _CONDITION.match(line)
        if condition:
            if condition[3]:
                _bsd_branch(branches, condition[3])
            else:
                _branch(branches, condition[1], condition[2], values)
            continue
        holds = branches.holds
        if holds is False:
            continue
        given = _ASSIGN.match(line)
        if given:
            name, operator, value = given[1], given[2], given[3].strip()
            if operator == "+=":
                values[name] = f"{values.get(name, '')} {value}"
            elif operator != "?=" or name not in values:
                values[name] = value if holds is True or name not in values else values[name]
        if holds is True and rules is not None:
            rules.add(number, line, values)
        where = f"{path}:{number}"
        yield from _line(line, where, holds is True, values)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers, continued ones joined, comments removed."""
    joined, first = "", 0
    for number, line in enumerate(text.splitlines()[:_MAX_LINES], 1):
        first = first or number
        if line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        joined += line
        yield first, re.sub(r"(?:^|(?<=\s))#.*", "", joined)
        joined, first = "", 0
    if joined:
        yield first, joined


def _branch(branches: Branches, word: str, rest: str, values: Mapping[str, str]) -> None:
    if word == "else":
        more = _CONDITION.match(rest)
        branches.otherwise(_truth(more[1], more[2], values) if more else True)
    elif word == "endif":
        branches.end()
    else:
        branches.begin(_truth(word, rest, values))


def _bsd_branch(branches: Branches, word: str) -> None:
    """Follow a condition of BSD's make, whose value is not known."""
    if word.startswith("el"):
        branches.otherwise(None)
    elif word == "endif":
        branches.end()
    else:
        branches.begin(None)


def _truth(word: str, rest: str, values: Mapping[str, str]) -> Truth:
    """Return whether a condition of a Makefile holds on Linux, without variables of the environment."""
    if word in ("ifdef", "ifndef"):
        name = rest.strip()
        found = bool(values[name].strip()) if name in values else False
        return found if word == "ifdef" else not found
    sides = _SIDES.match(rest) or re.match(r"[\"'](.*?)[\"']\s+[\"'](.*?)[\"']\s*$", rest)
    if sides is None:
        return None
    left, right = (_value(side, values) for side in sides.groups())
    if left is None or right is None:
        return None
    return (left == right) if word == "ifeq" else negated(left == right)


def _value(text: str, values: Mapping[str, str]) -> str | None:
    """Return the value of a text; None if it is not known."""
    for _ in range(5):
        text = re.sub(r"\$[({](\w[\w.-]*)[)}]", lambda v: values.get(v[1], _UNSET.get(v[1], "")), text)
    # The compiler's name for the system, of which only the architecture is not known.
    text = re.sub(r"\$\(shell [^()$]*-dumpmachine[^()$]*\)", "-linux-gnu", text)
    if _UNAME.search(text):
        text = re.sub(r"\$\(shell [^()$]*\buname\b[^()$]*\)", "Linux", text)
        if _UNAME.search(text):
            return "Linux" if "findstring" not in text else None
    text = re.sub(r"\$\(strip\s+([^()$]*)\)", r"\1", text)
    text = re.sub(r"\$\(findstring\s+([^()$,]*?),([^()$]*)\)", _found_string, text)
    return None if "$" in text else text.strip()


def _found_string(call: re.Match[str]) -> str:
    """Return the value of a call of `findstring`, or the call if it looks for an architecture."""
    text, within = call[1], call[2]
    return text if text in within else call[0] if _MACHINE.search(text) else ""


_UNSET = {"OS": "", "MAKECMDGOALS": "", "CC": "cc", "CXX": "g++"}


def _line(line: str, where: str, certain: bool, values: Mapping[str, str]) -> Iterator[BuildRequirement]:
    expanded = re.sub(r"\$[({](\w+)[)}]", lambda v: values.get(v[1], v[0]), line) if _PKG_CONFIG.search(line) else line
    for name in _LINKED.findall(line):
        if name not in _NO_LIBRARIES:
            yield BuildRequirement((BuildNeed(LIBRARY, name),), certain, where)
    for words in _PKG_CONFIG.findall(expanded):
        yield BuildRequirement((BuildNeed(PACKAGE, "pkgconf"),), True, where)
        for word in words.split():
            if re.fullmatch(r"[A-Za-z_][\w.+-]*", word):
                yield BuildRequirement((BuildNeed(PC, word),), certain, where)
    for name in _CONFIG.findall(line):
        if name not in ("pkg-config",):
            yield BuildRequirement((BuildNeed(PROGRAM, name),), certain, where)


def read_includes(
    sources: Mapping[str, str], files: Collection[str] = (), *, quoted: bool = False
) -> list[BuildRequirement]:
    """Return the needs for the headers that sources include in angle brackets, outside of conditions.

    Headers of the project itself are left out. files: the paths of all its files. quoted: also those in quotes.
    """
    own = {path.rpartition("/")[2] for path in (*files, *sources)}
    found: dict[str, BuildRequirement] = {}
    for path, text in sources.items():
        if _ELSEWHERE.search(path.lower()):
            continue
        text = re.sub(r"/\*.*?\*/", lambda comment: "\n" * comment[0].count("\n"), text, flags=re.DOTALL)
        depth, number, counted = 0, 1, 0
        guard = re.search(r"^[ \t]*#[ \t]*ifndef[ \t]+(\w+)\s*\n[ \t]*#[ \t]*define[ \t]+\1\b", text, re.MULTILINE)
        guarded = guard.start() if guard else -1
        for line in _INCLUDE.finditer(text):
            header = line[2] or (line[3] if quoted else "") or ""
            if not line[1].startswith("include"):
                word = line[1][:2]
                is_guard = guarded >= 0 and abs(line.start() - guarded) < 2
                # What only looks like a guard, as that of _GNU_SOURCE, ends before the file does.
                depth = max(0, depth + (0 if is_guard else (word == "if") - (word == "en")))
                continue
            header = header.strip()
            if depth <= 0 and header.rpartition("/")[2] not in own and re.fullmatch(r"[\w.+/-]+", header):
                number += text.count("\n", counted, line.start())
                counted = line.start()
                found.setdefault(header, BuildRequirement((BuildNeed(HEADER, header),), True, f"{path}:{number}"))
    return list(found.values())
