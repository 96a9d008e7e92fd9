"""Compare entries of an image with the files that a Debian package ships.

fpack may leave files of a package out, move them to merged /usr, and remove set-id bits. Nothing else may differ.
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
from fpack.store.files.checked_tree import CheckedTree

from . import deb_reader
from .deb_reader import ShippedFile

SET_ID = 0o6000
PLAIN = (0o755, 0, 0)
# The directories that merged /usr replaces by symlinks. fpack moves their files.
MERGED = {b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libx32", b"libo32"}
STATUS = b"var/lib/dpkg/status.d/"

Attributes = tuple[int, int, int]  # mode, uid, gid


class Evidence(NamedTuple):
    """The statements of a package about paths beyond its own files.

    directories: by path, those that are not 0755 root:root. offers: alternatives, as (link, target). scripts: SHA-256
    of its maintainer scripts, or None if only the unpacked payload was available.
    """

    directories: Mapping[bytes, Attributes]
    offers: frozenset[tuple[bytes, bytes]]
    scripts: Mapping[str, bytes] | None


NOTHING = Evidence({}, frozenset(), None)


class Shipment:
    """The files of a package, from its .deb or from its payload in a store."""

    def __init__(self, package: deb_reader.DebContents, offers: Sequence[Sequence[object]], scripts: bool) -> None:
        self._control = package.control
        self._files: dict[bytes, list[tuple[bytes, ShippedFile]]] = {}
        directories: dict[bytes, Attributes] = {}
        for path, shipped in package.files.items():
            top = shipped.kind == SYMLINK and b"/" not in path
            new_path = path if top else merged(path)
            self._files.setdefault(new_path, []).append((path, shipped))
            attributes = (shipped.mode, shipped.uid, shipped.gid)
            if shipped.kind == DIRECTORY and attributes != PLAIN:
                directories[new_path] = attributes
        self.evidence = Evidence(directories, frozenset(_offers(offers)), package.scripts if scripts else None)

    @classmethod
    def of_deb(cls, path: Path) -> Shipment:
        """Read a .deb."""
        package = deb_reader.read(path)
        return cls(package, maintainer_scripts.alternatives(package.postinst), True)

    @classmethod
    def of_payload(cls, tree: CheckedTree) -> Shipment:
        """Read the table of an unpacked package in a store. Raise DamagedPath if it is damaged."""
        entries, extra = meta.load(tree)
        files = {
            _bytes(e.path): ShippedFile(e.kind, e.mode, e.uid, e.gid, e.size, e.sha256, _bytes(e.target))
            for e in entries
        }
        return cls(deb_reader.DebContents(extra["control"], files), extra["alternatives"], False)

    def compare(self, package: str, entries: Sequence[ManifestEntry], restated: set[bytes], report: Report) -> None:
        """Report the entries of the image that differ from the package's.

        restated: directories whose attributes do not depend on this package alone.
        """
        status = STATUS + package.encode()
        for entry in entries:
            if entry.path == status:
                if not self._is_status(entry):
                    report.add(TRACE, show(entry.path), f"it is not the control stanza of {package}")
                continue
            origins = self._files.get(entry.path, [])
            if entry.kind == DIRECTORY and entry.path in restated:
                fits = any(shipped.kind == DIRECTORY for _, shipped in origins)
            else:
                fits = any(_is(entry, path, shipped) for path, shipped in origins)
            if not fits:
                what = "has a different entry" if origins else "has no such file"
                report.add(TRACE, show(entry.path), f"the package {package} {what}")

    def _is_status(self, entry: ManifestEntry) -> bool:
        """Return whether an entry is the package's dpkg status."""
        first, _, rest = self._control.strip("\n").partition("\n")
        text = f"{first}\nStatus: install ok installed\n{rest.rstrip(chr(10))}\n".encode()
        about = (entry.kind, entry.mode, entry.uid, entry.gid)
        return about == (FILE, 0o644, 0, 0) and entry.sha256 == hashlib.sha256(text).digest()


def merged(path: bytes) -> bytes:
    """Return a path's new path in merged /usr."""
    return b"usr/" + path if path.split(b"/", 1)[0] in MERGED else path


def _is(entry: ManifestEntry, path: bytes, shipped: ShippedFile) -> bool:
    """Return whether an entry equals a package's entry at `path`, except for set-id bits."""
    if (entry.kind, entry.uid, entry.gid) != (shipped.kind, shipped.uid, shipped.gid):
        return False
    if entry.kind == SYMLINK:
        return entry.mode == 0o777 and entry.target in (shipped.target, _moved(path, entry.path, shipped.target))
    if entry.kind == FILE and entry.sha256 != shipped.sha256:
        return False
    return entry.mode in (shipped.mode, shipped.mode & ~SET_ID if entry.kind == FILE else shipped.mode)


def _moved(old: bytes, new: bytes, target: bytes) -> bytes:
    """Return the target of a symlink that moves from `old` to `new`, such that it still leads to the same path.

    Only this text is accepted: another text with the same lexical result may lead elsewhere through other symlinks.
    """
    if old == new or target.startswith(b"/"):
        return target
    wanted = merged(posixpath.normpath(b"/" + posixpath.dirname(old) + b"/" + target).lstrip(b"/"))
    return posixpath.relpath(b"/" + wanted, b"/" + posixpath.dirname(new))


def _offers(declared: Sequence[Sequence[object]]) -> list[tuple[bytes, bytes]]:
    """Return the links of alternatives and of their slaves, with their targets."""
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
