"""Check one image against its manifest, from its documents to each byte of each layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from fpack.builders.manifest.format import Blob, Head, ManifestEntry, ManifestLayer
from fpack.builders.manifest.reader import ManifestReader

from . import documents
from .bases.layer import check_base_layer
from .documents import BadDocument, blob_name, descriptor, differences, shown
from .findings import BLOB, CONFIGURATION, DOCUMENT, LAYER, MANIFEST, Report
from .image_archive import ImageArchive
from .layer_check import LayerSummary, Watch, check_layer

MAX_LAYERS = 200
MAX_LABEL = 3  # packages in the name of a layer
# The number of bytes by which all layers together may exceed their declared size before reading stops.
SLACK = 256 << 20


class Visitor(Protocol):
    """A visitor of each layer of the manifest, in order."""

    def watch(self, layer: ManifestLayer, entry: ManifestEntry) -> Callable[[bytes], None] | None:
        """Return a consumer for the content of a file of the image, or None."""

    def visit(self, layer: ManifestLayer, entries: Sequence[ManifestEntry]) -> None:
        """Process a layer's entries in the manifest, after the layer was read."""


class CheckedImage(NamedTuple):
    """The properties of an image as read: the numbers of layers, entries and files, and the total size of files.

    docker: the configuration and the layers, to which `manifest.json` must refer, or None if they are unknown.
    """

    digest: str = ""
    layers: int = 0
    entries: int = 0
    files: int = 0
    size: int = 0
    docker: tuple[Blob, list[Blob]] | None = None


def check(
    archive: ImageArchive, image: Blob | None, reader: ManifestReader, report: Report, visitor: Visitor, used: set[str]
) -> CheckedImage:
    """Compare an image with the manifest in the unused `reader`. image: its descriptor in the index, or None.

    used: receives the names of the archive's files that belong to the image.
    """
    return _Check(archive, reader, report, visitor, used).run(image)


