"""Hold the table of a slice's files, with derived views: symlinks, libraries and directories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fpack.store.files.checked_tree import CheckedTree

from . import ld_paths, meta
from .globs import merged
from .meta import TreeEntry
from .parents import all_parents


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
        return all_parents(self.entries) | {
            path for path, entry in self.entries.items() if entry.kind == meta.DIRECTORY
        }


def load(tree: CheckedTree) -> SliceTable:
    rows, extra = meta.load(tree)
    entries = {entry.path: entry for entry in rows}
    search = tuple(_search_directories(tree.disk, entries))
    return SliceTable(extra["package"], extra["version"], extra["arch"], str(tree.path), entries, extra, search)


def _search_directories(slice_: Path, entries: Mapping[str, TreeEntry]) -> Iterator[str]:
    """Yield the directories that the ld.so.conf.d files of a slice name."""
    most = ld_paths.MAX_SIZE
    for path, entry in sorted(entries.items()):
        if ld_paths.is_configuration(path, entry.size):
            yield from ld_paths.configured_directories(meta.read_file(slice_ / "data" / path, entry.blake3, most))
