"""Explain the names that a program looked up in vain: which package has the file, and which line adds it to an image.

Only exact paths of packages count. So the search paths of the linker, of shells and of languages are no findings, and
neither is a file that the image has in another directory of a search path, nor one that programs do without.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from fpack.builders.payload.globs import Globs, merged

DROPPED, LEFT_OUT, PACKAGE = "dropped", "left out", "package"
MOST = 10  # findings to report
_MORE = 3  # further paths of a finding
# Directories of the kernel, of the machine and of users, in which no package has files that programs look for.
_RUNTIME = ("dev/", "proc/", "sys/", "tmp/", "run/", "home/", "build/", "fpack/")
_SEARCHED = ("bin", "sbin", "games")
_MAX_LINE = 200  # characters; a shorter line adds more files
# Files that libraries look for at each start, and without which they work as most programs expect; and documentation,
# whose presence some programs check, as `postfix check` does.
_OPTIONAL = Globs(
    [
        "/etc/gai.conf",  # addresses are sorted by the standard's table
        "/etc/host.conf",
        "/etc/nsswitch.conf",  # the C library looks in files, then in DNS
        "/etc/inputrc",  # readline has default keys
        "/etc/bash.bashrc",
        "/usr/lib/*/gconv/gconv-modules*",  # iconv has UTF-8, UCS-2, UCS-4 and ASCII built in
        "/usr/lib/*/gconv/gconv-modules.d/**",
        "/usr/lib/locale/**",  # the locales C and C.UTF-8 are built in
        "/usr/share/locale/**",  # messages are in English
        "/usr/share/locale-langpack/**",
        "/usr/share/doc/*/AUTHORS*",
        "/usr/share/doc/*/NEWS*",
        "/usr/share/doc/*/README*",
        "/usr/share/doc/*/TODO*",
        "/usr/share/doc/*/changelog*",
        "/usr/share/doc/*/copyright",
        "/usr/share/doc-base/**",
        "/usr/share/info/**",
        "/usr/share/man/**",
    ]
)


class ClosurePackage(NamedTuple):
    """A package that the image's root may take files from.

    inside: the image has files of it. keep, drop: the rule of its slice. files: returns which of some relative paths
    its payload has; None if that is unknown.
    """

    name: str
    inside: bool
    keep: tuple[str, ...] | None
    drop: tuple[str, ...]
    files: Callable[[frozenset[str]], frozenset[str]] | None


class DropRules(NamedTuple):
    """The globs of fpack's own rules: those for all packages, and those for libraries of a linked image, by package."""

    shared: tuple[str, ...]
    lean: Mapping[str, tuple[str, ...]]


class TrialFinding(NamedTuple):
    """Files that a program looked for. kind: why the image lacks them.

    line: the line of a container that adds the first, or "" if it depends on what the container says already.
    """

    paths: tuple[str, ...]
    package: str
    kind: str
    line: str

    def as_json(self) -> dict[str, object]:
        """Return the finding as JSON values."""
        return {**self._asdict(), "line": self.line or None}


