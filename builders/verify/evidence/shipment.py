"""What a Debian package ships, at the places where fpack puts it, and what of an image is not that.

Debian's packages are slices of an image: files are left out, moved to merged /usr, and stripped of set-id bits. Nothing
else about them may differ.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.builders.debian import maintainer_scripts
from fpack.builders.manifest.format import DIRECTORY, FILE, SYMLINK, ManifestEntry
from fpack.builders.payload import meta
from fpack.builders.verify.findings import TRACE, Report, show

from . import deb_reader
from .deb_reader import Shipped

SET_ID = 0o6000
PLAIN = (0o755, 0, 0)
# The directories of old that merged /usr made links of; fpack moves their files.
MERGED = {b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libx32", b"libo32"}
STATUS = b"var/lib/dpkg/status.d/"

Attributes = tuple[int, int, int]  # mode, uid, gid


class Evidence(NamedTuple):
    """What a package says of more than its own files.

    directories: by path, those that are not 0755 root:root. offers: alternatives, as (link, target). scripts: SHA-256
    of its maintainer scripts; None where only the unpacked payload was at hand.
    """

    directories: Mapping[bytes, Attributes]
    offers: frozenset[tuple[bytes, bytes]]
    scripts: Mapping[str, bytes] | None


NOTHING = Evidence({}, frozenset(), None)


class Shipment:
    """A package, from its .deb or from its payload in a store."""

    def __init__(self, package: deb_reader.Package, offers: Sequence[Sequence[object]], scripts: bool) -> None:
        self._control = package.control
        self._files: dict[bytes, list[tuple[bytes, Shipped]]] = {}
        directories: dict[bytes, Attributes] = {}
        for path, shipped in package.files.items():
            top = shipped.kind == SYMLINK and b"/" not in path
            place = path if top else merged(path)
            self._files.setdefault(place, []).append((path, shipped))
            attributes = (shipped.mode, shipped.uid, shipped.gid)
            if shipped.kind == DIRECTORY and attributes != PLAIN:
                directories[place] = attributes
        self.evidence = Evidence(directories, frozenset(_offers(offers)), package.scripts if scripts else None)

    @classmethod
    def of_deb(cls, place: Path) -> Shipment:
        """Read a .deb."""
        package = deb_reader.read(place)
        return cls(package, maintainer_scripts.alternatives(package.postinst), True)

    @classmethod
    def of_payload(cls, place: Path) -> Shipment:
        """Read an unpacked package of a store, by its table."""
        entries, extra = meta.read(place)
        files = {
            _bytes(e.path): Shipped(e.kind, e.mode, e.uid, e.gid, e.size, e.sha256, _bytes(e.target)) for e in entries
        }
        return cls(deb_reader.Package(extra["control"], files), extra["alternatives"], False)

    def compare(self, package: str, entries: Sequence[ManifestEntry], restated: set[bytes], report: Report) -> None:
        """Say which entries of the image the package does not have like that.

        restated: directories whose attributes are not the package's alone.
        """
        status = STATUS + package.encode()
        for entry in entries:
            if entry.path == status:
                if not self._is_status(entry):
                    report.add(TRACE, show(entry.path), f"it is not the control data of {package}")
                continue
            origins = self._files.get(entry.path, [])
            if entry.kind == DIRECTORY and entry.path in restated:
                fits = any(shipped.kind == DIRECTORY for _, shipped in origins)
            else:
                fits = any(_is(entry, path, shipped) for path, shipped in origins)
            if not fits:
                what = "has something else there" if origins else "has no such file"
                report.add(TRACE, show(entry.path), f"the package {package} {what}")

    def _is_status(self, entry: ManifestEntry) -> bool:
        """Tell whether an entry is dpkg's record of an installed package."""
        first, _, rest = self._control.strip("\n").partition("\n")
        text = f"{first}\nStatus: install ok installed\n{rest.rstrip(chr(10))}\n".encode()
        about = (entry.kind, entry.mode, entry.uid, entry.gid)
        return about == (FILE, 0o644, 0, 0) and entry.sha256 == hashlib.sha256(text).digest()


def merged(path: bytes) -> bytes:
    """Return the place of a path in merged /usr."""
    return b"usr/" + path if path.split(b"/", 1)[0] in MERGED else path


def _is(entry: ManifestEntry, path: bytes, shipped: Shipped) -> bool:
    """Tell whether an entry is what a package has at `path`, less set-id bits."""
    if (entry.kind, entry.uid, entry.gid) != (shipped.kind, shipped.uid, shipped.gid):
        return False
    if entry.kind == SYMLINK:
        return entry.mode == 0o777 and entry.target in (shipped.target, _moved(path, entry.path, shipped.target))
    if entry.kind == FILE and entry.sha256 != shipped.sha256:
        return False
    return entry.mode in (shipped.mode, shipped.mode & ~SET_ID if entry.kind == FILE else shipped.mode)


def _moved(old: bytes, new: bytes, target: bytes) -> bytes:
    """Compute the target of a link that moves from `old` to `new`, so that it leads where it led before.

    Any other text that comes to the same place by its letters may come to another one by links on the way.
    """
    if old == new or target.startswith(b"/"):
        return target
    place = merged(posixpath.normpath(b"/" + posixpath.dirname(old) + b"/" + target).lstrip(b"/"))
    return posixpath.relpath(b"/" + place, b"/" + posixpath.dirname(new))


def _offers(declared: Sequence[Sequence[object]]) -> list[tuple[bytes, bytes]]:
    """List the links of alternatives and of their slaves with their targets."""
    found = []
    for link, _, target, _, slaves in declared:
        pairs = [(link, target)]
        if isinstance(slaves, list):
            pairs += [(slave[0], slave[2]) for slave in slaves]
        for one, other in pairs:
            if isinstance(one, str) and isinstance(other, str):
                found.append((merged(_bytes(one.strip("/"))), b"/" + merged(_bytes(other.strip("/")))))
    return found


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
