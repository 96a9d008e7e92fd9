"""Read the documents of an image that is the base of another: index, manifest and configuration, and what they say.

The documents come from a registry, and may be hostile or from docker: media types of both are accepted, and each digest
was compared by the reader. Sources: image-spec 1.1 (manifest.md, image-index.md, config.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fpack.builders.protocol import BuildError
from fpack.builders.streams import strict_json
from fpack.builders.streams.codecs import LAYER_TYPE, LAYER_TYPES

from . import spec
from .spec import Descriptor

MAX_DOCUMENT = 4 << 20  # bytes
MAX_LAYERS = 110
INDEXES = (spec.INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = (spec.MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
# The media type of a layer as this image's manifest has it. docker's types are written as OCI's, since a manifest has
# either docker's types or OCI's; the bytes are the same.
_OWN_TYPES = {
    **{name: name for name in LAYER_TYPES},
    _DOCKER_LAYER: LAYER_TYPE,
    f"{_DOCKER_LAYER}.gzip": f"{LAYER_TYPE}+gzip",
}


class BaseLayer(NamedTuple):
    """A layer of a base. diff_id: the digest of its tar."""

    blob: Descriptor
    diff_id: str


class BaseDocuments(NamedTuple):
    """The image for one platform. manifest: its descriptor. config: of its configuration, whose content is `settings`.

    settings: the object `config` of the configuration: environment, user and so on.
    """

    manifest: Descriptor
    config: Descriptor
    layers: tuple[BaseLayer, ...]
    settings: Mapping[str, Any]


def parse(data: bytes, what: str, where: str) -> dict[str, Any]:
    """Parse a JSON document. Raise BuildError if it is none. what: its name in the message."""
    try:
        value = strict_json.parse(data)
    except ValueError as error:
        raise _bad(what, where, str(error)) from None
    if not isinstance(value, dict):
        raise _bad(what, where, "it is not a record")
    try:
        data.decode()
    except UnicodeDecodeError:
        raise _bad(what, where, "it is not UTF-8") from None
    return value


def choose_platform(index: Mapping[str, Any], arch: str, where: str) -> Descriptor:
    """Return the image of an index for a Debian architecture. Raise BuildError if there is none."""
    entries = index.get("manifests")
    if not isinstance(entries, list):
        raise _bad("index", where, "it has no images")
    wanted = spec.platform(arch)
    names: list[str] = []
    found: list[Descriptor] = []
    for entry in entries:
        platform = entry.get("platform") if isinstance(entry, dict) else None
        if not isinstance(platform, dict) or platform.get("os") == "unknown" or entry.get("mediaType") not in MANIFESTS:
            continue
        text = [platform.get(key) for key in ("os", "architecture", "variant")]
        names.append("/".join(str(word) for word in text if word))
        if _is_for(platform, wanted):
            found.append(descriptor(entry, "index", where))
    if not found:
        raise BuildError(
            f"The base image has no image for {spec.platform_name(arch)}",
            where=where,
            why=f"it has {', '.join(sorted(set(names)))}" if names else "its index lists no image",
        )
    return found[0]


def _is_for(platform: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether a platform is the wanted one. A missing variant is the default one."""
    if (platform.get("os"), platform.get("architecture")) != (wanted["os"], wanted["architecture"]):
        return False
    variant = platform.get("variant") or wanted.get("variant")
    return variant in (wanted.get("variant"), None) or (wanted["architecture"], variant) == ("arm64", "v8")


def read_image(manifest: Descriptor, document: Mapping[str, Any], where: str) -> tuple[Descriptor, list[Descriptor]]:
    """Return the configuration and the layers that a manifest lists."""
    if document.get("mediaType", manifest.media_type) not in MANIFESTS:
        raise _bad("manifest", where, f"its media type is {document.get('mediaType')!r:.100}")
    layers = document.get("layers")
    if not isinstance(layers, list):
        raise _bad("manifest", where, "it has no layers")
    if len(layers) > MAX_LAYERS:
        raise BuildError(
            f"The base image has {len(layers)} layers", where=where, why=f"a base can have at most {MAX_LAYERS}"
        )
    found = []
    for layer in layers:
        blob = descriptor(layer, "manifest", where)
        if blob.media_type not in _OWN_TYPES:
            why = f"a layer has the media type {blob.media_type!r:.100}"
            raise BuildError("The base is not an image of layers that fpack can read", where=where, why=why)
        found.append(blob._replace(media_type=_OWN_TYPES[blob.media_type]))
    return descriptor(document.get("config"), "manifest", where), found


def read_config(
    manifest: Descriptor,
    config: Descriptor,
    layers: Sequence[Descriptor],
    document: Mapping[str, Any],
    arch: str,
    where: str,
) -> BaseDocuments:
    """Combine a manifest and its configuration. Raise BuildError if they do not fit each other or the architecture."""
    if not _is_for(document, spec.platform(arch)):
        text = "/".join(str(document.get(key)) for key in ("os", "architecture") if document.get(key))
        raise BuildError(
            f"The base image is not for {spec.platform_name(arch)}",
            where=where,
            why=f"it is for {text}" if text else "it does not say for which platform it is",
        )
    rootfs = document.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    good = isinstance(diff_ids, list) and all(isinstance(text, str) and _DIGEST.match(text) for text in diff_ids)
    if not good or len(diff_ids or ()) != len(layers):
        raise _bad("configuration", where, "it does not have one digest for each layer in `diff_ids`")
    settings = document.get("config") or {}
    if not isinstance(settings, dict):
        raise _bad("configuration", where, "its settings are not a record")
    pairs = zip(layers, diff_ids or (), strict=True)
    return BaseDocuments(manifest, config, tuple(BaseLayer(blob, text) for blob, text in pairs), settings)


def descriptor(value: Any, what: str, where: str) -> Descriptor:
    """Parse a descriptor of a document. Raise BuildError if it is invalid."""
    fields = [value.get(key) for key in ("mediaType", "digest", "size")] if isinstance(value, dict) else [None] * 3
    media_type, digest, size = fields
    good = isinstance(media_type, str) and isinstance(digest, str) and _DIGEST.match(digest) is not None
    if not good or size.__class__ is not int or not 0 <= size < 1 << 40:
        raise _bad(what, where, f"the descriptor {value!r:.200} is invalid")
    return Descriptor(str(media_type), str(digest), int(size))


def _bad(what: str, where: str, why: str) -> BuildError:
    return BuildError(f"The {what} of the base image is invalid", where=where, why=why)
