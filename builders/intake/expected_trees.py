"""Compute the trees of an image's store paths from its manifest and its record, and compare them before any transfer.

The hash of a path covers its name, its tree and its references. So the digests of all files of a path are proven before
its layer is fetched. The exception is a tree that mentions its own path: it is compared when it was written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from blake3 import blake3
from fpack.builders.kinds import layer as layer_kind
from fpack.builders.manifest.format import DIRECTORY, FILE, Head, ManifestEntry, ManifestLayer
from fpack.builders.oci import image_record
from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.store.errors import FpackError
from fpack.store.files.pool import FileNode
from fpack.store.files.tree import Node, tree_digest
from fpack.store.path import StorePath, make, parse

from .store_record import MAX_TABLE_VALUES, RecordError, StoredTable, StoreRecord

Entries = Sequence[Sequence[ManifestEntry]]  # of each layer


class ExpectedImage(NamedTuple):
    """The trees that the store paths of an image must have.

    image: the files of the image's output. references: of it. infos: the description of each layer's output. tables:
    the entries of each table. trees: of built paths. own: built paths that mention themselves, probably.
    """

    image: Mapping[str, bytes]
    references: tuple[StorePath, ...]
    infos: Mapping[StorePath, layer_kind.LayerInfo]
    tables: Mapping[StorePath, list[TreeEntry]]
    trees: Mapping[StorePath, Node]
    own: frozenset[StorePath]


def expect(head: Head, entries: Entries, record: StoreRecord, config: bytes, manifest: bytes) -> ExpectedImage:
    """Compare a record with the image's exact manifest and documents. Raise RecordError if they do not fit."""
    files = {"config": config, "image": record.record, "manifest": manifest}
    try:
        fields = image_record.parse_record(record.record, config, manifest)
    except FpackError as error:
        raise _bad(record.image, f"{error.what}: {error.why}") from None
    if str(record.image) != head.image.path:
        raise _bad(record.image, f"the manifest is about {head.image.path}")
    infos = _infos(fields["layers"], head.layers, record.image)
    tops = [parse(fields[name]) for name in ("root", "files", "tools") if fields.get(name)]
    references = tuple(sorted({*infos, *tops}))
    tree: Node = {os.fsencode(name): _node(data) for name, data in files.items()}
    _compare(record.image, tree, references)
    tables = {path: read_table(path, table) for path, table in record.tables.items()}
    for top in tops:
        if top not in tables:
            raise _bad(record.image, f"it has no table of {top}")
    known = {parse(path) for layer in head.layers for path, prefix in layer.parts if not prefix} | {*tops}
    for path in record.tables.keys() - known:
        if not any(path in record.tables[top].references for top in tops):
            raise _bad(record.image, f"it has {path}, which the image does not refer to")
    trees = _trees(head.layers, entries)
    if trees.keys() != record.built.keys():
        raise _bad(record.image, "its built paths are not those of the manifest")
    own = frozenset(
        path for path, node in trees.items() if make(path.name, tree_digest(node), list(record.built[path])) != path
    )
    _compare_composition(head.layers, entries, tables, record)
    return ExpectedImage(files, references, infos, tables, trees, own)


def _bad(path: StorePath, why: str) -> RecordError:
    return RecordError("The store record of the image does not fit the image", where=str(path), why=why)


def _node(data: bytes) -> FileNode:
    return FileNode(blake3(data).digest(), len(data), False)


def _compare(path: StorePath, tree: Node, references: Iterable[StorePath]) -> None:
    found = make(path.name, tree_digest(tree), sorted(references))
    if found != path:
        raise _bad(path, f"its content has the path {found}")


