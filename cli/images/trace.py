"""Follow a file of an image to its layer, package, signed index, source and licence, by the image's manifest."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.builders.manifest import base_manifest
from fpack.builders.manifest.format import (
    CONFIGURED,
    DIRECTORY,
    FILE,
    GENERATED,
    SYMLINK,
    Head,
    LockedIndex,
    LockedPackage,
    LockedSuite,
    ManifestEntry,
    ManifestLayer,
    PathOrigin,
)
from fpack.builders.payload.globs import merged
from fpack.store.derivation import Derivation, placeholder
from fpack.store.errors import did_you_mean

from .inspect import NotInside
from .stored_licence import StoredLicences

if TYPE_CHECKING:
    from fpack.builders.manifest.reader import ManifestReader
    from fpack.builders.verify.evidence.local import LocalEvidence
    from fpack.store.store import Store

PACKAGE, BUILT, FILES = "package", "built", "files"
MAX_LINKS = 40  # symlinks to follow, as in Linux
# The record of a package that scanners read. Its content is the control data of the .deb.
CONTROL = b"var/lib/dpkg/status.d/"
_NOUNS = {FILE: "file", DIRECTORY: "directory", SYMLINK: "symlink"}

Readers = Callable[[], "ManifestReader"]


class _Location(NamedTuple):
    """An entry of the image. number: of its layer, from 1."""

    number: int
    layer: ManifestLayer
    entry: ManifestEntry


class _Archive(NamedTuple):
    """The listing, which is an index that has a package, and the suite whose release lists the index.

    checked: the signed index on this machine has the package. signature: of the release, if it was checked.
    """

    suite: LockedSuite
    listing: LockedIndex
    checked: bool
    signature: Mapping[str, Any] | None


def trace(
    readers: Readers,
    wanted: str,
    evidence: LocalEvidence,
    store: Store | None = None,
    stated: Callable[[str], str | None] = lambda package: None,
) -> dict[str, Any]:
    """Return the chain of a file as plain data for JSON. Raise NotInside if the image does not have the file.

    readers: returns a new reader of the manifest. evidence: on this machine, for the signature of the release; nothing
    else is read from it. store: of this machine, if it has one, for the licence.
    stated: returns the licence of a package by a bill that the image carries, if the store does not know it.
    """
    found = _locate(readers, wanted)
    reader = readers()
    head, entry, layer = reader.head, found.entry, found.layer
    assert entry.part is not None  # only directories have none
    path, _ = layer.parts[entry.part]
    below = _in_base(found, readers)
    if below is not None:
        about, origin, source = below
        path = about.path
    else:
        about, source = next(item for item in head.paths if item.path == path), head
        origin = _origin(found, reader, about.package)
    package = entry.origin.package if entry.origin is not None else about.package
    pin = next((item for item in source.lock.packages if item.name == package), None)
    archive = _archive(source, pin, evidence) if pin is not None else None
    image = head.image
    return {
        "path": os.fsdecode(b"/" + entry.path),
        "image": {"name": image.name, "tag": image.tag, "arch": image.arch, "digest": image.manifest.digest},
        "entry": {
            "kind": _NOUNS[entry.kind],
            "mode": f"{entry.mode:04o}",
            "uid": entry.uid,
            "gid": entry.gid,
            "size": entry.size if entry.kind == FILE else None,
            "sha256": entry.sha256.hex() or None,
            "target": os.fsdecode(entry.target) or None,
        },
        "layer": {"number": found.number, "of": len(head.layers), **layer.blob._asdict(), "diff_id": layer.diff_id},
        "origin": {**origin, "path": path, "derivation": about.derivation},
        "replaces": _replaced(head, entry.path),
        "package": _package(pin) if pin is not None else None,
        "index": _index(archive) if archive is not None else None,
        "release": {**archive.suite._asdict(), "signature": archive.signature} if archive is not None else None,
        "source": {"name": pin.source, "version": pin.source_version} if pin is not None else None,
        "licence": _licence(readers, package, store, stated) if package else None,
        "inputs": _inputs(reader, found, about.derivation) if not package and below is None else [],
    }


# The file.


def _locate(readers: Readers, wanted: str, *, resolved: bool = False) -> _Location:
    """Find a file by its path, also through symlinks to directories. resolved: there are none above it any more."""
    given = wanted.strip("/")
    links: dict[str, str] = {}
    names: list[str] = []
    is_directory = False
    for path in dict.fromkeys((given, merged(given))):
        for found in _entries(readers()):
            name = os.fsdecode(found.entry.path)
            if found.entry.kind == DIRECTORY:
                is_directory = is_directory or name == path
                continue
            if name == path:
                return found
            if found.entry.kind == SYMLINK:
                links[name] = os.fsdecode(found.entry.target)
            if posixpath.basename(name) == posixpath.basename(path) and len(names) < 3:
                names.append(f"/{name}")
    if not resolved and (target := _resolve(given, links)) not in (given, merged(given)):
        return _locate(readers, target, resolved=True)
    if is_directory:
        raise NotInside(f"/{given} is a directory", hint="name a file in it")
    alike = f"did you mean {' or '.join(dict.fromkeys(names))}?" if names else ""
    raise NotInside(f"/{given} is not in the image", hint=alike or did_you_mean(f"/{given}", _paths(readers)))


def _paths(readers: Readers) -> Iterator[str]:
    files = (found.entry for found in _entries(readers()) if found.entry.kind != DIRECTORY)
    return (os.fsdecode(b"/" + entry.path) for entry in files)


def _entries(reader: ManifestReader) -> Iterator[_Location]:
    for number, (layer, entries) in enumerate(reader.entries(), 1):
        for entry in entries:
            yield _Location(number, layer, entry)


def _resolve(path: str, links: Mapping[str, str]) -> str:
    """Return a path with the symlinks to directories above it resolved."""
    for _ in range(MAX_LINKS):
        above = [path[:at] for at, letter in enumerate(path) if letter == "/" and path[:at] in links]
        if not above:
            break
        target = posixpath.join("/", posixpath.dirname(above[0]), links[above[0]])
        path = posixpath.normpath(target + path[len(above[0]) :]).lstrip("/")
    return path


# The origin.


def _origin(found: _Location, reader: ManifestReader, package: str) -> dict[str, Any]:
    """Return the kind of an entry's origin, with its rule, script, member of the .deb, or kind of derivation."""
    origin = found.entry.origin
    assert found.entry.part is not None
    _, prefix = found.layer.parts[found.entry.part]
    detail: dict[str, Any] = {"rule": None, "script": None, "script_sha256": None, "member": None, "made_by": None}
    if origin is not None and origin.kind == GENERATED:
        return {"kind": GENERATED, **detail, "rule": origin.rule}
    if origin is not None:
        return {"kind": CONFIGURED, **detail, "script": origin.script, "script_sha256": origin.sha256.hex()}
    if package:
        return {"kind": PACKAGE, **detail, "member": "control" if found.entry.path.startswith(CONTROL) else "data"}
    made = reader.derivations.get(next(p.derivation or "" for p in reader.head.paths if p.path == _part(found)))
    return {"kind": BUILT if prefix else FILES, **detail, "made_by": made.kind if made is not None else None}


