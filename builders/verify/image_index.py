"""Find the images of an archive: one image, or an index of one image for each platform."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from fpack.builders.attest import cosign
from fpack.builders.manifest.format import Blob, Head

from . import documents
from .documents import BadDocument, blob_name, descriptor, differences, shown
from .findings import BLOB, DOCUMENT, MANIFEST, Report
from .image_archive import ImageArchive

MAX_PLATFORMS = 64
MAX_ATTACHMENTS = 64


class IndexedImages(NamedTuple):
    """The images of an archive. top: the image, or the index of several images, or None.

    images: the image of each manifest, in order, or None if it is missing. others: images without a manifest.
    attachments: entries of `index.json` with signatures, as cosign stores them.
    """

    top: Blob | None
    images: list[Blob | None]
    others: list[Blob]
    attachments: list[Blob] = []


def read_index(archive: ImageArchive, heads: Sequence[Head], report: Report, used: set[str]) -> IndexedImages:
    """Read `oci-layout`, `index.json` and the index of platforms, if any. heads: of one or more manifests.

    used: receives the names of the archive's files that belong to the image. Raise BadDocument if there is no image.
    """
    used |= {"oci-layout", "index.json"}
    layout = documents.read(archive, "oci-layout").value
    for where, what in differences(documents.LAYOUT, layout):
        report.add(DOCUMENT, f"oci-layout: {where}", what)
    if len({(head.image.name, head.image.tag) for head in heads}) > 1:
        report.add(MANIFEST, "image", "the manifests are about images of different names")
    index = documents.read(archive, "index.json").value
    found = index.get("manifests") if isinstance(index, dict) else None
    entries = [entry for entry in found if not cosign.is_attachment(entry)] if isinstance(found, list) else []
    if not isinstance(found, list) or not entries:
        raise BadDocument("index.json", "it refers to no image", DOCUMENT)
    if len(found) - len(entries) > MAX_ATTACHMENTS:
        raise BadDocument("index.json", f"it refers to more than {MAX_ATTACHMENTS} documents", DOCUMENT)
    attached = [entry for entry in found if cosign.is_attachment(entry)]
    attachments = [descriptor(entry, "index.json") for entry in attached]
    for what in filter(None, map(cosign.disguise, attached)):
        report.add(DOCUMENT, "index.json", what)
    index = {**index, "manifests": entries}
    if len(entries) > 1:
        report.add(DOCUMENT, "index.json", f"it refers to {len(entries)} images; fpack writes one")
    # If there are several, take the one that has a manifest.
    wanted = {head.image.manifest.digest for head in heads}
    ours = (entry for entry in entries if isinstance(entry, dict) and str(entry.get("digest")) in wanted)
    top = descriptor(next(ours, entries[0]), "index.json")
    report.names |= set(documents.index_names(index).values())
    for where, what in differences(documents.expected_index(top, index), index):
        report.add(DOCUMENT, f"index.json: {where}", what)
    if top.media_type == documents.MANIFEST:
        # Compare a single image with a single manifest, whatever its digest and platform.
        single = [(top, _platform(heads[0]) if len(heads) == 1 else {})]
        return IndexedImages(top, *_match(single, heads), attachments)
    if top.media_type != documents.INDEX:
        raise BadDocument("index.json", f"it refers to {shown(top.media_type)}, which is not an image", DOCUMENT)
    value, several = _platforms(archive, top, report, used)
    images, others = _match(several, heads)
    if not others and None not in images:
        _compare(top, value, list(zip(heads, images, strict=True)), report)
    return IndexedImages(top, images, others, attachments)


def _platform(head: Head) -> dict[str, Any]:
    return documents.platform(head.image.configuration)


def _platforms(
    archive: ImageArchive, top: Blob, report: Report, used: set[str]
) -> tuple[Any, list[tuple[Blob, dict[str, Any]]]]:
    """Read the index of platforms. Return its value, and its images with their platforms."""
    name = blob_name(top.digest)
    used.add(name)
    document = documents.read(archive, name)
    if (document.digest, document.size) != (top.digest, top.size):
        report.add(BLOB, name, f"the index has the digest {document.digest} and {document.size} bytes")
    entries = document.value.get("manifests") if isinstance(document.value, dict) else None
    if not isinstance(entries, list) or len(entries) > MAX_PLATFORMS:
        raise BadDocument(name, "it is not an index of images", DOCUMENT)
    found: list[tuple[Blob, dict[str, Any]]] = []
    for entry in entries:
        image = descriptor(entry, name)
        if image.media_type != documents.MANIFEST:
            raise BadDocument(name, f"it refers to {shown(image.media_type)}, which is not an image", DOCUMENT)
        platform = entry.get("platform")
        if any(image.digest == other.digest for other, _ in found):
            raise BadDocument(name, f"it lists the image {image.digest} twice", DOCUMENT)
        found.append((image, platform if isinstance(platform, dict) else {}))
    return document.value, found


def _compare(top: Blob, value: Any, images: Sequence[tuple[Head, Blob | None]], report: Report) -> None:
    """The index is what fpack makes of just these images."""
    entries = [
        {**documents.value_of(image), "platform": _platform(head)}
        for head, image in sorted(images, key=lambda each: each[0].image.arch)
        if image is not None
    ]
    expected = {"schemaVersion": 2, "mediaType": documents.INDEX, "manifests": entries}
    different = list(differences(expected, value))
    for where, what in different:
        report.add(DOCUMENT, f"the index of platforms: {where}", what)
    digest = f"sha256:{hashlib.sha256(documents.dump(expected)).hexdigest()}"
    if not different and digest != top.digest:
        report.add(
            DOCUMENT, "the index of platforms", f"its digest is {top.digest}; an index of these images has {digest}"
        )


def _match(found: Sequence[tuple[Blob, dict[str, Any]]], heads: Sequence[Head]) -> tuple[list[Blob | None], list[Blob]]:
    """Match each manifest with an image by digest, then by platform. Return the matches and the remaining images."""
    left = list(found)
    images: list[Blob | None] = [None] * len(heads)
    for by_digest in (True, False):
        for number, head in enumerate(heads):
            if images[number] is not None:
                continue
            for candidate in left:
                image, platform = candidate
                if image.digest == head.image.manifest.digest if by_digest else platform == _platform(head):
                    images[number] = image
                    left.remove(candidate)
                    break
    return images, [image for image, _ in left]
