"""Write a pulled image to a file, with the documents that the registry has about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpack.builders.manifest.file_names import REFERRERS
from fpack.builders.verify import documents, embedded_manifest
from fpack.builders.verify.documents import blob_name, descriptor
from fpack.store.path import parse

if TYPE_CHECKING:
    from fpack.builders.intake.repository_archive import RemoteImage, RepositoryArchive
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.path import StorePath

MAX_DOCUMENTS = 1 << 30  # bytes of all documents about an image


def write(workspace: Workspace, remote: RemoteImage, image: StorePath, out: Path, *, layout: bool) -> dict[str, Any]:
    """Write an image that is in the store. layout: as an OCI layout directory, else as a tar."""
    from fpack.builders.export.oci import Bundle, export_layout, export_tar

    bundle = Bundle([workspace.store.tree(image)], lambda path: workspace.store.tree(parse(path)))
    export = export_layout if layout else export_tar
    digest = documents.parse(bundle.index_json, "index.json")["manifests"][0]["digest"]
    return export(bundle, out, _documents(remote.archive(), str(digest)))


def is_layout(out: Path, text: str) -> bool:
    """Tell whether the name of an output is that of a directory."""
    return text.endswith("/") or out.suffix == ".oci" or out.is_dir()


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
