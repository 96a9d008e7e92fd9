"""Read the JSON documents of an image with limits, and compare them field by field with the expected values.

Media types and layouts are those of the OCI image specification 1.1 and of docker's archives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from fpack import light_hashes
from fpack.builders.attest import cosign
from fpack.builders.manifest.format import Blob
from fpack.builders.streams import strict_json
from fpack.light_typing import Any, NamedTuple

from .findings import BLOB, VerifyError
from .image_archive import ImageArchive, pieces

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYOUT = {"imageLayoutVersion": "1.0.0"}
# The timestamp in all documents of an image.
CREATED = "1980-01-02T00:00:00Z"
# The fields of a configuration that fpack writes.
FIELDS = {"created", "architecture", "os", "variant", "config", "rootfs", "history"}
SETTINGS = {
    *("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal"),
    "Healthcheck",
}
# The annotations of an index that name an image.
NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
MAX_DOCUMENT = 4 << 20  # bytes
MAX_SHOWN = 160
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


class BadDocument(VerifyError):
    """A document that cannot be read. kind: of the difference to report."""

    def __init__(self, where: str, why: str, kind: str = BLOB) -> None:
        super().__init__("A document of the image cannot be read", where=where, why=why)
        self.kind = kind


class JsonDocument(NamedTuple):
    """A parsed JSON document, with the digest and size of its bytes."""

    value: Any
    digest: str
    size: int


def read(archive: ImageArchive, name: str, limit: int = MAX_DOCUMENT) -> JsonDocument:
    """Read a JSON file of an archive. Raise BadDocument if it is missing, too large, or not unambiguous JSON."""
    if name not in archive.sizes:
        raise BadDocument(name, "it is missing")
    size = archive.sizes[name]
    if size > limit:
        raise BadDocument(name, f"it has {size} bytes; the limit is {limit}")
    data = b"".join(pieces(archive, name))
    return JsonDocument(parse(data, name), f"sha256:{light_hashes.sha256(data).hexdigest()}", len(data))


def parse(data: bytes, where: str) -> Any:
    """Parse JSON. Reject what parsers differ on, see `strict_json`."""
    try:
        return strict_json.parse(data)
    except ValueError as error:
        raise BadDocument(where, str(error)) from None


def descriptor(value: Any, where: str) -> Blob:
    """Parse a descriptor. Raise BadDocument if it is invalid, in particular a digest that is not a blob's name."""
    if not isinstance(value, dict):
        raise BadDocument(where, "it is not a descriptor")
    media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
    if not isinstance(media_type, str):
        raise BadDocument(where, f"its media type is {shown(media_type)}")
    if not isinstance(digest, str) or not _DIGEST.match(digest):
        raise BadDocument(where, f"its digest is {shown(digest)}")
    if size.__class__ is not int or not 0 <= size < 1 << 53:
        raise BadDocument(where, f"its size is {shown(size)}")
    return Blob(media_type, digest, size)


def value_of(blob: Blob) -> dict[str, Any]:
    """Return a blob's descriptor."""
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}


def is_attestation(entry: Any) -> bool:
    """Return whether an entry of an index is a document about an image, which has the form of an image without a
    system: what BuildKit calls an attestation, or signatures as cosign stores them.
    """
    found = entry.get("platform") if isinstance(entry, dict) else None
    return cosign.is_attachment(entry) or isinstance(found, dict) and found.get("os") == "unknown"


def blob_name(digest: str) -> str:
    """Return the path of a blob in a layout. The digest must be valid."""
    return "blobs/" + digest.replace(":", "/")


def shown(value: Any) -> str:
    """Format a value for messages, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."


def differences(expected: Any, found: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Yield (field, difference) for each difference between two JSON values. The order of lists counts."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key in sorted({*expected, *found}):
            field = f"{where}.{key}" if where else key
            if key not in found:
                yield field, f"is missing; the manifest has {shown(expected[key])}"
            elif key not in expected:
                yield field, f"is added: {shown(found[key])}"
            else:
                yield from differences(expected[key], found[key], field)
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
    """Return a name with its registry, as containerd and docker store it; `localhost` if it has none."""
    first, slash, _ = name.partition("/")
    return name if slash and ("." in first or ":" in first or first == "localhost") else f"localhost/{name}"


def own_names(name: str, tag: str) -> set[str]:
    """Return the names that fpack gives to an image in its documents."""
    return {tag, f"{full_name(name)}:{tag}"}


def index_names(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the annotations of an `index.json` that name its image. Copies rename it: they are no content."""
    first = found["manifests"][0]
    given = first.get("annotations") if isinstance(first, dict) else None
    return {key: given[key] for key in NAMES if isinstance(given.get(key), str)} if isinstance(given, dict) else {}


