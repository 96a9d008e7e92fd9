"""What the files of one slice load: libraries, interpreters, and what their symlinks lead to."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fpack.builders.payload import meta
from fpack.builders.payload.globs import merged
from fpack.builders.payload.slice_table import SliceTable

NEEDED, INTERP, SCRIPT, LINK, ASKED, SEED = "needed", "interp", "script", "link", "asked", "seed"
PATH = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin")
_IGNORED_FOLDERS = {"testdata", "examples", "example", "tests", "test"}
_IGNORED_PREFIXES = ("usr/lib/debug/", "usr/share/doc/", "usr/src/")
_UNREAD = ("usr/share/man/", "usr/share/info/", "usr/lib/debug/")
_ELSEWHERE = ("dev/", "proc/", "sys/", "run/", "tmp/", "var/", "etc/alternatives/")
# What a library opens by name on every system: pthread_cancel fails without libgcc_s.
_OPENED = {"libc.so.6": ("libgcc_s.so.1",)}


@dataclass(eq=False)
class Demand:
    """Something that files of one package load. places: where it may be, best first, relative paths."""

    package: str
    kind: str
    what: str
    places: tuple[str, ...]
    machine: int = 0
    optional: bool = False
    files: list[str] = field(default_factory=list)
    looked: set[str] = field(default_factory=set)


def demands(table: SliceTable, machine: int, search: Sequence[str]) -> list[Demand]:
    """What the files of a slice load, each thing once. search: the directories that the loader searches itself."""
    found: dict[tuple[str, str, tuple[str, ...]], Demand] = {}

    def add(path: str, kind: str, what: str, places: Iterable[str], optional: bool = False) -> None:
        demand = Demand(table.package, kind, what, tuple(places), machine * (kind == NEEDED), optional)
        found.setdefault((kind, what, demand.places), demand).files.append(path)

    for path, entry in sorted(table.entries.items()):
        if entry.kind == meta.SYMLINK:
            target = _target(path, entry.target)
            if not target.startswith(_ELSEWHERE) and not path.startswith(_UNREAD):
                add(path, LINK, "/" + target, [target])
        if entry.facts is None or _ignored(path):
            continue
        facts = entry.facts
        if not facts.machine:
            if entry.mode & 0o111:
                add(path, SCRIPT, facts.interp, [merged(facts.interp.strip("/"))])
                for name in facts.needed:
                    add(path, SCRIPT, f"/usr/bin/{name}", [f"{folder}/{name}" for folder in PATH])
            continue
        if facts.machine != machine:
            continue
        if facts.interp:
            add(path, INTERP, facts.interp, [merged(facts.interp.strip("/"))])
        folders = [*(_folder(path, each) for each in facts.runpath), *search]
        for soname in facts.needed:
            add(path, NEEDED, soname, _places(soname, folders))
        for soname in _OPENED.get(facts.soname, ()):
            add(path, NEEDED, soname, _places(soname, folders), optional=True)
    return list(found.values())


def _ignored(path: str) -> bool:
    return path.startswith(_IGNORED_PREFIXES) or not _IGNORED_FOLDERS.isdisjoint(path.split("/")[:-1])


def _target(path: str, target: str) -> str:
    full = target if target.startswith("/") else f"/{posixpath.dirname(path)}/{target}"
    return merged(posixpath.normpath(full).lstrip("/"))


def _folder(path: str, runpath: str) -> str:
    """A directory of a RUNPATH, with $ORIGIN expanded."""
    origin = "/" + posixpath.dirname(path)
    for name in ("$ORIGIN", "${ORIGIN}"):
        runpath = runpath.replace(name, origin)
    return merged(posixpath.normpath(runpath).lstrip("/"))


def _places(soname: str, folders: Sequence[str]) -> tuple[str, ...]:
    if "/" in soname:
        return (merged(soname.strip("/")),)
    return tuple(dict.fromkeys(f"{folder}/{soname}" for folder in folders))
