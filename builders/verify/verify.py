"""A whole verification: find the manifests, check each image against its own, trace its packages."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders.debian.signatures import Signature
from fpack.builders.manifest.format import Blob, Head
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.verify.evidence.local import AtHand

from . import documents, embedded_manifest, manifest_loading
from .documents import BadDocument, differences
from .embedded_manifest import Referrers
from .findings import ARCHIVE, DOCUMENT, Report, VerifyError
from .image_archive import Archive, open_archive
from .image_check import Checked, check
from .image_index import Top, read_index
from .origin import Trace, Traced
from .others import Others

WITHIN = "the image"
# What an image is shown to be: what a manifest says that the user named; or what a manifest says that whoever made the
# image can have made, too.
GIVEN, SELF_CONSISTENT = "given", "self-consistent"


class Part(NamedTuple):
    """One image, for one platform. manifest: where its manifest was; data: that in its canonical form.

    others: entries that are from elsewhere than Debian's archive. signed: by suite, Debian's signature on the release
    that was used.
    """

    head: Head
    checked: Checked
    packages: list[Traced]
    others: Others
    signed: dict[str, Signature]
    manifest: str
    data: bytes

    @property
    def platform(self) -> str:
        """As in linux/amd64."""
        return documents.platform_name(self.head.image.configuration)

    def reader(self) -> ManifestReader:
        """The manifest once more."""
        return manifest_loading.reader(self.data, self.manifest)

    def value(self) -> dict[str, Any]:
        """As JSON has it."""
        sha256 = f"sha256:{hashlib.sha256(self.data).hexdigest()}"
        return {
            "platform": self.platform,
            "digest": self.checked.digest or None,
            "image_id": self.head.image.config.digest,
            "manifest": {"from": self.manifest, "sha256": sha256, "fpack": self.head.fpack},
            "layers": self.checked.layers,
            "entries": self.checked.entries,
            "files": self.checked.files,
            "bytes": self.checked.size,
            "configuration": dict(documents.settings(self.head.image.configuration)),
            "packages": [traced._asdict() for traced in self.packages],
            "releases": [{"suite": suite, **self.signed[suite]._asdict()} for suite in sorted(self.signed)],
            "others": [other.value() for other in self.others],
        }


class Outcome(NamedTuple):
    """What came of it. digest: of the image, or of the index of several. given: the user named the manifests.
    artifacts: types of other documents about the image that it carries, and of which nothing is said.

    What was found out after the check, by building again, is in the report, too.
    """

    report: Report
    digest: str
    images: list[Part]
    given: bool
    artifacts: list[str]

    @property
    def claim(self) -> str | None:
        """Return what the image is shown to be; None if it differs, or not all of it could be checked."""
        if self.report.differs or self.report.notes:
            return None
        return GIVEN if self.given else SELF_CONSISTENT

    @property
    def others(self) -> int:
        """Count the entries that are from elsewhere than Debian's archive."""
        return sum(len(part.others) for part in self.images)

    @property
    def name(self) -> str:
        """The image's name and tag."""
        image = self.images[0].head.image
        return f"{image.name}:{image.tag}"

    def value(self) -> dict[str, Any]:
        """As JSON has it."""
        image = self.images[0].head.image
        return {
            "name": image.name,
            "tag": image.tag,
            "digest": self.digest or None,
            "claim": self.claim,
            **self.report.value(),
            "artifacts": list(self.artifacts),
            "images": [part.value() for part in self.images],
        }


def verify(image: Path, manifests: Sequence[Path], beside: Sequence[Path], hand: AtHand) -> Outcome:
    """Check what is at a path. manifests: files to check against, else what it carries, else the files `beside`."""
    report = Report()
    archive = open_archive(image, report)
    try:
        given = _manifests(archive, manifests, beside)
        if not given:
            names = ", ".join(str(place) for place in beside[:1])
            raise VerifyError(
                "The image carries no manifest",
                where=str(image),
                why=f"and there is none at {names}",
                hint="name it with --manifest FILE",
            )
        return _Verification(archive, given, bool(manifests), hand, report).run()
    except RecursionError:
        why = "something in it is nested too deeply"
        raise VerifyError("The image cannot be read", where=str(image), why=why) from None
    except OSError as error:
        raise VerifyError("The image cannot be read", where=str(image), why=error.strerror or str(error)) from None
    finally:
        archive.close()


def _manifests(archive: Archive, named: Sequence[Path], beside: Sequence[Path]) -> list[tuple[str, bytes]]:
    """Where each manifest is, and its canonical form."""
    if not named and (carried := embedded_manifest.find(archive)):
        return [(WITHIN, data) for data in carried]
    places = named or [place for place in beside if place.is_file()]
    return [(str(place), manifest_loading.from_file(place)) for place in places]


class _Verification:
    """One run over an archive. used: the names of its files that belong to the image."""

    def __init__(
        self, archive: Archive, given: list[tuple[str, bytes]], named: bool, hand: AtHand, report: Report
    ) -> None:
        self._archive = archive
        self._given = given
        self._named = named
        self._hand = hand
        self._report = report
        self._used: set[str] = set()

    def run(self) -> Outcome:
        """The index, each image, docker's way to them, what refers to them, and what else there is."""
        report = self._report
        heads = [manifest_loading.reader(data, where).head for where, data in self._given]
        several = len(heads) > 1
        try:
            top = read_index(self._archive, heads, report, self._used)
        except BadDocument as error:
            report.add(error.kind, error.where, error.why)
            top = Top(None, [None] * len(heads), [])
        for other in top.others:
            report.add(DOCUMENT, "index.json", f"it leads to the image {other.digest}, of which there is no manifest")
        parts = []
        for (where, data), image in zip(self._given, top.images, strict=True):
            own = Report()
            part = self._image(where, data, image, own)
            report.take(own, part.platform if several else "")
            parts.append(part)
        try:
            self._docker([part.checked.docker for part in parts if part.checked.docker is not None])
        except BadDocument as error:
            report.add(error.kind, error.where, error.why)
        artifacts = self._referrers(top, parts)
        if top.top is not None and not top.others and None not in top.images:
            for name in sorted(self._archive.sizes.keys() - self._used):
                report.add(ARCHIVE, name, "it does not belong to the image")
        return Outcome(report, top.top.digest if top.top is not None else "", parts, self._named, artifacts)

    def _image(self, where: str, data: bytes, image: Blob | None, report: Report) -> Part:
        reader = manifest_loading.reader(data, where)
        trace = Trace(reader, self._hand, report)
        try:
            checked = check(self._archive, image, reader, report, trace, self._used)
            trace.finish()
        finally:
            trace.close()
        return Part(reader.head, checked, trace.packages, trace.others, trace.signed, where, data)

    def _docker(self, expected: Sequence[list[dict[str, Any]]]) -> None:
        """The way by which docker and podman load a tar leads to one of the images. A layout has none."""
        if "manifest.json" not in self._archive.sizes:
            return
        self._used.add("manifest.json")
        found = documents.read(self._archive, "manifest.json").value
        if expected and found not in expected:
            for where, what in differences(expected[0], found):
                self._report.add(DOCUMENT, f"manifest.json: {where}", what)

    def _referrers(self, top: Top, parts: Sequence[Part]) -> list[str]:
        images = {image.digest: image for image in [top.top, *top.images, *top.others] if image is not None}
        manifests = {part.checked.digest: part.data for part in parts if part.checked.digest}
        referrers = Referrers(self._archive, images, manifests, self._report, self._used)
        referrers.check()
        return sorted(set(referrers.artifacts))
