"""Read an image that fpack or another tool wrote, a tar, an OCI layout directory or one in a registry, as data.

The documents are read as strictly as `fpack verify` reads them. The layers are not read: `fpack verify` checks them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from fpack.builders.machines import MACHINES
from fpack.builders.manifest.format import Blob
from fpack.builders.verify import documents
from fpack.builders.verify.documents import BadDocument, blob_name, descriptor
from fpack.builders.verify.findings import Report, VerifyError
from fpack.builders.verify.image_archive import ImageArchive, ImageLocation, open_archive
from fpack.cli.errors import UsageError
from fpack.light_typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from fpack.builders.manifest.format import Head
    from fpack.builders.manifest.reader import ManifestReader

MAX_IMAGES = 64
MAX_LAYERS = 200
MAX_DEPTH = 4  # of indexes in indexes
_MANIFESTS = (documents.MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
_INDEXES = (documents.INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
_CONFIGS = (documents.CONFIG, "application/vnd.docker.container.image.v1+json")


class StoredLayer(NamedTuple):
    """A layer in a file: the name in the archive, and the size there.

    blob: what the image says of it, or None in docker's form of an archive. diff_id: the digest of its tar.
    """

    file: str
    size: int
    blob: Blob | None
    diff_id: str


class NotAnImage(VerifyError):
    """An archive of other things than an image."""


class StoredImage(NamedTuple):
    """An image of one platform in a file or a registry.

    platform: such as linux/amd64, as the index says, or else the configuration. name: as its documents call it, or "".
    digest: of its manifest, "" if docker's form of an archive has none. image_id: the digest of the configuration.
    data: its exact manifest in canonical form, None if there is none; then `absent` says why.
    """

    file: ImageLocation
    platform: str
    name: str
    digest: str
    image_id: str
    configuration: Mapping[str, Any]
    layers: Sequence[StoredLayer]
    data: bytes | None = None
    absent: str = ""


def read(path: ImageLocation, platform: str | None = None, *, described: bool = True) -> StoredImage:
    """Read the image in a file. Raise FpackError if there is none. platform: which one if there are several.

    described: as of `choose`.
    """
    with contextlib.closing(open_archive(path, Report())) as archive:
        return choose(archive, path, lambda image: _has_platform(image, platform), platform or "", described=described)


def read_all(path: ImageLocation) -> list[StoredImage]:
    """Read the images of all platforms in a file. Raise FpackError if there is none."""
    with contextlib.closing(open_archive(path, Report())) as archive, _naming(path):
        return [_with_manifest(archive, image) for image in _images(archive, path)]


def opened(path: ImageLocation) -> ImageArchive:
    """Open the archive at a path. Raise an FpackError if another program could see other files in it."""
    report = Report()
    archive = open_archive(path, report)
    for finding in report.findings:
        # Old archives of docker have a directory for each layer, and symlinks between them, which are not followed.
        if "oci-layout" in archive.sizes or finding.where in archive.sizes:
            archive.close()
            raise VerifyError("The file is not an image as tools write it", where=finding.where, why=finding.what)
    return archive


def choose(
    archive: ImageArchive,
    path: ImageLocation,
    wanted: Callable[[StoredImage], bool],
    name: str,
    *,
    described: bool = True,
) -> StoredImage:
    """Return the one image of an archive that is wanted. Raise FpackError if there is not one.

    name: of the platform that is wanted, "" if any. described: with its exact manifest.
    """
    with _naming(path):
        found = _only(list(_images(archive, path)), path, wanted, name)
        return _with_manifest(archive, found) if described else found


@contextlib.contextmanager
def _naming(path: ImageLocation) -> Iterator[None]:
    """Name a file in errors about its content."""
    try:
        yield
    except BadDocument as error:
        raise error.with_(where=f"{path}: {error.where}", hint="make the file again, or copy it again") from None
    except (RecursionError, OSError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise VerifyError("The image cannot be read", where=str(path), why=why) from None


def _images(archive: ImageArchive, path: ImageLocation) -> Iterator[StoredImage]:
    if "index.json" in archive.sizes:
        return _of_index(archive, path)
    if "manifest.json" in archive.sizes:
        return _of_docker(archive, path)
    raise NotAnImage(
        "This is not a container image",
        where=str(path),
        why="it has neither index.json, as OCI images have, nor manifest.json, as docker's have",
        hint="name a file that fpack pack, podman save or docker save wrote",
    )


def _of_index(archive: ImageArchive, path: ImageLocation) -> Iterator[StoredImage]:
    """Yield the images that `index.json` refers to, also through other indexes."""
    todo = [(entry, "index.json", 0) for entry in _entries(documents.read(archive, "index.json").value, "index.json")]
    count = 0
    while todo:
        entry, where, depth = todo.pop(0)
        blob, count = descriptor(entry, where), count + 1
        if count > MAX_IMAGES or depth > MAX_DEPTH:
            raise BadDocument(where, f"it refers to more than {MAX_IMAGES} images")
        name = blob_name(blob.digest)
        if documents.is_attestation(entry):
            continue
        if blob.media_type in _INDEXES:
            todo += [(item, name, depth + 1) for item in _entries(_document(archive, blob), name)]
        elif blob.media_type in _MANIFESTS:
            value = _document(archive, blob)
            config = descriptor(value.get("config"), name)
            if config.media_type in _CONFIGS:  # else it is a document about an image, such as a signature
                blobs = [descriptor(layer, name) for layer in _list(value, "layers", name)]
                files = [(blob_name(blob.digest), blob) for blob in blobs]
                document = _document(archive, config)
                image = _image(archive, path, _name(entry), blob.digest, config.digest, document, files)
                given = entry.get("platform")  # engines choose by it, whatever the image says of itself
                if isinstance(given, dict) and all(isinstance(given.get(key), str) for key in ("os", "architecture")):
                    image = image._replace(platform=documents.platform_name(given))
                yield image


def _of_docker(archive: ImageArchive, path: ImageLocation) -> Iterator[StoredImage]:
    """Yield the images of docker's form of an archive, which old engines write."""
    where = "manifest.json"
    entries = documents.read(archive, where).value
    if not isinstance(entries, list) or len(entries) > MAX_IMAGES:
        raise BadDocument(where, "it is not a list of images")
    for entry in entries:
        files = [(str(file), None) for file in _list(entry, "Layers", where)]
        config = documents.read(archive, str(entry.get("Config")))
        names = documents.docker_names([entry])
        yield _image(archive, path, names[0] if names else "", "", config.digest, config.value, files)


