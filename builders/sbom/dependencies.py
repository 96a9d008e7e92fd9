"""Find which components load which: by the libraries, interpreters, commands and links of their files."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fpack.builders.payload.globs import merged

from .facts import FileFacts

_PROGRAMS = ("usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin")
_ENV = "env"


class LoadedFile(NamedTuple):
    """A file or symlink of the image. path: relative. target: of a symlink. facts: of a file's content."""

    path: str
    component: str
    target: str = ""
    facts: FileFacts | None = None


def loaded(files: Sequence[LoadedFile]) -> dict[str, set[str]]:
    """Return the components that each component's files load, without itself."""
    owners = {merged(file.path): file.component for file in files}
    libraries: dict[str, set[str]] = {}
    programs: dict[str, str] = {}
    for file in files:
        directory, _, name = merged(file.path).rpartition("/")
        if directory in _PROGRAMS:
            programs.setdefault(name, file.component)
        if file.facts is not None and file.facts.soname:
            for library in {file.facts.soname, name}:
                libraries.setdefault(library, set()).add(file.component)
    edges: dict[str, set[str]] = {}
    for file in files:
        found = _targets(file, owners, libraries, programs)
        edges.setdefault(file.component, set()).update(found - {file.component})
    return edges


def _targets(
    file: LoadedFile, owners: Mapping[str, str], libraries: Mapping[str, set[str]], programs: Mapping[str, str]
) -> set[str]:
    """Return the components that one file loads or points to."""
    if file.target:
        full = posixpath.join("/", posixpath.dirname(file.path), file.target)
        owner = owners.get(merged(posixpath.normpath(full).lstrip("/")))
        return {owner} if owner else set()
    if file.facts is None:
        return set()
    facts = file.facts
    found = {programs[name] for name in facts.commands if name in programs}
    if facts.interp:
        owner = owners.get(merged(posixpath.normpath(facts.interp).lstrip("/")))
        found |= {owner} if owner else set()
    by_env = facts.interp.rpartition("/")[2] == _ENV
    for name in facts.needed:
        if by_env:
            found |= {programs[name]} if name in programs else set()
        elif "/" in name:
            owner = owners.get(merged(posixpath.normpath(name).lstrip("/")))
            found |= {owner} if owner else set()
        else:
            known = libraries.get(name, set())
            # A file loads the library of its own package if there is one.
            found |= set() if file.component in known else known
    return found


def roots(edges: Mapping[str, set[str]], wanted: Iterable[str], all_: Sequence[str]) -> list[str]:
    """Return components from which all others are reached: those of `wanted`, and whatever they do not lead to."""
    first = sorted(set(wanted))
    reached = _reached(edges, first)
    leads_in = {end for start, ends in edges.items() for end in ends if start != end}
    # A component that nothing loads goes before one of a circle.
    for component in sorted(all_, key=lambda name: (name in leads_in, name)):
        if component not in reached:
            first.append(component)
            reached |= _reached(edges, [component])
    return sorted(first)


def _reached(edges: Mapping[str, set[str]], start: Iterable[str]) -> set[str]:
    todo = list(start)
    found: set[str] = set()
    while todo:
        component = todo.pop()
        if component not in found:
            found.add(component)
            todo += edges.get(component, ())
    return found