def docker_names(found: Any) -> list[str]:
    """Return the names of the image in docker's `manifest.json`; [] if there are none, or if they are invalid."""
    entry = found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}
    names = entry.get("RepoTags")
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []


def expected_index(image: Blob, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the expected `index.json` of one image, with the names and the type that `found` has, since copies change
    the names and may lack both.
    """
    first = found["manifests"][0]
    entry = value_of(image)
    if isinstance(first, dict) and isinstance(first.get("annotations"), dict):
        # cosign's layouts tell images from signatures by their kind.
        kind = first["annotations"].get(cosign.KIND)
        entry["annotations"] = {**index_names(found), **({cosign.KIND: kind} if kind in cosign.IMAGE_KINDS else {})}
    media_type = {"mediaType": INDEX} if "mediaType" in found else {}
    return {"schemaVersion": 2, **media_type, "manifests": [entry]}


def platform(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the platform of an image in the form of an index."""
    return {key: configuration[key] for key in ("os", "architecture", "variant") if key in configuration}


def platform_name(configuration: Mapping[str, Any]) -> str:
    """Return the platform of an image as text, such as linux/arm64/v8."""
    return "/".join(str(part) for part in platform(configuration).values())


def settings(configuration: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a configuration that runtimes apply: program, environment, user and so on."""
    found = configuration.get("config")
    return found if isinstance(found, dict) else {}


def oddities(configuration: Mapping[str, Any], layers: int) -> Iterator[tuple[str, str]]:
    """Yield (field, description) for each part of a configuration that fpack never writes.

    layers: the number of the image's layers.
    """
    for key in sorted(configuration.keys() - FIELDS):
        yield key, "it is a field that fpack does not write"
    created, lines = configuration.get("created"), configuration.get("history")
    first = lines[0].get("created") if isinstance(lines, list) and lines and isinstance(lines[0], dict) else None
    if not isinstance(created, str) or not _TIME.match(created) or created != first:
        created = CREATED
        yield (
            "created",
            f"it is {shown(configuration.get('created'))}; fpack writes {CREATED}, or the time that an option gives",
        )
    config = configuration.get("config")
    if not isinstance(config, dict):
        yield "config", "it is not a record"
    for key in sorted(settings(configuration).keys() - SETTINGS):
        yield f"config.{key}", "it is a field that fpack does not write"
    rootfs, history = configuration.get("rootfs"), configuration.get("history")
    if not isinstance(rootfs, dict) or rootfs.keys() != {"type", "diff_ids"} or rootfs["type"] != "layers":
        yield "rootfs", "it is not a list of layers"
    if not isinstance(history, list) or len(history) != layers:
        yield "history", f"it does not have one line for each of {layers} layers"
    for number, line in enumerate(history if isinstance(history, list) else []):
        if not isinstance(line, dict) or line.keys() != {"created", "created_by"} or line["created"] != created:
            yield f"history[{number}]", "fpack does not write such a line"


def dump(value: Any) -> bytes:
    """Encode a document as fpack does."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def expected_manifest(config: Blob, layers: Sequence[Blob], annotations: Mapping[str, str]) -> dict[str, Any]:
    """Return the expected manifest of an image."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": value_of(config),
        "layers": [value_of(layer) for layer in layers],
        **({"annotations": dict(annotations)} if annotations else {}),
    }


def expected_docker(config: Blob, layers: Sequence[Blob], names: list[str]) -> list[dict[str, Any]]:
    """Return the expected `manifest.json`, by which docker and podman load an archive under `names`."""
    return [
        {"Config": blob_name(config.digest), "RepoTags": names, "Layers": [blob_name(layer.digest) for layer in layers]}
    ]
