"""List the files that a slice requires: libraries, interpreters and symlink targets.

linker.py decides by them which packages are in an image. kinds/slice.py decides which files of a package are, and
payload/exclusions.py names the exceptions.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fpack.builders.payload import meta
from fpack.builders.payload.globs import merged
from fpack.builders.payload.slice_table import SliceTable

NEEDED, INTERP, SCRIPT, LINK, ASKED, SEED = "needed", "interp", "script", "link", "asked", "seed"
DATA = "data"  # a package of data that another uses, which only recommends it
PATH = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin")
# ELF files and scripts in these directories are not part of a package's function.
_IGNORED_DIRECTORIES = {"testdata", "examples", "example", "tests", "test"}
_IGNORED_PREFIXES = ("usr/lib/debug/", "usr/share/doc/", "usr/src/")
# Symlinks in, or to, these directories need no target.
_IGNORED_LINKS = ("usr/share/man/", "usr/share/info/", "usr/lib/debug/")
_IGNORED_TARGETS = ("dev/", "proc/", "sys/", "run/", "tmp/", "var/", "etc/alternatives/")
# Libraries loaded with dlopen: pthread_cancel fails without libgcc_s.
_DLOPENED = {"libc.so.6": ("libgcc_s.so.1",)}


@dataclass(eq=False)
class RequiredFile:
    """A file that files of a package require.

    what: a soname or absolute path. paths: relative candidate paths, best first. machine: required of an ELF file, or
    0. files: the requiring files. searched: packages already searched for it.
    """

    package: str
    kind: str
    what: str
    paths: tuple[str, ...]
    machine: int = 0
    optional: bool = False
    files: list[str] = field(default_factory=list)
    searched: set[str] = field(default_factory=set)


def required_files(table: SliceTable, machine: int, search: Sequence[str]) -> list[RequiredFile]:
    """Return what the files of a slice require, without duplicates. search: the loader's default directories."""
    found: dict[tuple[str, str, tuple[str, ...]], RequiredFile] = {}

    def add(path: str, kind: str, what: str, paths: Iterable[str], optional: bool = False) -> None:
        required = RequiredFile(table.package, kind, what, tuple(paths), machine * (kind == NEEDED), optional)
        found.setdefault((kind, what, required.paths), required).files.append(path)

    for path, entry in sorted(table.entries.items()):
        if entry.kind == meta.SYMLINK:
            target = _target(path, entry.target)
            if not target.startswith(_IGNORED_TARGETS) and not path.startswith(_IGNORED_LINKS):
                add(path, LINK, "/" + target, [target])
        if entry.facts is None or not is_function(path):
            continue
        facts = entry.facts
        if not facts.machine:
            if facts.interp and entry.mode & 0o111:
                add(path, SCRIPT, facts.interp, [merged(facts.interp.strip("/"))])
                for name in facts.needed:
                    add(path, SCRIPT, f"/usr/bin/{name}", [f"{directory}/{name}" for directory in PATH])
            continue
        if facts.machine != machine:
            continue
        if facts.interp:
            add(path, INTERP, facts.interp, [merged(facts.interp.strip("/"))])
        directories = [*(_expand(path, runpath) for runpath in facts.runpath), *search]
        for soname in facts.needed:
            add(path, NEEDED, soname, _candidates(soname, directories))
        for soname in _DLOPENED.get(facts.soname, ()):
            add(path, NEEDED, soname, _candidates(soname, directories), optional=True)
    return list(found.values())


def is_function(path: str) -> bool:
    """Return whether a file is part of what its package does, not documentation, an example or a test."""
    return not path.startswith(_IGNORED_PREFIXES) and _IGNORED_DIRECTORIES.isdisjoint(path.split("/")[:-1])


def _target(path: str, target: str) -> str:
    full = target if target.startswith("/") else f"/{posixpath.dirname(path)}/{target}"
    return merged(posixpath.normpath(full).lstrip("/"))


def _expand(path: str, runpath: str) -> str:
    """Return a directory of the RUNPATH of the file `path`, with $ORIGIN expanded."""
    origin = "/" + posixpath.dirname(path)
    for name in ("$ORIGIN", "${ORIGIN}"):
        runpath = runpath.replace(name, origin)
    return merged(posixpath.normpath(runpath).lstrip("/"))


def _candidates(soname: str, directories: Sequence[str]) -> tuple[str, ...]:
    if "/" in soname:
        return (merged(soname.strip("/")),)
    return tuple(dict.fromkeys(f"{directory}/{soname}" for directory in directories))
