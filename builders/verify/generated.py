"""Recompute the files that fpack generates from the image's content, with code independent of the generator.

Rules that depend on choices of the image's author, such as accounts, are not recomputed. Their files count as
unverified, as do files that differ from the result of their rule.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection

from fpack.builders.manifest.format import FILE, SYMLINK, ManifestEntry
from fpack.builders.verify.evidence.shipment import MERGED

BUNDLE = b"etc/ssl/certs/ca-certificates.crt"
_CERTIFICATES = (b"usr/share/ca-certificates/", b"usr/local/share/ca-certificates/")
# Bytes of all certificates, and of one.
MAX_CERTIFICATES, MAX_CERTIFICATE = 8 << 20, 1 << 20
_LINKS = {
    "merged-usr": {name: b"usr/" + name for name in MERGED},
    "run": {b"var/run": b"/run", b"var/lock": b"/run/lock"},
    "openssl-certificates": {b"usr/lib/ssl/cert.pem": b"/" + BUNDLE, b"usr/lib/ssl/certs": b"/etc/ssl/certs"},
}
_SERVICES = ("passwd", "group", "shadow", "hosts", "networks", "protocols", "services", "ethers", "rpc")
_TEXTS = {
    "name-services": {
        b"etc/hosts": b"127.0.0.1 localhost\n::1 localhost\n",
        b"etc/nsswitch.conf": "".join(
            f"{name}: files{' dns' if name == 'hosts' else ''}\n" for name in _SERVICES
        ).encode(),
    }
}
# Directories that are generated if no package has them.
DIRECTORIES = {b"root": (0o700, 0, 0), b"tmp": (0o1777, 0, 0), b"var/tmp": (0o1777, 0, 0), b"run/lock": (0o1777, 0, 0)}


class GeneratedRules:
    """The results of the rules for one image. Call `watch` for the files of all packages before `makes`."""

    def __init__(self) -> None:
        self._certificates: dict[bytes, bytearray] = {}
        self._room = MAX_CERTIFICATES

    def watch(self, entry: ManifestEntry) -> Callable[[bytes], None] | None:
        """Return a consumer for the content of a package's file, or None if no rule needs the file."""
        if not (entry.path.startswith(_CERTIFICATES) and entry.path.endswith(b".crt") and entry.kind == FILE):
            return None
        if entry.size > min(self._room, MAX_CERTIFICATE):
            return None
        self._room -= entry.size
        data = self._certificates[entry.path] = bytearray()
        return data.extend

    def makes(self, entry: ManifestEntry, rule: str, offers: Collection[tuple[bytes, bytes]]) -> bool:
        """Return whether a rule ("" for any) generates exactly this entry.

        offers: (path, target) of each alternative that the packages offer.
        """
        if (entry.uid, entry.gid) != (0, 0):
            return False
        if entry.kind == SYMLINK:
            offered = rule in ("", "alternatives") and (entry.path, entry.target) in offers
            known = any(table.get(entry.path) == entry.target for name, table in _LINKS.items() if rule in ("", name))
            return entry.mode == 0o777 and (offered or known)
        if entry.kind != FILE or entry.mode != 0o644:
            return False
        texts = [table.get(entry.path) for name, table in _TEXTS.items() if rule in ("", name)]
        if rule in ("", "certificates") and entry.path == BUNDLE:
            texts.append(self._bundle())
        return any(text is not None and hashlib.sha256(text).digest() == entry.sha256 for text in texts)

    def _bundle(self) -> bytes:
        """Join the certificates in the order of their paths, each ended by a line break."""
        names = sorted(self._certificates, key=lambda path: path.decode("utf-8", "surrogateescape"))
        pieces = (bytes(self._certificates[name]) for name in names)
        return b"".join(piece if piece[-1:] in (b"", b"\n") else piece + b"\n" for piece in pieces)
