"""The check of one image against its manifest, from its documents down to each byte of each layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from fpack.builders.manifest.format import Blob, Head, ManifestEntry, ManifestLayer
from fpack.builders.manifest.reader import ManifestReader

from . import documents
from .documents import BadDocument, blob_name, descriptor, differences, shown
from .findings import BLOB, CONFIGURATION, DOCUMENT, LAYER, MANIFEST, Report
from .image_archive import Archive
from .layer_check import Read, Watch, check_layer

MAX_LAYERS = 200
MAX_LABEL = 3
# How many bytes all layers together may have more than they should before nothing more of them is read.
SLACK = 256 << 20


class Visitor(Protocol):
    """Who is shown each layer of the manifest, in order."""

    def watch(self, layer: ManifestLayer, entry: ManifestEntry) -> Callable[[bytes], None] | None:
        """Say who takes the content of a file as it is read from the image; None if nobody needs it."""
        ...

    def visit(self, layer: ManifestLayer, entries: Sequence[ManifestEntry]) -> None:
        """Take a layer's entries as the manifest has them. The layer was read before."""
        ...


class Checked(NamedTuple):
    """What an image holds, as it was read: its layers, and how many entries, files, and bytes of files.

    docker: what an archive's `manifest.json` must say to lead to this image; None if that cannot be told.
    """

    digest: str = ""
    layers: int = 0
    entries: int = 0
    files: int = 0
    size: int = 0
    docker: list[dict[str, Any]] | None = None


def check(
    archive: Archive, image: Blob | None, reader: ManifestReader, report: Report, visitor: Visitor, used: set[str]
) -> Checked:
    """Compare an image with the manifest in `reader`, a fresh one. image: its descriptor in the index, if it has one.

    used: takes the names of the archive's files that belong to the image.
    """
    return _Check(archive, reader, report, visitor, used).run(image)


