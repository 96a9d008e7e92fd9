"""Find the changelogs of packages: in the payloads and .debs of the store, else in the .debs of the archive."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders.debian.version import InvalidVersion, version_key
from fpack.cli.workspace.package_derivations import of_package
from fpack.store.errors import FpackError
from fpack.store.files.regular_file import read_bytes

from . import changelog
from .model import CHANGED, DOWNGRADED, ChangelogEntry, ComparedPackage, PackageChange, SourceChangelog

if TYPE_CHECKING:
    from fpack.builders.verify.evidence.remote import Remote
    from fpack.store.store import Store

MAX_PACKED = 8 << 20  # bytes
MAX_TEXT = 32 << 20  # linux's has 15 MB
_DIRECTORY = "usr/share/doc"


class _Texts(NamedTuple):
    """The changelog of a source package, and that of the rebuilds of a binary package, "" if it was not rebuilt."""

    source: str
    rebuilds: str


class ChangelogFiles:
    """The changelogs of packages. store: of this machine, or None. remote: the archive, or None to fetch nothing."""

    def __init__(self, store: Store | None, remote: Remote | None) -> None:
        self._store = store
        self._remote = remote

    def of_changes(self, changes: Iterable[PackageChange]) -> Iterator[SourceChangelog]:
        """Yield the changelog of each source package that moved upwards, sorted, once for all its binary packages."""
        groups: dict[tuple[str, str, str, str], list[PackageChange]] = {}
        for change in changes:
            before, after = change.old, change.new
            if change.change == CHANGED and change.movement != DOWNGRADED and before and after and after.source:
                versions = before.source_version or before.version, after.source_version or after.version
                key = (after.source, before.source, *versions)
                groups.setdefault(key, []).append(change)
        for (source, _, old, new), members in sorted(groups.items()):
            yield self._of_source(source, old, new, members)

    def _of_source(self, source: str, old: str, new: str, members: Sequence[PackageChange]) -> SourceChangelog:
        """Read the changelog from the package that is nearest: in the store, else the smallest download."""
        packages = [change.new for change in members if change.new is not None]
        names = tuple(sorted({package.name for package in packages}))
        found = SourceChangelog(source, old, new, names)
        before = next(change.old.source for change in members if change.old is not None)
        if before != source:
            return found._replace(absent=f"it was built from {before or 'an unknown source'} before")
        ways = (self._stored, self._fetched) if self._remote is not None else (self._stored,)
        absent = "no package that changed has one" if self._remote is not None else "it is not on this machine"
        for way in ways:
            for package in sorted(packages, key=lambda package: package.size):
                try:
                    texts = way(package)
                except FpackError as error:
                    absent = f"{error.what}: {error.why}" if error.why else error.what
                    continue
                if texts is not None:
                    return found._replace(entries=_entries(texts, old, new, members))
        return found._replace(absent=absent)

    def _stored(self, package: ComparedPackage) -> _Texts | None:
        """Return the changelogs in a package's payload, or its .deb, if the store has one."""
        if self._store is None or not package.file:
            return None
        outputs = of_package(package)
        path = self._store.database.built(outputs.payload)
        if path is not None and self._store.is_there(path):
            top = self._store.tree(path).disk / "data"
            return _chosen({name: data for name in _files(package) if (data := _file(top, name)) is not None}, package)
        path = self._store.database.built(outputs.deb)
        if path is not None and self._store.is_there(path):
            return _of_deb(self._store.tree(path).disk, package)
        return None

    def _fetched(self, package: ComparedPackage) -> _Texts | None:
        """Return the changelogs in a package's .deb, which is downloaded and compared with its digest."""
        from fpack.builders.manifest.format import LockedPackage

        if self._remote is None or not package.file:
            return None
        pin = LockedPackage(
            package.name, package.version, package.arch, package.source, package.source_version, package.archive,
            package.date, package.size, package.sha256, package.file, package.sha512,
        )  # fmt: skip
        with self._remote.deb(pin) as path:
            return _of_deb(path, package)


def _files(package: ComparedPackage) -> tuple[str, ...]:
    """Return the paths of a package's changelogs: of its source, of rebuilds, and of a native package."""
    top = f"{_DIRECTORY}/{package.name}"
    return f"{top}/changelog.Debian.gz", f"{top}/changelog.Debian.{package.arch}.gz", f"{top}/changelog.gz"


def _of_deb(path: Path, package: ComparedPackage) -> _Texts | None:
    from fpack.builders.verify.evidence.deb_reader import read_files

    wanted = {name.encode(): name for name in _files(package)}
    found = read_files(path, wanted, MAX_PACKED)
    return _chosen({wanted[name]: data for name, data in found.items()}, package)


def _file(top: Path, name: str) -> bytes | None:
    """Return the content of a regular file of a tree, or None. A symlink on the way could lead to a file outside."""
    path = top
    for part in name.split("/"):
        path /= part
        if path.is_symlink():
            return None
    try:
        return read_bytes(os.fspath(path), MAX_PACKED)
    except OSError:
        return None


def _chosen(found: dict[str, bytes], package: ComparedPackage) -> _Texts | None:
    debian, rebuilds, native = _files(package)
    main = found.get(debian) or (found.get(native) if "-" not in package.version else None)
    if main is None and rebuilds not in found:
        return None
    return _Texts(_unpacked(main or b""), _unpacked(found.get(rebuilds, b"")))


def _unpacked(data: bytes) -> str:
    """Return a changelog's text, at most MAX_TEXT bytes: the beginning of a truncated one, "" for a damaged one."""
    if not data.startswith(b"\x1f\x8b"):
        return data.decode("utf-8", "replace")
    decoder = zlib.decompressobj(wbits=31)
    try:
        return decoder.decompress(data, MAX_TEXT).decode("utf-8", "replace")
    except zlib.error:
        return ""


def _entries(texts: _Texts, old: str, new: str, members: Sequence[PackageChange]) -> tuple[ChangelogEntry, ...]:
    """Return the entries between two versions of a source, and those of rebuilds of its binary packages."""
    try:
        of_source = changelog.between(changelog.parse(texts.source), old, new) if old != new else []
        of_rebuilds: list[ChangelogEntry] = []
        for change in members:
            if texts.rebuilds and change.old is not None and change.new is not None:
                rebuilt = changelog.between(changelog.parse(texts.rebuilds), change.old.version, change.new.version)
                of_rebuilds += [entry for entry in rebuilt if version_key(entry.version) != version_key(new)]
        return changelog.merge(of_source, of_rebuilds)
    except InvalidVersion:
        return ()