def _infos(
    rows: Sequence[Mapping[str, object]], layers: Sequence[ManifestLayer], image: StorePath
) -> dict[StorePath, layer_kind.LayerInfo]:
    """Return the descriptions of layers. They must be those of the manifest."""
    if len(rows) != len(layers):
        raise _bad(image, "its number of layers is not that of the manifest")
    found = {}
    for row, layer in zip(rows, layers, strict=True):
        values = {name: row[name] for name in layer_kind.LayerInfo._fields}
        info = layer_kind.LayerInfo(**{**values, "shipped": tuple(values["shipped"])})  # type: ignore[arg-type]
        if (row["path"], row["parts"]) != (layer.path, [list(part) for part in layer.parts]) or (
            info.media_type, info.digest, info.size, info.diff_id, info.tar, info.entries
        ) != (*layer.blob, layer.diff_id, layer.tar, layer.entries):  # fmt: skip
            raise _bad(image, f"its layer {row['path']} is not the one of the manifest")
        found[parse(layer.path)] = info
    return found


def read_table(path: StorePath, table: StoredTable) -> list[TreeEntry]:
    """Return the entries of a table, compared with its path. Raise RecordError if it is not the table of the path."""
    try:
        entries, _ = meta.decode(table.meta, MAX_TABLE_VALUES)
    except FpackError as error:
        raise _bad(path, f"{error.what}: {error.why}") from None
    _compare(path, {b"data": meta.directory_of(entries), b"meta": _node(table.meta)}, table.references)
    return entries


def _trees(layers: Sequence[ManifestLayer], entries: Entries) -> dict[StorePath, Node]:
    """Return the trees of the parts that are at their store paths."""
    found: dict[StorePath, Node] = {}
    for layer, rows in zip(layers, entries, strict=True):
        prefixes = {number: prefix[1:].encode() for number, (_, prefix) in enumerate(layer.parts) if prefix}
        nodes: dict[bytes, Node] = {}
        for entry in rows:
            if entry.part not in prefixes:
                continue
            prefix = prefixes[entry.part]
            node: Node = {}
            if entry.kind == FILE:
                node = FileNode(entry.blake3, entry.size, bool(entry.mode & 0o100))
            elif entry.kind != DIRECTORY:
                node = entry.target
            nodes[entry.path] = node
            if entry.path == prefix:
                found[parse(layer.parts[entry.part][0])] = node
                continue
            above, _, name = entry.path.rpartition(b"/")
            directory = nodes.get(above)
            if not entry.path.startswith(prefix + b"/") or not isinstance(directory, dict):
                raise _bad(parse(layer.path), f"/{os.fsdecode(entry.path)} is in no directory of its store path")
            directory[name] = node
        for number in prefixes:
            if parse(layer.parts[number][0]) not in found:
                raise _bad(parse(layer.path), f"it has nothing of {layer.parts[number][0]}")
    return found


def _compare_composition(
    layers: Sequence[ManifestLayer], entries: Entries, tables: Mapping[StorePath, list[TreeEntry]], record: StoreRecord
) -> None:
    """Compare the tables with what the layers have at `/`.

    Each file and symlink of a layer is the one of its part's table. So nothing that is made of the tables, such as a
    view of the image, can hold other files than the image.
    """
    seen: set[StorePath] = set()
    for layer, rows in zip(layers, entries, strict=True):
        parts: dict[int, dict[bytes, TreeEntry]] = {}
        for number, (text, prefix) in enumerate(layer.parts):
            if not prefix:
                path = parse(text)
                if path not in tables or path in seen:
                    raise _bad(record.image, f"it has no table of {path}")
                seen.add(path)
                parts[number] = {os.fsencode(entry.path): entry for entry in tables[path]}
        for row in rows:
            if row.part not in parts or row.kind == DIRECTORY:
                continue
            entry = parts[row.part].get(row.path)
            if entry is None or (entry.kind, entry.size, entry.blake3, os.fsencode(entry.target)) != (
                row.kind, row.size, row.blake3, row.target
            ):  # fmt: skip
                raise _bad(parse(layer.path), f"/{os.fsdecode(row.path)} is another file in the layer")
