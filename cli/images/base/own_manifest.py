"""Find the exact manifest of an image's base in the base's registry, and give it to the manifest of the image.

What was found is remembered by the base and its repository, so that the same image has the same manifest again, also
offline while the store has it. What is in neither the store nor the registry any more is left out with a warning. That
a base has none is remembered for a day: bases of other tools would be asked about at each command.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.builders.distribution.document_cache import DocumentCache
from fpack.builders.distribution.protocol import BlobEntry, RepositoryError
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
    directory = cache_directory() / "base-manifests"
    key = hashlib.sha256(f"{base_image.address(name)}@{name.rpartition('@')[2]} {arch}".encode()).hexdigest()
    known = _known(directory, key)
    if isinstance(known, Blob):
        with contextlib.suppress(RepositoryError):
            return _input(workspace, name, known)
    elif known is not None and known <= time.time() < known + DAY:
        return None
    try:
        found = _ask(workspace, name, arch)
        made = _input(workspace, name, found) if found is not None else None
    except FpackError as error:
        if not (isinstance(error, RepositoryError) and isinstance(known, int)):
            _warn(name, error)
        return None
    if isinstance(known, Blob) and found is None:
        _warn(name, RepositoryError("Its registry no longer has it"))
    fields: Value = dict(found._asdict()) if found is not None else [int(time.time())]
    disk_cache.write(directory, key, canonical.encode(fields))
    return made


def of_blob(workspace: Workspace, name: str, about: Blob) -> BaseManifestInput | None:
    """Return the input for a manifest whose compressed blob is known.

    If it is neither in the store nor in the base's registry, this is told, and is no error.
    """
    try:
        return _input(workspace, name, about)
    except FpackError as error:
        _warn(name, error)
        return None


def _warn(name: str, error: FpackError) -> None:
    reason = f"{error.what}{error.why and f': {error.why}'}"
    warn(f"the manifest of the base {name} is not used: {reason[:1].lower()}{reason[1:]}")


def _input(workspace: Workspace, name: str, about: Blob) -> BaseManifestInput:
    """Add the derivation that fetches the manifest of a base. about: its compressed blob.

    Raise RepositoryError if neither the store has the blob nor a registry gives it: the build would fail.
    """
    address = base_image.address(name)
    made = ociblob.derivation((address,), about.digest, about.size)
    body = made.encode()
    output = Output(derivation.digest(body))
    if workspace.store.built([output]) is None:
        # A read, since a mirror may have the blob as well.
        for _ in workspace.repository(address).read_blob(BlobEntry(*about), 0, 1):
            pass
    workspace.evaluator.derivations[output.derivation] = body
    return BaseManifestInput(output, {"base": str(placeholder(output.derivation, made.name))})


def _known(directory: Path, key: str) -> Blob | int | None:
    """Return the blob that is remembered, or the Unix time at which a base had no manifest, or None."""
    data = disk_cache.read(directory, key)
    try:
        value: Any = canonical.decode(bytes(data)) if data is not None else None
        return int(value[0]) if isinstance(value, list) else parse_blob(value, "a base")
    except (NotCanonical, ManifestError, IndexError, TypeError, ValueError):
        return None  # a damaged cache only costs time


def _ask(workspace: Workspace, name: str, arch: str) -> Blob | None:
    """Ask the registry. Raise FpackError if it does not answer, or has only manifests that are about other images."""
    reference = parse_reference(name)
    image = RemoteImage(
        reference, lambda: workspace.repository(base_image.address(name)), DocumentCache(cache_directory() / "registry")
    )
    archive = image.archive()
    trouble = ""
    for about, data in embedded_manifest.find_blobs(archive):
        head = manifest_loading.head(data, name)
        if head.image.arch != arch:
            continue
        if head.image.manifest.digest in archive.images:
            return about
        trouble = f"It is about the image {head.image.manifest.digest}"
    if trouble:
        raise RepositoryError(trouble)
    return None
