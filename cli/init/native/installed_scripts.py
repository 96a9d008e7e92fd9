"""Find the scripts that a project installs, so that the image of a linked package has what runs them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping

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
_MAX_WORDS = 2000
_LISTS = (
    # automake, CMake, Meson, recipes of Makefiles
    re.compile(r"^[ \t]*(?:(?:no)?dist_)?s?bin_SCRIPTS[ \t]*\+?=[ \t]*([^\n#]*)", re.MULTILINE),
    re.compile(r"\binstall\s*\(\s*(?:PROGRAMS|FILES)\s+([^()]{1,2000}?)\s+DESTINATION\s+[^()]{0,100}bin", re.I),
    re.compile(r"\b(?:install_data|configure_file)\s*\(((?:[^()]|\([^()]*\)){1,2000})\)"),
    re.compile(r"^\t[^\n]*?(?:\binstall|\bcp|INSTALL\w*[)}])\s([^\n]*bin[^\n]*)$", re.MULTILINE | re.I),
)


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
        folder = build.rpartition("/")[0]
        for word in _words(text):
            name = word.rpartition("/")[2]
            paths = [path for ending in _ENDINGS for path in by_name.get(f"{name}{ending}", ())]
            near = [path for path in paths if path.rpartition("/")[0].startswith(folder)]
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
    joined = re.sub(r"\\\n", " ", text)
    for pattern in _LISTS:
        for listed in pattern.findall(joined):
            if "install_data" in pattern.pattern and "bindir" not in listed:
                continue
            for word in re.split(r"[\s,'\"\[\]()]+", listed)[:_MAX_WORDS]:
                if re.fullmatch(r"(?:\$[({]\w+[)}]/)?[\w.+/-]+", word):
                    yield word
