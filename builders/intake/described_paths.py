"""Register store paths of an image that are known from its documents alone, without the files in them.

Linking an image again needs the tables of slices, and no file of most of them; a layer that stays needs its
description, and not its blob. So a store of its own gets trees that lack files. Each tree is proven to be that of its
path before. A reader of a file that is absent meets a damaged path, which the caller then makes in another way. No
store that others use may have such trees.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fpack.builders.kinds.layer import BLOB, ENTRIES, ENTRIES_JSON, INFO
from fpack.builders.manifest import json_form
from fpack.builders.manifest.encoding import encode_entry
from fpack.builders.payload import meta
from fpack.store.derivation import Output
from fpack.store.errors import FpackError
from fpack.store.files.pool import FileNode
from fpack.store.files.tree import Directory, tree_digest
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath, make, parse
from fpack.store.sessions.registration import FinishedOutput
from fpack.store.store import Store

from .expected_trees import read_table
from .image_documents import ImageDocuments
from .store_record import RecordError, StoredTable

SLICE = "slice"


class DescribedPath(NamedTuple):
    """A store path that documents describe. outputs: those of which it is the path.

    tree: its whole tree. present: the files that can be written, by their paths in the tree.
    """

    path: StorePath
    references: tuple[StorePath, ...]
    outputs: tuple[Output, ...]
    tree: Directory
    present: Mapping[str, bytes]


def layers(found: ImageDocuments) -> Iterator[DescribedPath]:
    """Yield the outputs of an image's layers. Raise RecordError if the record does not prove one of them."""
    for layer, rows in zip(found.head.layers, found.entries, strict=True):
        path = parse(layer.path)
        blob = found.record.blobs.get(path)
        if blob is None:
            raise RecordError(
                "The store record of the image does not have the digests of the layers", where=layer.path,
                why="an earlier fpack wrote it",
            )  # fmt: skip
        parts = [part for part, _ in layer.parts]
        present = {
            ENTRIES: b"".join(map(encode_entry, rows)),
            ENTRIES_JSON: json_form.SEPARATOR.join(json_form.entry_line(row, parts) for row in rows),
            INFO: found.expected.infos[path].encode(),
        }
        tree: Directory = {os.fsencode(name): _node(data) for name, data in present.items()}
        tree[BLOB.encode()] = FileNode(blob, layer.blob.size, False)
        _compare(path, tree, ())
        yield DescribedPath(path, (), (Output(bytes.fromhex(layer.derivation)),), tree, present)


def slices(found: ImageDocuments) -> Iterator[DescribedPath]:
    """Yield the slices that the resolution of an image's root read: those in the image, and the others.

    Raise RecordError if one of them differs from its path.
    """
    record = found.record
    made: dict[StorePath, set[bytes]] = {path: set(digests) for path, digests in record.makers.items()}
    for origin in found.head.paths:
        if origin.derivation is not None and origin.package:
            made.setdefault(parse(origin.path), set()).add(bytes.fromhex(origin.derivation))
    known = {bytes.fromhex(name) for name, drv in found.derivations.items() if drv.kind == SLICE}
    for path, table in {**record.tables, **record.searched}.items():
        outputs = tuple(Output(digest) for digest in sorted(made.get(path, set()) & known))
        if outputs:
            yield _slice(path, table, outputs, record.contents)


def _slice(
    path: StorePath, table: StoredTable, outputs: tuple[Output, ...], contents: Mapping[bytes, bytes]
) -> DescribedPath:
    entries = read_table(path, table)
    tree: Directory = {b"data": meta.directory_of(entries), b"meta": _node(table.meta)}
    present = {"meta": table.meta}
    for entry in entries:
        if entry.kind == meta.FILE and entry.blake3 in contents:
            present[f"data/{entry.path}"] = contents[entry.blake3]
    return DescribedPath(path, table.references, outputs, tree, present)


def _node(data: bytes) -> FileNode:
    from blake3 import blake3

    return FileNode(blake3(data).digest(), len(data), False)


def _compare(path: StorePath, tree: Directory, references: tuple[StorePath, ...]) -> None:
    found = make(path.name, tree_digest(tree), sorted(references))
    if found != path:
        raise RecordError(
            "The store record of the image does not fit the image", where=str(path),
            why=f"its content has the path {found}",
        )  # fmt: skip


def register(store: Store, described: DescribedPath) -> bool:
    """Register a path, without the files that are absent. Return whether a file is absent.

    store: one that no other command uses, and that lacks the path. Raise FpackError if its references are not there.
    """
    writer = store.writer()
    absent = _write(writer, described.tree, "", described.present)
    # The tree on the disk is the described one but for the files that are absent.
    whole = store.writer()
    os.rename(writer.disk, whole.disk)
    directories = ["", *_directories(described.tree, "")]
    whole.take_over(directories, tree_digest(described.tree), 0)
    finished = FinishedOutput(described.path.name, whole, described.references, described.outputs[0], described.path)
    store.register_all(b"", [finished])
    store.adopt(b"", dict.fromkeys(described.outputs[1:], described.path))
    if not store.tree(described.path).prove(described.tree):
        raise FpackError("A described path has another digest", where=str(described.path))
    return absent


def _write(writer: TreeWriter, tree: Directory, above: str, present: Mapping[str, bytes]) -> bool:
    """Write the directories, the symlinks and the files that are present. Return whether a file is absent."""
    absent = False
    if not above:
        writer.mkdir("")
    for name, node in tree.items():
        path = f"{above}{os.fsdecode(name)}"
        if isinstance(node, dict):
            writer.mkdir(path)
            absent |= _write(writer, node, f"{path}/", present)
        elif isinstance(node, bytes):
            writer.symlink(path, os.fsdecode(node))
        elif path in present:
            writer.file(path, [present[path]], node.executable)
        else:
            absent = True
    return absent


def _directories(tree: Directory, above: str) -> Iterator[str]:
    for name, node in tree.items():
        if isinstance(node, dict):
            path = f"{above}{os.fsdecode(name)}"
            yield path
            yield from _directories(node, f"{path}/")
