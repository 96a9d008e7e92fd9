"""Read an image from a file, or from an OCI layout directory, to run it: fpack's and those of other tools.

The image may be hostile. It is read by the strict readers of `fpack verify`: every blob must have its digest and size,
and every layer its diff_id. The documents are those of the OCI image specification 1.1 and of docker's archives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders.manifest.format import Blob, ManifestError
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.payload.machines import MACHINES
from fpack.builders.verify import documents, embedded_manifest, manifest_loading
from fpack.builders.verify.documents import BadDocument
from fpack.builders.verify.findings import Report
from fpack.builders.verify.image_archive import ImageArchive, open_archive
from fpack.cli.errors import UsageError
from fpack.store.errors import FpackError

MAX_LAYERS = 200
_MAX_INDEXES = 2  # index.json, and an index of platforms
_MAX_IMAGES = 100
_INDEXES = (documents.INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = (documents.MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
_DOCKER = "manifest.json"


class ImageError(FpackError):
    """An image that cannot be run."""


class LayerBlob(NamedTuple):
    """A layer: the archive's file, the digest and size of the blob or None if unknown, and the digest of its tar."""

    file: str
    blob: Blob | None
    diff_id: str


class ImageFile(NamedTuple):
    """An image of an archive. name: for messages. arch: Debian's name of the architecture.

    config: the settings that runtimes apply. digest: of the image's manifest; "" in docker's archives.
    """

    name: str
    arch: str
    config: Mapping[str, Any]
    layers: tuple[LayerBlob, ...]
    digest: str = ""

    def manifest(self, archive: ImageArchive) -> ManifestReader | None:
        """Return fpack's manifest of the image if the archive has it."""
        if not self.digest:
            return None
        try:
            for data in embedded_manifest.find(archive):
                reader = manifest_loading.reader(data, self.name)
                if reader.head.image.manifest.digest == self.digest:
                    return reader
        except (BadDocument, ManifestError) as error:
            raise ImageError("The manifest in the image cannot be read", where=error.where, why=error.why) from None
        return None


def opened(path: Path) -> ImageArchive:
    """Open the archive at a path. Raise an FpackError if another program could see other files in it."""
    report = Report()
    archive = open_archive(path, report)
    for finding in report.findings:
        # Old archives of docker have a directory for each layer, and symlinks between them, which are not followed.
        if "oci-layout" in archive.sizes or finding.where in archive.sizes:
            archive.close()
            raise ImageError("The file is not an image as tools write it", where=finding.where, why=finding.what)
    return archive


def choose(archive: ImageArchive, path: Path, arch: str) -> ImageFile:
    """Return the image of an archive for an architecture. Raise an FpackError if there is none, or more than one."""
    try:
        found = list(_images(archive, path))
    except BadDocument as error:
        raise ImageError("The file is not an image", where=str(path), why=f"{error.where}: {error.why}") from None
    except (RecursionError, OSError) as error:
        raise ImageError("The image cannot be read", where=str(path), why=str(error)) from None
    images: dict[Any, ImageFile] = {image.digest or image.layers: image for image in found if image.arch == arch}
    if not images:
        archs = ", ".join(sorted({image.arch for image in found}))
        raise UsageError(f"{path} has no image for {arch}", why=f"it has {archs}", hint=f"as in --arch {found[0].arch}")
    if len(images) > 1:
        names = ", ".join(image.name for image in images.values())
        raise UsageError(f"{path} has {len(images)} images for {arch}", why=names, hint="save one of them to a file")
    return next(iter(images.values()))


def _images(archive: ImageArchive, path: Path) -> Iterator[ImageFile]:
    if "index.json" not in archive.sizes and _DOCKER in archive.sizes:
        yield from _docker_images(archive, path)
        return
    value = documents.read(archive, "index.json").value
    waiting = [(entry, "index.json", 1) for entry in _list(value, "manifests", "index.json")]
    seen: set[str] = set()
    count = 0
    for entry, where, depth in waiting:
        blob = documents.descriptor(entry, where)
        if blob.digest in seen or documents.is_attestation(entry):
            continue
        seen.add(blob.digest)
        if blob.media_type in _INDEXES and depth < _MAX_INDEXES:
            inner = _document(archive, blob)
            waiting += [(each, blob.digest, depth + 1) for each in _list(inner, "manifests", blob.digest)]
        elif blob.media_type in _MANIFESTS:
            count += 1
            yield _oci_image(archive, path, blob, entry)
        else:
            raise BadDocument(where, f"it refers to {documents.shown(blob.media_type)}, which is not an image")
        if len(seen) > _MAX_IMAGES:
            raise BadDocument(where, f"it refers to more than {_MAX_IMAGES} images")
    if not count:
        raise BadDocument("index.json", "it refers to no image")


