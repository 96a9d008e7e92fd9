"""Read the locks of npm: package-lock.json and npm-shrinkwrap.json, of versions 1 to 3.

Versions 2 and 3 have `packages`, a table by directory below the project. Version 1 has `dependencies`, a tree of which
each level lies in the `node_modules` of the one above. Source: the npm documentation, package-lock.json.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from fpack.builders.streams import strict_json

from .model import ModuleLayout, ModuleLink, NodePackage, NodePlacement, Platform, name_of, path_of, suits, table

MAX_DEPTH = 100  # of the tree of version 1


def read_package_lock(text: str, platform: Platform, omit: frozenset[str]) -> ModuleLayout:
    """Return what a lock installs. Raise ValueError, with the reason, for one that cannot be read.

    platform: packages for other platforms are left out. omit: kinds of dependencies to leave out: `dev`, `optional`,
    `peer`.
    """
    data = strict_json.parse(text.encode())
    if not isinstance(data, dict):
        raise ValueError("it is not a JSON object")
    if isinstance(data.get("packages"), dict):
        return _by_directory(data["packages"], platform, omit)
    found: list[NodePlacement] = []
    _nested(table(data.get("dependencies")), "", platform, omit, found, 0)
    return ModuleLayout(found)


def _by_directory(packages: Mapping[str, Any], platform: Platform, omit: frozenset[str]) -> ModuleLayout:
    found, links = [], []
    for where, entry in packages.items():
        if "node_modules/" not in where and not where.startswith("node_modules"):
            continue  # the project's own packages
        if not isinstance(entry, dict):
            raise ValueError(f"the entry {where[:80]!r} is not an object")
        # `devOptional`: what both development and an optional package need.
        dev = bool(entry.get("dev") or (entry.get("devOptional") and "optional" in omit))
        if _omitted(entry, omit) or not suits(entry, platform) or entry.get("inBundle"):
            continue
        name = name_of(entry.get("name", where.rpartition("node_modules/")[2]))
        if entry.get("link"):
            links.append(ModuleLink(path_of(where), path_of(entry.get("resolved", "")), dev))
        else:
            found.append(NodePlacement(path_of(where), _package(name, entry), dev))
    return ModuleLayout(found, links)


def _nested(
    dependencies: Mapping[str, Any],
    prefix: str,
    platform: Platform,
    omit: frozenset[str],
    found: list[NodePlacement],
    depth: int,
) -> None:
    if depth > MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    for name, entry in dependencies.items():
        if not isinstance(entry, dict):
            raise ValueError(f"the entry {name[:80]!r} is not an object")
        if _omitted(entry, omit) or entry.get("bundled"):
            continue
        where = f"{prefix}node_modules/{name_of(name)}"
        found.append(NodePlacement(where, _package(name, entry), bool(entry.get("dev"))))
        _nested(table(entry.get("dependencies")), f"{where}/", platform, omit, found, depth + 1)


def _omitted(entry: Mapping[str, Any], omit: frozenset[str]) -> bool:
    dev, optional = bool(entry.get("dev")), bool(entry.get("optional"))
    both = bool(entry.get("devOptional")) and "dev" in omit and "optional" in omit
    return (
        both
        or (dev and "dev" in omit)
        or (optional and "optional" in omit)
        or (bool(entry.get("peer")) and "peer" in omit)
    )


def _package(name: str, entry: Mapping[str, Any]) -> NodePackage:
    """Return the package of an entry. A version `npm:NAME@VERSION` installs another package under this name."""
    version, url = entry.get("version"), entry.get("resolved", "")
    if not isinstance(version, str) or not isinstance(url, str):
        raise ValueError(f"the entry of {name} has no version")
    alias = re.match(r"npm:(.+)@([^@]+)\Z", version)
    if alias:
        name, version = name_of(alias[1]), alias[2]
    if not re.fullmatch(r"[0-9A-Za-z.+-]{1,128}", version):
        raise ValueError(f"{name} is locked from {version[:80]}, and not from a registry")
    if url.startswith("git"):
        raise ValueError(f"{name} is locked from a repository, {url[:80]}, which has no hash")
    return NodePackage(name, version, url, *digests(entry.get("integrity", "")))


def digests(integrity: Any) -> tuple[str, str]:
    """Return the SHA-2 digests of an `integrity` as they are (`sha512-BASE64 ...`), and SHA-1 in hexadecimal."""
    strong, sha1 = [], ""
    for word in integrity.split() if isinstance(integrity, str) else ():
        algorithm, _, value = word.partition("-")
        if algorithm in ("sha512", "sha384", "sha256"):
            strong.append(word)
        elif algorithm == "sha1":
            try:
                sha1 = base64.b64decode(value, validate=True).hex()
            except binascii.Error:
                raise ValueError(f"{word[:60]!r} is not a valid integrity") from None
    return " ".join(strong), sha1
