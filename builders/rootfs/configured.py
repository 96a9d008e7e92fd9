"""Select what maintainer scripts did to whole packages, and show it in the composition of a root's slices.

An output of the kind `configure` is the difference that the scripts of many whole packages made. A root has slices of
some of these packages. It takes over what the scripts of its own packages did to files that it has, or that are new.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from fpack.builders.payload import meta
from fpack.builders.payload.exclusions import CONFIGURED, REMOVED, Exclusion
from fpack.builders.payload.globs import Globs, merged
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.parents import all_parents
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import BuildError
from fpack.store.canonical import Value
from fpack.store.errors import StoreError
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.path import StorePath

from .compose import Composition


class ConfiguredTree(NamedTuple):
    """An output of `configure`.

    table: its entries. makers: the package whose script made each. replaced: the paths among them that a whole package
    has. removed: (path, package) of what scripts removed. set_id: the modes of files to which scripts gave set-id bits,
    which the table lacks. users, groups: all accounts that there were in the end.
    """

    table: SliceTable
    makers: Mapping[str, str]
    replaced: frozenset[str]
    removed: tuple[tuple[str, str], ...]
    set_id: Mapping[str, int]
    users: Sequence[Mapping[str, Value]]
    groups: Sequence[Mapping[str, Value]]


def read(path: StorePath, tree: CheckedTree) -> ConfiguredTree:
    """Read the table of an output of `configure`. Raise StoreError if it is malformed."""
    entries, extra = meta.load(tree)
    try:
        makers = {os.fsdecode(name): str(package) for name, package, _, _ in extra["configured"]}
        return ConfiguredTree(
            SliceTable("", "", "", str(path), {entry.path: entry for entry in entries}),
            {entry.path: makers[entry.path] for entry in entries},
            frozenset(map(os.fsdecode, extra["replaced"])),
            tuple((os.fsdecode(name), str(package)) for name, package, _ in extra["removed"]),
            {str(name).strip("/"): mode for name, mode in extra["setuid"]},
            extra["users"],
            extra["groups"],
        )
    except (KeyError, TypeError, ValueError) as error:
        why = f"its list of what scripts did: {error}"
        raise StoreError("An output of maintainer scripts is malformed", where=str(path), why=why) from None


def seed(configured: ConfiguredTree, packages: Collection[str], drop: Globs) -> SliceTable:
    """Return the new files that scripts of `packages` made, as a table to link a root from."""
    kept = _select(configured, packages, drop, lambda path: False)
    return SliceTable(configured.table.path, "", "", configured.table.path, kept)


def show(
    composition: Composition, tables: Sequence[SliceTable], configured: ConfiguredTree, drop: Globs
) -> Composition:
    """Return the composition of `tables` after the scripts of their packages.

    The entries that a script made belong to `configured.table`, whose package is "". Its other entries are left out, as
    exclusions of that package; those of the slices are excluded as CONFIGURED or REMOVED. drop: paths to leave out.
    """
    packages = {table.package for table in tables}
    kept = _select(configured, packages, drop, composition.has)
    shown = _Shown(composition, tables)
    for path, entry in kept.items():
        shown.put(path, entry, configured.table, configured.makers[path])
    for path, package in sorted(configured.removed, reverse=True):
        if package in packages and path not in kept:
            shown.remove(path, package)
    left_out = [Exclusion("", path, REMOVED) for path in configured.table.entries if path not in kept]
    return Composition(shown.files, shown.directories, shown.overrides, [*shown.excluded, *left_out])


def set_id(
    wanted: Sequence[str], composition: Composition, tables: Sequence[SliceTable], configured: ConfiguredTree | None
) -> tuple[list[Value], list[Value]]:
    """Return (path, mode) of the files that get set-id bits of scripts back, and of those that do not.

    wanted: the paths that keep set-id bits. Raise BuildError if neither a package nor a script gave them to one.
    """
    made = {path for path, (table, _) in composition.files.items() if configured and table is configured.table}
    found = {path: mode for path, mode in configured.set_id.items() if path in made} if configured else {}
    asked = {merged(path.strip("/")) for path in wanted}
    shipped = {str(path).strip("/") for table in tables for path, _ in table.extra.get("setuid", ())}
    for path in sorted(asked - found.keys() - shipped):
        names = ", ".join(f"/{other}" for other in sorted(found.keys() | shipped)) or "none"
        raise BuildError(f"/{path} has no set-id bits to keep", why=f"files of the image with such bits: {names}")
    rows = [([os.fsencode(path), mode], path in asked) for path, mode in sorted(found.items())]
    return [row for row, given in rows if given], [row for row, given in rows if not given]


def _select(
    configured: ConfiguredTree, packages: Collection[str], drop: Globs, has: Callable[[str], bool]
) -> dict[str, TreeEntry]:
    """Return the entries to keep, by path. has: tells whether slices have a path."""

    def wanted(path: str) -> bool:
        if configured.makers[path] not in packages or drop.covers(path):
            return False
        return path not in configured.replaced or has(path)

    entries = configured.table.entries
    kept = {
        path: entry
        for path, entry in entries.items()
        if entry.kind != meta.DIRECTORY and wanted(path) and not (entry.target and drop.covers(_target(entry)))
    }
    needed = all_parents(kept)
    for path, entry in entries.items():
        if entry.kind == meta.DIRECTORY and (path in needed or wanted(path)):
            kept[path] = entry
    return kept


def _target(entry: TreeEntry) -> str:
    """Return the relative path that a symlink names."""
    joined = posixpath.join("/", posixpath.dirname(entry.path), entry.target)
    return merged(posixpath.normpath(joined).strip("/"))


class _Shown:
    """A composition that changes."""

    def __init__(self, composition: Composition, tables: Sequence[SliceTable]) -> None:
        self._tables = tables
        self.files = dict(composition.files)
        self.directories = dict(composition.directories)
        self.overrides = list(composition.overrides)
        self.excluded = list(composition.excluded)

    def put(self, path: str, entry: TreeEntry, table: SliceTable, package: str) -> None:
        """Put an entry that a script of `package` made at a path."""
        if entry.kind == meta.DIRECTORY:
            self._exclude(path, CONFIGURED, package, directory=False)
            self.directories[path] = entry
            # The layer of the configured files states its mode and owner.
            self.overrides = [other for other in self.overrides if other.path != path]
        else:
            for below in self._below(path):
                self._exclude(below, REMOVED, package)
            self._exclude(path, CONFIGURED, package)
            self.files[path] = (table, entry)

    def remove(self, path: str, package: str) -> None:
        """Remove what slices have at a path, unless it is a directory with something in it."""
        if not self._below(path):
            self._exclude(path, REMOVED, package)

    def _below(self, path: str) -> list[str]:
        """Return the paths in a directory, at any depth."""
        if path not in self.directories:
            return []
        return [other for other in (*self.files, *self.directories) if other.startswith(f"{path}/")]

    def _exclude(self, path: str, reason: str, by: str, directory: bool = True) -> None:
        """Exclude a path from each slice that has it. directory: also if it is a directory there."""
        found = path in self.files or (directory and path in self.directories)
        if not found:
            return
        self.files.pop(path, None)
        if directory and self.directories.pop(path, None) is not None:
            self.overrides = [other for other in self.overrides if other.path != path]
        packages = [table.package for table in self._tables if path in table.entries]
        self.excluded = [exclusion for exclusion in self.excluded if exclusion.path != path]
        self.excluded += [Exclusion(package, path, reason, by) for package in packages]
