"""Parse what `fpack where` looks for, and find it in the packages and files of a manifest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fpack.builders.debian.version import check_version, satisfies
from fpack.builders.manifest.format import DIRECTORY, Head, LockedPackage
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.payload.globs import merged
from fpack.cli.errors import UsageError

_PACKAGE = re.compile(r"\s*([A-Za-z0-9*?\[][A-Za-z0-9+.*?\[\]!-]*)\s*(?:(<<|<=|>=|>>|<|>|=)\s*(\S+)\s*)?\Z")
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})\Z")
# Debian writes strict relations with two signs, to which its versions are compared.
_RELATIONS = {"<": "<<", ">": ">>"}


class PackageQuery(NamedTuple):
    """Packages of a name, binary or source, which may be a glob. relation: as in Debian's control files, or ""."""

    name: str
    relation: str = ""
    version: str = ""


class FileQuery(NamedTuple):
    """Files of a path, which may be a glob, or of a digest. path: relative, in merged /usr. sha256: hexadecimal."""

    path: str = ""
    sha256: str = ""


class FoundPackage(NamedTuple):
    """A package in an image. source: "" if its lock does not say it."""

    package: str
    version: str
    source: str
    source_version: str


class FoundFile(NamedTuple):
    """A file in an image. package: its package, or "". sha256: "" for a symlink."""

    path: str
    sha256: str
    package: str
    version: str


def parse_packages(text: str) -> PackageQuery:
    """Parse `NAME`, or `NAME RELATION VERSION` as in `openssl < 3.5.6`. Raise UsageError if it is neither."""
    found = _PACKAGE.match(text)
    if found is None:
        raise UsageError(
            f"{text!r} is not a package and a version",
            why="fpack where looks for NAME, or for NAME, one of < <= = >= > and a version",
            hint="quote it, as in fpack where 'openssl < 3.5.6' images/; --file looks for a file",
        )
    name, relation, version = found.groups(default="")
    if version:
        check_version(version)
    return PackageQuery(name, _RELATIONS.get(relation, relation), version)


def parse_file(text: str) -> FileQuery:
    """Parse a path of an image, which may be a glob, or `sha256:` and a digest."""
    if text.startswith("sha256:"):
        digest = _SHA256.match(text)
        if digest is None:
            raise UsageError(f"{text!r} is not a digest", why="a digest is sha256: and 64 hexadecimal digits")
        return FileQuery(sha256=digest[1])
    path = text.strip("/")
    if not path:
        raise UsageError("--file names no file", hint="name a path, as in --file /usr/bin/xz")
    return FileQuery(path=merged(path))


def packages(head: Head, query: PackageQuery) -> Iterator[FoundPackage]:
    """Yield the packages of an image that a query is about, sorted by name.

    A version is compared with that of the binary package if the name is its own, and with that of the source package if
    the name is the source's. One of them suffices: a package that Debian rebuilt has a version that its source has not.
    """
    matches = _glob(query.name)
    locked: Mapping[str, LockedPackage] = {pin.name: pin for pin in head.lock.packages}
    for item in sorted(head.paths, key=lambda item: item.package):
        if not item.package:
            continue
        pin = locked.get(item.package)
        source, source_version = (pin.source, pin.source_version) if pin is not None else ("", "")
        versions = [item.version] if matches(item.package) else []
        versions += [source_version] if source and matches(source) else []
        if any(not query.relation or satisfies(version, query.relation, query.version) for version in versions):
            yield FoundPackage(item.package, item.version, source, source_version)


def files(reader: ManifestReader, query: FileQuery) -> Iterator[FoundFile]:
    """Yield the files and symlinks of an image that a query is about, in the order of its layers."""
    versions = {item.path: (item.package, item.version) for item in reader.head.paths if item.package}
    of_package = {item.package: item.version for item in reader.head.paths if item.package}
    matches = _glob(query.path) if query.path else None
    sha256 = bytes.fromhex(query.sha256)
    for layer, entries in reader.entries():
        for entry in entries:
            if entry.kind == DIRECTORY or (sha256 and entry.sha256 != sha256):
                continue
            path = os.fsdecode(entry.path)
            if matches is not None and not matches(path):
                continue
            if entry.origin is not None:
                owner = entry.origin.package, of_package.get(entry.origin.package, "")
            else:
                owner = versions.get(layer.parts[entry.part][0], ("", "")) if entry.part is not None else ("", "")
            yield FoundFile(f"/{path}", entry.sha256.hex(), *owner)


class _Equal(NamedTuple):
    text: str

    def __call__(self, text: str) -> bool:
        return text == self.text


class _Pattern(NamedTuple):
    pattern: re.Pattern[str]

    def __call__(self, text: str) -> bool:
        return self.pattern.match(text) is not None


def _glob(text: str) -> _Equal | _Pattern:
    """Return a test for names like `text`, in which `*` stands for anything, `/` included."""
    if not any(letter in text for letter in "*?["):
        return _Equal(text)
    import fnmatch

    return _Pattern(re.compile(fnmatch.translate(text), re.DOTALL))
