"""The documents of an OCI image: configuration, manifest, index. Each is a value, and one way to write it as bytes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fpack.builders.payload.machines import MACHINES
from fpack.builders.protocol import BuildError
from fpack.store.canonical import Value

# The time of everything in an image; the same as in its tars.
CREATED = "1980-01-02T00:00:00Z"

CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'

# As the command line of container tools has them; the variant is left out where there is but one.
_NAMES = {arch: m.oci if m.variant in (None, "v8") else f"{m.oci}/{m.variant}" for arch, m in MACHINES.items()}
# https://github.com/distribution/reference: domain, path components, tag.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DOMAIN = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?"
_NAME = re.compile(rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
MAX_NAME = 255


class Descriptor(NamedTuple):
    """What stands for a blob. digest: `sha256:` and 64 hexadecimal digits; size in bytes."""

    media_type: str
    digest: str
    size: int

    def value(self) -> dict[str, Value]:
        """As JSON has it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


class Step(NamedTuple):
    """A layer's line in an image's history."""

    created_by: str
    diff_id: str


def dump(value: Mapping[str, Any]) -> bytes:
    """The bytes of a document: keys sorted, no blanks, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(data: bytes) -> str:
    """`sha256:...` of a document."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def describe(media_type: str, data: bytes) -> Descriptor:
    """The descriptor of a document."""
    return Descriptor(media_type, digest(data), len(data))


def is_name(name: str) -> bool:
    """Whether it can be the name of an image in a registry, without a tag."""
    return bool(_NAME.match(name)) and len(name) <= MAX_NAME


def check_name(name: str, tag: str) -> None:
    """BuildError unless NAME:TAG can be an image's name in a registry."""
    if not is_name(name):
        why = "a name has small letters and digits, with single . _ - between them and / between its parts"
        raise BuildError(f"{name!r} cannot be the name of an image", why=why)
    if not _TAG.match(tag):
        why = "a tag has letters, digits and _ . -, begins with none of the last two, and has at most 128 characters"
        raise BuildError(f"{tag!r} cannot be the tag of an image", why=why)


def full_name(name: str) -> str:
    """A name with its registry. One that names none is `localhost/NAME`: it must never pass for Docker Hub's."""
    first, slash, _ = name.partition("/")
    has_registry = slash and ("." in first or ":" in first or first == "localhost")
    return name if has_registry else f"localhost/{name}"


def platform(arch: str) -> dict[str, Value]:
    """The os, architecture and variant of a Debian architecture."""
    if arch not in MACHINES:
        raise BuildError(f"An image cannot be for {arch!r}", why=f"there are {', '.join(MACHINES)}")
    machine = MACHINES[arch]
    return {"os": "linux", "architecture": machine.oci, **({"variant": machine.variant} if machine.variant else {})}


def platform_name(arch: str) -> str:
    """A Debian architecture as the command line of container tools has it: linux/arm64, linux/arm/v7."""
    name = _NAMES.get(arch)
    return f"linux/{name}" if name else f"linux/{arch}"


def architecture(text: str) -> str:
    """The Debian architecture of a platform, as `platform_name` writes it, with or without a variant that is plain.

    BuildError if fpack makes no images for it.
    """
    system, _, rest = text.strip().lower().partition("/")
    names = {name: arch for arch, name in _NAMES.items()}
    names |= {"arm64/v8": "arm64", "amd64/v1": "amd64", "arm": "armhf"}
    if system != "linux" or rest not in names:
        raise BuildError(
            f"There are no images for the platform {text!r}",
            why=f"there are {', '.join(f'linux/{name}' for name in _NAMES.values())}",
        )
    return names[rest]


def platforms(entries: Sequence[tuple[str, Descriptor]]) -> dict[str, Value]:
    """An index of one image for several Debian architectures, as a registry has it under one name."""
    manifests = [{**image.value(), "platform": platform(arch)} for arch, image in entries]
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}


def image_config(arch: str, config: Mapping[str, Value], steps: Sequence[Step]) -> dict[str, Value]:
    """The image's configuration document: its digest is the image's ID, whatever the codec of its layers."""
    return {
        "created": CREATED,
        **platform(arch),
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [step.diff_id for step in steps]},
        "history": [{"created": CREATED, "created_by": step.created_by} for step in steps],
    }


def manifest(config: Descriptor, layers: Sequence[Descriptor]) -> dict[str, Value]:
    """The image's manifest."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.value(),
        "layers": [layer.value() for layer in layers],
    }


def index(image: Descriptor, name: str, tag: str) -> dict[str, Value]:
    """An index of one image. containerd, and docker on top of it, takes the name from an annotation of its own."""
    annotations = {
        "org.opencontainers.image.ref.name": tag,
        "io.containerd.image.name": f"{full_name(name)}:{tag}",
    }
    entry = {**image.value(), "annotations": annotations}
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}


def docker_manifest(config: str, layers: Sequence[str], name: str, tag: str) -> bytes:
    """The `manifest.json` of a docker archive whose files are an OCI layout's blobs. config, layers: digests."""
    entry = {
        "Config": blob_path(config),
        "RepoTags": [f"{full_name(name)}:{tag}"],
        "Layers": [blob_path(layer) for layer in layers],
    }
    return json.dumps([entry], sort_keys=True, separators=(",", ":")).encode()


def blob_path(digest_: str) -> str:
    """Where a layout has the blob of a digest. ValueError if it is none: it might lead anywhere."""
    if not _DIGEST.match(digest_):
        raise ValueError(f"{digest_!r} is no digest")
    return "blobs/" + digest_.replace(":", "/")
