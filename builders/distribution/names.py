"""Check digests and tags, so that a name of a repository never becomes another path."""

from __future__ import annotations

import re

from fpack import light_hashes

from .protocol import Corrupt

_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z"
_DIGITS = "0123456789abcdef"


def is_digest(text: str) -> bool:
    """Return whether a text is a SHA-256 digest as OCI writes it."""
    return len(text) == 71 and text.startswith("sha256:") and not text[7:].strip(_DIGITS)


def is_tag(text: str) -> bool:
    return re.match(_TAG, text) is not None


def check_digest(text: str, where: str = "") -> str:
    """Return a digest. Raise Corrupt if the text is none."""
    if not is_digest(text):
        raise Corrupt(f"{text[:100]!r} is not a SHA-256 digest", where=where)
    return text


def digest_of(data: bytes | bytearray) -> str:
    """Return the digest of bytes, as OCI writes it."""
    return f"sha256:{light_hashes.sha256(data).hexdigest()}"
