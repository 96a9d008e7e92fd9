"""Write and read OCI artifacts whose subject is an image: documents about the image that are not part of it.

An archive or a layout holds them in `blobs/` and lists them in `fpack-referrers.json`, in the form of a registry's
response to a referrers query. `index.json` does not list them, since clients would take each for another image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fpack.builders.oci import spec
from fpack.builders.oci.spec import Descriptor
from fpack.builders.streams.output_file import StoredFile
from fpack.light_typing import Any, NamedTuple
from fpack.store import canonical
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.writer import TreeWriter

from .file_names import REFERRERS

EMPTY = "application/vnd.oci.empty.v1+json"
_NOTHING = b"{}"
MAX_RECORD = 1 << 20  # bytes of the store's record of an image
# Files of the store path: the artifact's manifest, and a record of its blobs. The name of an artifact follows, if there
# are several.
_ARTIFACT, _RECORD = "artifact", "referrer"


class ArtifactDocument(NamedTuple):
    """One blob of an artifact. file: its name in the store path. title: the file name that a client saves it under."""

    blob: Descriptor
    file: str
    title: str


class Referrer(NamedTuple):
    """An artifact: its entry in a list of referrers, and its blobs by digest."""

    entry: dict[str, Any]
    blobs: Mapping[str, bytes | StoredFile]


def write(
    writer: TreeWriter, subject: Descriptor, artifact_type: str, documents: Sequence[ArtifactDocument], name: str = ""
) -> None:
    """Add an artifact to the store path that holds its documents. name: of one of several in the store path."""
    artifact = _artifact(subject, artifact_type, [(document.blob, document.title) for document in documents])
    entry = spec.describe(spec.MANIFEST, artifact)
    writer.file(_named(_ARTIFACT, name), [artifact])
    record = {
        "entry": {**entry.value(), "artifactType": artifact_type},
        "blobs": [
            [entry.digest, entry.size, _named(_ARTIFACT, name)],
            *([document.blob.digest, document.blob.size, document.file] for document in documents),
        ],
    }
    writer.file(_named(_RECORD, name), [canonical.encode(record)])


def of_document(
    subject: Descriptor, media_type: str, data: bytes, title: str, notes: Mapping[str, str] | None = None
) -> Referrer:
    """Return an artifact of one document that is not in the store. notes: annotations of the document and the entry."""
    blob = spec.describe(media_type, data)
    artifact = _artifact(subject, media_type, [(blob, title)], notes or {})
    entry = spec.describe(spec.MANIFEST, artifact)
    value: dict[str, Any] = {**entry.value(), "artifactType": media_type, **({"annotations": notes} if notes else {})}
    return Referrer(value, {entry.digest: artifact, blob.digest: data})


def _artifact(
    subject: Descriptor,
    artifact_type: str,
    layers: Sequence[tuple[Descriptor, str]],
    notes: Mapping[str, str] | None = None,
) -> bytes:
    """Return the manifest of an artifact. layers: blob and title of each document. notes: annotations of each."""
    return spec.dump(
        {
            "schemaVersion": 2,
            "mediaType": spec.MANIFEST,
            "artifactType": artifact_type,
            "config": spec.describe(EMPTY, _NOTHING).value(),
            "layers": [
                {**blob.value(), "annotations": {"org.opencontainers.image.title": title, **(notes or {})}}
                for blob, title in layers
            ],
            "subject": subject.value(),
            **({"annotations": notes} if notes else {}),
        }
    )


def _named(file: str, name: str) -> str:
    return f"{file}.{name}" if name else file


def read(tree: CheckedTree, name: str = "") -> Referrer:
    """Read the artifact in a store path. name: as for `write`."""
    record = canonical.decode(tree.read(_named(_RECORD, name), MAX_RECORD))
    return Referrer(record["entry"], {digest: StoredFile(tree, file, size) for digest, size, file in record["blobs"]})


def attach(referrers: Iterable[Referrer]) -> dict[str, bytes | StoredFile]:
    """Return the additional files that an archive or layout needs for `referrers`: content by relative path."""
    found = list(referrers)
    index = {
        "schemaVersion": 2,
        "mediaType": spec.INDEX,
        "manifests": sorted(
            (referrer.entry for referrer in found), key=lambda entry: (entry["artifactType"], entry["digest"])
        ),
    }
    extra: dict[str, bytes | StoredFile] = {
        REFERRERS: spec.dump(index),
        spec.blob_path(spec.digest(_NOTHING)): _NOTHING,
    }
    for referrer in found:
        extra |= {spec.blob_path(digest): source for digest, source in referrer.blobs.items()}
    return extra
