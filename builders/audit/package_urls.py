"""Read package URLs of other people's documents, and tell whether one covers a package or an image.

A URL without a version covers all versions, and one without a qualifier covers all its values. Nothing else is a
wildcard: a name with `*` covers nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from fpack.builders.debian.version import InvalidVersion, version_key
from fpack.builders.sbom.purl import debian

from .model import BinaryPackage, Product

MAX_LENGTH = 4096
MAX_CONSTRAINTS = 200
_DEBIAN_TYPES = ("deb", "debian")
# Qualifiers that describe a package, and do not tell which one it is.
_DESCRIPTIVE = ("download_url", "file_name", "upstream", "vcs_url")
_CODENAMES = {
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "forky": "14",
    "focal": "20.04",
    "jammy": "22.04",
    "noble": "24.04",
}


class PackageUrl(NamedTuple):
    """The parts of a package URL, decoded."""

    type: str
    namespace: str
    name: str
    version: str = ""
    qualifiers: Mapping[str, str] = {}


class ImageIdentity(NamedTuple):
    """The image that statements can be about. digests: of its manifest and configuration, `sha256:` and hexadecimal."""

    name: str
    tag: str
    arch: str
    digests: tuple[str, ...]


@lru_cache(maxsize=1 << 16)
def parse(text: str) -> PackageUrl | None:
    """Parse a package URL. Return None if it is none, or has a character that no URL has."""
    if not text.startswith("pkg:") or len(text) > MAX_LENGTH or not text.isascii() or not text.isprintable():
        return None
    rest = text[4:].partition("#")[0].strip("/")
    rest, _, query = rest.partition("?")
    path, at, version = rest.rpartition("@")
    # The `@` of a scope of npm comes before a slash.
    if not at or "/" in version:
        path, version = rest, ""
    parts = [unquote(part) for part in path.split("/") if part]
    qualifiers = dict(pair.partition("=")[::2] for pair in query.split("&") if pair)
    if len(parts) < 2 or not all(part.isprintable() and part != "*" for part in parts):
        return None
    found = {key.lower(): unquote(value) for key, value in qualifiers.items()}
    return PackageUrl(parts[0].lower(), "/".join(parts[1:-1]), parts[-1], unquote(version), found)


def binary_url(product: Product, binary: BinaryPackage) -> str:
    """Return the package URL of a binary package of a source."""
    return debian(product.ecosystem.lower(), product.release, binary.name, binary.version, binary.arch)


def covers(stated: PackageUrl, other: PackageUrl, versions: str = "") -> bool:
    """Return whether a stated package URL covers another one. versions: a range of `vers:`, or "" for all."""
    if (stated.type, stated.namespace, stated.name) != (other.type, other.namespace, other.name):
        return False
    if stated.version and _version(stated) != _version(other):
        return False
    if versions and not in_range(versions, other.version):
        return False
    return all(
        _same(key, value, other.qualifiers.get(key, ""))
        for key, value in stated.qualifiers.items()
        if value and key not in _DESCRIPTIVE and key != "epoch"
    )


def covers_image(stated: PackageUrl, image: ImageIdentity) -> bool:
    """Return whether a stated package URL covers an image: by its digest, or by its name if it has no digest."""
    if stated.type != "oci":
        return False
    if stated.version:
        return stated.version in image.digests
    known = {"repository_url": image.name, "tag": image.tag, "arch": image.arch}
    name = image.name.rpartition("/")[2].lower()
    return stated.name == name and all(known.get(key) == value for key, value in stated.qualifiers.items() if value)


def _version(url: PackageUrl) -> str:
    """Return the version. Some tools have the epoch as a qualifier."""
    epoch = url.qualifiers.get("epoch", "")
    return f"{epoch}:{url.version}" if epoch and epoch != "0" and ":" not in url.version else url.version


def _same(key: str, stated: str, known: str) -> bool:
    return _distribution(stated) == _distribution(known) if key == "distro" else stated == known


def _distribution(text: str) -> str:
    """Return the release of a distribution: `trixie`, `debian-13` and `debian-13.2` are the same."""
    system, dash, rest = text.rpartition("-")
    release = rest if dash and system in ("debian", "ubuntu") else text
    if system == "debian" and release.partition(".")[0].isdigit():
        release = release.partition(".")[0]
    return _CODENAMES.get(release, release)


def in_range(text: str, version: str) -> bool:
    """Return whether a Debian version is in a range such as `vers:deb/>=1.0|<1.2`. No version is in an unknown one."""
    scheme, _, rest = text.partition("/")
    constraints = rest.split("|")
    if scheme.lower() not in [f"vers:{kind}" for kind in _DEBIAN_TYPES] or len(constraints) > MAX_CONSTRAINTS:
        return False
    if constraints == ["*"]:
        return True
    try:
        key = version_key(version)
        bounds = []
        for item in constraints:
            bare = item.strip()
            comparator = next((c for c in ("!=", "<=", ">=", "<", ">", "=") if bare.startswith(c)), "")
            bounds.append((comparator or "=", version_key(unquote(bare[len(comparator) :]))))
    except InvalidVersion:
        return False
    if any(bound == key for comparator, bound in bounds if comparator in ("!=", "<", ">")):
        return False
    if any(bound == key for comparator, bound in bounds if comparator in ("=", "<=", ">=")):
        return True
    ranges = [(comparator[0], bound) for comparator, bound in bounds if comparator[0] in "<>"]
    if not ranges:
        return False
    if ranges[0][0] == "<" and key < ranges[0][1]:
        return True
    if ranges[-1][0] == ">" and key > ranges[-1][1]:
        return True
    pairs = zip(ranges, ranges[1:], strict=False)
    return any(low[0] == ">" and high[0] == "<" and low[1] < key < high[1] for low, high in pairs)
