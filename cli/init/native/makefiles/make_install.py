"""Find out which programs a Makefile installs, and how it is told where: by PREFIX, absolute paths, or DESTDIR."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_RULE = re.compile(
    r"^install[\w.-]*[ \t]*:(?!=)[^\n]*\n"
    r"((?:\t[^\n]*(?:\n|\Z)|[ \t]*\n|[ \t]*#[^\n]*\n|[ ]*(?:ifn?eq|ifn?def|else|endif)\b[^\n]*(?:\n|\Z))+)",
    re.MULTILINE,
)
_VARIABLE = re.compile(r"\$[({](\w+)[)}]")
_ASSIGN = re.compile(r"^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*(?:\?|:{1,3})?=[ \t]*([^#\n]*?)[ \t]*(?:#.*)?$", re.MULTILINE)
_SYSTEM = re.compile(r"/(?:usr(?:/local)?|opt)?(?:/|\Z)|/(?:s?bin|etc|lib\d*|var|share)(?:/|\Z)")
_MAKES = re.compile(
    r"mkdir|install\s[^\n]{0,200}-\w{0,20}[dD]\b|INSTALL[^\n]{0,200}-\w{0,20}[dD]\b|INSTALL_?DIR|MKDIR", re.IGNORECASE
)
_PLACE = re.compile(r"(?:/[\w.+-]+)+/?")
_PREFIXES = frozenset({"PREFIX", "prefix"})
_ROOTS = frozenset(
    {"DESTDIR", "BUILD_ROOT", "BUILDROOT", "ROOT", "INSTALL_ROOT", "INSTROOT", "DSTROOT", "DEST", "RPM_BUILD_ROOT"}
)


# Directories that a Makefile may look for on the system, by the usual names of their variables.
_USUAL = {"LIBDIR": "/lib", "USRLIBDIR": "/lib", "libdir": "/lib", "PKGCONFIGDIR": "/lib/pkgconfig"}


class InstallWay(NamedTuple):
    """How to install below `$out`. flags: words for each make, such as `BINDIR="$out/bin"`. staged: the Makefile
    installs to absolute paths below DESTDIR only. directories: those below `$out` that must be there before."""

    flags: tuple[str, ...] = ()
    staged: bool = False
    directories: tuple[str, ...] = ()


_SAYS = re.compile(r"[\t @-]*(?:echo|printf)\b[^;&|>`]*\Z")


def has_install(makefile: str) -> bool:
    """Return whether a Makefile has a target `install` that does more than say how to install by hand."""
    found = re.search(r"^install[ \t]*::?(?!=)[ \t]*([^\n#;]*)([^\n]*)((?:\n\t[^\n]*)*)", makefile, re.MULTILINE)
    if found is None:
        return False
    lines = [line for line in found[3].splitlines() if line.strip()]
    makes_only = set(found[1].split()) <= {"all", "default", "build"}
    return found[2].startswith(";") or not makes_only or not lines or not all(map(_SAYS.match, lines))


def install_way(makefile: str) -> InstallWay:
    """Return how a Makefile with a target `install` is told where to install, besides PREFIX."""
    text = re.sub(r"\\\n", " ", makefile)
    recipes = "\n".join(_RULE.findall(text))
    values: dict[str, str] = dict(reversed(_ASSIGN.findall(text)))  # the first assignment is the usual one
    used = _used(recipes, values)
    places = {name for name in used if name in _ROOTS - {"DESTDIR"} and _PLACE.fullmatch(values.get(name, ""))}
    own = [name for name in used if name in values and name not in _PREFIXES | _ROOTS and _is_path(values, name)]
    below = {name: _below(_expanded(values, name)) for name in own if places.isdisjoint(_used(values[name], values))}
    below |= dict.fromkeys(places, "")  # one that has a value of its own is no root, but a prefix
    below |= {name: _USUAL[name] for name in used if name in _USUAL and _is_computed(values, name)}
    flags = tuple(f'{name}="$out{path}"' for name, path in sorted(below.items()))
    given = {**values, **dict.fromkeys(_PREFIXES, "$out"), **{name: f"$out{path}" for name, path in below.items()}}
    directories = () if _MAKES.search(recipes) else _directories(recipes, given)
    staged = bool(re.search(r"\$[({]DESTDIR[)}]/(?:usr|bin|sbin|etc|lib|var|opt)\b", recipes))
    return InstallWay(flags, staged, () if staged else directories)


def _is_computed(values: Mapping[str, str], name: str) -> bool:
    """Return whether make finds out a directory by functions and programs that look at the system."""
    seen: set[str] = set()
    todo = [name]
    while todo:
        value = values.get(todo.pop(), "")
        if re.search(r"\$[({]shell\b", value):
            return True
        more = set(_VARIABLE.findall(value)) - seen
        todo += more
        seen |= more
    return False


def _used(recipes: str, values: Mapping[str, str]) -> list[str]:
    """Return the variables that recipes use, also by other variables, in the order of their names."""
    found: set[str] = set()
    todo = _VARIABLE.findall(recipes)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += _VARIABLE.findall(values.get(name, ""))
    return sorted(found)


def _is_path(values: Mapping[str, str], name: str) -> bool:
    """Return whether a variable's own value is an absolute path of the system, which PREFIX does not change."""
    if any(part in _PREFIXES for part in _used(values[name], values)):
        return False
    value = _expanded(values, name)
    if not re.fullmatch(r"/[\w./+-]+", value) or not _SYSTEM.match(value):
        return False
    # A path below that of another variable follows that one.
    parts = [part for part in _used(values[name], values) if part in values and part != name and part not in _ROOTS]
    return not any(_expanded(values, part).startswith("/") for part in parts)


