"""Name the documents of a rebuilderd that concern a package, and read them.

Version 1 of its API has a list of binary packages with the last build of each, and an attestation for each reproduced
one. Servers before it have version 0, with an attestation for the first file of each build. A status is a claim of the
server that nothing signs; only an attestation proves that a package was reproduced.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from fpack.builders.debian.lock.records import LockedDeb
from fpack.builders.streams import strict_json

KEYS = "/api/v1/meta/public-keys"
OLD_KEYS = "/api/v0/public-keys"
MAX_LIST = 1 << 20  # bytes
MAX_KEYS = 64
LIMIT = 100  # entries of a list; a package has one for each release
MAX_ATTESTATIONS = 8  # of one package and server

GOOD, BAD = "GOOD", "BAD"
_STATUSES = (GOOD, BAD, "FAIL", "UNKWN", None)


class BuildEntry(NamedTuple):
    """A claim of a server about a package in one release.

    status: GOOD, BAD, or "" if no result is known. tried: whether a build ended. attestation: the path of the
    document, or "" if there is none.
    """

    status: str
    tried: bool
    attestation: str


def file_name(package: LockedDeb) -> str:
    """Return the name of a package's .deb."""
    return package.file.rpartition("/")[2]


def distribution(package: LockedDeb) -> str:
    """Return the name of a package's distribution, or "" if rebuilders build no such one."""
    name = package.archive.partition("-")[0]
    return name if name in ("debian", "ubuntu") else ""


def list_path(package: LockedDeb) -> str:
    """Return the path of the list of a package's builds. The package has a distribution."""
    name, version = quote(package.name, safe=""), quote(package.version, safe="")
    return f"/api/v1/packages/binary?distribution={distribution(package)}&name={name}&version={version}&limit={LIMIT}"


def old_list_path(package: LockedDeb) -> str:
    """Return the path of that list in version 0 of the API."""
    return f"/api/v0/pkgs/list?distro={distribution(package)}&name={quote(package.name, safe='')}"


def read_list(data: bytes, package: LockedDeb, old: bool) -> list[BuildEntry]:
    """Return the entries of a list about the .deb of a package, the latest build first.

    Raise ValueError with the reason if the list is malformed. Entries about other files are skipped.
    """
    value = strict_json.parse(data, MAX_LIST)
    rows = value if old else value.get("records") if isinstance(value, dict) else None
    if not isinstance(rows, list):
        raise ValueError("it has no list of packages")
    found: dict[tuple[int, BuildEntry], None] = {}
    for row in rows:
        if not isinstance(row, dict):
            raise ValueError("an entry is not a record")
        url = row.get("artifact_url" if old else "url")
        if not isinstance(url, str):
            raise ValueError("an entry has no URL")
        if unquote(url.rpartition("/")[2]) == file_name(package):
            build, entry = _entry(row, old)
            found[build, entry] = None
    return [entry for _, entry in sorted(found, key=lambda item: -item[0])]


def _entry(row: Mapping[str, Any], old: bool) -> tuple[int, BuildEntry]:
    status, build = row.get("status"), _number(row, "build_id")
    if status not in _STATUSES:
        raise ValueError("an entry has an unknown status")
    attestation = ""
    if old:
        if build is not None and row.get("has_attestation") is True:
            attestation = f"/api/v0/builds/{build}/attestation"
    elif _number(row, "attestation_log_id") is not None:
        artifact = _number(row, "artifact_id")
        if build is None or artifact is None:
            raise ValueError("an entry has an attestation, but no build")
        attestation = f"/api/v1/builds/{build}/artifacts/{artifact}/attestation"
    known = status if status in (GOOD, BAD) else BAD if status == "FAIL" else ""
    return build if build is not None else -1, BuildEntry(known, build is not None, attestation)


def _number(row: Mapping[str, Any], field: str) -> int | None:
    value = row.get(field)
    if value is None or value.__class__ is int and 0 <= value < 1 << 63:
        return value
    raise ValueError(f"the {field} of an entry is not a number")


def read_keys(data: bytes) -> list[str]:
    """Return the public keys that a server offers, as it writes them. Raise ValueError if the answer is malformed."""
    value = strict_json.parse(data, MAX_LIST)
    found = value.get("current") if isinstance(value, dict) else None
    if not isinstance(found, list) or len(found) > MAX_KEYS or not all(isinstance(text, str) for text in found):
        raise ValueError(f"it has no list of at most {MAX_KEYS} keys")
    return found
