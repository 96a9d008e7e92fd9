"""What is inside a container, read from its built root and image: the data of `why` and `size`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders.oci.image_record import read as read_record
from fpack.builders.payload import meta
from fpack.builders.payload.globs import merged
from fpack.store.errors import FpackError

_SHOWN = 8  # packages that have files in a directory


class NotInside(FpackError):
    """Something that was asked about is not in the image."""


class Slice(NamedTuple):
    """A package in an image. by: the package that brought it in, if any. kind, file, what: how."""

    package: str
    version: str
    path: str
    by: str | None
    kind: str
    file: str
    what: str


class Layer(NamedTuple):
    """A layer of an image: the packages in it, its compressed and its unpacked bytes."""

    packages: tuple[str, ...]
    size: int
    unpacked: int


def read_slices(root: Path) -> list[Slice]:
    """The slices of a built root, by its directory on disk."""
    _, extra = meta.read(root)
    found = []
    for each in extra["slices"]:
        reason = each["reason"]
        found.append(
            Slice(
                each["package"],
                each["version"],
                each["path"],
                each.get("by"),
                reason["kind"],
                reason.get("file") or "",
                reason.get("what") or "",
            )
        )
    return found


def read_layers(image: Path) -> list[Layer]:
    """The layers of a built image, by its directory on disk."""
    layers = read_record(image).fields["layers"]
    return [Layer(tuple(each["packages"]), each["size"], each["unpacked"]) for each in layers]


def chain(slices: Sequence[Slice], package: str) -> list[Slice]:
    """How a package came to be in: from what was asked for down to it."""
    by_name = {each.package: each for each in slices}
    links: list[Slice] = []
    name: str | None = package
    while name is not None and name in by_name and by_name[name] not in links:
        links.append(by_name[name])
        name = by_name[name].by
    return links[::-1]


def reason_text(each: Slice) -> str:
    """Why a slice is in, in words."""
    file = "/" + each.file.lstrip("/")
    words: Mapping[str, str] = {
        "seed": "asked for",
        "depends": f"{each.by} depends on {each.what or each.package}",
        "needed": f"{file} needs {each.what}",
        "interp": f"{file} is started by {each.what}",
        "script": f"{file} is run by {each.what}",
        "link": f"{file} points to {each.what}",
        "asked": f"{each.what or each.package} was asked for by name",
    }
    return words.get(each.kind, each.kind)


def loads(slices: Sequence[Slice], disk: Mapping[str, Path]) -> dict[str, list[str]]:
    """Which packages of an image each package's files load or point to, by what the files say. disk: as of `find`."""
    tables = {each.package: meta.read(disk[each.path])[0] for each in slices}
    owners: dict[str, str] = {}
    for package, entries in tables.items():
        for entry in entries:
            owners.setdefault("/" + entry.path, package)
            owners.setdefault(entry.path.rpartition("/")[2], package)
            if entry.facts is not None and entry.facts.soname:
                owners[entry.facts.soname] = package
    edges: dict[str, list[str]] = {}
    for package, entries in tables.items():
        wanted: list[str] = []
        for entry in entries:
            if entry.facts is not None:
                wanted += [*entry.facts.needed, entry.facts.interp]
        found = {owners.get(name) or owners.get("/usr" + name) for name in wanted if name}
        edges[package] = sorted(name for name in found if name is not None and name != package)
    # What brought a package in need not be what loads it: a link, or a request by name.
    for each in slices:
        if each.by is not None and each.package not in edges.setdefault(each.by, []):
            edges[each.by] = sorted([*edges[each.by], each.package])
    return edges


def declared(root: Mapping[str, Any], slices: Sequence[Slice]) -> dict[str, list[str]]:
    """Which packages of an image each one depends on, as the arguments of its root declare."""
    inside = {each.package for each in slices}
    return {
        str(each["package"]): sorted(name for name in each["depends"] if name in inside)
        for each in root["slices"]
        if each["package"] in inside
    }


class Found(NamedTuple):
    """Where something that was asked about is: in which package, and as which file (relative), if it is one."""

    package: str
    file: str = ""


def find(slices: Sequence[Slice], wanted: str, disk: Mapping[str, Path]) -> Found:
    """What `wanted` names: a package, a file's path or name, or a soname. disk: each slice's directory.

    NotInside names the nearest package that is there.
    """
    names = {each.package for each in slices}
    if wanted in names:
        return Found(wanted)
    path = merged(wanted.strip("/"))
    named: Found | None = None
    below: list[str] = []
    for each in slices:
        entries, _ = meta.read(disk[each.path])
        for entry in entries:
            if entry.path == path or (entry.facts is not None and entry.facts.soname == wanted):
                return Found(each.package, entry.path)
            if named is None and "/" not in wanted and entry.path.endswith("/" + wanted):
                named = Found(each.package, entry.path)
            if entry.path.startswith(path + "/") and each.package not in below[-1:]:
                below.append(each.package)
    if named is not None:
        return named
    if below and wanted.startswith("/"):
        raise NotInside(
            f"{wanted} is a directory", why=f"it has files of {_some(below)}", hint="name one of them, or a file"
        )
    from difflib import get_close_matches

    near = get_close_matches(wanted, names, 3, 0.5)
    raise NotInside(
        f"{wanted} is not in the image",
        why=f"it holds {len(names)} packages, and none of them is it or has it",
        hint=f"did you mean {' or '.join(near)}?" if near else "fpack size lists what is in it",
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if names[_SHOWN:] else "")