def _expanded(values: Mapping[str, str], name: str) -> str:
    value = values[name]
    for _ in range(5):
        value = _VARIABLE.sub(lambda v: "" if v[1] in _ROOTS else values.get(v[1], ""), value)
    return value.strip().strip("\"'")


def _directories(recipes: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the directories to which the lines of recipes install, as far as they are below `$out`."""
    found: set[str] = set()
    for line in recipes.splitlines():
        words = line.split()
        if len(words) < 3 or not re.search(r"\b(?:install|cp)$|INSTALL\w*[)}]$", words[0].lstrip("@-")):
            continue
        path = words[-1].rstrip(";")
        for _ in range(6):
            path = _VARIABLE.sub(lambda v: "" if v[1] in _ROOTS else values.get(v[1], v[0]), path)
        if re.fullmatch(r"\$out(?:/[\w.+-]+)+/?", path):
            is_directory = path.endswith("/") or re.search(r"/(?:s?bin|lib|games|include|man\d|share|etc)$", path)
            found.add(path.rstrip("/") if is_directory else path.rpartition("/")[0])
    return tuple(sorted(found - {"$out"}))


def _below(path: str) -> str:
    """Return a path of the system as a path below a prefix."""
    path = re.sub(r"^/(?:usr/local|usr|opt)(?=/|\Z)", "", path)
    return re.sub(r"^/man(?=/|\Z)", "/share/man", path) or ""


_MAX_LINE = 2000  # characters; the pattern takes time quadratic in the length
_INSTALLS = re.compile(
    r"[\t@-]*(?:install|cp|\$[({]INSTALL\w*[)}])\s.*?(\S+)\s+\S*?\b(s?bin)(?:dir[)}])?(/\S*)?\s*\Z", re.IGNORECASE
)
_PROGRAM = re.compile(r"[A-Za-z0-9][\w+-]*")


def installed_programs(makefile: str) -> tuple[str, list[str]]:
    """Return the directory and the names of the programs that the first such line of a Makefile installs to bin or
    sbin, as `install hello $(bindir)` does; no names if there is none.
    """
    lists = dict(re.findall(r"^(\w+)[ \t]*[:?]?=[ \t]*([^\n#]*)$", re.sub(r"\\\n", " ", makefile), re.MULTILINE))
    for recipe in re.findall(r"^install[\w-]*[ \t]*:.*\n((?:\t.*(?:\n|\Z)|[ \t]*\n)+)", makefile, re.MULTILINE):
        for line in recipe.splitlines():
            into = _INSTALLS.match(line) if len(line) <= _MAX_LINE else None
            if not into:
                continue
            listed = re.fullmatch(r"\$[({](\w+)[)}]", into[1])
            several = [
                word.rpartition("/")[2]
                for word in re.sub(r"\$[({]?\w+[)}]?", "", lists.get(listed[1], "") if listed else "").split()
            ]
            several = [word for word in several if _PROGRAM.fullmatch(word)]
            if several and not into[3]:
                return into[2].lower(), several
            name = ((into[3] or "").strip("/") or into[1]).rpartition("/")[2]
            if name and _PROGRAM.fullmatch(name):
                return into[2].lower(), [name]
    return "bin", []
