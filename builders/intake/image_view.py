"""Assemble the files of a pulled image on disk, as one tree of hard links, which a sandbox binds as `/`.

The entries of the layers, which a pull compared with the image, say which file of which store path is at each path. So
the view has the files of the image and no others, whatever the outputs say of themselves.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders.kinds.layer import ENTRIES
from fpack.builders.manifest.format import DIRECTORY
from fpack.builders.oci.image_record import ImageRecord
from fpack.builders.oci.image_record import read as read_record
from fpack.builders.rootfs.view import LinkTree, prepare
from fpack.store.path import StorePath, parse
from fpack.store.store import Store

_MAX_ENTRIES = 1 << 30  # bytes of the file `entries`


class ImageView(NamedTuple):
    """A pulled image on disk. view: the directory that becomes `/`. built: the paths to mount in /fpack/store."""

    record: ImageRecord
    view: Path
    built: tuple[StorePath, ...]


def assemble(store: Store, image: StorePath) -> ImageView:
    """Return the view of an image whose store paths are valid. image: the path of its output."""
    record = read_record(store.tree(image))
    built = tuple(
        sorted({parse(path) for layer in record.fields["layers"] for path, prefix in layer["parts"] if prefix})
    )
    view = prepare(store, image, lambda directory: _make(store, record, directory))
    return ImageView(record, view / "root", built)


def _make(store: Store, record: ImageRecord, view: Path) -> None:
    top = view / "root"
    os.makedirs(top)
    os.chmod(view, 0o755)
    tree = LinkTree(os.fspath(top))
    tree.directory("", "the image")
    files: dict[str, str] = {}
    for layer in record.fields["layers"]:
        roots = [None if prefix else parse(path) for path, prefix in layer["parts"]]
        for path in filter(None, roots):
            store.tree(path).check()
        for row in _rows(store.tree(parse(layer["path"])).read(ENTRIES, _MAX_ENTRIES)):
            part = roots[row[9]] if row[9] is not None else None
            name = os.fsdecode(row[0])
            if part is None and row[9] is not None:
                continue
            if row[1] == DIRECTORY:
                tree.directory(name, "the image")
            elif part is not None:
                files[name] = f"{store.disk(part)}/data/{name}"
    for name, source in files.items():
        tree.link(source, name, "the image")
    tree.complete()
    os.chmod(top, 0o755)


def _rows(data: bytes) -> Any:
    import msgpack

    return msgpack.Unpacker(BytesIO(data), raw=False, strict_map_key=False, max_buffer_size=len(data) + 1)
