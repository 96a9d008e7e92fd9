"""Find out why each package is in an image's root, and which other packages it needs there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from fpack.builders.payload.meta import TreeEntry

from .format import PackageReason


def reason(record: Mapping[str, Any]) -> PackageReason:
    """Return the reason in the record of a package in a root's table."""
    found = record["reason"]
    return PackageReason(record.get("by") or "", found["kind"], found.get("file") or "", found.get("what") or "")


def loaded(tables: Mapping[str, Sequence[TreeEntry]], reasons: Mapping[str, PackageReason]) -> dict[str, list[str]]:
    """Return the packages that each package's files load or point to, sorted. tables: of each package's files."""
    owners: dict[str, str] = {}
    for package, entries in tables.items():
        for entry in entries:
            owners.setdefault("/" + entry.path, package)
            owners.setdefault(entry.path.rpartition("/")[2], package)
            if entry.facts is not None and entry.facts.soname:
                owners[entry.facts.soname] = package
    edges: dict[str, set[str]] = {}
    for package, entries in tables.items():
        names = (name for entry in entries if entry.facts for name in (*entry.facts.needed, entry.facts.interp))
        found = {owners.get(name) or owners.get("/usr" + name) for name in names if name}
        edges[package] = {name for name in found if name is not None and name != package}
    # A package may also have been brought in by a link, or by a request by name.
    for package, why in reasons.items():
        if why.by in edges:
            edges[why.by].add(package)
    return {package: sorted(names) for package, names in edges.items()}


def declared(slices: Iterable[Mapping[str, Any]], inside: Collection[str]) -> dict[str, list[str]]:
    """Return the packages that each package depends on, sorted. slices: of a root's arguments.

    inside: the packages of the image.
    """
    return {
        str(item["package"]): sorted({str(name) for name in item["depends"] if name in inside})
        for item in slices
        if item["package"] in inside
    }
