"""Hold the table of a slice's files, with derived views: symlinks, libraries and directories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from . import meta
from .globs import merged
from .meta import TreeEntry


@dataclass(frozen=True, eq=False)
class SliceTable:
    """A slice's content. path: its store path, as text. entries: by path. extra: the extra fields of its meta file.

    search: relative directories that its ld.so.conf.d files list.
    """

    package: str
    version: str
    arch: str
    path: str
    entries: Mapping[str, TreeEntry]
    extra: Mapping[str, Any] = field(default_factory=dict)
    search: tuple[str, ...] = ()

    @cached_property
    def alternatives(self) -> dict[str, str]:
        """The symlinks of the alternatives that the package registers for its own files: path -> target."""
        found: dict[str, str] = {}
        for link, _, target, _, slaves in self.extra.get("alternatives", ()):
            for path, to in [(link, target), *((slave[0], slave[2]) for slave in slaves)]:
                if merged(to.strip("/")) in self.entries:
                    found.setdefault(merged(path.strip("/")), to)
        return found

    @cached_property
    def links(self) -> dict[str, str]:
        """The symlinks of the slice and of its alternatives: path -> target."""
        own = {path: entry.target for path, entry in self.entries.items() if entry.kind == meta.SYMLINK}
        return {**self.alternatives, **own}

    @cached_property
    def libraries(self) -> dict[str, list[str]]:
        """The paths of the ELF files, by file name."""
        found: dict[str, list[str]] = {}
        for path, entry in self.entries.items():
            if entry.facts is not None and entry.facts.machine:
                found.setdefault(path.rpartition("/")[2], []).append(path)
        return found

    @cached_property
    def directories(self) -> set[str]:
        """All directories of the slice, including implied ones."""
        found: set[str] = set()
        for path, entry in self.entries.items():
            if entry.kind == meta.DIRECTORY:
                found.add(path)
            while path := path.rpartition("/")[0]:
                if path in found:
                    break
                found.add(path)
        return found
