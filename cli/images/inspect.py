"""Read the contents of a built container from its root and image, for `why` and `size`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders.oci.image_record import read as read_record
from fpack.builders.payload import meta
from fpack.builders.payload.globs import merged
from fpack.store.errors import FpackError, did_you_mean
from fpack.store.files.checked_tree import CheckedTree

_MAX_NAMES = 8  # packages to name in an error


class NotInside(FpackError):
    """A package or file is not in the image."""


class ImageSlice(NamedTuple):
    """A package in an image.

    by: the package that brought it in, or None. kind, file, what: the reason (see `reason_text`).
    """

    package: str
    version: str
    path: str
    by: str | None
    kind: str
    file: str
    what: str


class ImageLayer(NamedTuple):
    """A layer of an image: its packages, its compressed and its unpacked size.

    configured: the number of its files that maintainer scripts made.
    """

    packages: tuple[str, ...]
    size: int
    unpacked: int
    configured: int = 0


def read_slices(root: Path) -> list[ImageSlice]:
    """Return the slices of a built root. root: its directory on disk."""
    _, extra = meta.read(root)
    found = []
    for slice_ in extra["slices"]:
        reason = slice_["reason"]
        found.append(
            ImageSlice(
                slice_["package"],
                slice_["version"],
                slice_["path"],
                slice_.get("by"),
                reason["kind"],
                reason.get("file") or "",
                reason.get("what") or "",
            )
        )
    return found


def made_by_scripts(root: Path, disk: Callable[[str], Path]) -> dict[str, Match]:
    """Return what maintainer scripts made in a built root, by path. disk: returns the directory of a store path."""
    configure = meta.read(root)[1].get("configure")
    if configure is None:
        return {}
    left_out = set(configure["left_out"])
    rows = meta.read(disk(configure["path"]))[1]["configured"]
    return {
        (file := os.fsdecode(path)): Match(package, file, script, sha256)
        for path, package, script, sha256 in rows
        if path not in left_out
    }


def made_by_container(root: Path, files: Path | None) -> dict[str, Match]:
    """Return what fpack generated in a built root, and the container's own files, by path.

    files: the directory of the output of the container's files, if it has some.
    """
    generated = meta.read(root)[1].get("generated", ())
    found = {(path := os.fsdecode(raw)): Match("", path, rule=rule) for raw, rule in generated}
    entries = meta.read(files)[0] if files is not None else ()
    return found | {entry.path: Match("", entry.path) for entry in entries}


def read_layers(image: CheckedTree) -> list[ImageLayer]:
    layers = read_record(image).fields["layers"]
    return [
        ImageLayer(tuple(layer["packages"]), layer["size"], layer["unpacked"], layer.get("configured", 0))
        for layer in layers
    ]


def chain(slices: Sequence[ImageSlice], package: str) -> list[ImageSlice]:
    """Return the chain of packages that brought a package in, from a requested one down to it."""
    by_name = {slice_.package: slice_ for slice_ in slices}
    links: list[ImageSlice] = []
    name: str | None = package
    while name is not None and name in by_name and by_name[name] not in links:
        links.append(by_name[name])
        name = by_name[name].by
    return links[::-1]


def reason_text(entry: ImageSlice) -> str:
    """Describe why a slice is in the image."""
    file = "/" + entry.file.lstrip("/")
    words: Mapping[str, str] = {
        "seed": "requested",
        "depends": f"{entry.by} depends on {entry.what or entry.package}",
        "needed": f"{file} needs {entry.what}",
        "interp": f"{file} is started by {entry.what}",
        "script": f"{file} is run by {entry.what}",
        "link": f"{file} points to {entry.what}",
        "calls": f"{file} calls {entry.what}",
        "data": f"{entry.by} uses {entry.what}",
        "terminal": f"{file} reads {entry.what}",
        "asked": f"{entry.what or entry.package} was requested by name",
    }
    return words.get(entry.kind, entry.kind)


def loads(slices: Sequence[ImageSlice], disk: Mapping[str, Path]) -> dict[str, list[str]]:
    """Return the packages that each package's files load or point to. disk: as in `find`."""
    tables = {slice_.package: meta.read(disk[slice_.path])[0] for slice_ in slices}
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
    # A package may also have been brought in by a link, or by a request by name.
    for slice_ in slices:
        if slice_.by is not None and slice_.package not in edges.setdefault(slice_.by, []):
            edges[slice_.by] = sorted([*edges[slice_.by], slice_.package])
    return edges


def declared(root: Mapping[str, Any], slices: Sequence[ImageSlice]) -> dict[str, list[str]]:
    """Return the packages that each package of an image depends on, by the arguments of its root."""
    inside = {slice_.package for slice_ in slices}
    return {
        str(slice_["package"]): sorted(name for name in slice_["depends"] if name in inside)
        for slice_ in root["slices"]
        if slice_["package"] in inside
    }


class Match(NamedTuple):
    """The package that holds a thing, and the file in it (relative), if the thing is a file.

    package: "" for a file that fpack generated by `rule`, or for a file of the container, which has no rule. script,
    sha256: the maintainer script of the package that made the file, if one did.
    """

    package: str
    file: str = ""
    script: str = ""
    sha256: str = ""
    rule: str = ""

    @property
    def maker(self) -> str:
        """Tell who made the file, or "" if the package has it."""
        if self.script:
            return f"made by {self.script}, sha256 {self.sha256}"
        if self.package:
            return ""
        return f"made by fpack, rule {self.rule}" if self.rule else "a file of the container"


def find(
    slices: Sequence[ImageSlice],
    wanted: str,
    disk: Mapping[str, Path],
    scripts: Mapping[str, Match] = {},
    others: Mapping[str, Match] = {},
) -> Match:
    """Find a package, a file by path or name, or a soname in an image.

    disk: the directory of each slice. scripts, others: as `made_by_scripts` and `made_by_container` return. Raise
    NotInside, with similar names, if there is no match.
    """
    names = {slice_.package for slice_ in slices}
    if wanted in names:
        return Match(wanted)
    path = merged(wanted.strip("/"))
    for made in (others, scripts):
        if path in made:
            return made[path]
    named: Match | None = None
    below: list[str] = []
    for slice_ in slices:
        entries, _ = meta.read(disk[slice_.path])
        for entry in entries:
            if entry.path == path or (entry.facts is not None and entry.facts.soname == wanted):
                return Match(slice_.package, entry.path)
            if named is None and "/" not in wanted and entry.path.endswith("/" + wanted):
                named = Match(slice_.package, entry.path)
            if entry.path.startswith(path + "/") and slice_.package not in below[-1:]:
                below.append(slice_.package)
    if named is None and "/" not in wanted:
        named = next((match for file, match in others.items() if file.endswith("/" + wanted)), None)
    if named is not None:
        return named
    if below and wanted.startswith("/"):
        raise NotInside(
            f"{wanted} is a directory", why=f"it holds files of {_some(below)}", hint="name a package or a file"
        )
    raise NotInside(
        f"{wanted} is not in the image",
        why=f"none of the {len(names)} packages in the image has this name or contains it",
        hint=did_you_mean(wanted, names, 3, 0.5) or "fpack size lists its content",
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_MAX_NAMES]) + (f" and {len(names) - _MAX_NAMES} more" if names[_MAX_NAMES:] else "")
