"""A slice's files as a table, with what can be computed from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from . import meta
from .globs import merged
from .meta import Entry


@dataclass(frozen=True, eq=False)
class SliceTable:
    """What a slice holds. path: its store path, as text; entries: by path; extra: of its meta file.

    search: directories that its ld.so.conf.d files name, relative.
    """

    package: str
    version: str
    arch: str
    path: str
    entries: Mapping[str, Entry]
    extra: Mapping[str, Any] = field(default_factory=dict)
    search: tuple[str, ...] = ()

    @cached_property
    def alternatives(self) -> dict[str, str]:
        """The symlinks that the package's own alternatives would make, by path."""
        found: dict[str, str] = {}
        for link, _, target, _, slaves in self.extra.get("alternatives", ()):
            for place, to in [(link, target), *((slave[0], slave[2]) for slave in slaves)]:
                if merged(to.strip("/")) in self.entries:
                    found.setdefault(merged(place.strip("/")), to)
        return found

    @cached_property
    def links(self) -> dict[str, str]:
        """The symlinks of the slice and of its alternatives: path -> target."""
        own = {path: entry.target for path, entry in self.entries.items() if entry.kind == meta.SYMLINK}
        return {**self.alternatives, **own}

    @cached_property
    def libraries(self) -> dict[str, list[str]]:
        """The paths of ELF files, by their last component."""
        found: dict[str, list[str]] = {}
        for path, entry in self.entries.items():
            if entry.facts is not None and entry.facts.machine:
                found.setdefault(path.rpartition("/")[2], []).append(path)
        return found

    @cached_property
    def directories(self) -> set[str]:
        """Every directory of the slice, with those that are only implied."""
        found: set[str] = set()
        for path, entry in self.entries.items():
            if entry.kind == meta.DIRECTORY:
                found.add(path)
            while path := path.rpartition("/")[0]:
                if path in found:
                    break
                found.add(path)
        return found
