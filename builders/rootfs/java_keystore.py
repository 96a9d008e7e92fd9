"""Java's trust store, made of certificates: the format JKS, version 2.

It is what `keytool` writes with `-storetype jks`, and what every Java reads: a header, entries of kind 2 (a trusted
certificate: alias, date, type, DER), and a SHA-1 digest over the password, a fixed phrase and all before it. The digest
only detects damage; the password is the customary one, which Java programs that want one give.
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
    """The trust store of PEM files, given as (alias, content); a file without a certificate is left out."""
    entries = [(alias, der) for alias, content in files if (der := certificate(content)) is not None]
    body = struct.pack(">III", _MAGIC, _VERSION, len(entries))
    body += b"".join(_entry(alias, der) for alias, der in entries)
    return body + hashlib.sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()


def certificate(pem: bytes) -> bytes | None:
    """The DER form of the first certificate in a PEM file."""
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
    # Java's own UTF-8 differs for NUL and beyond U+FFFF, which no alias needs.
    data = text.encode("ascii", "backslashreplace")[:0xFFFF]
    return struct.pack(">H", len(data)) + data


def _block(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