def _in_base(found: _Location, readers: Readers) -> tuple[PathOrigin, dict[str, Any], Head] | None:
    """Return the path that a file of the base is of, its origin, and the head of the manifest that has the path.

    Return None for a file that is not of the base, or of a base without a manifest of its own, or of the base's own
    files.
    """
    base = readers().head.base
    if base is None or base.own is None or found.number > base.layers:
        return None
    owner = ""
    for number, (_, entries) in enumerate(readers().entries(), 1):
        if number == found.number:
            names = (entry.path for entry in entries if entry.kind != DIRECTORY)
            owner = dict(zip(names, base_manifest.owners(base.own, number - 1), strict=False)).get(found.entry.path, "")
            break
    head: Head | None = base.own.head
    while owner and head is not None:
        for path in head.paths:
            if owner == (path.package or path.path):
                kind = PACKAGE if path.package else BUILT
                member = None
                if path.package and not _has_scripts(head):
                    member = "control" if found.entry.path.startswith(CONTROL) else "data"
                detail = {"rule": None, "script": None, "script_sha256": None, "member": member, "made_by": None}
                return path, {"kind": kind, **detail}, head
        head = head.base.own.head if head.base is not None and head.base.own is not None else None
    return None


def _has_scripts(head: Head) -> bool:
    """Return whether files of an image may be of maintainer scripts. The image of a base has only their package."""
    return head.claims is None or head.claims.configured > 0


def _part(found: _Location) -> str:
    assert found.entry.part is not None
    return found.layer.parts[found.entry.part][0]


def _replaced(head: Head, path: bytes) -> list[dict[str, str]]:
    """Return the packages whose file at this path is not in the image, with the reason."""
    packages = {item.path: item.package for item in head.paths}
    return [
        {"package": packages[layer.parts[excluded.part][0]], "reason": excluded.reason}
        for layer in head.layers
        for excluded in layer.excluded
        if excluded.path == path
    ]


