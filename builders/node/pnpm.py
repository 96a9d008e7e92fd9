"""Read pnpm-lock.yaml, of versions 5 to 9."""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping
from typing import Any

from .documents import parse_yaml
from .model import Graph, Importer, ModuleNode, NodePackage, Platform, name_of, path_of, suits, table
from .package_lock import digests


def read_pnpm_lock(text: str, platform: Platform) -> Graph:
    """Return the packages of a lock; raise ValueError for one that cannot be read."""
    data = table(parse_yaml(text))
    version = float(re.match(r"\d+(?:\.\d+)?|", str(data.get("lockfileVersion", "")))[0] or 0)  # type: ignore[index]
    if not 5 <= version < 10:
        raise ValueError(
            f"its lockfileVersion is {str(data.get('lockfileVersion', 'missing'))[:20]}; fpack reads 5 to 9"
        )
    described, snapshots = table(data.get("packages")), table(data.get("snapshots"))
    nodes: dict[str, ModuleNode] = {}
    left_out = set()
    for key, entry in (snapshots if version >= 9 else described).items():
        name, number = _identity(key, table(entry))
        about = table(described.get(_bare(key))) if version >= 9 else table(entry)
        resolution = table(about.get("resolution"))
        if not suits(about, platform):
            left_out.add(key)
            continue
        integrity, sha1 = digests(resolution.get("integrity", ""))
        url = str(resolution.get("tarball", ""))
        if not integrity and not sha1 and not url.startswith("http"):
            where = str(resolution.get("repo") or resolution.get("directory") or url)
            source = f" from {where[:80]}" if where else ""
            raise ValueError(f"{name} is locked{source} without a hash")
        uses = {**table(entry.get("dependencies")), **table(entry.get("optionalDependencies"))}
        nodes[key] = ModuleNode(
            NodePackage(name, number, url, integrity, sha1),
            {name_of(n): _key(n, str(v), nodes_of(described, snapshots, version)) for n, v in uses.items()},
        )
    importers = table(data.get("importers")) or {".": data}
    found = []
    for path, entry in importers.items():
        path = "" if path == "." else path_of(path)
        uses, links = _wanted(entry, ("dependencies", "optionalDependencies"), path, described, snapshots, version)
        dev, more = _wanted(entry, ("devDependencies",), path, described, snapshots, version)
        found.append(Importer(path, uses, dev, {**links, **more}))
    for key, node in nodes.items():
        gone = [name for name, other in node.uses.items() if other not in nodes and other not in left_out]
        gone = [name for name in gone if not node.uses[name].startswith(("link:", "file:"))]
        if gone:
            raise ValueError(f"{key[:80]} uses {gone[0]}, which has no entry")
    return Graph(nodes, found)


def nodes_of(described: Mapping[str, Any], snapshots: Mapping[str, Any], version: float) -> Mapping[str, Any]:
    return snapshots if version >= 9 else described


def _wanted(
    entry: Any, sections: tuple[str, ...], path: str, described: Mapping[str, Any], snapshots: Mapping[str, Any],
    version: float,
) -> tuple[dict[str, str], dict[str, str]]:  # fmt: skip
    uses, links = {}, {}
    for section in sections:
        for name, value in table(table(entry).get(section)).items():
            reference = str(table(value).get("version", "")) if isinstance(value, dict) else str(value)
            if reference.startswith("link:"):
                target = os.path.normpath(os.path.join(path, reference[5:]))
                links[name_of(name)] = path_of(target)
            else:
                uses[name_of(name)] = _key(name, reference, nodes_of(described, snapshots, version))
    return uses, links


def _key(name: str, reference: str, known: Mapping[str, Any]) -> str:
    """Return the key of an entry from a reference: a version with peers, or the key itself, of an alias."""
    for key in (f"{name}@{reference}", f"/{name}@{reference}", f"/{name}/{reference}", reference, f"/{reference}"):
        if key in known:
            return key
    return reference


def _bare(key: str) -> str:
    """Return a key without the peers."""
    return key.partition("(")[0]


def _identity(key: str, entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name and the version in a key, of any version of the format."""
    if isinstance(entry.get("name"), str) and isinstance(entry.get("version"), str):
        return name_of(entry["name"]), str(entry["version"])
    plain = _bare(key.lstrip("/"))
    match = re.fullmatch(r"((?:@[^/@]+/)?[^/@]+)[@/](\d[^/_]*)(?:_.*)?", plain)
    if match is None:
        raise ValueError(f"{key[:80]} is not locked from a registry")
    return name_of(match[1]), match[2]
