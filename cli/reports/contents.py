"""Read the content of an image for a report, in one pass over its manifest: layers, the parts of each, and files.

An image can have hundreds of thousands of files. A page names the largest; what is left of each part is counted.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.builders.manifest.format import CONFIGURED, DIRECTORY, GENERATED, SYMLINK
from fpack.cli.images.inspect import OWN, RULES, SCRIPTS

from .text import visible

if TYPE_CHECKING:
    from fpack.builders.manifest.format import ManifestEntry, ManifestLayer
    from fpack.builders.manifest.reader import ManifestReader
    from fpack.cli.images.inspect import ImageLayer

MAX_FILES = 20_000  # that a page names
MAX_DIGESTS = 5_000  # files whose digests a page tells
MAX_PATH = 300  # characters of a path that a page shows


class FileRow(NamedTuple):
    """A file or symlink. part: the number of its part. sha256: in hexadecimal, "" of a symlink. target: of one."""

    path: str
    size: int
    part: int
    mode: int
    owner: str
    sha256: str
    target: str


class ImagePart(NamedTuple):
    """A part of a layer: a package, a store path, or one of OWN, SCRIPTS and RULES. layer: its number, from 0."""

    layer: int
    name: str
    files: int
    size: int


class PageContents(NamedTuple):
    """The content of an image. files: those that the page names, sorted by path. rest: (files, size) by part.

    total: the number of all files and symlinks.
    """

    layers: Sequence[ImageLayer]
    digests: Sequence[str]
    parts: Sequence[ImagePart]
    files: Sequence[FileRow]
    rest: dict[int, tuple[int, int]]
    total: int


def read(
    reader: ManifestReader, layers: Sequence[ImageLayer], digests: Sequence[str], most: int = MAX_FILES
) -> PageContents:
    """Return the content of an image.

    reader: a new reader of its manifest. layers, digests: of its layers. most: files that the page names.
    """
    packages = {item.path: item.package for item in reader.head.paths if item.package}
    numbers: dict[tuple[int, str], int] = {}
    counts: list[list[int]] = []  # of each part: files, bytes
    named: list[tuple[int, bytes, FileRow]] = []
    for at, (layer, entries) in enumerate(reader.entries()):
        for entry in entries:
            if entry.kind == DIRECTORY:
                continue
            part = numbers.setdefault((at, _part(packages, layer, entry)), len(numbers))
            if part == len(counts):
                counts.append([0, 0])
            counts[part][0] += 1
            counts[part][1] += entry.size
            if len(named) < most:
                heapq.heappush(named, (entry.size, entry.path, _row(entry, part)))
            elif named[0][:2] < (entry.size, entry.path):
                heapq.heapreplace(named, (entry.size, entry.path, _row(entry, part)))
    rest = {part: (files, size) for part, (files, size) in enumerate(counts)}
    for _, _, row in named:
        files, size = rest[row.part]
        rest[row.part] = (files - 1, size - row.size)
    return PageContents(
        layers,
        digests,
        [ImagePart(key[0], key[1], *counts[part]) for key, part in numbers.items()],
        [row for _, _, row in sorted(named, key=lambda item: item[1])],
        {part: left for part, left in rest.items() if left[0]},
        sum(files for files, _ in counts),
    )


def without_manifest(layers: Sequence[ImageLayer], digests: Sequence[str]) -> PageContents:
    """Return what is known of an image without a manifest: the sizes of its layers."""
    return PageContents(layers, digests, [], [], {}, 0)


def _part(packages: dict[str, str], layer: ManifestLayer, entry: ManifestEntry) -> str:
    """Return the name of the part that an entry is of."""
    if entry.origin is not None:
        return {CONFIGURED: SCRIPTS, GENERATED: RULES}[entry.origin.kind]
    assert entry.part is not None  # only directories have none
    path, prefix = layer.parts[entry.part]
    if path in packages:
        return packages[path]
    return path if prefix else OWN


def _row(entry: ManifestEntry, part: int) -> FileRow:
    return FileRow(
        "/" + os.fsdecode(entry.path),
        entry.size,
        part,
        entry.mode,
        f"{entry.uid}:{entry.gid}",
        entry.sha256.hex(),
        os.fsdecode(entry.target) if entry.kind == SYMLINK else "",
    )


def columns(contents: PageContents) -> dict[str, Any]:
    """Return the content in the form that the page's script reads: by column, with paths by their shared beginnings."""
    files = contents.files
    modes = sorted({row.mode for row in files})
    owners = sorted({row.owner for row in files})
    with_digests = len(files) <= MAX_DIGESTS
    return {
        "layers": [
            {"size": layer.size, "unpacked": layer.unpacked, "digest": digest, "packages": len(layer.packages)}
            for layer, digest in zip(contents.layers, contents.digests, strict=True)
        ],
        "parts": [[part.layer, visible(part.name), part.files, part.size] for part in contents.parts],
        "paths": _front_coded([visible(row.path, MAX_PATH) for row in files]),
        "sizes": [row.size for row in files],
        "part": [row.part for row in files],
        "modes": [f"{mode:04o}" for mode in modes],
        "mode": [modes.index(row.mode) for row in files],
        "owners": owners,
        "owner": [owners.index(row.owner) for row in files],
        "sha256": [row.sha256 for row in files] if with_digests else None,
        "targets": {str(at): visible(row.target, MAX_PATH) for at, row in enumerate(files) if row.target},
        "rest": [[part, *left] for part, left in sorted(contents.rest.items())],
        "total": contents.total,
    }


def _front_coded(paths: Sequence[str]) -> list[int | str]:
    """Return paths, each as the number of characters that it shares with the one before it, and its remainder."""
    coded: list[int | str] = []
    last = ""
    for path in paths:
        # JavaScript counts UTF-16 units: a shared beginning ends before the first character that takes two.
        same = next((at for at, (a, b) in enumerate(zip(last, path, strict=False)) if a != b or a > "\uffff"), None)
        same = min(len(last), len(path)) if same is None else same
        coded += [same, path[same:]]
        last = path
    return coded
