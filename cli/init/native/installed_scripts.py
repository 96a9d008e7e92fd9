"""Find the scripts that a project installs, so that the image of a linked package has what runs them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice

from ..guess import Guess

# The package of each interpreter that scripts name in their first lines.
INTERPRETERS: Mapping[str, str] = {
    "sh": "dash", "bash": "bash", "perl": "perl", "python3": "python3", "ruby": "ruby", "awk": "mawk", "gawk": "gawk",
    "tclsh": "tcl", "php": "php-cli", "node": "nodejs", "zsh": "zsh", "guile": "guile-3.0",
}  # fmt: skip
# Each Debian system has these, and the linker finds them by itself.
_EVERYWHERE = frozenset({"sh", "bash", "perl", "awk"})
_FIRST_LINE = re.compile(rb"#!\s*(?:/(?:\S*/)?(?:env\s+(?:-S\s+)?)?([\w.+-]+)|@(\w+)@)")
_ENDINGS = ("", ".in", ".sh", ".pl", ".py", ".rb", ".tcl", ".py.in", ".pl.in")
# Bounds of a build file: the words of a list, the characters of a call and of a line, and the calls.
_MAX_WORDS = 2000
_MAX_CALL = 2200
_MAX_LINE = 8000
_MAX_CALLS = 1000
# automake's lists, the calls of CMake and of Meson, and the commands in recipes of Makefiles.
_LIST = re.compile(r"^[ \t]*+(?:(?:no)?dist_)?s?bin_SCRIPTS[ \t]*+\+?=([^\n#]*+)", re.MULTILINE)
_CMAKE_CALL = re.compile(r"\binstall\s*+\(", re.IGNORECASE)
_MESON_CALL = re.compile(r"\b(?:install_data|configure_file)\s*+\(")
_COMMAND = re.compile(r"(?:\binstall|\bcp|INSTALL\w{0,40}[)}])\s", re.IGNORECASE)
_PARENTHESIS = re.compile(r"[()]")


def with_interpreters(
    guess: Guess, texts: Mapping[str, str], files: Collection[str], head: Callable[[str], bytes]
) -> Guess:
    """Return a guess whose image has the interpreters of the scripts that the project installs.

    texts: of its build files. files: the paths of all its files. head: reads the beginning of one.
    """
    found: dict[str, str] = {}
    for path in installed_scripts(texts, files):
        name = interpreter(head(path))
        package = INTERPRETERS.get(name)
        if package and name not in _EVERYWHERE and package not in guess.image_packages:
            found.setdefault(package, f"{path}, which is installed, is run by {name}")
    if not found or guess.library:
        return guess
    return guess._replace(
        image_packages=[*guess.image_packages, *sorted(found)], reasons=[*guess.reasons, *found.values()]
    )


def installed_scripts(texts: Mapping[str, str], files: Collection[str]) -> Iterator[str]:
    """Yield the paths of the files that build files install to `bin` and that may be scripts, each once."""
    by_name: dict[str, list[str]] = {}
    for path in sorted(files, key=lambda path: (path.count("/"), path)):
        by_name.setdefault(path.rpartition("/")[2], []).append(path)
    told = set()
    for build, text in texts.items():
        folder = build[: build.rfind("/") + 1]
        for word in dict.fromkeys(_words(text)):
            name = word.rpartition("/")[2]
            paths = [path for ending in _ENDINGS for path in by_name.get(f"{name}{ending}", ())]
            near = [path for path in paths if path.startswith(folder)]
            if near and near[0] not in told:
                told.add(near[0])
                yield near[0]


def interpreter(head: bytes) -> str:
    """Return the name of what runs a script that begins with `head`, such as python3, or ""."""
    first = _FIRST_LINE.match(head)
    if first is None:
        return ""
    name = first[1].decode() if first[1] else re.sub(r"_?(?:PATH|PROG|BIN)$", "", first[2].decode()).lower()
    return "python3" if re.fullmatch(r"python(?:3(?:\.\d+)?)?", name) else name


def _words(text: str) -> Iterator[str]:
    for listed in _lists(re.sub(r"\\\n", " ", text)):
        for word in re.split(r"[\s,'\"\[\]()]+", listed)[:_MAX_WORDS]:
            if re.fullmatch(r"(?:\$[({]\w+[)}]/)?[\w.+/-]+", word):
                yield word


def _lists(text: str) -> Iterator[str]:
    """Yield the parts of a build file that list what is installed to `bin`."""
    yield from _LIST.findall(text)
    for call in _arguments(_CMAKE_CALL, text):
        words = call.split()
        kinds = [word.upper() for word in words]
        if kinds[:1] in (["PROGRAMS"], ["FILES"]) and "DESTINATION" in kinds:
            end = kinds.index("DESTINATION")
            if "bin" in " ".join(words[end + 1 :])[:100].lower():
                yield " ".join(words[1:end])
    yield from (call for call in _arguments(_MESON_CALL, text) if "bindir" in call)
    for line in text.splitlines():
        command = _COMMAND.search(line[:_MAX_LINE]) if line.startswith("\t") else None
        if command and "bin" in (listed := line[command.end() : _MAX_LINE]).lower():
            yield listed


def _arguments(start: re.Pattern[str], text: str) -> Iterator[str]:
    """Yield the text between the parentheses of calls. start: matches up to the first parenthesis."""
    for found in islice(start.finditer(text), _MAX_CALLS):
        call, depth = text[found.end() : found.end() + _MAX_CALL], 1
        for parenthesis in _PARENTHESIS.finditer(call):
            depth += 1 if parenthesis[0] == "(" else -1
            if depth == 0:
                yield call[: parenthesis.start()]
                break
