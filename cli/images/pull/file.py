"""Copy an image of a registry to a file: its blobs, compared with their digests, and not unpacked.

Nothing of a store is needed, and any tool may have made the image. The file is complete, or not there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from fpack.builders.distribution.protocol import BlobEntry, Repository
from fpack.builders.export.layout_directory import export_layout
from fpack.builders.export.oci import Source, export_tar
from fpack.builders.manifest.file_names import REFERRERS
from fpack.builders.oci import spec
from fpack.builders.verify import documents, embedded_manifest
from fpack.builders.verify.documents import BadDocument, blob_name, descriptor
from fpack.light_typing import TYPE_CHECKING, Any, NamedTuple
from fpack.store import threads

from .choice import choose

if TYPE_CHECKING:
    from fpack.builders.intake.repository_archive import RemoteImage, RepositoryArchive

MAX_DOCUMENTS = 1 << 30  # bytes of all documents about an image
_SMALL = 4 << 20  # bytes of a blob that is fetched before it is written
_AHEAD = 4  # such blobs that are fetched at once


class CopiedImage(NamedTuple):
    """An image that was copied. digest: of what the reference names. image: of the image. fetched: bytes of blobs."""

    reference: str
    digest: str
    image: str
    platform: str
    fetched: int

    def value(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {**self._asdict(), "path": None, "added": [], "unchanged": False}


def copy(
    remote: RemoteImage,
    platform: str | None,
    out: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    layout: bool,
) -> CopiedImage:
    """Write an image, with the documents that the registry has about it.

    platform: which one of an index; None for this machine's. layout: as an OCI layout directory, else as a tar.
    """
    archive = remote.archive()
    image = choose(remote, platform, described=False)
    if not image.digest:
        raise BadDocument(str(remote), "it has no manifest")
    with threads.Workers(_AHEAD, "pull") as workers:
        transfer = _Transfer(archive.repository, workers, progress)
        bundle = _RemoteImage(remote, archive, image.digest, transfer)
        if layout:
            export_layout(bundle, out, lambda: _documents(archive, image.digest))
        else:
            transfer.begin()
            export_tar(bundle, out, _documents(archive, image.digest))
    return CopiedImage(str(remote), archive.top.digest, image.digest, image.platform, transfer.done)


def is_layout(out: Path, text: str) -> bool:
    """Return whether the name of an output is that of a directory."""
    return text.endswith("/") or out.suffix == ".oci" or out.is_dir()


class _Transfer:
    """The transfer of blobs. For a tar, in order: several small ones at once, before they are written."""

    def __init__(self, repository: Repository, workers: threads.Workers, progress: Callable[[int, int], None]) -> None:
        self.repository = repository
        self.done = 0
        self._workers = workers
        self._progress = progress
        self._jobs: dict[str, threads.ThreadJob[bytes]] = {}
        self._waiting: list[BlobEntry] = []
        self._total = 0
        self._lock = threading.Lock()

    def add(self, entries: Sequence[BlobEntry]) -> None:
        """Add blobs in the order in which they are written."""
        self._waiting += [entry for entry in entries if entry.size <= _SMALL]
        self._total += sum(entry.size for entry in entries)

    def begin(self) -> None:
        """Fetch the next small blobs."""
        while self._waiting and len(self._jobs) < _AHEAD:
            ahead = self._waiting.pop(0)
            self._jobs[ahead.digest] = self._workers.submit(lambda ahead=ahead: self._read(ahead))  # type: ignore[misc]

    def pieces(self, entry: BlobEntry) -> Iterator[bytes]:
        """Yield a blob. The repository compares it with its digest and size."""
        job = self._jobs.pop(entry.digest, None)
        if job is not None:
            self.begin()
            while not job.wait(0.2):
                pass  # Ctrl-C ends the wait
        for piece in [job.result()] if job is not None else self.repository.read_blob(entry):
            yield piece
            with self._lock:
                self.done += len(piece)
                self._progress(self.done, self._total)

    def _read(self, entry: BlobEntry) -> bytes:
        return b"".join(self.repository.read_blob(entry))


class _RemoteBlob:
    """A blob of a registry. `_LayoutDirectory` writes only those that a layout lacks."""

    def __init__(self, transfer: _Transfer, entry: BlobEntry) -> None:
        self._transfer = transfer
        self._entry = entry

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self._entry.size

    def pieces(self) -> Iterator[bytes]:
        """Yield its content."""
        return self._transfer.pieces(self._entry)


class _RemoteImage:
    """An image of a registry, to export."""

    def __init__(self, remote: RemoteImage, archive: RepositoryArchive, digest: str, transfer: _Transfer) -> None:
        name = blob_name(digest)
        data = archive.open(name).read()
        self._names = (remote.name, remote.reference.tag or "latest")
        self._manifest = spec.Descriptor(archive.entry(name).media_type, digest, len(data))
        value = documents.parse(data, name)
        config = descriptor(value.get("config"), name)
        layers = [BlobEntry(*descriptor(entry, name)) for entry in value["layers"]]
        self._config, self._layers = config.digest, [layer.digest for layer in layers]
        ordered = sorted({layer.digest: layer for layer in layers}.values(), key=lambda layer: layer.digest)
        transfer.add(ordered)
        self.blobs: Mapping[str, Source] = {
            **{spec.blob_path(layer.digest): _RemoteBlob(transfer, layer) for layer in ordered},
            spec.blob_path(config.digest): embedded_manifest.blob(
                archive, documents.value_of(config), config.media_type, MAX_DOCUMENTS
            ),
            spec.blob_path(digest): data,
        }

    @property
    def index_json(self) -> bytes:
        """The layout's `index.json`."""
        return spec.dump(spec.index(self._manifest, *self._names))

    @property
    def docker_json(self) -> bytes:
        """The `manifest.json` of a docker archive."""
        return spec.docker_manifest(self._config, self._layers, *self._names)

    def result(self, out: Path | None) -> dict[str, Any]:
        """Return nothing: the caller describes the copy."""
        return {}


def _documents(archive: RepositoryArchive, image: str) -> dict[str, bytes]:
    """Return the artifacts about an image, and the list of them, as files of a layout."""
    found: dict[str, bytes] = {}
    listed = []
    left = MAX_DOCUMENTS
    for entry in embedded_manifest.entries(archive):
        blob = descriptor(entry, REFERRERS)
        artifact, layers = embedded_manifest.artifact(archive, blob)
        subject = artifact.get("subject")
        if not isinstance(subject, dict) or subject.get("digest") != image:
            continue
        listed.append(entry)
        for one in (blob, descriptor(artifact.get("config"), REFERRERS), *layers):
            left -= one.size
            if left < 0:
                raise documents.BadDocument(REFERRERS, f"the documents have more than {MAX_DOCUMENTS} bytes")
            found[blob_name(one.digest)] = embedded_manifest.blob(
                archive, documents.value_of(one), one.media_type, MAX_DOCUMENTS
            )
    if not listed:
        return {}
    index = {"schemaVersion": 2, "mediaType": documents.INDEX, "manifests": listed}
    return {REFERRERS: documents.dump(index), **found}
