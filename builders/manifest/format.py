"""The format of the exact manifest: what it says, and its canonical encoding.

A manifest is a run of canonical msgpack values: the head, then the derivations, then the entries of each layer, in
their order. So it is written and read in bounded memory, however many files an image has. `docs/manifest.md` is the
description for people. This module, `reader` and `json_form` are the format; writers and the verifier share no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.errors import FpackError

FORMAT = 1
# Media types: of the canonical form and the JSON form, both compressed, and of the artifact that holds them.
CANONICAL = "application/vnd.fpack.manifest.v1+msgpack+zstd"
JSON = "application/vnd.fpack.manifest.v1+json+zstd"
ARTIFACT = "application/vnd.fpack.manifest.v1"
# Where an archive or layout lists what belongs to its image and is no part of it, as a registry's referrers API would.
REFERRERS = "fpack-referrers.json"
# The time of every entry of every layer, in seconds.
MTIME = 315619200

FILE, DIRECTORY, SYMLINK = "f", "d", "l"
# The kinds of sources that have hashes of their own.
LOCKED = ("gomod", "npm", "pypi")


class ManifestError(FpackError):
    """A manifest that cannot be read."""


class Blob(NamedTuple):
    """A blob of an image. digest: `sha256:` and 64 hexadecimal digits."""

    media_type: str
    digest: str
    size: int


class Image(NamedTuple):
    """The image. path: its store path; derivation: of the derivation that made it, the digest in hexadecimal.

    configuration: the content of the blob `config`, as JSON has it. codec: what compressed the layers.
    """

    name: str
    tag: str
    arch: str
    path: str
    derivation: str
    manifest: Blob
    config: Blob
    configuration: Mapping[str, Value]
    codec: Mapping[str, Value]


class Layer(NamedTuple):
    """A layer. tar: bytes of the tar in the blob. parts: (store path, prefix) of what is in it, "" for `/`.

    entries: how many members the tar has.
    """

    blob: Blob
    diff_id: str
    tar: int
    path: str
    derivation: str
    parts: tuple[tuple[str, str], ...]
    entries: int


class Place(NamedTuple):
    """A store path that files come from, the derivation that made it (None: not known), and its package, if any."""

    path: str
    derivation: str | None
    package: str
    version: str


class Source(NamedTuple):
    """What came from outside. kind `fetch`: urls, sha256 and size; kind `source`: the digest of a project's tree.

    The other kinds are packages of a language that a project's lock has: urls, and hashes as the lock has them.
    """

    derivation: str
    kind: str
    name: str
    urls: tuple[str, ...]
    sha256: str
    size: int | None
    tree: str
    hashes: tuple[str, ...] = ()


class Suite(NamedTuple):
    """A suite of the lock: the SHA-256 of its signed index, and its dates (Unix seconds)."""

    suite: str
    archive: str
    date: int
    until: int | None
    sha256: str


class Index(NamedTuple):
    """A suite's list of packages: digest and size of its text, and of the file that the signed index names."""

    suite: str
    sha256: str
    size: int
    packed_sha256: str
    packed_size: int
    file: str


class Package(NamedTuple):
    """A package of the lock."""

    name: str
    version: str
    arch: str
    source: str
    source_version: str
    archive: str
    date: int
    size: int
    sha256: str
    file: str


class Lock(NamedTuple):
    """The part of the lock that the image's closure used. release "" and nothing else: no packages were used."""

    release: str
    arch: str
    suites: tuple[Suite, ...]
    indexes: tuple[Index, ...]
    packages: tuple[Package, ...]


class Head(NamedTuple):
    """All but the derivations and the entries. fpack: the version that made the image. derivations: how many."""

    fpack: str
    image: Image
    layers: tuple[Layer, ...]
    paths: tuple[Place, ...]
    sources: tuple[Source, ...]
    lock: Lock
    derivations: int


class Entry(NamedTuple):
    """A member of a layer's tar. path: relative, "" for the root directory itself. mode: the 12 permission bits.

    size, blake3, sha256: of a file's content. target: of a symlink. part: which part of the layer it comes from; None
    for a directory that is there because of what is in it.
    """

    path: bytes
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    blake3: bytes
    sha256: bytes
    target: bytes
    part: int | None


# ---- encoding


def encode_head(head: Head) -> bytes:
    """The first value."""
    return canonical.encode(head_value(head))


def encode_entry(entry: Entry) -> bytes:
    """One entry."""
    return canonical.encode(list(entry))


def head_value(head: Head) -> dict[str, Value]:
    """The head as plain data, which JSON can hold too."""
    image = head.image
    return {
        "format": FORMAT,
        "fpack": head.fpack,
        "mtime": MTIME,
        "image": {
            **image._asdict(),
            "manifest": image.manifest._asdict(),
            "config": image.config._asdict(),
            "configuration": dict(image.configuration),
            "codec": dict(image.codec),
        },
        "layers": [_layer_value(layer) for layer in head.layers],
        "paths": [each._asdict() for each in head.paths],
        "sources": [_source_value(each) for each in head.sources],
        "lock": {
            "release": head.lock.release,
            "arch": head.lock.arch,
            "suites": [each._asdict() for each in head.lock.suites],
            "indexes": [each._asdict() for each in head.lock.indexes],
            "packages": [each._asdict() for each in head.lock.packages],
        },
        "derivations": head.derivations,
    }


def _source_value(source: Source) -> dict[str, Value]:
    value = {**source._asdict(), "urls": list(source.urls), "hashes": list(source.hashes)}
    if source.kind not in LOCKED:
        del value["hashes"]
    return value


def _layer_value(layer: Layer) -> dict[str, Value]:
    value = {**layer.blob._asdict(), **layer._asdict()}
    del value["blob"]
    return {**value, "parts": [list(part) for part in layer.parts]}
