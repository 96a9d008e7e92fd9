"""Find image files below directories, and ask each for packages or files, one image at a time, from its manifest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.verify import manifest_loading
from fpack.builders.verify.image_archive import ImageLocation
from fpack.cli.images import image_file
from fpack.store.errors import FpackError

from .where import FileQuery, FoundFile, FoundPackage, PackageQuery, files, packages

SUFFIXES = (".tar", ".oci", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2")
_LAYOUT = "oci-layout"


class SearchedImage(NamedTuple):
    """An image that was searched, with what was found. name: as its documents call it, or ""."""

    file: str
    name: str
    platform: str
    found: list[FoundPackage] | list[FoundFile]


class UnreadImage(NamedTuple):
    """A file that could not be searched, and why."""

    file: str
    why: str


def search(paths: Iterable[ImageLocation], query: PackageQuery | FileQuery) -> Iterator[SearchedImage | UnreadImage]:
    """Search the image files that `paths` name or have below them, sorted in each directory, without following links.

    An image that cannot be read, or has no manifest, is reported, and the search goes on. Archives below a directory
    that are no images are passed over.
    """
    for path in paths:
        if isinstance(path, Path) and path.is_dir() and not (path / _LAYOUT).is_file():
            for file in _below(path):
                yield from [file] if isinstance(file, UnreadImage) else _search(file, query, named=False)
        else:
            yield from _search(path, query, named=True)


def _below(top: Path) -> Iterator[Path | UnreadImage]:
    todo = [top]
    while todo:
        directory = todo.pop()
        try:
            with os.scandir(directory) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield UnreadImage(str(directory), error.strerror or str(error))
            continue
        if any(entry.name == _LAYOUT for entry in listed):
            yield directory
            continue
        for entry in listed:
            if entry.name.endswith(SUFFIXES) and entry.is_file(follow_symlinks=False):
                yield Path(entry.path)
        todo += [Path(entry.path) for entry in reversed(listed) if entry.is_dir(follow_symlinks=False)]


def _search(
    path: ImageLocation, query: PackageQuery | FileQuery, *, named: bool
) -> Iterator[SearchedImage | UnreadImage]:
    """Search one file. named: the user named it, so it is reported if it is no image."""
    try:
        images = image_file.read_all(path)
        if not images:
            yield UnreadImage(str(path), "it has no container image")
        for image in images:
            if image.data is None:
                yield UnreadImage(str(path), f"it has no manifest of fpack for {image.platform}: {image.absent}")
                continue
            yield SearchedImage(str(path), image.name, image.platform, _ask(image.data, str(path), query))
    except image_file.NotAnImage as error:
        if named:
            yield UnreadImage(str(path), f"{error.what}: {error.why}")
    except FpackError as error:
        yield UnreadImage(str(path), f"{error.what}: {error.why}" if error.why else error.what)


def _ask(data: bytes, where: str, query: PackageQuery | FileQuery) -> list[FoundPackage] | list[FoundFile]:
    if isinstance(query, PackageQuery):
        return list(packages(manifest_loading.head(data, where), query))
    with manifest_loading.bounded():
        return list(files(ManifestReader(data, where), query))
