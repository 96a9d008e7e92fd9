"""Read and validate the record of a built image. The output may be an arbitrary file of the user's project."""

from __future__ import annotations

import json
import re

from fpack.light_typing import Any, NamedTuple
from fpack.store import canonical
from fpack.store.errors import DamagedPath, FpackError, StoreError, malformation
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.path import parse

from . import spec

FORMAT = 1
_DIGEST = r"sha256:[0-9a-f]{64}\Z"


class ImageRecord(NamedTuple):
    """A validated record. fields: the record. config, manifest: the documents whose digests it has."""

    fields: dict[str, Any]
    config: bytes
    manifest: bytes


def read(image: CheckedTree) -> ImageRecord:
    """Read the record and documents of an image's output. Raise StoreError if it is not an image."""
    try:
        record, config, manifest = image.read("image"), image.read("config"), image.read("manifest")
        return ImageRecord(parse_record(record, config, manifest), config, manifest)
    except DamagedPath:
        raise
    except FpackError as error:
        raise StoreError("An output is not an image", where=str(image.disk), why=malformation(error)) from None


def parse_record(record: bytes, config: bytes, manifest: bytes) -> dict[str, Any]:
    """Decode and validate a record. config, manifest: the image's documents. Raise StoreError if it is malformed."""
    try:
        fields: dict[str, Any] = canonical.decode(record)
        good = fields["format"] == FORMAT and _is_image(fields, config, manifest)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, FpackError) as error:
        raise StoreError("The record of an image is malformed", why=malformation(error)) from None
    if not good:
        raise StoreError("The record of an image is malformed", why="its record and its documents do not match")
    return fields


def _is_image(fields: dict[str, Any], config: bytes, manifest: bytes) -> bool:
    spec.check_name(fields["name"], fields["tag"])
    spec.platform(fields["arch"])
    return (
        (fields["digest"], fields["image_id"]) == (spec.digest(manifest), spec.digest(config))
        and fields["layers"].__class__ is list
        and all(map(_is_layer, fields["layers"]))
        and all([item.__class__ for item in row] == [str, str] for row in fields.get("omitted", ()))
        and all(note.__class__ is str for note in fields.get("notes", ()))
        and json.loads(config).get("config", {}).__class__ is dict
    )


def _is_layer(layer: dict[str, Any]) -> bool:
    parse(layer["path"])
    texts = (layer["media_type"], layer["digest"], layer["diff_id"], *layer["packages"])
    numbers = (layer["size"], layer["unpacked"], layer["tar"], layer["files"])
    return (
        all(text.__class__ is str for text in texts)
        and all(number.__class__ is int and number >= 0 for number in numbers)
        and bool(re.match(_DIGEST, layer["digest"]) and re.match(_DIGEST, layer["diff_id"]))
        and ("excluded" not in layer or _is_described(layer))
    )


def _is_described(layer: dict[str, Any]) -> bool:
    """Return whether a layer's record has the fields from which a manifest is made."""
    parts, excluded, shipped = layer["parts"], layer["excluded"], layer["shipped"]
    numbers = (layer["entries"], layer["generated"], layer["configured"], *shipped)
    return (
        layer["derivation"].__class__ is bytes
        and all([item.__class__ for item in part] == [str, str] for part in parts)
        and all([item.__class__ for item in row] == [int, bytes, str, str] for row in excluded)
        and all(number.__class__ is int and number >= 0 for number in numbers)
        and len(shipped) == len(parts)
    )
