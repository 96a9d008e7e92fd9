"""Combine slices into one root: determine the owner of each path and resolve conflicts between packages.

Conflicts are resolved like in dpkg: a package that declares `Replaces` wins, identical entries are accepted, and any
other conflict is an error. There are no diversions, since maintainer scripts do not run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fpack.builders.debian.relations import RelationError, parse_relations
from fpack.builders.debian.version import InvalidVersion
from fpack.builders.payload import meta
from fpack.builders.payload.exclusions import REPLACED, SAME, Exclusion
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.payload.symlinks import resolve
from fpack.builders.protocol import BuildError


class Composition(NamedTuple):
    """The combined content of slices.

    files: the owning slice and the entry of each path that is not a directory. directories: the entry of each
    directory. overrides: the entries of directories on which slices differ in mode or owner. excluded: the files not
    taken from their package, because another package has the same file or replaces it.
    """

    files: dict[str, tuple[SliceTable, TreeEntry]]
    directories: dict[str, TreeEntry]
    overrides: list[TreeEntry]
    excluded: list[Exclusion]

    def has(self, path: str) -> bool:
        """Return whether anything is at `path`, without following symlinks."""
        return path in self.files or path in self.directories

    def resolve(self, path: str, extra: Mapping[str, str] | None = None) -> str | None:
        """Return the path of the file or directory that `path` resolves to through symlinks, or None.

        path: relative or absolute. extra: additional symlinks, path -> target.
        """
        return resolve(path, lambda p: self._target(p, extra), self.has)

    def _target(self, path: str, extra: Mapping[str, str] | None) -> str | None:
        if extra and path in extra:
            return extra[path]
        found = self.files.get(path)
        return found[1].target if found and found[1].kind == meta.SYMLINK else None


def replaces(one: SliceTable, other: SliceTable) -> bool:
    """Return whether a package declares that it replaces files of `other`."""
    text = str(one.extra.get("replaces", ""))
    if other.package not in text:
        return False
    try:
        return any(
            relation.name == other.package and relation.accepts(other.version)
            for clause in parse_relations(text, one.arch)
            for relation in clause
        )
    except (RelationError, InvalidVersion):
        return False


def compose(tables: Sequence[SliceTable]) -> Composition:
    """Combine `tables`. Raise BuildError if packages conflict."""
    _check_versions(tables)
    files: dict[str, tuple[SliceTable, TreeEntry]] = {}
    losers: list[_Owned] = []
    for table in tables:
        for path, entry in table.entries.items():
            if entry.kind == meta.DIRECTORY:
                continue
            other = files.setdefault(path, (table, entry))
            if other[0] is table:
                continue
            loser: _Owned = (table, entry)
            if not _same(entry, other[1]):
                files[path], loser = _decide((table, entry), other)
            losers.append(loser)
    excluded = {_exclusion(loser, files[loser[1].path]) for loser in losers}
    owners: dict[str, list[SliceTable]] = {}
    for table in tables:
        for path in table.directories:
            owners.setdefault(path, []).append(table)
    for path in owners.keys() & files.keys():
        _clash(path, files, owners, excluded)
    directories: dict[str, TreeEntry] = {}
    overrides: list[TreeEntry] = []
    for path in sorted(owners):
        plain = TreeEntry(path, meta.DIRECTORY, 0o755)
        stated = [table.entries.get(path, plain) for table in owners[path]]
        chosen = next((e for e in stated if not _agree(e, plain)), plain)
        directories[path] = chosen
        if any(not _agree(e, chosen) for e in stated):
            overrides.append(chosen)
    return Composition(files, directories, overrides, sorted(excluded))


def _exclusion(loser: _Owned, owner: _Owned) -> Exclusion:
    reason = SAME if _same(loser[1], owner[1]) else REPLACED
    return Exclusion(loser[0].package, loser[1].path, reason, owner[0].package)


def _same(a: TreeEntry, b: TreeEntry) -> bool:
    return (a.kind, a.blake3, a.target) == (b.kind, b.blake3, b.target) and (a.kind == meta.SYMLINK or _agree(a, b))


def _agree(a: TreeEntry, b: TreeEntry) -> bool:
    return (a.mode, a.uid, a.gid) == (b.mode, b.uid, b.gid)


_Owned = tuple[SliceTable, TreeEntry]


def _decide(one: _Owned, two: _Owned) -> tuple[_Owned, _Owned]:
    """Return (winner, loser) of two different files at one path. Raise BuildError if neither replaces the other."""
    forward, backward = replaces(one[0], two[0]), replaces(two[0], one[0])
    if forward != backward:
        return (one, two) if forward else (two, one)
    raise BuildError(
        f"The packages {two[0].package} and {one[0].package} both have /{one[1].path}, with different content",
        where="/" + one[1].path,
        why="each declares that it replaces the other" if forward else "neither declares that it replaces the other",
        hint="leave out one of the packages, or drop the file from one of them",
    )


def _clash(path: str, files: dict[str, _Owned], owners: dict[str, list[SliceTable]], excluded: set[Exclusion]) -> None:
    """Resolve a path that is a file or symlink of one slice and a directory of others, or raise BuildError."""
    table, entry = files[path]
    other = owners[path][0]
    if all(replaces(owner, table) for owner in owners[path]):
        del files[path]
        # The directory also replaces the same file of other packages.
        stale = {exclusion for exclusion in excluded if exclusion.path == path}
        excluded -= stale
        packages = {table.package, *(exclusion.package for exclusion in stale)}
        excluded |= {Exclusion(package, path, REPLACED, other.package) for package in packages}
        return
    what = "a symlink" if entry.kind == meta.SYMLINK else "a file"
    raise BuildError(
        f"/{path} is {what} in the package {table.package} and a directory in {other.package}",
        where="/" + path,
        hint="leave out one of the packages, or drop the path from one of them",
    )


def _check_versions(tables: Iterable[SliceTable]) -> None:
    seen: dict[tuple[str, str], SliceTable] = {}
    for table in tables:
        other = seen.setdefault((table.package, table.arch), table)
        if other is table:
            continue
        if other.version != table.version:
            raise BuildError(
                f"Two versions of the package {table.package} are in one root",
                where=table.package,
                why=f"{other.version} and {table.version}, both for {table.arch}",
                hint="take both from one release",
            )
        raise BuildError(
            f"The package {table.package} is in one root twice, with two slice rules",
            where=f"{other.path} and {table.path}",
            hint="use one slice rule for it",
        )
