"""Recognise in a build's log what it lacks: messages of compilers, linkers, build systems, shells and interpreters.

Each message is a pattern with the name of what is missing. The first one in the log counts most: what follows is often
its consequence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fpack.builders.debian.contents.cmake_modules import cmake_needs
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
    BuildNeed,
)

_LATE = 40  # lines
_ERROR, _COMMAND, _STATUS = 2, 1, 0  # weights of messages
MAX_TEXT = 1 << 18  # characters of a log that are looked at, from its end


class MissingThing(NamedTuple):
    """A missing thing that a message names.

    needs: alternatives, of which one is enough; none if there is only advice. at: the offset of the message in the
    text. weight: of the message, since a build often goes on after some.
    """

    name: str
    needs: tuple[BuildNeed, ...]
    advice: str = ""
    at: int = 0
    weight: int = 2


Reader = Callable[[re.Match[str]], Sequence[BuildNeed]]
# Names that begin anywhere in a line have a maximum length: a log may be one long line, read again for each start.
_NAME = r"([A-Za-z0-9_][\w.+-]{0,99})"
_PATH = r"([\w./][\w./+-]*)"
_Q = r"['\"`‘’]?"

_CARGO = "{0} is not vendored: run cargo vendor, and keep vendor/ and .cargo/config.toml with the source"
_GO = "{0} is not vendored: run go mod vendor, and keep vendor/ with the source"
_GEM = "{0} is not vendored: run bundle cache, and keep vendor/cache with the source"
_NPM = "package.json and package-lock.json differ: run npm install, and keep both"
_PIP = "the lock has no file of {0} for this Python, or its version was changed: lock the requirements again"
# Sources that this compiler no longer accepts by default: the variable, and the flag by which it does.
OLD_SOURCES = {"CFLAGS": "-fpermissive -fcommon", "CXXFLAGS": "-std=gnu++14"}
_OLD_C, _OLD_CXX = (
    f"the source is older than what this compiler accepts by default; {flag} in {name} accepts it; fpack fix adds it"
    for name, flag in OLD_SOURCES.items()
)
_OLD = "the release's {0} is older than the build asks for: use another release, or build {0} from source"


def _of(kind: str) -> Reader:
    """Return the reader of a message that names one thing of a kind."""
    return lambda found: [BuildNeed(kind, found[1].rstrip("."))]


def _package(name: str) -> Reader:
    return lambda found: [BuildNeed(PACKAGE, name)]


def _program(found: re.Match[str]) -> Sequence[BuildNeed]:
    name = found[1]
    # Commands of the build that lie in its own directories are no programs of a package.
    return [] if name.startswith(("./", "../", "/build/")) else [BuildNeed(PROGRAM, name)]


def _header(found: re.Match[str]) -> Sequence[BuildNeed]:
    return [] if found[1].startswith(("./", "../", "/build/")) else [BuildNeed(HEADER, found[1])]


def _pkg_config(found: re.Match[str]) -> Sequence[BuildNeed]:
    """Read a pkg-config module or a CMake package: Meson looks for both."""
    name = found[1]
    return [BuildNeed(PC, name), *(need for need in cmake_needs(name) if need.kind == CMAKE)]


def _cmake(found: re.Match[str]) -> Sequence[BuildNeed]:
    name = found[1]
    boost = re.fullmatch(r"boost_(\w+)", name)
    if boost:
        return cmake_needs("Boost", [boost[1]])
    needs = list(cmake_needs(name))
    if needs and needs[0].kind == CMAKE:
        # FindNAME.cmake of the project itself may look for anything with this name.
        lower = name.lower()
        plain = re.sub(r"^lib|\d+$", "", lower)
        names = dict.fromkeys([name, lower, f"lib{plain}", plain])
        needs += [BuildNeed(PC, n) for n in names]
        needs += [BuildNeed(LIBRARY, n) for n in dict.fromkeys([lower.removeprefix("lib"), plain])]
        needs += [BuildNeed(HEADER, f"{lower}.h"), BuildNeed(PROGRAM, lower)]
    return needs


def _cmake_parts(found: re.Match[str]) -> Sequence[BuildNeed]:
    """Read `Could NOT find NAME (missing: PART ...)`."""
    name, missing = found[1], found[2].split()
    if name == "Boost":
        parts = [part for part in missing if not part.startswith("Boost_")]
        return cmake_needs("Boost", parts) if parts else [BuildNeed(PACKAGE, "libboost-dev")]
    if name in ("Python", "Python3", "PythonLibs"):
        development = any(re.search(r"Development|INCLUDE_DIR|LIBRAR", part) for part in missing)
        module = next((part for part in missing if part in ("NumPy",) or "NumPy" in part), None)
        return (
            [BuildNeed(PACKAGE, "python3-numpy")]
            if module
            else [BuildNeed(PACKAGE, "python3-dev")]
            if development
            else [BuildNeed(PROGRAM, "python3")]
        )
    return _cmake(found)


def _qt(found: re.Match[str]) -> Sequence[BuildNeed]:
    return [BuildNeed(CMAKE, f"Qt{found[1] or 6}{found[2]}")]


def _checked(found: re.Match[str]) -> Sequence[BuildNeed]:
    """Read the last check of configure that failed before its error."""
    what = found[1].strip()
    library = re.fullmatch(r"(?:library containing )?[\w:~()]+ in -l([\w.+-]+)", what)
    if library:
        return [BuildNeed(LIBRARY, library[1])]
    if re.fullmatch(r"[\w./+-]+\.h(?:pp)?(?: usability| presence)?", what):
        return [BuildNeed(HEADER, what.split()[0])]
    if module := re.fullmatch(r"([A-Za-z][\w.+-]*)(?: >= ?[\d.]+)", what):
        return [BuildNeed(PC, module[1])]
    if re.fullmatch(r"[A-Za-z_][\w.+-]*", what):
        return [BuildNeed(PC, what), BuildNeed(PROGRAM, what), BuildNeed(PC, what.lower())]
    several = re.match(r"(?:[A-Z][\w]*\b\s*)?([A-Za-z][\w.+-]*) >=", what)
    return [BuildNeed(PC, several[1])] if several else []


def _modules(found: re.Match[str]) -> Sequence[BuildNeed]:
    words = re.findall(r"([A-Za-z_][\w.+-]*)(?:\s*[<>=]+\s*[\d.]+)?", found[1])
    return [BuildNeed(PC, words[0])] if len(words) == 1 else []


def _perl(found: re.Match[str]) -> Sequence[BuildNeed]:
    return [BuildNeed(PERL, found[1].removesuffix(".pm").replace("/", "::"))]


def _rule(found: re.Match[str]) -> Sequence[BuildNeed]:
    path = found[1]
    if path.startswith("/usr/include/"):
        return [BuildNeed(HEADER, path.removeprefix("/usr/include/"))]
    library = re.fullmatch(r"/usr/lib/(?:[\w.]+-linux-gnu\w*/)?lib([\w.+-]+?)\.(?:so|a)", path)
    return (
        [BuildNeed(LIBRARY, library[1])]
        if library
        else [BuildNeed(PROGRAM, path)]
        if path.startswith("/usr/bin/")
        else []
    )


def _interpreter(found: re.Match[str]) -> Sequence[BuildNeed]:
    return [BuildNeed(PROGRAM, found[1].rpartition("/")[2])]


_KNOWN: Sequence[tuple[re.Pattern[str], Reader | str]] = tuple(
    (re.compile(pattern, re.MULTILINE), reader)
    for pattern, reader in (
        # Compilers: gcc, g++, clang, gfortran, and what includes headers as they do.
        (rf"fatal error: {_Q}{_PATH}{_Q}(?:: No such file or directory| file not found)", _header),
        (rf"^[^\n:]+:\d+:\d+: error: {_Q}{_PATH}{_Q} file not found", _header),
        (
            rf"Fatal Error: Cannot open module file {_Q}{_PATH}\.mod{_Q} for reading",
            lambda m: [BuildNeed(HEADER, f"{m[1]}.mod")],
        ),
        (
            r"cannot execute '?(?:cc1plus)'?:|CXX_COMPILER could be found|C\+\+ compiler cannot create executables",
            _package("g++"),
        ),
        (
            r"C\+\+ preprocessor .* fails sanity check|\[\['?c\+\+'?\], \['?g\+\+|Unknown compiler\(s\): \[\['?c\+\+",
            _package("g++"),
        ),
        (
            r"cannot execute '?f951'?:|Fortran_COMPILER could be found|Unknown compiler\(s\): \[\['?gfortran",
            _package("gfortran"),
        ),
        (r"cannot execute '?cc1obj'?:", _package("gobjc")),
        (r"no acceptable C compiler found|No CMAKE_C_COMPILER could be found|linker `cc` not found", _package("gcc")),
        (r"cannot find (?:S|g|r)?crt1\.o", _package("libc6-dev")),
        (rf"compiler command not found: {_NAME}", _program),
        # Linkers: ld, gold, lld, mold.
        (rf"cannot find -l:?{_NAME}", _of(LIBRARY)),
        (rf"(?:unable to find library|library not found for) -l{_NAME}", _of(LIBRARY)),
        (rf"mold: fatal: library not found: {_NAME}", _of(LIBRARY)),
        (rf"could not find native static library `{_NAME}`", _of(LIBRARY)),
        (
            rf"(?:ImportError|OSError|loading shared libraries): {_NAME}(?:\.so[\d.]*)?: cannot open shared object",
            lambda m: _soname(m),
        ),
        # pkg-config.
        (rf"No package {_Q}{_NAME}{_Q} found", _of(PC)),
        (rf"Package {_Q}{_NAME}{_Q}(?:, required by [^\n]*?,)? (?:was )?not found", _of(PC)),
        (r"[Pp]ackage requirements \(([^)\n]*)\) were not met", _modules),
        (rf"Requested {_Q}{_NAME} >= ?[^'\n]*{_Q} but version of", _OLD),
        (rf"Dependency {_NAME} found: NO,? found [\d.]+ but need", _OLD),
        (
            r"pkg-config script could not be found|Could NOT find PkgConfig|Pkg-config (?:binary )?.*not found",
            _package("pkgconf"),
        ),
        # Meson.
        (rf"ERROR: Dependency {_Q}{_NAME}{_Q} (?:not found|is required)", _pkg_config),
        (rf"ERROR: Dependency lookup for {_NAME} with method", _pkg_config),
        (
            rf"dependency {_NAME} found: NO[^\n]*\n(?:[^\n]*\n){{0,6}}?[^\n]*ERROR: "
            r"(?:Neither a subproject|Automatic wrap|Subproject)",
            _pkg_config,
        ),
        (
            rf"ERROR: (?:C|C\+\+|Fortran|Objective-C) (?:shared or static )?library {_Q}{_NAME}{_Q} not found",
            _of(LIBRARY),
        ),
        (rf"ERROR: (?:C|C\+\+) header {_Q}{_PATH}{_Q} not found", _header),
        (rf"Program {_Q}{_NAME}(?: [^'\n]*)?{_Q} not found", _program),
        (rf"Program\(s\) \['{_NAME}'[^\n]*\] not found", _program),
        (rf"missing modules: {_NAME}", _of(PYTHON)),
        (rf"Could not execute Vala compiler: {_NAME}", _package("valac")),
        (rf"Package {_Q}{_NAME}{_Q} not found in specified Vala API", _of(PC)),
        # CMake.
        (rf"Could not find a package configuration file provided by\s+\"{_NAME}\"", _cmake),
        (rf"By not providing \"Find{_NAME}\.cmake\"", _cmake),
        (rf"Could NOT find {_NAME} \(missing: ([^)]*)\)", _cmake_parts),
        (rf"Could NOT find {_NAME}(?=[ :,(]|$)", _cmake),
        (r"Failed to find (?:required )?Qt(\d?) component \"(\w+)\"", _qt),
        (rf"The following required packages were not found:\s+- {_NAME}", _of(PC)),
        (rf"None of the required {_Q}{_NAME}[^'\n]*{_Q} found", _of(PC)),
        (
            rf"Could not find \w+ using the following names: {_NAME}",
            lambda m: [BuildNeed(LIBRARY, m[1]), BuildNeed(PROGRAM, m[1]), BuildNeed(HEADER, m[1])],
        ),
        (r"CMake was unable to find a build program corresponding to \"Ninja\"", _package("ninja-build")),
        # autoconf, automake, configure.
        (rf"possibly undefined macro: {_NAME}", _of(MACRO)),
        (rf"error: macro {_Q}{_NAME}{_Q} is not defined", _of(MACRO)),
        (rf"Can't exec \"{_NAME}\"", _program),
        (
            r"Libtool library used but|required file '[^'\n]*ltmain\.sh' not found|LIBTOOL' is undefined",
            _package("libtool"),
        ),
        (r"must install xorg-macros", _package("xutils-dev")),
        (r"syntax error near unexpected token `[^\n]*\n[^\n]*line \d+: `\s*((?:PKG|AX|LT|AM)_\w+)", _of(MACRO)),
        (r"line \d+: ((?:PKG|AX|LT|AM|IT|GTK)_\w+): command not found", _of(MACRO)),
        (r"XML::Parser perl module is required", lambda m: [BuildNeed(PERL, "XML::Parser")]),
        (
            r"^checking for ([^\n]*?)\.\.\. (?:no|not found|none|\w*NOT_FOUND\w*)\n"
            r"(?:(?!checking )[^\n]*\n){0,4}?configure: error:",
            _checked,
        ),
        (
            rf"configure: error: (?:[^\n]*\s)?(?:lib)?{_NAME} (?:headers?|librar(?:y|ies)|development files?)"
            r"[^\n]* (?:not found|required|missing)",
            lambda m: _named(m),
        ),
        # make, shells and what runs programs.
        (rf"line \d+: {_PATH}: (?:command not found|No such file or directory)", _program),
        (rf"^[^\n: ]+: \d+: {_PATH}: not found", _program),
        (rf"sh: (?:line )?\d+: {_PATH}: not found", _program),
        (rf"bash: (?:line \d+: )?{_PATH}: command not found", _program),
        (rf"make(?:\[\d+\])?: {_PATH}: (?:No such file or directory|Command not found)", _program),
        (rf"(?:usr/bin/)?env: {_Q}{_PATH}{_Q}: No such file or directory", _program),
        (rf": {_PATH}: bad interpreter: No such file", _interpreter),
        (
            rf"(?:execvp|xargs|nice|time|timeout): (?:failed to run command )?{_Q}{_PATH}{_Q}: No such file",
            _program,
        ),
        (rf"exec: \"{_PATH}\": executable file not found in \$PATH", _program),
        (rf"No rule to make target {_Q}(/usr/[\w./+-]+){_Q}", _rule),
        (rf"is `{_NAME}` not installed\?", _program),
        (
            rf"(?:[Cc]ould not find|cannot find|failed to find) `?{_NAME}`? "
            r"(?:installation|executable|binary|program|command)",
            _program,
        ),
        (rf"{_NAME}(?: executable)? not found(?: in PATH|\. Please install|: please install| on PATH)", _program),
        (rf"{_NAME}: program not found or is not executable", _program),
        (
            rf"{_Q}{_NAME}{_Q} (?:command|program|tool|executable|utility) (?:appears not to be|is not|was not|not) "
            r"(?:installed|found|available)",
            _program,
        ),
        (r"\[-Wimplicit-(?:function-declaration|int)\]|\[-W(?:int-conversion|incompatible-pointer-types)\]", _OLD_C),
        # Since GCC 10, a variable that several files define without `extern` is an error; functions stay one.
        (r"\(\.bss(?:\.\w+)?\+0x[0-9a-f]+\): multiple definition of", _OLD_C),
        (r"ISO C\+\+17 does not allow (?:dynamic exception specifications|.register. storage class)", _OLD_CXX),
        (r"(?:[Ii]nstall|apt(?:-get)? install) (?:the )?(?:package )?([a-z0-9][a-z0-9+.-]+-dev)\b", _of(PACKAGE)),
        (r"[Uu]nable to find Docbook XSL", _package("docbook-xsl")),
        (rf"FileNotFoundError: \[Errno 2\] No such file or directory: {_Q}([\w+-][\w.+-]*){_Q}", _program),
        # Interpreters.
        (rf"(?:ModuleNotFoundError|ImportError): No module named {_Q}{_NAME}{_Q}", _of(PYTHON)),
        (rf"Could not import extension {_NAME}", _of(PYTHON)),
        (r"Error: pg_config executable not found|pg_config: not found", lambda m: [BuildNeed(PACKAGE, "libpq-dev")]),
        (
            r"mysql_config not found|Can not find valid pkg-config name",
            lambda m: [BuildNeed(PACKAGE, "libmariadb-dev")],
        ),
        (rf"headers or library files could not be found for {_NAME}", lambda m: _named(m)),
        (
            r"make sure the libxml2 and libxslt development packages are installed",
            lambda m: [BuildNeed(PACKAGE, "libxslt1-dev")],
        ),
        (r"Can't locate ([\w/]+\.pm) in @INC", _perl),
        (r"mkmf\.rb can't find header files for ruby", _package("ruby-dev")),
        (rf"cannot load such file -- {_PATH}", _of(RUBY)),
        # npm, node-gyp, cargo's -sys crates, cgo.
        (r"gyp ERR! find Python|gyp ERR! .*Could not find any Python", _package("python3")),
        (rf"gyp ERR! .*not found: {_NAME}", _program),
        (rf"system library `{_NAME}` required by crate", _of(PC)),
        (rf"The file `{_NAME}\.pc` needs to be installed", _of(PC)),
        (rf"[Cc]ould not find (?:system )?(?:library )?{_Q}{_NAME}{_Q} (?:via|using|with) pkg-config", _of(PC)),
        (r"Could not find directory of OpenSSL installation", lambda m: [BuildNeed(PC, "openssl")]),
        (r"Unable to find libclang", _package("libclang-dev")),
        # Documentation.
        (r"docbook\.sourceforge\.net/release/xsl|docbook-xsl", _package("docbook-xsl")),
        (r"www\.oasis-open\.org/docbook/xml", _package("docbook-xml")),
        # Locks of other package managers.
        (rf"no matching package named `{_NAME}` found", _CARGO),
        (rf"failed to select a version for the requirement `{_NAME}", _CARGO),
        (r"cannot find module providing package (\S+): import lookup disabled by -mod=vendor", _GO),
        (r"([^\s@]{1,250})@[^\s@]{1,99}: is explicitly required in go\.mod, but not marked as explicit in vendor", _GO),
        (rf"Could not find gem '{_NAME}", _GEM),
        (rf"Could not find {_NAME} in (?:locally installed|cached) gems", _GEM),
        (r"npm (?:error|ERR!) code (ENOTCACHED|EUSAGE)", _NPM),
        (rf"No matching distribution found for {_NAME}", _PIP),
    )
)


def _soname(found: re.Match[str]) -> Sequence[BuildNeed]:
    text = found[0].rpartition(": cannot")[0].rpartition(": ")[2]
    return [BuildNeed(SONAME, text)] if ".so" in text else []


def _named(found: re.Match[str]) -> Sequence[BuildNeed]:
    """Read a library that a message names in its own words."""
    name = found[1]
    plain = name.lower().removeprefix("lib")
    return [
        BuildNeed(PC, name),
        BuildNeed(PC, name.lower()),
        BuildNeed(LIBRARY, plain),
        BuildNeed(PC, f"lib{plain}"),
        BuildNeed(HEADER, f"{plain}.h"),
    ]


def find_missing(text: str) -> list[MissingThing]:
    """Return what the messages of a log say is missing, in their order, each thing once.

    Messages of a lower weight count only if there is no other: a program that a shell did not find in the last lines,
    and of the status lines of CMake the last one, as others are about optional packages.
    """
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text[-MAX_TEXT:])
    found: list[MissingThing] = []
    for pattern, reader in _KNOWN:
        for match in pattern.finditer(text):
            name = match[1] if match.re.groups else ""
            if isinstance(reader, str):
                weight = _STATUS if reader in (_OLD_C, _OLD_CXX) else _ERROR
                found.append(MissingThing(name, (), reader.format(name), match.start(), weight))
                break
            needs = tuple(need for need in reader(match) if need.name)
            if needs:
                shown = name if isinstance(name, str) and name else needs[0].name
                found.append(MissingThing(shown, needs, "", match.start(), _weight(text, match.start(), needs)))
    errors = [item for item in found if item.weight == _ERROR]
    late = _last_lines(text)
    commands = [item for item in found if item.weight == _COMMAND and item.at >= late]
    status = sorted((item for item in found if item.weight == _STATUS), key=lambda item: (not item.needs, item.at))
    found = errors or commands or status[-1:]
    ordered: dict[object, MissingThing] = {}
    for item in sorted(found, key=lambda item: item.at):
        ordered.setdefault(item.needs[:1] or item.advice, item)
    return list(ordered.values())


def old_sources(text: str) -> str | None:
    """Return the variable of OLD_SOURCES whose flag lets the compiler accept the sources.

    None if a log does not show that they are old, or names something that is missing.
    """
    found = find_missing(text)
    if len(found) != 1 or found[0].needs:
        return None
    return {_OLD_C: "CFLAGS", _OLD_CXX: "CXXFLAGS"}.get(found[0].advice)


def _last_lines(text: str) -> int:
    """Return the offset of the last lines of a text, before which a missing program did not end the build."""
    at = len(text)
    for _ in range(_LATE):
        at = text.rfind("\n", 0, at)
        if at < 0:
            return 0
    return at


def _weight(text: str, at: int, needs: Sequence[BuildNeed]) -> int:
    """Return the weight of a message. A status line of CMake, or a shell's about a program, is no error by itself."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    if re.match(r"\s*(?:--|[\d:]+ --)\s", line):
        return _STATUS
    return _COMMAND if needs[0].kind == PROGRAM else _ERROR
