"""Provide the sources of a rebuild: from the image, from the store of this machine, and from files that the user names.

A source is registered in the store of the rebuild only if its tree has the digest that the manifest names.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from blake3 import blake3
from fpack.builders.manifest import source_trees
from fpack.builders.manifest.fields import HEX64
from fpack.builders.manifest.format import Blob, ManifestLayer
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.manifest.source_trees import SourceInLayer
from fpack.builders.protocol import Builder
from fpack.builders.verify.evidence.local import LocalEvidence
from fpack.store import canonical
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import BadTree, FpackError
from fpack.store.files.disk_errors import path_of
from fpack.store.files.source import SourceTree
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath, check_name, make
from fpack.store.store import Store

from . import carried_sources, embedded_manifest
from .findings import VerifyError
from .image_archive import ImageArchive

MAX_NAMED = 5


class MissingSources(VerifyError):
    """Sources without which the image cannot be built again."""


class SourceIntake:
    """The sources that a rebuild still lacks. store: the store of the rebuild. builder: the builder of sources."""

    def __init__(self, store: Store, derivations: Mapping[str, Derivation], builder: Builder) -> None:
        self._store = store
        self._builder = builder
        self._problems: list[str] = []
        self._limits = carried_sources.SourceLimits()
        self.missing: dict[str, list[tuple[bytes, Derivation]]] = {}  # by the digest of the tree in hexadecimal
        for digest, drv in derivations.items():
            if drv.kind == "source":
                tree = str(drv.args.get("tree"))
                name = check_name(drv.name)
                if not HEX64.match(tree):
                    raise VerifyError("The manifest has a source without a digest", where=name)
                self.missing.setdefault(tree, []).append((bytes.fromhex(digest), drv))

    def take_from_image(self, archive: ImageArchive, reader: ManifestReader) -> None:
        """Take what the image carries, in its artifacts and in its layers. reader: an unused one."""
        trees = set(self.missing)
        blobs: list[Blob] = []
        image = reader.head.image.manifest.digest
        self._attempt(lambda: blobs.extend(embedded_manifest.sources(archive, image)))
        for blob in blobs:
            self._attempt(partial(self._take_carried, archive, blob, trees))
        self._attempt(partial(self._take_from_layers, archive, reader))

    def take_from_store(self, evidence: LocalEvidence) -> None:
        """Take what the store of this machine has."""
        for tree, users in list(self.missing.items()):
            found = [evidence.tree(make(drv.name, bytes.fromhex(tree), [])) for _, drv in users]
            if (first := next(filter(None, found), None)) is not None:
                self._attempt(partial(self._take_copy, tree, first.disk))

    def take_from_files(self, paths: Sequence[Path]) -> None:
        """Take files and directories of the user. A directory may be a source or have a source as its child."""
        for path in paths:
            names = sorted({drv.name for users in self.missing.values() for _, drv in users})
            try:
                taken = [self._take_file(found) for found in (path, *(path / name for name in names)) if found.exists()]
            except OSError as error:
                where, why = path_of(error) or str(path), error.strerror or str(error)
                raise VerifyError("A source cannot be read", where=where, why=why) from None
            if not any(taken):
                self._problems.append(f"{path} is not a missing source")

    def _take_file(self, path: Path) -> bool:
        """Take a file or directory of the user if it is a missing source. Return whether it is."""
        tree = SourceTree().hash(path).hex()
        if tree not in self.missing:
            return False
        writer = self._store.writer()
        SourceTree().copy(path, writer)
        self._take(tree, writer)
        return True

    def check(self) -> None:
        """Raise MissingSources if a source is missing."""
        if not self.missing:
            return
        names = [f"{users[0][1].name} (tree {tree[:16]})" for tree, users in sorted(self.missing.items())]
        more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        why = "; ".join(self._problems[:MAX_NAMED])
        raise MissingSources(
            f"The image was not built again: it does not carry the source{'s' if len(names) > 1 else ''} "
            f"{', '.join(names[:MAX_NAMED])}{more}",
            why=why,
            hint="name the file or directory that has this content with --source PATH",
        )

    def _attempt(self, take: Callable[[], None]) -> None:
        """Call `take`. If it fails, note why: the sources may be elsewhere."""
        try:
            take()
        except FpackError as error:
            self._problems.append(str(error))
        except OSError as error:
            self._problems.append(f"{error.filename} cannot be read: {error.strerror}")

    def _take_carried(self, archive: ImageArchive, blob: Blob, trees: Collection[str]) -> None:
        """Take the sources in a closure file. trees: the digests of all sources."""
        writers: dict[str, TreeWriter] = {}

        def begin(tree: str) -> TreeWriter | None:
            if tree in writers or tree not in self.missing:
                return None
            writers[tree] = self._store.writer()
            return writers[tree]

        for _ in carried_sources.read(archive, blob, trees, self._limits, begin):
            pass
        for tree, writer in writers.items():
            self._take(tree, writer)

    def _take_from_layers(self, archive: ImageArchive, reader: ManifestReader) -> None:
        if not self.missing:
            return
        head = reader.head
        found = source_trees.find(reader.entries(), source_trees.holders(head, reader.derivations), self.missing)
        for number in sorted({source.layer for source in found.values()}):
            own = {tree: source for tree, source in found.items() if source.layer == number}
            self._attempt(partial(self._take_from_layer, archive, head.layers[number], own))

    def _take_from_layer(
        self, archive: ImageArchive, layer: ManifestLayer, sources: Mapping[str, SourceInLayer]
    ) -> None:
        writers = {tree: self._store.writer() for tree in sources}
        carried_sources.extract(archive, layer, sources, self._limits, writers.__getitem__)
        for tree, writer in writers.items():
            self._attempt(partial(self._take, tree, writer))

    def _take_copy(self, tree: str, disk: Path) -> None:
        self._take(tree, self._copy(disk))

    def _take(self, tree: str, writer: TreeWriter) -> None:
        """Register a tree as each source that has it. Raise BadTree if it has another digest."""
        found = writer.finish().hex()
        if found != tree:
            why = f"its tree has the digest {found}, not {tree}"
            raise BadTree(f"The source {self.missing[tree][0][1].name} differs from the manifest's", why=why)
        path: StorePath | None = None
        for digest, drv in self.missing.pop(tree):
            key = blake3(canonical.encode(self._builder.key(drv))).digest(20)
            self._store.plan({digest: drv.encode()})
            own = writer if path is None else self._copy(self._store.disk(path))
            path = self._store.register(drv.name, own, [], key, Output(digest))

    def _copy(self, disk: Path) -> TreeWriter:
        """Return a copy of a tree of a store."""
        writer = self._store.writer()
        _copy(os.fspath(disk), "", writer)
        return writer


def _copy(disk: str, path: str, writer: TreeWriter) -> None:
    mode = os.lstat(disk).st_mode
    if stat.S_ISDIR(mode):
        writer.mkdir(path)
        for name in sorted(os.listdir(disk)):
            _copy(f"{disk}/{name}", f"{path}/{name}" if path else name, writer)
    elif stat.S_ISLNK(mode):
        writer.symlink(path, os.readlink(disk))
    else:
        fd = os.open(disk, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            writer.copy(path, fd, bool(mode & 0o100))
        finally:
            os.close(fd)
