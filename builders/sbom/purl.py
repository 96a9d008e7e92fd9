"""Write package URLs and CPE names.

The library packageurl-python was not used: this is all of it that a bill needs, and the tests compare both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

_CPE_PLAIN = re.compile(r"[^A-Za-z0-9._-]")
_EPOCH = re.compile(r"\A\d+:")


def purl(kind: str, namespace: str, name: str, version: str = "", qualifiers: Mapping[str, str] = {}) -> str:
    """Return a package URL. namespace: its parts, with slashes between them. Empty qualifiers are left out."""
    parts = [part for part in namespace.split("/") if part]
    path = "/".join([kind, *map(_quoted, parts), _quoted(name)])
    at = f"@{_quoted(version)}" if version else ""
    pairs = "&".join(f"{key}={quote(value, safe=':/')}" for key, value in sorted(qualifiers.items()) if value)
    return f"pkg:{path}{at}{'?' if pairs else ''}{pairs}"


def _quoted(text: str) -> str:
    # A colon is never encoded, by the specification.
    return quote(text, safe=":")


def debian(
    distribution: str, release: str, name: str, version: str, arch: str, source: str = "", source_version: str = ""
) -> str:
    """Return the package URL of a binary package. It names the source if its name or version differs.

    A version with `+bN` is that of a rebuild of the same source, whose version does not have it.
    """
    differs = bool(source) and (source, source_version) != (name, version)
    upstream = f"{source}@{source_version}" if differs else ""
    return purl("deb", distribution, name, version, {"arch": arch, "distro": release, "upstream": upstream})


def debian_source(distribution: str, release: str, name: str, version: str) -> str:
    """Return the package URL of a source package."""
    return purl("deb", distribution, name, version, {"arch": "source", "distro": release})


def apk(system: str, name: str, version: str, arch: str, release: str, source: str = "") -> str:
    """Return the package URL of a package of apk. system, release: ID and VERSION_ID of os-release."""
    origin = source if source != name else ""
    distro = f"{system}-{release}" if release else ""
    return purl("apk", system, name, version, {"arch": arch, "distro": distro, "upstream": origin})


def upstream_version(version: str) -> str:
    """Return the upstream part of a Debian version: without the epoch and the revision."""
    return _EPOCH.sub("", version).rpartition("-")[0] or _EPOCH.sub("", version)


def cpe(part: str, vendor: str, product: str, version: str) -> str:
    """Return a CPE 2.3 name. part: "a" for software, "o" for an operating system. vendor "": any, as it is unknown."""
    values = [_cpe_value(value) for value in (vendor, product, version)]
    return ":".join(["cpe", "2.3", part, *values, *"*******"])


def _cpe_value(text: str) -> str:
    return _CPE_PLAIN.sub(lambda match: f"\\{match[0]}", text.lower()) or "*"
