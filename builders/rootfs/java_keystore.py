"""Write a Java trust store of certificates in the format JKS, version 2.

This is the format of `keytool -storetype jks`, which every Java version reads: a header, entries of kind 2 (trusted
certificate: alias, date, type, DER), and a SHA-1 digest of the password, a fixed phrase and the preceding bytes. The
digest only detects damage. The password is Java's conventional default.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Iterable

PASSWORD = "changeit"
_MAGIC, _VERSION, _TRUSTED = 0xFEEDFEED, 2, 2
_DATE = 315532800000  # 1980-01-01, in milliseconds
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----")


def keystore(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Encode the trust store of PEM files, given as (alias, content). Files without a certificate are skipped."""
    entries = [(alias, der) for alias, content in files if (der := certificate(content)) is not None]
    body = struct.pack(">III", _MAGIC, _VERSION, len(entries))
    body += b"".join(_entry(alias, der) for alias, der in entries)
    return body + hashlib.sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()


def certificate(pem: bytes) -> bytes | None:
    """Return the first certificate of a PEM file in DER form, or None."""
    found = _PEM.search(pem)
    if found is None:
        return None
    try:
        return base64.b64decode(b"".join(found[1].split()), validate=True) or None
    except binascii.Error:
        return None


def _entry(alias: str, der: bytes) -> bytes:
    return struct.pack(">I", _TRUSTED) + _text(alias) + struct.pack(">q", _DATE) + _text("X.509") + _block(der)


def _text(text: str) -> bytes:
    # Java's modified UTF-8 differs for NUL and characters beyond U+FFFF: escape everything that is not ASCII.
    data = text.encode("ascii", "backslashreplace")[:0xFFFF]
    return struct.pack(">H", len(data)) + data


def _block(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
