"""What an archive leads to: one image, or an index of one image for each platform."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from fpack.builders.manifest.format import Blob, Head

from . import documents
from .documents import BadDocument, blob_name, descriptor, differences, shown
from .findings import BLOB, DOCUMENT, MANIFEST, Report
from .image_archive import Archive

MAX_PLATFORMS = 64


class Top(NamedTuple):
    """top: the image, or the index of several, None if there is neither; images: the image of each manifest, in order,
    None if it is not there; others: images that no manifest is about."""

    top: Blob | None
    images: list[Blob | None]
    others: list[Blob]


def read_index(archive: Archive, heads: Sequence[Head], report: Report, used: set[str]) -> Top:
    """Read `oci-layout` and `index.json`, and what the latter leads to. heads: of the manifests, one or more.

    used: takes the names of files that belong to the image. BadDocument if there is no image at all.
    """
    used |= {"oci-layout", "index.json"}
    layout = documents.read(archive, "oci-layout").value
    for where, what in differences(documents.LAYOUT, layout):
        report.add(DOCUMENT, f"oci-layout: {where}", what)
    if len({(head.image.name, head.image.tag) for head in heads}) > 1:
        report.add(MANIFEST, "image", "the manifests are about images of different names")
    index = documents.read(archive, "index.json").value
    entries = index.get("manifests") if isinstance(index, dict) else None
    if not isinstance(entries, list) or not entries:
        raise BadDocument("index.json", "it leads to no image", DOCUMENT)
    if len(entries) > 1:
        report.add(DOCUMENT, "index.json", f"it leads to {len(entries)} images; fpack writes one")
    # Of several, the one that a manifest is about.
    wanted = {head.image.manifest.digest for head in heads}
    ours = (each for each in entries if isinstance(each, dict) and str(each.get("digest")) in wanted)
    top = descriptor(next(ours, entries[0]), "index.json")
    about = heads[0].image
    for where, what in differences(documents.expected_index(top, about.name, about.tag, index), index):
        report.add(DOCUMENT, f"index.json: {where}", what)
    if top.media_type == documents.MANIFEST:
        # A single image stands for the one that it should be, whatever it is.
        found = [(top, _platform(heads[0]) if len(heads) == 1 else {})]
        return Top(top, *_match(found, heads))
    if top.media_type != documents.INDEX:
        raise BadDocument("index.json", f"it leads to {shown(top.media_type)}, which is no image", DOCUMENT)
    value, found = _platforms(archive, top, report, used)
    images, others = _match(found, heads)
    if not others and None not in images:
        _compare(top, value, list(zip(heads, images, strict=True)), report)
    return Top(top, images, others)


def _platform(head: Head) -> dict[str, Any]:
    return documents.platform(head.image.configuration)


def _platforms(
    archive: Archive, top: Blob, report: Report, used: set[str]
) -> tuple[Any, list[tuple[Blob, dict[str, Any]]]]:
    """The index, and its images with their platforms."""
    name = blob_name(top.digest)
    used.add(name)
    document = documents.read(archive, name)
    if (document.digest, document.size) != (top.digest, top.size):
        report.add(BLOB, name, f"the index has the digest {document.digest} and {document.size} bytes")
    entries = document.value.get("manifests") if isinstance(document.value, dict) else None
    if not isinstance(entries, list) or len(entries) > MAX_PLATFORMS:
        raise BadDocument(name, "it is no index of images", DOCUMENT)
    found: list[tuple[Blob, dict[str, Any]]] = []
    for entry in entries:
        image = descriptor(entry, name)
        if image.media_type != documents.MANIFEST:
            raise BadDocument(name, f"it leads to {shown(image.media_type)}, which is no image", DOCUMENT)
        platform = entry.get("platform")
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
        report.add(DOCUMENT, "the index of platforms", f"its digest is {top.digest}; of these images it is {digest}")


def _match(found: Sequence[tuple[Blob, dict[str, Any]]], heads: Sequence[Head]) -> tuple[list[Blob | None], list[Blob]]:
    """The image of each manifest: by its digest, else by its platform. And the images that are left."""
    left = list(found)
    images: list[Blob | None] = [None] * len(heads)
    for by_digest in (True, False):
        for number, head in enumerate(heads):
            if images[number] is not None:
                continue
            for each in left:
                image, platform = each
                if image.digest == head.image.manifest.digest if by_digest else platform == _platform(head):
                    images[number] = image
                    left.remove(each)
                    break
    return images, [image for image, _ in left]