def find(
    absent: Iterable[bytes],
    closure: Sequence[ClosurePackage],
    files: Iterable[str],
    rules: Callable[[], DropRules],
    contents: Callable[[Sequence[str]], Mapping[str, Sequence[str]]],
    linked: bool,
    succeeded: bool = False,
) -> list[TrialFinding]:
    """Return the findings, the most likely cause first, at most MOST.

    absent: absolute names. files: the relative paths of the image. contents: returns the packages of Debian that have
    each of some absolute paths. linked: the image has only the files that others load. succeeded: the command did, so
    that only programs count.
    """
    names = {path.rpartition("/")[2] for path in files if is_searched(path)}
    order = list(dict.fromkeys(path for name in absent if (path := _clean(name)) and not _elsewhere(path, names)))
    order = [path for path in order if not (succeeded and _rank(path)) and not _OPTIONAL.covers(path)]
    wanted = frozenset(order)
    known: dict[str, ClosurePackage] = {}
    for package in closure:
        for path in package.files(wanted) if package.files is not None else ():
            known.setdefault(path, package)
    listed = {package.name: package for package in closure}
    others = contents([f"/{path}" for path in order if path not in known])
    grouped: dict[tuple[str, str], list[str]] = {}
    for path in order:
        if path in known:
            kind = DROPPED if known[path].inside else LEFT_OUT
            grouped.setdefault((kind, known[path].name), []).append(path)
        elif found := others.get(f"/{path}"):
            name = _best(found, path, listed)
            if name in listed and listed[name].inside and listed[name].files is not None:
                continue  # the package has it under another path
            kind = PACKAGE if name not in listed else DROPPED if listed[name].inside else LEFT_OUT
            grouped.setdefault((kind, name), []).append(path)
    chosen = sorted(grouped, key=lambda key: (_KINDS.index(key[0]), _rank(grouped[key][0])))[:MOST]
    return [
        TrialFinding(
            tuple(f"/{path}" for path in grouped[key][: _MORE + 1]),
            key[1],
            key[0],
            _line(key[0], grouped[key][0], key[1], listed.get(key[1]), rules, linked),
        )
        for key in chosen
    ]


_KINDS = (DROPPED, LEFT_OUT, PACKAGE)


def _clean(name: bytes) -> str:
    """Return the relative path in merged /usr that a name means, or "" if no package has such a path."""
    path = merged(os.fsdecode(os.path.normpath(name)).strip("/"))
    return "" if path.startswith(_RUNTIME) else path


def is_searched(path: str) -> bool:
    """Return whether a path is a program or a library, which are looked for in several directories."""
    directory, _, name = path.rpartition("/")
    return directory.rpartition("/")[2] in _SEARCHED or ".so" in name


def _elsewhere(path: str, names: set[str]) -> bool:
    return is_searched(path) and path.rpartition("/")[2] in names


def _rank(path: str) -> int:
    directory, _, name = path.rpartition("/")
    return 0 if directory.rpartition("/")[2] in _SEARCHED else 1 if ".so" in name else 2


def _best(packages: Sequence[str], path: str, listed: Mapping[str, ClosurePackage]) -> str:
    """Return the package to name of several that have a path."""
    name = path.rpartition("/")[2]
    return min(packages, key=lambda package: (package not in listed, package != name, len(package), package))


def _line(
    kind: str, path: str, name: str, package: ClosurePackage | None, rules: Callable[[], DropRules], linked: bool
) -> str:
    """Return the line of a container that adds a path, or ""."""
    if kind == LEFT_OUT and linked:
        return f"wants = {_list([f'/{path}'])}"
    if kind in (LEFT_OUT, PACKAGE) or package is None:
        return ""  # the list of packages is the user's
    if package.keep is not None and not Globs(package.keep).covers(path):
        line = _rule(name, [*package.keep, f"/{path}"])
        return line if len(line) <= _MAX_LINE else _rule(name, ["/**"])
    covering = [glob for glob in package.drop if Globs([glob]).covers(path)]
    known = rules()
    if any(glob in known.lean.get(name, ()) for glob in covering):
        return _rule(name, ["/**"])
    if covering and all(glob in known.shared for glob in covering):
        # Only the container's own list replaces that of fpack.
        left = [glob for glob in known.shared if glob in package.drop and glob not in covering]
        line = f"drop = {_list(left)}"
        return line if len(line) <= _MAX_LINE else "drop = []"
    return ""  # a rule of the container, or of its packages


def _rule(name: str, keep: Sequence[str]) -> str:
    return f"rules = {{ {_field(name)} = {{ keep = {_list(keep)} }} }}"


def _list(items: Iterable[str]) -> str:
    return f"[{', '.join(map(_quoted, items))}]"


def _quoted(text: str) -> str:
    return json.dumps(text).replace("${", "\\${")


def _field(name: str) -> str:
    """Return a package's name as it follows a dot or stands in a record."""
    return name if name.replace("-", "").isalnum() and name[:1].isalpha() else _quoted(name)