def _oci_image(archive: ImageArchive, path: Path, image: Blob, entry: Mapping[str, Any]) -> ImageFile:
    value = _document(archive, image)
    if not isinstance(value, dict):
        raise BadDocument(image.digest, "it is not an image")
    config = documents.descriptor(value.get("config"), image.digest)
    blobs = [documents.descriptor(layer, image.digest) for layer in _list(value, "layers", image.digest)]
    annotations = entry.get("annotations")
    names = [annotations.get(key) for key in documents.NAMES] if isinstance(annotations, dict) else []
    name = next((text for text in names if isinstance(text, str)), path.name)
    files = [(documents.blob_name(blob.digest), blob) for blob in blobs]
    return _image(_document(archive, config), config.digest, name, files, image.digest)


def _docker_images(archive: ImageArchive, path: Path) -> Iterator[ImageFile]:
    images = documents.read(archive, _DOCKER).value
    if not isinstance(images, list) or not 0 < len(images) <= _MAX_IMAGES:
        raise BadDocument(_DOCKER, "it is not a list of images")
    for image in images:
        file = image.get("Config") if isinstance(image, dict) else None
        if not isinstance(file, str):
            raise BadDocument(_DOCKER, "an image has no configuration")
        files = _list(image, "Layers", _DOCKER)
        if not all(isinstance(layer, str) for layer in files):
            raise BadDocument(_DOCKER, "an image has layers without names")
        name = next(iter(documents.docker_names([image])), path.name)
        yield _image(documents.read(archive, file).value, file, name, [(layer, None) for layer in files], "")


def _image(value: Any, where: str, name: str, files: Sequence[tuple[str, Blob | None]], digest: str) -> ImageFile:
    """Return an image by its configuration. where: the configuration's name. files: of the layers."""
    rootfs = value.get("rootfs") if isinstance(value, dict) else None
    if not isinstance(rootfs, dict):
        raise BadDocument(where, "it is not the configuration of an image")
    diff_ids = _list(rootfs, "diff_ids", where)
    if len(diff_ids) != len(files):
        raise BadDocument(where, f"it has {len(diff_ids)} layers, and the image has {len(files)}")
    layers = tuple(LayerBlob(file, blob, str(diff_id)) for (file, blob), diff_id in zip(files, diff_ids, strict=True))
    return ImageFile(name, _arch(value, where), documents.settings(value), layers, digest)


def _arch(configuration: Mapping[str, Any], where: str) -> str:
    """Return the Debian architecture of a configuration, or the name in it if Debian has no such architecture."""
    if configuration.get("os") != "linux":
        raise BadDocument(where, f"its system is {documents.shown(configuration.get('os'))}")
    oci, variant = str(configuration.get("architecture")), configuration.get("variant")
    same = [arch for arch, machine in MACHINES.items() if machine.oci == oci]
    exact = [arch for arch in same if variant and MACHINES[arch].variant == variant]
    if not exact and len(same) > 1:
        exact = [arch for arch in same if arch == "armhf"]
    return (exact or same or [oci])[0]


def _list(value: Any, field: str, where: str) -> list[Any]:
    found = value.get(field) if isinstance(value, dict) else None
    if not isinstance(found, list) or len(found) > MAX_LAYERS:
        raise BadDocument(where, f"its {field} are not a list of at most {MAX_LAYERS}")
    return found


def _document(archive: ImageArchive, blob: Blob) -> Any:
    """Read a JSON blob. Raise BadDocument if it does not have its digest and size."""
    document = documents.read(archive, documents.blob_name(blob.digest))
    if (document.digest, document.size) != (blob.digest, blob.size):
        raise BadDocument(blob.digest, f"the blob has the digest {document.digest} and {document.size} bytes")
    return document.value
