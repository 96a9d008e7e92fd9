"""The JSON documents of an image: read with limits, compared field by field with what they must be.

The media types and layouts are those of the OCI image specification 1.1 and of docker's archives.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fpack.builders.manifest.format import Blob

from .findings import BLOB, VerifyError
from .image_archive import Archive

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYOUT = {"imageLayoutVersion": "1.0.0"}
# The time of everything in an image, and the fields of a configuration that fpack knows.
CREATED = "1980-01-02T00:00:00Z"
FIELDS = {"created", "architecture", "os", "variant", "config", "rootfs", "history"}
SETTINGS = {
    *("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal"),
    "Healthcheck",
}
MAX_DOCUMENT = 4 << 20
MAX_SHOWN = 160
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


class BadDocument(VerifyError):
    """A document that cannot be read. kind: of the finding that it is."""

    def __init__(self, where: str, why: str, kind: str = BLOB) -> None:
        super().__init__("A document of the image cannot be read", where=where, why=why)
        self.kind = kind


class Document(NamedTuple):
    """A blob that is JSON: its value, and the digest of its bytes."""

    value: Any
    digest: str
    size: int


def read(archive: Archive, name: str, limit: int = MAX_DOCUMENT) -> Document:
    """A file of an archive as JSON; BadDocument if it is not there, too large, or no JSON that has one meaning."""
    if name not in archive.sizes:
        raise BadDocument(name, "it is not there")
    size = archive.sizes[name]
    if size > limit:
        raise BadDocument(name, f"it has {size} bytes; the limit is {limit}")
    data = b""
    with archive.open(name) as file:
        while len(data) < size and (chunk := file.read(size - len(data))):
            data += chunk
    return Document(parse(data, name), f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))


def parse(data: bytes, where: str) -> Any:
    """JSON without fields that occur twice, NaN and the like, which readers take differently."""
    try:
        return json.loads(data, object_pairs_hook=_once, parse_constant=_refuse)
    except RecursionError:
        raise BadDocument(where, "it is nested too deeply") from None
    except ValueError as error:
        raise BadDocument(where, str(error)) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a field occurs twice")
    return value


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is no number")


def descriptor(value: Any, where: str) -> Blob:
    """The blob that a descriptor stands for; BadDocument if a digest is none, or leads elsewhere than to a blob."""
    if not isinstance(value, dict):
        raise BadDocument(where, "it is no descriptor")
    media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
    if not isinstance(media_type, str):
        raise BadDocument(where, f"its media type is {shown(media_type)}")
    if not isinstance(digest, str) or not _DIGEST.match(digest):
        raise BadDocument(where, f"its digest is {shown(digest)}")
    if size.__class__ is not int or not 0 <= size < 1 << 53:
        raise BadDocument(where, f"its size is {shown(size)}")
    return Blob(media_type, digest, size)


def value_of(blob: Blob) -> dict[str, Any]:
    """A blob's descriptor."""
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}


def blob_name(digest: str) -> str:
    """Where the blob of a checked digest lies."""
    return "blobs/" + digest.replace(":", "/")


def shown(value: Any) -> str:
    """A value, shortened, as messages have it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."


def differences(expected: Any, found: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """(field, what differs) for all in which two JSON values differ. A list's order and length count."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key in sorted({*expected, *found}):
            place = f"{where}.{key}" if where else key
            if key not in found:
                yield place, f"is missing; the manifest has {shown(expected[key])}"
            elif key not in expected:
                yield place, f"is added: {shown(found[key])}"
            else:
                yield from differences(expected[key], found[key], place)
    elif isinstance(expected, list) and isinstance(found, list):
        for number, (one, two) in enumerate(zip(expected, found, strict=False)):
            yield from differences(one, two, f"{where}[{number}]")
        for number in range(len(found), len(expected)):
            yield f"{where}[{number}]", f"is missing; the manifest has {shown(expected[number])}"
        for number in range(len(expected), len(found)):
            yield f"{where}[{number}]", f"is added: {shown(found[number])}"
    elif expected.__class__ is not found.__class__ or expected != found:
        yield where, f"is {shown(found)}; the manifest has {shown(expected)}"


def full_name(name: str) -> str:
    """A name with its registry, as containerd and docker store it: fpack's own images are of `localhost`."""
    first, slash, _ = name.partition("/")
    return name if slash and ("." in first or ":" in first or first == "localhost") else f"localhost/{name}"


def expected_index(image: Blob, name: str, tag: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """The `index.json` of one image. What `found` leaves out of a name or a type is no difference: copies do that."""
    names = {
        "io.containerd.image.name": f"{full_name(name)}:{tag}",
        "org.opencontainers.image.ref.name": tag,
    }
    first = found["manifests"][0]
    entry = value_of(image)
    if isinstance(first, dict) and isinstance(given := first.get("annotations"), dict):
        entry["annotations"] = {key: value for key, value in names.items() if key in given}
    kind = {"mediaType": INDEX} if "mediaType" in found else {}
    return {"schemaVersion": 2, **kind, "manifests": [entry]}


def platform(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The platform of an image, as an index has it."""
    return {key: configuration[key] for key in ("os", "architecture", "variant") if key in configuration}


def platform_name(configuration: Mapping[str, Any]) -> str:
    """The platform of an image, as messages have it: linux/arm64/v8."""
    return "/".join(str(part) for part in platform(configuration).values())


def settings(configuration: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a configuration that runtimes obey: program, environment, user and the like."""
    found = configuration.get("config")
    return found if isinstance(found, dict) else {}


def oddities(configuration: Mapping[str, Any], layers: int) -> Iterator[tuple[str, str]]:
    """List what fpack never writes into a configuration and a runtime may obey, as (field, what is odd).

    layers: how many the image has.
    """
    for key in sorted(configuration.keys() - FIELDS):
        yield key, "it is a field that fpack does not write"
    if configuration.get("created") != CREATED:
        yield "created", f"it is {shown(configuration.get('created'))}; that of every image is {CREATED}"
    config = configuration.get("config")
    if not isinstance(config, dict):
        yield "config", "it is no record"
    for key in sorted(settings(configuration).keys() - SETTINGS):
        yield f"config.{key}", "it is a field that fpack does not write"
    rootfs, history = configuration.get("rootfs"), configuration.get("history")
    if not isinstance(rootfs, dict) or rootfs.keys() != {"type", "diff_ids"} or rootfs["type"] != "layers":
        yield "rootfs", "it does not list layers alone"
    if not isinstance(history, list) or len(history) != layers:
        yield "history", f"it does not have one line for each of {layers} layers"
    for number, line in enumerate(history if isinstance(history, list) else []):
        if not isinstance(line, dict) or line.keys() != {"created", "created_by"} or line["created"] != CREATED:
            yield f"history[{number}]", "it is no line as fpack writes it"


def dump(value: Any) -> bytes:
    """The bytes of a document as fpack writes it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def expected_manifest(config: Blob, layers: Sequence[Blob]) -> dict[str, Any]:
    """The manifest of an image."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": value_of(config),
        "layers": [value_of(layer) for layer in layers],
    }


def expected_docker(config: Blob, layers: Sequence[Blob], name: str, tag: str) -> list[dict[str, Any]]:
    """The `manifest.json` by which docker and podman load an archive."""
    return [
        {
            "Config": blob_name(config.digest),
            "RepoTags": [f"{full_name(name)}:{tag}"],
            "Layers": [blob_name(layer.digest) for layer in layers],
        }
    ]
