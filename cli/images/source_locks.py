"""Read the lock files of the sources that an image was built from: from the store, or from the image itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from fpack.builders.audit.inventory import sources
from fpack.builders.manifest import source_trees
from fpack.builders.manifest.fields import HEX64
from fpack.builders.sbom.lock_files import MAX_SIZE, READERS, LockedPart
from fpack.builders.verify import carried_sources, embedded_manifest
from fpack.builders.verify.findings import Report
from fpack.builders.verify.image_archive import ImageArchive, ImageLocation, open_archive
from fpack.store.errors import FpackError
from fpack.store.files.pool import FileNode
from fpack.store.path import check_name, make

if TYPE_CHECKING:
    from fpack.builders.manifest.reader import ManifestReader
    from fpack.store.store import Store

Locks = Mapping[str, tuple[LockedPart, ...]]


def read_locks(
    reader: ManifestReader, manifest: Callable[[], ManifestReader], store: Store | None, image: ImageLocation | None
) -> Locks:
    """Return the packages that lock files name, by the digests of the derivations of their sources.

    A source that is not at hand is left out, and so is one whose lock file cannot be read. reader: of the
    manifest; its entries are not read. manifest: returns a new reader. image: the image's file or reference, or None.
    """
    wanted = {digest: named for digest, named in sources(reader).items() if HEX64.match(named[1])}
    if not wanted:
        return {}
    contents: dict[str, dict[str, bytes]] = {}  # of lock files, by the digest of the tree
    for name, tree in wanted.values():
        stored = _in_store(store, name, tree) if tree not in contents else None
        if stored is not None:
            contents[tree] = stored
    missing = {tree for _, tree in wanted.values()} - contents.keys()
    if missing and image is not None:
        contents |= _in_image(image, manifest, missing)
    parsed = {tree: _parsed(files) for tree, files in contents.items()}
    return {digest: found for digest, (_, tree) in wanted.items() if (found := parsed.get(tree)) is not None}


def _parsed(files: Mapping[str, bytes]) -> tuple[LockedPart, ...] | None:
    found: list[LockedPart] = []
    for name, data in files.items():
        try:
            found += READERS[name](data.decode("utf-8", "replace"))
        except (ValueError, KeyError, RecursionError):
            return None
    return tuple(sorted(found))


def _in_store(store: Store | None, name: str, tree: str) -> dict[str, bytes] | None:
    """Return the lock files at the top of a source in the store, or None if it is not there."""
    if store is None:
        return None
    try:
        path = make(check_name(name), bytes.fromhex(tree), [])
        if not store.is_there(path):
            return None
        checked = store.tree(path)
        present = [name for name in READERS if (checked.disk / name).is_file()]
        return {name: checked.read(name, MAX_SIZE) for name in present}
    except FpackError:
        return None


class _Capture:
    """A sink of a tree that keeps its lock files and discards the rest."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def mkdir(self, path: str) -> None:
        """Do nothing."""

    def symlink(self, path: str, to: str) -> None:
        """Do nothing."""

    def file(self, path: str, chunks: Iterable[bytes], executable: bool = False) -> FileNode:
        """Read a file, and keep it if it is a lock file. One that is too large is kept as one that cannot be read."""
        data = bytearray()
        for chunk in chunks:
            if path in READERS and len(data) <= MAX_SIZE:
                data += chunk
        if path in READERS:
            self.files[path] = bytes(data) if len(data) <= MAX_SIZE else b"="
        return FileNode(b"", 0, executable)


def _in_image(
    path: ImageLocation, manifest: Callable[[], ManifestReader], trees: set[str]
) -> dict[str, dict[str, bytes]]:
    """Return the lock files of sources that travel with an image or lie in its layers, by the digests of the trees."""
    found: dict[str, dict[str, bytes]] = {}
    try:
        archive = open_archive(path, Report())
    except (FpackError, OSError):
        return found
    try:
        limits = carried_sources.SourceLimits()
        reader = manifest()
        known = {source.tree for source in reader.head.sources}
        for blob in embedded_manifest.sources(archive, reader.head.image.manifest.digest):
            captured = {tree: _Capture() for tree in known}
            for entry in carried_sources.read(archive, blob, known, limits, captured.get):
                found[entry.tree.hex()] = captured[entry.tree.hex()].files
        found |= _in_layers(archive, manifest, trees - found.keys(), limits)
    except (FpackError, OSError):
        pass  # the sources that were not read are told as such
    finally:
        archive.close()
    return {tree: files for tree, files in found.items() if tree in trees}


def _in_layers(
    archive: ImageArchive, manifest: Callable[[], ManifestReader], trees: set[str], limits: carried_sources.SourceLimits
) -> dict[str, dict[str, bytes]]:
    """Return the lock files of sources in layers. A layer is read only if its entries have lock files."""
    reader = manifest()
    places = source_trees.find(reader.entries(), source_trees.holders(reader.head, reader.derivations), trees)
    names = {entry.path for _, entries in manifest().entries() for entry in entries if entry.path.endswith(_LOCKS)}
    found: dict[str, dict[str, bytes]] = {}
    for number in sorted({place.layer for place in places.values()}):
        own = {tree: place for tree, place in places.items() if place.layer == number}
        locked = {t: p for t, p in own.items() if any(p.path + b"/" + name.encode() in names for name in READERS)}
        found |= {tree: {} for tree in own.keys() - locked.keys()}
        captured = {tree: _Capture() for tree in locked}
        if locked:
            carried_sources.extract(archive, reader.head.layers[number], locked, limits, captured.__getitem__)
            found |= {tree: capture.files for tree, capture in captured.items()}
    return found


_LOCKS = tuple(name.encode() for name in READERS)
