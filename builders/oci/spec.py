"""Create the documents of an OCI image (configuration, manifest, index) and encode them canonically."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from fpack import light_hashes
from fpack.builders.machines import MACHINES
from fpack.builders.protocol import BuildError
from fpack.light_typing import Any, NamedTuple
from fpack.store.canonical import Value

# The timestamp in all documents, equal to the mtime of files in layers.
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
_NAME = rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*\Z"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z"
_DIGEST = r"sha256:[0-9a-f]{64}\Z"
# The tags of signatures, of signed statements, and of the list of an image's referrers. Layouts of cosign have kinds.
_ATTACHMENT = r"sha256-[0-9a-f]{64}(?:\.sig|\.att)?\Z|dev\.cosignproject\.cosign/(?:sigs|atts)\Z"
MAX_NAME = 255


class Descriptor(NamedTuple):
    """A reference to a blob. digest: `sha256:` and 64 hexadecimal digits. size: in bytes."""

    media_type: str
    digest: str
    size: int

    def value(self) -> dict[str, Value]:
        """Return the JSON form."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


class HistoryStep(NamedTuple):
    """A layer's entry in an image's history."""

    created_by: str
    diff_id: str


def dump(value: Mapping[str, Any]) -> bytes:
    """Encode a document as JSON with sorted keys, no whitespace, in UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(data: bytes) -> str:
    """Return the digest `sha256:...` of a document."""
    return f"sha256:{light_hashes.sha256(data).hexdigest()}"


def describe(media_type: str, data: bytes) -> Descriptor:
    return Descriptor(media_type, digest(data), len(data))


def is_attachment(entry: Any) -> bool:
    """Return whether an entry of an index is, by its tag or cosign's kind, no image but signatures of one."""
    given = entry.get("annotations") if isinstance(entry, dict) else None
    names = [given.get(key) for key in ("org.opencontainers.image.ref.name", "kind")] if isinstance(given, dict) else []
    return any(isinstance(name, str) and re.match(_ATTACHMENT, name) is not None for name in names)


def is_name(name: str) -> bool:
    """Return whether `name` is a valid image name in a registry, without a tag."""
    return bool(re.match(_NAME, name)) and len(name) <= MAX_NAME


def check_name(name: str, tag: str) -> None:
    """Raise BuildError unless NAME:TAG is valid in a registry."""
    if not is_name(name):
        why = "a name has lowercase letters and digits, separated by single . _ - and, between components, /"
        raise BuildError(f"{name!r} cannot be the name of an image", why=why)
    if not re.match(_TAG, tag):
        why = "a tag has at most 128 letters, digits, _ . and -, and does not begin with . or -"
        raise BuildError(f"{tag!r} cannot be the tag of an image", why=why)


def full_name(name: str) -> str:
    """Return a name with its registry: `localhost` if it has none, so that it never means Docker Hub's image."""
    first, slash, _ = name.partition("/")
    has_registry = slash and ("." in first or ":" in first or first == "localhost")
    return name if has_registry else f"localhost/{name}"


def platform(arch: str) -> dict[str, Value]:
    """The os, architecture and variant of a Debian architecture."""
    if arch not in MACHINES:
        raise BuildError(f"An image cannot be for {arch!r}", why=f"fpack supports {', '.join(MACHINES)}")
    machine = MACHINES[arch]
    return {"os": "linux", "architecture": machine.oci, **({"variant": machine.variant} if machine.variant else {})}


def platform_name(arch: str) -> str:
    """Return the name of a Debian architecture on the command lines of container tools, such as linux/arm/v7."""
    name = _NAMES.get(arch)
    return f"linux/{name}" if name else f"linux/{arch}"


def architecture(text: str) -> str:
    """Return the Debian architecture of a platform written as by `platform_name`. A default variant is optional.

    Raise BuildError if fpack does not support the platform.
    """
    system, _, rest = text.strip().lower().partition("/")
    names = {name: arch for arch, name in _NAMES.items()}
    names |= {"arm64/v8": "arm64", "amd64/v1": "amd64", "arm": "armhf"}
    if system != "linux" or rest not in names:
        raise BuildError(
            f"There are no images for the platform {text!r}",
            why=f"fpack supports {', '.join(f'linux/{name}' for name in _NAMES.values())}",
        )
    return names[rest]


def platforms(entries: Sequence[tuple[str, Descriptor]]) -> dict[str, Value]:
    """Return the index of an image for several Debian architectures."""
    manifests = [{**image.value(), "platform": platform(arch)} for arch, image in entries]
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}


def image_config(
    arch: str, config: Mapping[str, Value], steps: Sequence[HistoryStep], created: str = CREATED
) -> dict[str, Value]:
    """Return the image's configuration document. Its digest is the image ID, which no codec of a layer affects."""
    return {
        "created": created,
        **platform(arch),
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [step.diff_id for step in steps]},
        "history": [{"created": created, "created_by": step.created_by} for step in steps],
    }


def manifest(
    config: Descriptor, layers: Sequence[Descriptor], annotations: Mapping[str, str] | None = None
) -> dict[str, Value]:
    """Return the manifest of an image."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.value(),
        "layers": [layer.value() for layer in layers],
        **({"annotations": dict(annotations)} if annotations else {}),
    }


def index(image: Descriptor, name: str, tag: str) -> dict[str, Value]:
    """Return the index of one image, with its name in the OCI annotation and in containerd's own."""
    annotations = {"org.opencontainers.image.ref.name": tag, "io.containerd.image.name": f"{full_name(name)}:{tag}"}
    entry = {**image.value(), "annotations": annotations}
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}


def docker_manifest(config: str, layers: Sequence[str], name: str, tag: str) -> bytes:
    """Return the `manifest.json` of a docker archive over the blobs of an OCI layout. config, layers: digests."""
    entry = {
        "Config": blob_path(config),
        "RepoTags": [f"{full_name(name)}:{tag}"],
        "Layers": [blob_path(layer) for layer in layers],
    }
    return json.dumps([entry], sort_keys=True, separators=(",", ":")).encode()


def blob_path(digest_: str) -> str:
    """Return the path of a blob in a layout. Raise ValueError for an invalid digest, which could lead out of it."""
    if not re.match(_DIGEST, digest_):
        raise ValueError(f"{digest_!r} is not a digest")
    return "blobs/" + digest_.replace(":", "/")