class _Check:
    """The check of one image."""

    def __init__(
        self, archive: ImageArchive, reader: ManifestReader, report: Report, visitor: Visitor, used: set[str]
    ) -> None:
        self._archive = archive
        self._reader = reader
        self._head: Head = reader.head
        self._report = report
        self._visitor = visitor
        self._used = used
        self._label = Labels(reader.head)
        self._slack = SLACK

    def run(self, image: Blob | None) -> CheckedImage:
        """Check the image's manifest, layers and configuration."""
        try:
            if image is None:
                raise BadDocument("index.json", "it does not refer to the image", DOCUMENT)
            config, layers = self._manifest(image)
            checked = self._layers_and_configuration(image, config, layers)
        except BadDocument as error:
            self._report.add(error.kind, error.where, error.why)
            # Read the manifest to its end, whatever the image is like.
            for layer, entries in self._reader.entries():
                self._visitor.visit(layer, list(entries))
            return CheckedImage(image.digest if image is not None else "")
        return checked._replace(docker=(config, layers))

    def _document(self, blob: Blob, what: str) -> Any:
        """Read a JSON blob. Report a wrong digest or size."""
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
            report.add(
                DOCUMENT, "index.json", f"it declares {image.size} bytes for the image; the manifest has {wanted.size}"
            )
        value = self._document(image, "the image's manifest")
        name = blob_name(image.digest)
        if not isinstance(value, dict) or not isinstance(value.get("layers"), list):
            raise BadDocument(name, "it has no layers", DOCUMENT)
        if len(value["layers"]) > MAX_LAYERS:
            raise BadDocument(name, f"it has {len(value['layers'])} layers; at most {MAX_LAYERS} are read", DOCUMENT)
        config = descriptor(value.get("config"), name)
        layers = [descriptor(layer, name) for layer in value["layers"]]
        for where, what in differences(documents.expected_manifest(config, layers, self._head.annotations), value):
            report.add(DOCUMENT, f"the image's manifest: {where}", what)
        if config.media_type != self._head.image.config.media_type:
            report.add(DOCUMENT, "the image's manifest: config", f"its media type is {shown(config.media_type)}")
        return config, layers

    def _layers_and_configuration(self, image: Blob, config: Blob, layers: list[Blob]) -> CheckedImage:
        value = self._document(config, "the image's configuration")
        given = _diff_ids(value)
        positions = align(self._head.layers, layers, given)
        at = {wanted: position for position, wanted in enumerate(positions) if wanted is not None}
        self._order(positions)
        read: list[LayerSummary | None] = [None] * len(layers)
        for number, (layer, rows) in enumerate(self._reader.entries()):
            entries = list(rows)
            if number in at:
                position = at[number]
                read[position] = self._layer(number, layer, layers[position], position, entries)
            else:
                self._report.add(LAYER, self._label(number), "it is missing")
            self._visitor.visit(layer, entries)
            del entries
        for position, wanted in enumerate(positions):
            if wanted is None:
                read[position] = self._read(layers[position], None, f"layer {position + 1}", 0, lambda entry: None)
        self._configuration(config, value, given, read)
        whole = [summary for summary in read if summary is not None]
        return CheckedImage(
            digest=image.digest,
            layers=len(layers),
            entries=sum(summary.entries for summary in whole),
            files=sum(summary.files for summary in whole),
            size=sum(summary.size for summary in whole),
        )

    def _order(self, positions: Sequence[int | None]) -> None:
        known = [number for number in positions if number is not None]
        for found, wanted in zip(known, sorted(known), strict=True):
            if found != wanted:
                self._report.add(LAYER, self._label(found), f"it is in the position of {self._label(wanted)}")

    def _layer(
        self, number: int, layer: ManifestLayer, blob: Blob, position: int, entries: Sequence[ManifestEntry]
    ) -> LayerSummary | None:
        report = self._report
        label = self._label(number)
        before = len(report.findings) + report.more
        if blob.media_type != layer.blob.media_type:
            what = f"its media type is {shown(blob.media_type)}; the manifest has {layer.blob.media_type}"
            report.add(DOCUMENT, f"the image's manifest: layers[{position}]", what, label)
        base = self._head.base
        of_base = base if base is not None and number < base.layers else None
        whiteouts = [path for layer, path in of_base.whiteouts if layer == number] if of_base is not None else None
        watch: Watch = lambda entry: self._visitor.watch(layer, entry)  # noqa: E731
        read = self._read(blob, entries, label, layer.tar, watch, whiteouts)
        if read is None or len(report.findings) + report.more > before:
            return read
        if read.diff_id != layer.diff_id:
            report.add(LAYER, blob.digest, "its tar differs in bytes outside of entries", label)
        elif read.digest != layer.blob.digest:
            report.add(LAYER, blob.digest, f"it is compressed differently; the manifest has {layer.blob.digest}", label)
        elif (blob.size, read.tar) != (layer.blob.size, layer.tar):
            what = (
                f"it has {blob.size} bytes, {read.tar} decompressed; the manifest says {layer.blob.size}, {layer.tar}"
            )
            report.add(MANIFEST, blob.digest, what, label)
        return read

    def _read(
        self,
        blob: Blob,
        entries: Sequence[ManifestEntry] | None,
        label: str,
        tar: int,
        watch: Watch,
        whiteouts: Sequence[bytes] | None = None,
    ) -> LayerSummary | None:
        """Read a layer. whiteouts: those of a layer of the base; None for a layer of fpack's."""
        name = blob_name(blob.digest)
        self._used.add(name)
        size = self._archive.sizes.get(name)
        if size is None:
            self._report.add(BLOB, blob.digest, "the blob is missing", label)
            return None
        if size != blob.size:
            self._report.add(BLOB, blob.digest, f"the blob has {size} bytes; its descriptor says {blob.size}", label)
        with self._archive.open(name) as file:
            section = blob._replace(size=size)
            limit = tar + self._slack
            if whiteouts is not None:
                read = check_base_layer(file, section, entries or (), whiteouts, self._report, label, limit, watch)
            else:
                read = check_layer(file, section, entries, self._report, label, limit, watch)
        self._slack = max(0, self._slack - max(0, read.tar - tar))
        return read

    def _configuration(self, config: Blob, value: Any, given: list[str], read: Sequence[LayerSummary | None]) -> None:
        report, wanted = self._report, self._head.image
        before = len(report.findings) + report.more
        actual = [summary.diff_id if summary is not None else None for summary in read]
        for where, what in documents.oddities(wanted.configuration, len(self._head.layers)):
            report.add(CONFIGURATION, where, what)
        expected: dict[str, Any] = dict(wanted.configuration)
        if len(given) == len(actual) and all(b is None or a == b for a, b in zip(given, actual, strict=True)):
            # The diff_ids are those of the layers, whose differences were reported before.
            rootfs = expected.get("rootfs")
            if isinstance(rootfs, dict):
                expected["rootfs"] = {**rootfs, "diff_ids": given}
        for where, what in differences(expected, value):
            report.add(CONFIGURATION, where, what)
        said = len(report.findings) + report.more > before or report.findings
        if config.digest != wanted.config.digest and not said:
            report.add(CONFIGURATION, "image", f"its ID is {config.digest}; the manifest has {wanted.config.digest}")


class Labels:
    """The names of a manifest's layers for messages, by number."""

    def __init__(self, head: Head) -> None:
        about = {position.path: position.package for position in head.paths}
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
    return [item if isinstance(item, str) else "" for item in given] if isinstance(given, list) else []


def align(expected: Sequence[ManifestLayer], found: Sequence[Blob], diff_ids: Sequence[str]) -> list[int | None]:
    """Match each layer of an image with a layer of the manifest, or None for a surplus one.

    Match by blob digest, then diff_id, then position, then first unmatched.
    """
    positions: list[int | None] = [None] * len(found)
    left = dict(enumerate(expected))
    inner = list(diff_ids) if len(diff_ids) == len(found) else [""] * len(found)
    rules: list[Callable[[int, int], bool]] = [
        lambda position, number: found[position].digest == expected[number].blob.digest,
        lambda position, number: inner[position] == expected[number].diff_id,
        lambda position, number: position == number,
        lambda position, number: True,
    ]
    for rule in rules:
        for position, known in enumerate(positions):
            if known is None:
                number = next((number for number in left if rule(position, number)), None)
                if number is not None:
                    positions[position] = number
                    del left[number]
    return positions
