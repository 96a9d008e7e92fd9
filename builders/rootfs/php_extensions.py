"""Enable the extensions of PHP in a root where no maintainer scripts run.

A package such as php8.4-mbstring has the settings of its extensions below /usr/share. Its script copies them to
/etc/php/8.4/mods-available, and links them, by their priority, for each program of PHP. Without that, programs that
depend on an extension stop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.slice_table import SliceTable

from .compose import Composition
from .generated_files import PHP_EXTENSIONS, GeneratedFile, base_has, symlink

_SHIPPED = re.compile(r"usr/share/php(\d+\.\d+)-[^/]+/[^/]+/([\w.-]+)\.ini")
_CONFIGURED = re.compile(r"etc/php/(\d+\.\d+)/mods-available/([\w.-]+)\.ini")
_PROGRAM = re.compile(r"etc/php/(\d+\.\d+)/([^/]+)/conf\.d")
_PRIORITY = re.compile(rb"^;\s*priority\s*=\s*(\d{1,3})\s*$", re.MULTILINE)
_USUAL = 20  # the priority of settings that state none


class _Settings(NamedTuple):
    """The settings of an extension. source: their file, which is copied to `path` if that is another."""

    version: str
    name: str
    path: str
    source: tuple[SliceTable, TreeEntry]


def extensions(composition: Composition, read: Callable[[SliceTable, TreeEntry], bytes]) -> Iterator[GeneratedFile]:
    """Yield the settings of the extensions of all packages, and their links. read: returns the content of a file."""
    programs = sorted(match.groups() for path in composition.directories if (match := _PROGRAM.fullmatch(path)))
    if not programs:
        return
    for found in _settings(composition):
        table, entry = found.source
        if found.path != entry.path and not composition.has(found.path):
            copy = TreeEntry(found.path, meta.FILE, 0o644)
            yield GeneratedFile(copy, PHP_EXTENSIONS, sources=[(table.path, entry.path, entry.blake3)])
        stated = _PRIORITY.search(read(table, entry))
        name = f"{int(stated[1]) if stated else _USUAL:02}-{found.name}.ini"
        for version, program in programs:
            link = f"etc/php/{version}/{program}/conf.d/{name}"
            if version == found.version and not composition.has(link):
                yield symlink(link, f"/{found.path}", PHP_EXTENSIONS)


def _settings(composition: Composition) -> Iterator[_Settings]:
    """Yield the settings that packages have, of each extension once."""
    seen: set[tuple[str, str]] = set()
    for pattern in (_CONFIGURED, _SHIPPED):
        for path, source in sorted(composition.files.items()):
            match = pattern.fullmatch(path)
            if match is None or source[1].kind != meta.FILE or base_has(source[0]) or match.groups() in seen:
                continue
            version, name = match.groups()
            seen.add((version, name))
            yield _Settings(version, name, f"etc/php/{version}/mods-available/{name}.ini", source)
