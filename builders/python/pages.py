"""Read the pages of package indexes (PEP 503) and the URLs of files with hashes."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import unquote

from fpack.builders.net.errors import BadUrl, join_url, split_url
from fpack.builders.net.origins import is_local

from .wheels import IndexFile

MAX_PAGE = 64 << 20  # bytes
_LINK = re.compile(r"<a\s[^>]*+(?:>|\Z)", re.IGNORECASE)
_TARGET = re.compile(r"""href\s*=\s*["']([^"']+)["']""", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""\sdata-([a-z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'))?""", re.IGNORECASE)
_SHA256 = re.compile(r"(?:.*[#&])?sha256=([0-9a-f]{64})")


def links(page: str, base: str) -> list[IndexFile]:
    """Return the files with hashes on an index's page (PEP 503), in order. Ignore file: links of a remote page."""
    found = []
    for match in _LINK.finditer(page):
        target = _TARGET.search(match[0], 3) if match[0].endswith(">") else None
        if target is None:
            continue
        try:
            file = file_of(join_url(base, unescape(target[1])))
        except BadUrl:
            continue
        if not file.sha256 or (not is_local(base) and is_local(file.url)):
            continue
        given = {a[1].lower(): unescape(a[2] or a[3] or "") for a in _ATTRIBUTE.finditer(match[0])}
        metadata = given.get("core-metadata", given.get("dist-info-metadata", ""))
        digest = _SHA256.match(metadata)
        found.append(
            file._replace(
                requires_python=given.get("requires-python", ""),
                metadata=digest[1] if digest else "true" if metadata == "true" else "",
                yanked="yanked" in given,
            )
        )
    return found


def file_of(url: str) -> IndexFile:
    """Return the file of a URL, with the SHA-256 of its fragment or ""."""
    plain, _, fragment = url.partition("#")
    match = _SHA256.match(fragment)
    return IndexFile(unquote(split_url(plain).path.rpartition("/")[2]), plain, match[1] if match else "")
