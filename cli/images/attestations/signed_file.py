"""Read the signatures of an image file, and write it with others: a tar as a new file, a layout in place.

A layout lists signatures in `index.json` by the tags that cosign looks for, so that a copy of each tag publishes them,
and cosign verifies the directory. A tar does not, since engines take each entry for another image to load.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders.attest import cosign
from fpack.builders.manifest.file_names import REFERRERS
from fpack.builders.manifest.format import Blob
from fpack.builders.streams.output_file import errors, replacing
from fpack.builders.verify import documents, embedded_manifest
from fpack.builders.verify.documents import blob_name, descriptor
from fpack.builders.verify.findings import Report, VerifyError
from fpack.builders.verify.image_archive import open_archive, pieces
from fpack.store.files.writer import write_all

from .signed_image import SignedImage

_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})\Z")


class _ArchivedFile(NamedTuple):
    """A file that is copied from the archive."""

    name: str
    size: int


class SignedFile(SignedImage):
    """An open image file."""

    def __init__(self, path: Path) -> None:
        super().__init__(open_archive(path, Report()))
        self._path = path

    def write(
        self,
        blobs: Mapping[str, bytes],
        entries: Sequence[Mapping[str, Any]],
        tags: Sequence[tuple[str, str, Mapping[str, Any]]],
        kept: Collection[str],
    ) -> None:
        """Write the file with new signatures in place of the old ones."""
        referrers = sorted([*self.referrers, *entries], key=lambda entry: (entry["artifactType"], entry["digest"]))
        files = {**blobs, REFERRERS: _index(referrers)}
        gone = self.old - {blob_name(digest) for digest in kept} - blobs.keys()
        if self._path.is_dir():
            self._tag(files, referrers, tags)
            from fpack.builders.export.layout_directory import update_layout

            update_layout(self._path, files, gone - files.keys())
        else:
            self._write_tar(files, gone)

    def _tag(
        self,
        files: dict[str, bytes],
        referrers: Sequence[Mapping[str, Any]],
        tags: Sequence[tuple[str, str, Mapping[str, Any]]],
    ) -> None:
        """Add `index.json` to the files, with a tag for each kind of signatures, and for the list of referrers."""
        is_index = self.top.media_type == documents.INDEX
        annotations = {**self.entry.get("annotations", {}), cosign.KIND: cosign.IMAGE_KINDS[is_index]}
        entries = [{**self.entry, "annotations": annotations}]
        for image, kind, entry in tags:
            # cosign looks for one entry of each kind.
            of_top = {cosign.KIND: cosign.KINDS[kind]} if image == self.top.digest else {}
            entries.append({**entry, "annotations": {cosign.REF_NAME: cosign.tag(image, kind), **of_top}})
        by_image: dict[str, list[Mapping[str, Any]]] = {}
        for referrer in referrers:
            artifact, _ = self._artifact(files, referrer)
            by_image.setdefault(str(artifact["subject"]["digest"]), []).append(referrer)
        for image, found in sorted(by_image.items()):
            data = _index(found)
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            files[blob_name(digest)] = data
            about = {"mediaType": documents.INDEX, "digest": digest, "size": len(data)}
            entries.append({**about, "annotations": {cosign.REF_NAME: image.replace(":", "-")}})
        files["index.json"] = documents.dump({**self.index, "manifests": entries})

    def _artifact(self, files: Mapping[str, bytes], entry: Mapping[str, Any]) -> tuple[Any, list[Blob]]:
        blob = descriptor(entry, REFERRERS)
        new = files.get(blob_name(blob.digest))
        return embedded_manifest.artifact(self.archive, blob) if new is None else (json.loads(new), [])

    def _write_tar(self, files: Mapping[str, bytes], gone: Collection[str]) -> None:
        from fpack.builders.export.oci import write_files

        sizes = {name: size for name, size in self.archive.sizes.items() if name not in gone}
        sources: dict[str, bytes | _ArchivedFile] = {name: _ArchivedFile(name, size) for name, size in sizes.items()}
        with errors(self._path), replacing(self._path) as fd:
            write_files(fd, {**sources, **files}, lambda source: self._copy(source, fd))

    def _copy(self, source: _ArchivedFile, fd: int) -> None:
        """Copy a file. Raise VerifyError if a blob does not have its digest, since the file changed meanwhile."""
        sha256, left = hashlib.sha256(), source.size
        for piece in pieces(self.archive, source.name):
            left -= len(piece)
            sha256.update(piece)
            write_all(fd, piece)
        blob = _BLOB.match(source.name)
        if left or (blob is not None and blob[1] != sha256.hexdigest()):
            raise VerifyError("The image changed while it was signed", where=f"{self._path}: {source.name}")


def _index(entries: Sequence[Mapping[str, Any]]) -> bytes:
    return documents.dump({"schemaVersion": 2, "mediaType": documents.INDEX, "manifests": list(entries)})
