"""The format of the exact manifest: what it says, and its canonical encoding.

A manifest is a run of canonical msgpack values: the head, then the derivations, then the entries of each layer, in
their order. So it is written and read in bounded memory, however many files an image has. `docs/manifest.md` is the
description for people. This module, `reader` and `json_form` are the format, with the words of `exclusions` and the
rule of `whiteouts`; writers and the verifier share no other.

Format 2 is written. Format 1, which has no origins, exclusions, executor and claims, is read for ever.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.errors import FpackError

FORMAT = 2
FORMATS = (1, 2)
# The types of the artifacts that hold a manifest, one for each format.
ARTIFACTS = tuple(f"application/vnd.fpack.manifest.v{number}" for number in FORMATS)
ARTIFACT = ARTIFACTS[-1]
# Where an archive or layout lists what belongs to its image and is no part of it, as a registry's referrers API would.
REFERRERS = "fpack-referrers.json"
# The time of every entry of every layer, in seconds.
MTIME = 315619200

FILE, DIRECTORY, SYMLINK = "f", "d", "l"
# The key of bytes, in hexadecimal, where JSON has no form for them.
BYTES = "$bytes"
# The kinds of sources that have hashes of their own.
LOCKED = ("gomod", "npm", "pypi")
GENERATED, CONFIGURED = "generated", "configured"
# The name of a rule by which entries are generated, and of an executor.
RULE = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")
# Maintainer scripts that configure a package, by their names in its control member.
SCRIPTS = ("config", "postinst", "preinst")


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


class Excluded(NamedTuple):
    """A path that a part has and its layer has not. reason: see `exclusions`. by: what stands there, by its reason."""

    part: int
    path: bytes
    reason: str
    by: str


class Layer(NamedTuple):
    """A layer. tar: bytes of the tar in the blob. parts: (store path, prefix) of what is in it, "" for `/`.

    entries: how many members the tar has. excluded: what it leaves out of its parts.
    """

    blob: Blob
    diff_id: str
    tar: int
    path: str
    derivation: str
    parts: tuple[tuple[str, str], ...]
    entries: int
    excluded: tuple[Excluded, ...] = ()


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


class Claims(NamedTuple):
    """How many entries that are no directories the manifest says come from each kind of origin.

    package: as a Debian package ships them; built: outputs of builds and project files, at their place in the store;
    files: the container's own; generated: made by a rule of fpack's; configured: made by Debian's maintainer scripts.
    """

    package: int = 0
    built: int = 0
    files: int = 0
    generated: int = 0
    configured: int = 0


class Head(NamedTuple):
    """All but the derivations and the entries. fpack: the version that made the image. derivations: how many.

    executor: what ran the builds from source; "" if there are none. claims: None in format 1.
    """

    fpack: str
    image: Image
    layers: tuple[Layer, ...]
    paths: tuple[Place, ...]
    sources: tuple[Source, ...]
    lock: Lock
    derivations: int
    executor: str = ""
    claims: Claims | None = None
    format: int = FORMAT


class Origin(NamedTuple):
    """Where an entry is from that is not simply what its part holds.

    kind GENERATED: rule, of fpack's. kind CONFIGURED: a maintainer script of a package, and the SHA-256 of that script.
    """

    kind: str
    rule: str = ""
    package: str = ""
    script: str = ""
    sha256: bytes = b""


class Entry(NamedTuple):
    """A member of a layer's tar. path: relative, "" for the root directory itself. mode: the 12 permission bits.

    size, blake3, sha256: of a file's content. target: of a symlink. part: which part of the layer it comes from; None
    for a directory that is there because of what is in it. origin: None for what the part has from elsewhere.
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
    origin: Origin | None = None


def media_types(artifact: str) -> tuple[str, str]:
    """Return the media types of an artifact's layers: the canonical form and the JSON form, both compressed."""
    return f"{artifact}+msgpack+zstd", f"{artifact}+json+zstd"


# ---- encoding


def encode_head(head: Head) -> bytes:
    """The first value."""
    return canonical.encode(head_value(head))


def encode_entry(entry: Entry, number: int = FORMAT) -> bytes:
    """Encode one entry. number: of the manifest's format."""
    return canonical.encode(entry_row(entry, number))


def entry_row(entry: Entry, number: int = FORMAT) -> list[Value]:
    """List the fields of an entry. number: of the manifest's format."""
    return [*entry[:10], _origin_row(entry.origin)] if number > 1 else list(entry[:10])


def _origin_row(origin: Origin | None) -> Value:
    if origin is None:
        return None
    if origin.kind == GENERATED:
        return [GENERATED, origin.rule]
    return [CONFIGURED, origin.package, origin.script, origin.sha256]


def name_value(name: bytes) -> Value:
    """Write a path or a link's target as text, or as a map of its bytes if it is not UTF-8."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return {BYTES: name.hex()}


def head_value(head: Head) -> dict[str, Value]:
    """The head as plain data, which JSON can hold too."""
    image = head.image
    return {
        "format": head.format,
        "fpack": head.fpack,
        "mtime": MTIME,
        "image": {
            **image._asdict(),
            "manifest": image.manifest._asdict(),
            "config": image.config._asdict(),
            "configuration": dict(image.configuration),
            "codec": dict(image.codec),
        },
        "layers": [_layer_value(layer, head.format) for layer in head.layers],
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
        **({"executor": head.executor, "claims": (head.claims or Claims())._asdict()} if head.format > 1 else {}),
    }


def _source_value(source: Source) -> dict[str, Value]:
    value = {**source._asdict(), "urls": list(source.urls), "hashes": list(source.hashes)}
    if source.kind not in LOCKED:
        del value["hashes"]
    return value


def _layer_value(layer: Layer, number: int) -> dict[str, Value]:
    value = {**layer.blob._asdict(), **layer._asdict(), "parts": [list(part) for part in layer.parts]}
    del value["blob"], value["excluded"]
    if number > 1:
        value["excluded"] = [{**each._asdict(), "path": name_value(each.path)} for each in layer.excluded]
    return value