class _Check:
    """One check."""

    def __init__(
        self, archive: Archive, reader: ManifestReader, report: Report, visitor: Visitor, used: set[str]
    ) -> None:
        self._archive = archive
        self._reader = reader
        self._head: Head = reader.head
        self._report = report
        self._visitor = visitor
        self._used = used
        self._label = Labels(reader.head)
        self._slack = SLACK

    def run(self, image: Blob | None) -> Checked:
        """Manifest, layers, configuration."""
        try:
            if image is None:
                raise BadDocument("index.json", "it does not lead to the image", DOCUMENT)
            config, layers = self._manifest(image)
            checked = self._layers_and_configuration(image, config, layers)
        except BadDocument as error:
            self._report.add(error.kind, error.where, error.why)
            # Whatever the image is like, the manifest is read to its end.
            for layer, entries in self._reader.entries():
                self._visitor.visit(layer, list(entries))
            return Checked(image.digest if image is not None else "")
        about = self._head.image
        return checked._replace(docker=documents.expected_docker(config, layers, about.name, about.tag))

    def _document(self, blob: Blob, what: str) -> Any:
        """A blob that is JSON. That it is not the one of its digest is said, and it is read all the same."""
        name = blob_name(blob.digest)
        self._used.add(name)
        document = documents.read(self._archive, name)
        if document.digest != blob.digest:
            self._report.add(BLOB, name, f"{what} has the digest {document.digest}")
        if document.size != blob.size:
            self._report.add(BLOB, name, f"{what} has {document.size} bytes; its descriptor says {blob.size}")
        return document.value

    def _manifest(self, image: Blob) -> tuple[Blob, list[Blob]]:
        report, wanted = self._report, self._head.image.manifest
        if image.digest != wanted.digest:
            report.add(DOCUMENT, "image", f"its digest is {image.digest}; the manifest has {wanted.digest}")
        elif image.size != wanted.size:
            report.add(DOCUMENT, "index.json", f"it says that the image has {image.size} bytes, not {wanted.size}")
        value = self._document(image, "the image's manifest")
        name = blob_name(image.digest)
        if not isinstance(value, dict) or not isinstance(value.get("layers"), list):
            raise BadDocument(name, "it has no layers", DOCUMENT)
        if len(value["layers"]) > MAX_LAYERS:
            raise BadDocument(name, f"it has {len(value['layers'])} layers", DOCUMENT)
        config = descriptor(value.get("config"), name)
        layers = [descriptor(layer, name) for layer in value["layers"]]
        for where, what in differences(documents.expected_manifest(config, layers), value):
            report.add(DOCUMENT, f"the image's manifest: {where}", what)
        if config.media_type != self._head.image.config.media_type:
            report.add(DOCUMENT, "the image's manifest: config", f"its media type is {shown(config.media_type)}")
        return config, layers

    def _layers_and_configuration(self, image: Blob, config: Blob, layers: list[Blob]) -> Checked:
        value = self._document(config, "the image's configuration")
        given = _diff_ids(value)
        places = align(self._head.layers, layers, given)
        at = {wanted: place for place, wanted in enumerate(places) if wanted is not None}
        self._order(places)
        read: list[Read | None] = [None] * len(layers)
        for number, (layer, rows) in enumerate(self._reader.entries()):
            entries = list(rows)
            if number in at:
                place = at[number]
                read[place] = self._layer(number, layer, layers[place], place, entries)
            else:
                self._report.add(LAYER, self._label(number), "it is missing")
            self._visitor.visit(layer, entries)
            del entries
        for place, wanted in enumerate(places):
            if wanted is None:
                read[place] = self._read(layers[place], None, f"layer {place + 1}", 0, lambda entry: None)
        self._configuration(config, value, given, read)
        whole = [each for each in read if each is not None]
        return Checked(
            digest=image.digest,
            layers=len(layers),
            entries=sum(each.entries for each in whole),
            files=sum(each.files for each in whole),
            size=sum(each.size for each in whole),
        )

    def _order(self, places: Sequence[int | None]) -> None:
        known = [number for number in places if number is not None]
        for found, wanted in zip(known, sorted(known), strict=True):
            if found != wanted:
                self._report.add(LAYER, self._label(found), f"it stands in the place of {self._label(wanted)}")

    def _layer(
        self, number: int, layer: ManifestLayer, blob: Blob, place: int, entries: Sequence[ManifestEntry]
    ) -> Read | None:
        report = self._report
        label = self._label(number)
        before = len(report.findings) + report.more
        if blob.media_type != layer.blob.media_type:
            what = f"its media type is {shown(blob.media_type)}; the manifest has {layer.blob.media_type}"
            report.add(DOCUMENT, f"the image's manifest: layers[{place}]", what, label)
        read = self._read(blob, entries, label, layer.tar, lambda entry: self._visitor.watch(layer, entry))
        if read is None or len(report.findings) + report.more > before:
            return read
        if read.diff_id != layer.diff_id:
            report.add(LAYER, blob.digest, "its tar differs in bytes that are no entry's", label)
        elif read.digest != layer.blob.digest:
            report.add(LAYER, blob.digest, f"it is compressed otherwise; the manifest has {layer.blob.digest}", label)
        elif (blob.size, read.tar) != (layer.blob.size, layer.tar):
            what = f"it has {blob.size} bytes, {read.tar} unpacked; the manifest says {layer.blob.size}, {layer.tar}"
            report.add(MANIFEST, blob.digest, what, label)
        return read

    def _read(
        self, blob: Blob, entries: Sequence[ManifestEntry] | None, label: str, tar: int, watch: Watch
    ) -> Read | None:
        name = blob_name(blob.digest)
        self._used.add(name)
        size = self._archive.sizes.get(name)
        if size is None:
            self._report.add(BLOB, blob.digest, "the blob is not there", label)
            return None
        if size != blob.size:
            self._report.add(BLOB, blob.digest, f"the blob has {size} bytes; its descriptor says {blob.size}", label)
        with self._archive.open(name) as file:
            section = blob._replace(size=size)
            read = check_layer(file, section, entries, self._report, label, tar + self._slack, watch)
        self._slack = max(0, self._slack - max(0, read.tar - tar))
        return read

    def _configuration(self, config: Blob, value: Any, given: list[str], read: Sequence[Read | None]) -> None:
        report, wanted = self._report, self._head.image
        before = len(report.findings) + report.more
        actual = [each.diff_id if each is not None else None for each in read]
        for where, what in documents.oddities(wanted.configuration, len(self._head.layers)):
            report.add(CONFIGURATION, where, what)
        expected: dict[str, Any] = dict(wanted.configuration)
        if len(given) == len(actual) and all(b is None or a == b for a, b in zip(given, actual, strict=True)):
            # They are those of the layers. If those differ, that was said.
            rootfs = expected.get("rootfs")
            if isinstance(rootfs, dict):
                expected["rootfs"] = {**rootfs, "diff_ids": given}
        for where, what in differences(expected, value):
            report.add(CONFIGURATION, where, what)
        said = len(report.findings) + report.more > before or report.findings
        if config.digest != wanted.config.digest and not said:
            report.add(CONFIGURATION, "image", f"its ID is {config.digest}; the manifest has {wanted.config.digest}")


class Labels:
    """What messages call the layers of a manifest, by their numbers."""

    def __init__(self, head: Head) -> None:
        about = {place.path: place.package for place in head.paths}
        self._labels = []
        for number, layer in enumerate(head.layers, 1):
            names = [about[path] or path.rpartition("/")[2][33:] for path, _ in layer.parts[:MAX_LABEL]]
            more = f" and {len(layer.parts) - MAX_LABEL} more" if len(layer.parts) > MAX_LABEL else ""
            self._labels.append(f"layer {number} ({', '.join(names)}{more})")

    def __call__(self, number: int) -> str:
        return self._labels[number]


def _diff_ids(config: Any) -> list[str]:
    rootfs = config.get("rootfs") if isinstance(config, dict) else None
    given = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    return [each if isinstance(each, str) else "" for each in given] if isinstance(given, list) else []


def align(expected: Sequence[ManifestLayer], found: Sequence[Blob], diff_ids: Sequence[str]) -> list[int | None]:
    """For each layer of an image the one of the manifest that it is, or stands for; None: it is one too many.

    By its digest; else by what is in it; else by its place; else by the order.
    """
    places: list[int | None] = [None] * len(found)
    left = dict(enumerate(expected))
    inner = list(diff_ids) if len(diff_ids) == len(found) else [""] * len(found)
    rules: list[Callable[[int, int], bool]] = [
        lambda place, number: found[place].digest == expected[number].blob.digest,
        lambda place, number: inner[place] == expected[number].diff_id,
        lambda place, number: place == number,
        lambda place, number: True,
    ]
    for rule in rules:
        for place, known in enumerate(places):
            if known is None:
                number = next((number for number in left if rule(place, number)), None)
                if number is not None:
                    places[place] = number
                    del left[number]
    return places
