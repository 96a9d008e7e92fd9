"""Describe the files of a built image as directories on disk, with what differs from the disk: modes, owners, files."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders.configure.lower import LowerTree
from fpack.builders.oci.image_record import ImageRecord
from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.symlinks import resolve
from fpack.builders.rootfs.view import assemble
from fpack.store.errors import StoreError
from fpack.store.files.regular_file import open_regular
from fpack.store.path import StorePath, parse
from fpack.store.store import Store

_GENERATED = ""  # the name under which a LowerTree has entries that replace those of packages
_MAX_TEXT = 1 << 20  # bytes
# Empty mount points of a view: programs take an empty file for a damaged one, and a missing one for none.
_PLACEHOLDERS = ("etc/localtime", "etc/machine-id")


class TrialTree(NamedTuple):
    """The files of an image.

    lowers: directories that become `/`, the uppermost first. paths: (store path, path on disk) of those to mount.
    links: (store path, target) of symlinks. apply: (absolute path, mode, uid, gid) of what differs from the disk.
    seed: (absolute path, content in base64, mode) of files to write; a content of None is a directory. absent: absolute
    paths that are on disk and not in the image.
    """

    lowers: tuple[str, ...]
    paths: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    apply: tuple[tuple[str, int, int, int], ...] = ()
    seed: tuple[tuple[str, str | None, int], ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """Return everything on disk that is mounted."""
        return (*self.lowers, *(disk for _, disk in self.paths))


class ImageFiles(NamedTuple):
    """The files of an image. inside: the tables, which have everything but the store paths.

    merged: the image is fpack's, with the programs and libraries of Debian in /usr.
    """

    tree: TrialTree
    inside: LowerTree
    merged: bool = True

    def has(self, path: str) -> bool:
        """Return whether a path leads to something."""
        return self._resolved(path) is not None

    def text(self, path: str) -> str:
        """Return the text of a file; "" if there is none."""
        # The kernel would follow a symlink on the way out of the image.
        found = self._resolved(path)
        if found is not None and found in self.inside.files:
            for lower in self.tree.lowers:
                with suppress(OSError, StoreError), open_regular(Path(f"{lower}/{found}")) as file:
                    return file.read(_MAX_TEXT).decode("utf-8", "surrogateescape")
        return ""

    def _resolved(self, path: str) -> str | None:
        return resolve(path, self._target, self.inside.has, self.merged)

    def tree_with(self, files: Mapping[str, str | None]) -> TrialTree:
        """Return the tree with more files, by absolute path, and directories (None) if they are not there yet."""
        seed = [
            (path, base64.b64encode(text.encode("utf-8", "surrogateescape")).decode(), 0o644)
            for path, text in files.items()
            if text is not None
        ]
        directories = [(path, None, 0o755) for path, text in files.items() if text is None and not self.has(path)]
        return self.tree._replace(seed=(*seed, *directories))

    def _target(self, path: str) -> str | None:
        entry = self.inside.files.get(path)
        return entry.target if entry is not None and entry.kind == meta.SYMLINK else None


def read(store: Store, record: ImageRecord) -> ImageFiles:
    inside = LowerTree()
    lowers: list[str] = []
    if record.fields["root"]:
        root = parse(record.fields["root"])
        lowers.append(os.fspath(assemble(store, root)))
        _add_root(store, root, inside)
    for field in ("files", "tools"):
        if record.fields.get(field):
            files = parse(record.fields[field])
            lowers.insert(0, f"{store.disk(files)}/data")
            inside.add(_GENERATED, meta.load(store.tree(files))[0], set())
    paths, links = [], []
    for path in sorted(_store_paths(record.fields["layers"])):
        store.tree(parse(path)).check()
        disk = os.fspath(store.disk(path))
        if os.path.islink(disk):
            links.append((path, os.readlink(disk)))
        else:
            paths.append((path, disk))
    absent = [f"/{path}" for path in _PLACEHOLDERS if record.fields["root"] and path not in inside.files]
    apply = tuple(inside.differing())
    return ImageFiles(TrialTree(tuple(lowers), tuple(paths), tuple(links), apply, absent=tuple(absent)), inside)


def _add_root(store: Store, root: StorePath, inside: LowerTree) -> None:
    entries, extra = meta.load(store.tree(root))
    excluded: dict[str, set[str]] = {}
    for package, path, *_ in extra["excluded"]:
        excluded.setdefault(package, set()).add(os.fsdecode(path))
    for part in extra["slices"]:
        inside.add(part["package"], _entries(store, part["path"]), excluded.get(part["package"], set()))
    if configure := extra.get("configure"):
        inside.add(_GENERATED, _entries(store, configure["path"]), set(map(os.fsdecode, configure["left_out"])))
    inside.add(_GENERATED, entries, set())


def _entries(store: Store, path: str) -> Iterable[TreeEntry]:
    return meta.load(store.tree(parse(path)))[0]


def _store_paths(layers: Iterable[Mapping[str, Any]]) -> set[str]:
    return {path for layer in layers for path, prefix in layer.get("parts", ()) if prefix}
