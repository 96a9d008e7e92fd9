"""Find the exact manifest of an image's base in the base's registry, and give it to the manifest of the image.

What was found is remembered, so that the same image has the same manifest again, also offline. That a base has none is
remembered for a day: bases of other tools would be asked about at each command.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.builders.distribution.document_cache import DocumentCache
from fpack.builders.distribution.protocol import RepositoryError
from fpack.builders.distribution.reference import parse_reference
from fpack.builders.intake.repository_archive import RemoteImage
from fpack.builders.kinds import ociblob
from fpack.builders.manifest.fields import parse_blob
from fpack.builders.manifest.format import Blob, ManifestError
from fpack.builders.payload import base_image
from fpack.builders.verify import embedded_manifest, manifest_loading
from fpack.cli.paths import cache_directory
from fpack.cli.ui.render import warn
from fpack.store import canonical, derivation
from fpack.store.canonical import Value
from fpack.store.derivation import Output, placeholder
from fpack.store.errors import FpackError, NotCanonical
from fpack.store.files import disk_cache

if TYPE_CHECKING:
    from fpack.cli.workspace.workspace import Workspace

DAY = 86400  # seconds


class BaseManifestInput(NamedTuple):
    """The own manifest of a base, as an input of the image's manifest. argument: the argument that names it."""

    output: Output
    argument: dict[str, Value]


def find(workspace: Workspace, name: str, arch: str) -> BaseManifestInput | None:
    """Find the own manifest of a base in its registry. name: HOST/NAME[:TAG]@DIGEST.

    A registry that does not answer, and a manifest that is about another image, are told, and are no error.
    """
    try:
        found = _found(workspace, name, arch)
    except FpackError as error:
        warn(f"the manifest of the base {name} is not used: {error.what}{error.why and f': {error.why}'}")
        return None
    return of_blob(workspace, name, found) if found is not None else None


def of_blob(workspace: Workspace, name: str, about: Blob) -> BaseManifestInput:
    """Add the derivation that fetches the manifest of a base. about: its compressed blob."""
    made = ociblob.derivation((base_image.address(name),), about.digest, about.size)
    body = made.encode()
    digest = derivation.digest(body)
    workspace.evaluator.derivations[digest] = body
    return BaseManifestInput(Output(digest), {"base": str(placeholder(digest, made.name))})


def _found(workspace: Workspace, name: str, arch: str) -> Blob | None:
    directory = cache_directory() / "base-manifests"
    key = f"{name.rpartition('@sha256:')[2]}.{arch}"
    known = disk_cache.read(directory, key)
    lacking = False
    if known is not None:
        try:
            value: Any = canonical.decode(bytes(known))
            if not isinstance(value, list):
                return parse_blob(value, "a base")
            lacking = bool(value[0] <= time.time())
            if lacking and time.time() < value[0] + DAY:
                return None
        except (NotCanonical, ManifestError, IndexError, TypeError):
            pass  # a damaged cache only costs time
    try:
        found = _ask(workspace, name, arch)
    except RepositoryError:
        if lacking:
            return None
        raise
    fields: Value = dict(found._asdict()) if found is not None else [int(time.time())]
    disk_cache.write(directory, key, canonical.encode(fields))
    return found


def _ask(workspace: Workspace, name: str, arch: str) -> Blob | None:
    """Ask the registry. Raise FpackError if it does not answer, or has only manifests that are about other images."""
    reference = parse_reference(name)
    image = RemoteImage(
        reference,
        lambda: workspace.repository(base_image.address(name)),
        DocumentCache(cache_directory() / "registry"),
    )
    archive = image.archive()
    trouble = ""
    for about, data in embedded_manifest.find_blobs(archive):
        head = manifest_loading.head(data, name)
        if head.image.arch != arch:
            continue
        if head.image.manifest.digest in archive.images:
            return about
        trouble = f"it is about the image {head.image.manifest.digest}"
    if trouble:
        raise RepositoryError("It is about another image", why=trouble)
    return None