def _image(
    archive: ImageArchive,
    path: ImageLocation,
    name: str,
    digest: str,
    image_id: str,
    configuration: Any,
    files: Sequence[tuple[str, Blob | None]],
) -> StoredImage:
    layers = []
    for (file, blob), diff_id in zip(files, _diff_ids(configuration, blob_name(image_id), len(files)), strict=True):
        size = archive.sizes.get(file)
        if size is None:
            raise BadDocument(file, "it is missing")
        if blob is not None and size != blob.size:
            raise BadDocument(file, f"it has {size} bytes; its descriptor says {blob.size}")
        layers.append(StoredLayer(file, size, blob, diff_id))
    platform = documents.platform_name(configuration)
    return StoredImage(path, platform, name, digest, image_id, configuration, layers)


def arch(image: StoredImage) -> str:
    """Return the Debian architecture of an image, or its platform if Debian has none such."""
    system, _, machine = image.platform.partition("/")
    oci, _, variant = machine.partition("/")
    same = [name for name, known in MACHINES.items() if known.oci == oci] if system == "linux" else []
    exact = [name for name in same if variant and MACHINES[name].variant == variant]
    if not exact and len(same) > 1:
        exact = [name for name in same if name == "armhf"]
    return (exact or same or [image.platform])[0]


def _name(entry: Mapping[str, Any]) -> str:
    """Return the full name of an image in an index, or its tag, or ""."""
    given = entry.get("annotations")
    found = (
        [given[key] for key in documents.NAMES if isinstance(given.get(key), str)] if isinstance(given, dict) else []
    )
    return str(found[0]) if found else ""


def _document(archive: ImageArchive, blob: Blob) -> dict[str, Any]:
    """Read a JSON blob that is a record. Raise BadDocument if it is not the one of its descriptor."""
    name = blob_name(blob.digest)
    found = documents.read(archive, name)
    if (found.digest, found.size) != (blob.digest, blob.size):
        raise BadDocument(name, f"its content has the digest {found.digest} and {found.size} bytes")
    if not isinstance(found.value, dict):
        raise BadDocument(name, "it is not a record")
    return found.value