def _inputs(reader: ManifestReader, found: _Location, derivation: str | None) -> list[dict[str, Any]]:
    """Return the inputs from outside of which a file was made, without the tools that made it.

    They are those of the derivation, or of the one file if the derivation is that of the container's files.
    """
    derivations = reader.derivations
    made = derivations.get(derivation or "")
    if made is None or made.kind == "root":
        return []
    todo = [derivation or ""]
    if made.kind == "files":
        todo = _input_of_file(made, os.fsdecode(b"/" + found.entry.path), derivations)
    reached: set[str] = set()
    while todo:
        digest = todo.pop()
        drv = derivations.get(digest)
        if digest not in reached and drv is not None and drv.kind != "root":  # a root has the tools
            reached.add(digest)
            todo += [output.derivation.hex() for output in drv.inputs]
    return [
        {
            "kind": source.kind,
            "name": source.name,
            "urls": list(source.urls),
            "sha256": source.sha256 or None,
            "tree": source.tree or None,
            "hashes": list(source.hashes),
        }
        for source in reader.head.sources
        if source.derivation in reached
    ]


def _input_of_file(files: Derivation, path: str, derivations: Mapping[str, Derivation]) -> list[str]:
    """Return the derivation that a file of the container is a copy of; none if the container has its text."""
    rows = files.args.get("entries")
    entries = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    source = next((str(row.get("source")) for row in entries if row.get("path") == path), "")
    found = []
    for output in files.inputs:
        drv = derivations.get(output.derivation.hex())
        stands = str(placeholder(output.derivation, drv.name, output.name)) if drv is not None else ""
        if stands and (source == stands or source.startswith(f"{stands}/")):
            found.append(output.derivation.hex())
    return found


# The package.


def _package(pin: LockedPackage) -> dict[str, Any]:
    names = ("name", "version", "arch", "archive", "file", "size", "sha256")
    return {name: getattr(pin, name) for name in names} | _strong(pin)


def _strong(item: LockedPackage | LockedIndex) -> dict[str, Any]:
    """Return the SHA-512 digests of an entry of the lock that has them."""
    return {name: value for name, value in item._asdict().items() if name.endswith("sha512") and value}


def _archive(head: Head, pin: LockedPackage, evidence: LocalEvidence) -> _Archive | None:
    """Return the index that lists a package: as this machine's copy shows, else as archive, component and date say."""
    from fpack.builders.verify.evidence.archive_signature import Archives
    from fpack.builders.verify.findings import Report

    archives = Archives(head.lock, evidence, Report())
    _, signed = archives.vouch(pin)
    if (listed := archives.listing.get(pin.name)) is not None:
        suite, index = listed
        signature = archives.signatures.get(suite.sha256)
        known = signature._asdict() if signed and signature is not None else None
        return _Archive(suite, index, True, known)
    component = pin.file.removeprefix("pool/").removeprefix("updates/").partition("/")[0]
    pairs = [
        (suite, index)
        for index in head.lock.indexes
        for suite in head.lock.suites
        if (suite.suite, suite.archive) == (index.suite, pin.archive) and index.file.startswith(f"{component}/")
    ]
    dated = [pair for pair in pairs if pair[0].date == pin.date]
    likely = next(iter(dated or pairs), None)
    return _Archive(*likely, False, None) if likely is not None else None


def _index(archive: _Archive) -> dict[str, Any]:
    index = archive.listing
    names = ("suite", "file", "sha256", "size", "packed_sha256", "packed_size")
    return {**{name: getattr(index, name) for name in names}, **_strong(index), "checked": archive.checked}


def _licence(
    readers: Readers, package: str, store: Store | None, stated: Callable[[str], str | None]
) -> dict[str, Any]:
    """Return a package's licence by the store or the bill, and where its copyright file is, in the image or .deb."""
    wanted = f"usr/share/doc/{package}/copyright"
    links: dict[str, str] = {}
    files: dict[str, str] = {}
    for found in _entries(readers()):
        if found.entry.path.startswith(b"usr/share/doc/"):
            name = os.fsdecode(found.entry.path)
            if found.entry.kind == SYMLINK:
                links[name] = os.fsdecode(found.entry.target)
            elif found.entry.kind == FILE and name.endswith("/copyright"):
                files[name] = found.entry.sha256.hex()
    path = _resolve(f"{wanted}/", links).rstrip("/")  # the file itself may be a link
    declared = StoredLicences(readers(), store).licence(package) if store is not None else None
    return {
        "file": f"/{path if path in files else wanted}",
        "in_image": path in files,
        "sha256": files.get(path),
        "expression": (declared.expression or None) if declared is not None else stated(package),
    }
