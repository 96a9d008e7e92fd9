"""A database of vulnerabilities as trivy reads it, so that trivy finds some without a download.

It is a file of bbolt: pages of 4096 bytes, the first two with the same description of the file. A bucket is a page with
sorted keys, and a bucket within it is a value that holds such a page.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

PAGE = 4096
MAGIC, VERSION = 0xED0CDAED, 2
LEAF, META, FREE = 2, 4, 16
BUCKET = 1
FIRST = 4  # the first page of a bucket: after the descriptions, the free list and the list of buckets

Bucket = Mapping[str, "bytes | Mapping[str, bytes]"]


def write(cache: Path, release: str, advisories: Mapping[str, Mapping[str, str]]) -> None:
    """Write the database. advisories: the fixed version of each vulnerability by source package."""
    names = {name for found in advisories.values() for name in found}
    source = {"ID": "debian", "Name": "Debian Security Tracker", "URL": "https://example.org"}
    buckets: dict[str, Bucket] = {
        release: {
            package: {name: _json({"FixedVersion": fixed, "Status": 3}) for name, fixed in found.items()}
            for package, found in advisories.items()
        },
        "data-source": {release: _json(source)},
        "vulnerability": {name: _json({"Title": name, "Severity": "HIGH"}) for name in names},
    }
    directory = cache / "db"
    directory.mkdir(parents=True)
    (directory / "trivy.db").write_bytes(_bolt(buckets))
    at = "2026-01-01T00:00:00Z"
    times = {"Version": 2, "NextUpdate": "2999-01-01T00:00:00Z", "UpdatedAt": at, "DownloadedAt": at}
    (directory / "metadata.json").write_text(json.dumps(times))


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _bolt(buckets: Mapping[str, Bucket]) -> bytes:
    pages, roots, number = b"", [], FIRST
    for name, content in sorted(buckets.items()):
        rows = []
        for key, value in sorted(content.items()):
            if isinstance(value, bytes):
                rows.append((key.encode(), value, 0))
            else:
                inner = _leaf([(k.encode(), v, 0) for k, v in sorted(value.items())], 0)
                rows.append((key.encode(), struct.pack("<QQ", 0, 0) + inner, BUCKET))
        page = _leaf(rows, number)
        roots.append((name.encode(), struct.pack("<QQ", number, 0), BUCKET))
        number += len(page) // PAGE + 1
        pages += page.ljust((len(page) // PAGE + 1) * PAGE, b"\0")
    free = struct.pack("<QHHI", 2, FREE, 0, 0)
    head = b"".join(part.ljust(PAGE, b"\0") for part in (_meta(0, number), _meta(1, number), free, _leaf(roots, 3)))
    return head + pages


def _leaf(rows: list[tuple[bytes, bytes, int]], number: int) -> bytes:
    """Return a page of keys and values. Each has an element with the distance to its data."""
    elements, data = b"", b""
    for index, (key, value, flags) in enumerate(rows):
        distance = 16 * (len(rows) - index) + len(data)
        elements += struct.pack("<IIII", flags, distance, len(key), len(value))
        data += key + value
    size = 16 + len(elements) + len(data)
    return struct.pack("<QHHI", number, LEAF, len(rows), size // PAGE) + elements + data


def _meta(number: int, pages: int) -> bytes:
    body = struct.pack("<IIIIQQQQQ", MAGIC, VERSION, PAGE, 0, 3, 0, 2, pages, number)
    checksum = 0xCBF29CE484222325  # FNV-1a
    for byte in body:
        checksum = (checksum ^ byte) * 0x100000001B3 & (1 << 64) - 1
    return struct.pack("<QHHI", number, META, 0, 0) + body + struct.pack("<Q", checksum)
