"""Documents that belong to an image and are no part of it: OCI artifacts whose subject is the image.

An archive or a layout has them in `blobs/`, and lists them in `fpack-referrers.json`, which has the form of a
registry's answer to a query for referrers. `index.json` never names them: clients would make another image of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders.oci import spec
from fpack.builders.oci.spec import Descriptor
from fpack.store import canonical
from fpack.store.files.writer import TreeWriter

from .format import REFERRERS

EMPTY = "application/vnd.oci.empty.v1+json"
_NOTHING = b"{}"
# The artifact's manifest, and the record of what it needs, in a store path.
_ARTIFACT, _RECORD = "artifact", "referrer"


class Document(NamedTuple):
    """One blob of an artifact. file: its name in the store path that holds it. title: what a client saves it as."""

    blob: Descriptor
    file: str
    title: str


class Referrer(NamedTuple):
    """An artifact: its entry in a list of referrers, and its blobs by digest: size and place on disk."""

    entry: dict[str, Any]
    blobs: dict[str, tuple[int, Path]]


def write(writer: TreeWriter, subject: Descriptor, artifact_type: str, documents: Sequence[Document]) -> None:
    """Add an artifact to the store path that has its documents."""
    layers = [
        {**each.blob.value(), "annotations": {"org.opencontainers.image.title": each.title}} for each in documents
    ]
    artifact = spec.dump(
        {
            "schemaVersion": 2,
            "mediaType": spec.MANIFEST,
            "artifactType": artifact_type,
            "config": spec.describe(EMPTY, _NOTHING).value(),
            "layers": layers,
            "subject": subject.value(),
        }
    )
    entry = spec.describe(spec.MANIFEST, artifact)
    writer.file(_ARTIFACT, [artifact])
    record = {
        "entry": {**entry.value(), "artifactType": artifact_type},
        "blobs": [
            [entry.digest, entry.size, _ARTIFACT],
            *([each.blob.digest, each.blob.size, each.file] for each in documents),
        ],
    }
    writer.file(_RECORD, [canonical.encode(record)])


def read(place: Path) -> Referrer:
    """The artifact in the store path at `place` on disk."""
    record = canonical.decode((place / _RECORD).read_bytes())
    return Referrer(record["entry"], {digest: (size, place / file) for digest, size, file in record["blobs"]})


def attach(referrers: Iterable[Referrer]) -> dict[str, bytes | tuple[int, Path]]:
    """What an archive or layout has more for the sake of `referrers`: relative path to content."""
    found = list(referrers)
    index = {
        "schemaVersion": 2,
        "mediaType": spec.INDEX,
        "manifests": sorted((each.entry for each in found), key=lambda entry: (entry["artifactType"], entry["digest"])),
    }
    extra: dict[str, bytes | tuple[int, Path]] = {
        REFERRERS: spec.dump(index),
        spec.blob_path(spec.digest(_NOTHING)): _NOTHING,
    }
    for each in found:
        extra |= {spec.blob_path(digest): source for digest, source in each.blobs.items()}
    return extra