def _entries(value: Any, where: str) -> list[Any]:
    return _list(value, "manifests", where)


def _list(value: Any, field: str, where: str) -> list[Any]:
    found = value.get(field) if isinstance(value, dict) else None
    if not isinstance(found, list) or len(found) > MAX_LAYERS:
        raise BadDocument(where, f"it has no list of {field}, or one of more than {MAX_LAYERS}")
    return found


def _diff_ids(configuration: Any, where: str, layers: int) -> list[str]:
    """Return the digests of the layers' tars. Raise BadDocument if there are not as many as `layers`."""
    rootfs = configuration.get("rootfs") if isinstance(configuration, dict) else None
    found = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(found, list) or len(found) != layers or not all(isinstance(item, str) for item in found):
        raise BadDocument(where, f"the image's configuration does not describe its {layers} layers")
    return found


def _has_platform(image: StoredImage, platform: str | None) -> bool:
    return platform is None or f"{image.platform}/".startswith(f"{platform}/")


def _only(
    images: Sequence[StoredImage], path: ImageLocation, wanted: Callable[[StoredImage], bool], name: str
) -> StoredImage:
    """Return the image that is wanted. An index may name one image several times."""
    found = list({image.digest or image.image_id: image for image in images if wanted(image)}.values())
    if len(found) == 1:
        return found[0]
    names = sorted({image.platform for image in images})
    if not images:
        raise VerifyError("The file has no container image", where=str(path), why="its index refers to none")
    if not found:
        raise UsageError(f"There is no image for {name}", where=str(path), why=f"it has {', '.join(names)}")
    if len({image.platform for image in found}) == 1:
        named = [image.digest or image.name or image.image_id for image in found]
        why = f"for {found[0].platform}, it has {', '.join(named)}"
        hint = "save each in its own file" if isinstance(path, Path) else f"name one by its digest, as @{named[0]}"
        raise UsageError("There are several images for one platform", where=str(path), why=why, hint=hint)
    hint = f"choose one, as in --platform {names[0]}"
    raise UsageError("The image is for several platforms", where=str(path), why=", ".join(names), hint=hint)


def _with_manifest(archive: ImageArchive, image: StoredImage) -> StoredImage:
    """Add the exact manifest of an image, which lies in the file or beside it."""
    # Whoever only copies an image needs none of these modules.
    from fpack.builders.verify import manifest_loading

    from .manifests import all_beside

    last = ""
    for where, data in _manifests(archive, image.file):
        if _is_about(manifest_loading.head(data, where), image):
            return image._replace(data=data)
        last = where
    if last:
        return image._replace(absent=f"{last} is about another image")
    beside = [path.name for path in all_beside(image.file)]
    if not beside:
        return image._replace(absent="the registry has none with it: fpack push puts it there, copies may lack it")
    return image._replace(absent=f"it carries none, and there is no {beside[0]} beside it")


def _manifests(archive: ImageArchive, path: ImageLocation) -> Iterator[tuple[str, bytes]]:
    """Yield the manifests of an image file, each with its path. The directory is read only if the file has none."""
    from fpack.builders.verify import embedded_manifest, manifest_loading

    from .manifests import all_beside

    for data in embedded_manifest.find(archive):
        yield str(path), data
    for beside in all_beside(path):
        if beside.is_file():
            yield str(beside), manifest_loading.from_file(beside)


def _is_about(head: Head, image: StoredImage) -> bool:
    """Return whether a manifest describes an image's layers. A copy may have other documents and compression."""
    return bool([layer.diff_id for layer in head.layers] == image.configuration["rootfs"]["diff_ids"])


def manifest(image: StoredImage) -> ManifestReader:
    """Return a new reader of an image's exact manifest. Raise VerifyError if it has none."""
    from fpack.builders.verify import manifest_loading

    if image.data is None:
        raise VerifyError(
            "The image has no manifest of fpack",
            where=str(image.file),
            why=image.absent,
            hint="fpack size and fpack show tell what other tools' images say about themselves",
        )
    return manifest_loading.reader(image.data, str(image.file))
