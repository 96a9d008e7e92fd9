"""Make the store record of an image from the store that has them."""

from __future__ import annotations

from collections.abc import Iterator

from blake3 import blake3
from fpack.builders.kinds.layer import BLOB, ENTRIES
from fpack.builders.linking.store_paths import payload
from fpack.builders.manifest import referrer
from fpack.builders.manifest.collect import slice_outputs
from fpack.builders.manifest.format import FILE
from fpack.builders.manifest.referrer import Referrer
from fpack.builders.oci import spec
from fpack.builders.oci.image_record import ImageRecord
from fpack.builders.oci.image_record import read as read_record
from fpack.builders.payload import ld_paths, meta
from fpack.store import base32
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.presence import is_present
from fpack.store.path import StorePath, parse
from fpack.store.store import Store

from .store_record import ARTIFACT, MAX_CONTENTS, RecordError, StoredTable, StoreRecord

TITLE = "fpack-store.zst"
_MAX_TABLE = 256 << 20  # bytes
_MAX_MAKERS = 8  # derivations that make one payload


def attachment(store: Store, image: StorePath) -> Referrer:
    """Return the store record of an image as an artifact about the image. image: the path of its output."""
    found = read_record(store.tree(image))
    subject = spec.describe(spec.MANIFEST, found.manifest)
    return referrer.of_document(subject, ARTIFACT, collect(store, image).encode(), TITLE)


def collect(store: Store, image: StorePath) -> StoreRecord:
    """Return the record of an image. Raise RecordError if it has a path that cannot be made again."""
    found = read_record(store.tree(image))
    layers = {parse(layer["path"]) for layer in found.fields["layers"]}
    parts = [(parse(path), prefix) for layer in found.fields["layers"] for path, prefix in layer["parts"]]
    built = {path for path, prefix in parts if prefix}
    tables = {path for path, prefix in parts if not prefix} | _tables(store, found)
    others = {*store.closure([image, *built])} - layers - built - tables - {image}
    for path in others:
        if payload(store.tree(path)) is None:
            why = f"its closure has {path}, which is in no layer and is not the payload of a package"
            raise RecordError("The image does not have all of its closure", where=str(image), why=why)
    made = {path: _makers(store, path) for path in others}
    read = {path: store.tree(path).read("meta", _MAX_TABLE) for path in sorted(tables)}
    read_slices = sorted(_searched(store, found) - tables)
    searched = {
        path: StoredTable(store.tree(path).read("meta", _MAX_TABLE), _references(store, path)) for path in read_slices
    }
    slices = {path: _makers(store, path) for path in [*_slices(store, found), *searched]}
    return StoreRecord(
        image,
        store.tree(image).read("image"),
        {path: StoredTable(data, _references(store, path)) for path, data in read.items()},
        {path: _references(store, path) for path in built},
        made,
        {**_contents(store, read, layers), **_linked_by(store, read | {p: t.meta for p, t in searched.items()})},
        searched,
        slices,
        {path: digest for path in layers if (digest := _blob_digest(store.tree(path)))},
    )


def _tables(store: Store, found: ImageRecord) -> set[StorePath]:
    """Return the outputs with tables that an image refers to, also those without entries, which no layer has."""
    tops = {parse(found.fields[field]) for field in ("root", "files", "tools") if found.fields.get(field)}
    if not found.fields["root"]:
        return tops
    _, extra = meta.load(store.tree(parse(found.fields["root"])))
    configured = {parse(extra["configure"]["path"])} if extra.get("configure") else set()
    return tops | configured | _slices(store, found)


def _slices(store: Store, found: ImageRecord) -> set[StorePath]:
    """Return the slices of an image's root."""
    if not found.fields["root"]:
        return set()
    _, extra = meta.load(store.tree(parse(found.fields["root"])))
    return {parse(part["path"]) for part in extra["slices"]}


def _searched(store: Store, found: ImageRecord) -> set[StorePath]:
    """Return the slices that the resolution of the root read and did not need, as far as the store has them."""
    if not found.fields["root"]:
        return set()
    root = parse(found.fields["root"])
    _, extra = meta.load(store.tree(root))
    looked = set(extra.get("looked", ()))
    paths: set[StorePath] = set()
    for digest in _makers(store, root) if looked else ():
        drv = store.derivation(digest)
        for package, output in slice_outputs(drv).items() if drv is not None and drv.kind == "root" else ():
            path = store.database.built(output) if package in looked else None
            if path is not None and store.is_there(path):
                paths.add(path)
    return paths


def _blob_digest(layer: CheckedTree) -> bytes:
    """Return the BLAKE3 of the blob of a layer's output; b"" for a layer of a base that is not on this machine."""
    if (known := layer.file_digest(BLOB)) is not None:
        return known
    if not is_present(layer.disk / BLOB):
        return b""
    hasher = blake3()
    for piece in layer.chunks(BLOB):
        hasher.update(piece)
    return hasher.digest()


def _references(store: Store, path: StorePath) -> tuple[StorePath, ...]:
    info = store.info(path)
    assert info is not None  # it is in the closure of a valid path
    names = {base32.encode(hash_) for hash_ in info.references}
    return tuple(other for other in store.closure([path]) if other.hash in names)


def _makers(store: Store, path: StorePath) -> tuple[bytes, ...]:
    return tuple(output.derivation for output in store.database.outputs_of(path)[:_MAX_MAKERS])


def _contents(store: Store, tables: dict[StorePath, bytes], layers: set[StorePath]) -> dict[bytes, bytes]:
    """Return the files of tables that no layer has."""
    known = {digest for path in layers for digest in _digests(store.tree(path))}
    found: dict[bytes, bytes] = {}
    left = MAX_CONTENTS
    for path, data in tables.items():
        for entry in meta.decode(data)[0]:
            if entry.kind != meta.FILE or entry.blake3 in known or entry.blake3 in found:
                continue
            left -= entry.size
            if left < 0:
                why = f"they have more than {MAX_CONTENTS} bytes"
                raise RecordError("The files that the image replaces are too large to travel with it", why=why)
            found[entry.blake3] = meta.read_file(f"{store.disk(path)}/data/{entry.path}", entry.blake3, entry.size + 1)
    return found


def _linked_by(store: Store, tables: dict[StorePath, bytes]) -> dict[bytes, bytes]:
    """Return the files of tables that say where libraries are: an image cannot be linked again without them."""
    found: dict[bytes, bytes] = {}
    for path, data in tables.items():
        for entry in meta.decode(data)[0]:
            if entry.kind == meta.FILE and ld_paths.is_configuration(entry.path, entry.size):
                disk = f"{store.disk(path)}/data/{entry.path}"
                found[entry.blake3] = meta.read_file(disk, entry.blake3, ld_paths.MAX_SIZE)
    return found


def _digests(layer: CheckedTree) -> Iterator[bytes]:
    """Yield the BLAKE3 of each file of a layer."""
    from io import BytesIO

    import msgpack

    data = layer.read(ENTRIES, 1 << 30)
    for row in msgpack.Unpacker(BytesIO(data), raw=False, strict_map_key=False, max_buffer_size=len(data) + 1):
        if row[1] == FILE:
            yield row[6]
