"""Find out why each package is in an image's root, and which other packages it needs there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fpack.builders.payload.meta import TreeEntry

from .format import PackageReason


def reason(record: Mapping[str, Any]) -> PackageReason:
    """Return the reason in the record of a package in a root's table."""
    found = record["reason"]
    return PackageReason(record.get("by") or "", found["kind"], found.get("file") or "", found.get("what") or "")


class PackageLoad(NamedTuple):
    """A file of `package` that loads a file of `owner`. kind: as of a reason. what: the soname, or the interpreter."""

    package: str
    owner: str
    kind: str
    file: str
    what: str


def loads(tables: Mapping[str, Sequence[TreeEntry]]) -> Iterator[PackageLoad]:
    """Yield what each package's files load of other packages. tables: of each package's files."""
    owners: dict[str, str] = {}
    for package, entries in tables.items():
        for entry in entries:
            owners.setdefault("/" + entry.path, package)
            owners.setdefault(entry.path.rpartition("/")[2], package)
            if entry.facts is not None and entry.facts.soname:
                owners[entry.facts.soname] = package
    for package, entries in tables.items():
        for entry in entries:
            if entry.facts is None:
                continue
            needed = (("needed", name) for name in entry.facts.needed)
            for kind, name in (*needed, ("interp" if entry.facts.machine else "script", entry.facts.interp)):
                owner = (owners.get(name) or owners.get("/usr" + name)) if name else None
                if owner is not None and owner != package:
                    yield PackageLoad(package, owner, kind, entry.path, name)


def loaded(tables: Mapping[str, Sequence[TreeEntry]], reasons: Mapping[str, PackageReason]) -> dict[str, list[str]]:
    """Return the packages that each package's files load or point to, sorted. tables: of each package's files."""
    edges: dict[str, set[str]] = {package: set() for package in tables}
    for load in loads(tables):
        edges[load.package].add(load.owner)
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
