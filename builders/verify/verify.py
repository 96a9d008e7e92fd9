"""Verify an image: find its manifests, check each platform's image against its manifest, and trace the packages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders.debian.signatures import Signature
from fpack.builders.debian.suites import DEBIAN, DISTRIBUTIONS, UBUNTU
from fpack.builders.manifest.format import Blob, Head, ManifestEntry, ManifestLayer
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.verify.evidence.local import LocalEvidence

from . import documents, embedded_manifest, manifest_loading
from .documents import BadDocument, differences
from .embedded_manifest import Referrers
from .findings import ARCHIVE, DOCUMENT, Report, VerifyError
from .image_archive import ImageArchive, ImageLocation, open_archive
from .image_check import CheckedImage, Visitor, check
from .image_index import IndexedImages, read_index
from .origin import Trace, TracedPackage
from .other_entries import OtherEntries
from .rebuild import RebuiltImage
from .script_packages import TracedScripts
from .signatures import SignatureCheck, Signatures, Trust

WITHIN = "the image"
# The verdict of a verification: the image matches a manifest that the user named, or one that trusted keys signed, or
# only the manifest that it carries, which the author of the image may have forged.
GIVEN, SIGNED, SELF_CONSISTENT = "given", "signed", "self-consistent"

Progress = Callable[[int, int], None]


class VerifiedImage(NamedTuple):
    """The result for one platform's image. manifest: the source of its manifest. data: the manifest's canonical form.

    others: entries that do not come from Debian's archive. scripts: the packages with which scripts ran.
    signed: Debian's signature on the Release file, by suite.
    """

    head: Head
    checked: CheckedImage
    packages: list[TracedPackage]
    others: OtherEntries
    scripts: TracedScripts
    signed: dict[str, Signature]
    manifest: str
    data: bytes

    @property
    def platform(self) -> str:
        """Return the platform, such as linux/amd64."""
        return documents.platform_name(self.head.image.configuration)

    @property
    def distribution(self) -> str:
        """Return the name of the distribution whose archive the lock names."""
        names = {DISTRIBUTIONS[UBUNTU if suite.archive == UBUNTU else DEBIAN] for suite in self.head.lock.suites}
        return " and ".join(sorted(names)) or DISTRIBUTIONS[DEBIAN]

    def proven(self, rebuilt: RebuiltImage) -> int:
        """Return the number of entries from elsewhere that Debian's scripts also made in a rebuild."""
        return 0 if self.scripts.problem else len(self.others.configured & rebuilt.configured)

    def reader(self) -> ManifestReader:
        """Return a new reader of the manifest."""
        return manifest_loading.reader(self.data, self.manifest)

    def value(self) -> dict[str, Any]:
        """Return the result as plain data for JSON."""
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
            "scripts": [package._asdict() for package in self.scripts.packages],
            "releases": [{"suite": suite, **self.signed[suite]._asdict()} for suite in sorted(self.signed)],
            "others": [other.value() for other in self.others],
        }


class VerifyResult(NamedTuple):
    """The result of a verification. digest: of the image, or of the index of several.

    given: the user named the manifests. artifacts: the types of other artifacts in the image, which are not checked.
    report: also receives the differences that a later rebuild finds.
    """

    report: Report
    digest: str
    images: list[VerifiedImage]
    given: bool
    artifacts: list[str]
    signatures: Signatures = Signatures()

    @property
    def verdict(self) -> str | None:
        """Return the verdict, or None if the image differs or could not be checked completely."""
        if self.report.differs or self.report.notes:
            return None
        return GIVEN if self.given else SIGNED if self.is_signed else SELF_CONSISTENT

    @property
    def is_signed(self) -> bool:
        """Return whether enough trusted keys signed the manifest of each platform."""
        return all(image.checked.digest in self.signatures.manifests for image in self.images)

    @property
    def others(self) -> int:
        """Return the number of entries that do not come from Debian's archive."""
        return sum(len(image.others) for image in self.images)

    @property
    def name(self) -> str:
        """Return the image's name and tag."""
        image = self.images[0].head.image
        return f"{image.name}:{image.tag}"

    @property
    def other_names(self) -> list[str]:
        """Return the names that the image was given after it was packed."""
        image = self.images[0].head.image
        return sorted(self.report.names - documents.own_names(image.name, image.tag))

    def value(self) -> dict[str, Any]:
        """Return the result as plain data for JSON."""
        image = self.images[0].head.image
        return {
            "name": image.name,
            "tag": image.tag,
            "other_names": self.other_names,
            "digest": self.digest or None,
            "claim": self.verdict,
            **self.report.value(),
            "artifacts": list(self.artifacts),
            "signatures": self.signatures.value(),
            "images": [verified.value() for verified in self.images],
        }


def verify(
    image: ImageLocation,
    manifests: Sequence[Path],
    beside: Sequence[Path],
    evidence: LocalEvidence,
    trust: Trust = Trust(),  # noqa: B008 - it is immutable
    progress: Progress = lambda done, total: None,
) -> VerifyResult:
    """Verify the image at a path against `manifests`, or those that it carries, or the existing files of `beside`.

    trust: the keys whose signatures count. progress: is told how many layers were read, of how many.
    """
    report = Report()
    archive = open_archive(image, report)
    try:
        given = _manifests(archive, manifests, beside)
        if not given:
            names = ", ".join(str(path) for path in beside[:1])
            raise VerifyError(
                "The image carries no manifest",
                where=str(image),
                why=f"there is none at {names} either" if names else "the registry has none with it",
                hint="name it with --manifest FILE",
            )
        return _Verification(archive, given, bool(manifests), evidence, report, trust, progress).run()
    except RecursionError:
        why = "one of its documents is nested too deeply"
        raise VerifyError("The image cannot be read", where=str(image), why=why) from None
    except OSError as error:
        raise VerifyError("The image cannot be read", where=str(image), why=error.strerror or str(error)) from None
    finally:
        archive.close()


def _manifests(archive: ImageArchive, named: Sequence[Path], beside: Sequence[Path]) -> list[tuple[str, bytes]]:
    """Return the source of each manifest and its canonical form."""
    if not named and (carried := embedded_manifest.find(archive)):
        return [(WITHIN, data) for data in carried]
    paths = named or [path for path in beside if path.is_file()]
    return [(str(path), manifest_loading.from_file(path)) for path in paths]


class _ToldVisitor:
    """A visitor that tells how many layers another one has visited."""

    def __init__(self, inner: Visitor, progress: Progress, total: int) -> None:
        self._inner, self._progress, self._total = inner, progress, total
        self._done = 0
        self.watch = inner.watch

    def visit(self, layer: ManifestLayer, entries: Sequence[ManifestEntry]) -> None:
        self._inner.visit(layer, entries)
        self._done += 1
        self._progress(self._done, self._total)


class _Verification:
    """One run over an archive."""

    def __init__(
        self,
        archive: ImageArchive,
        given: list[tuple[str, bytes]],
        named: bool,
        evidence: LocalEvidence,
        report: Report,
        trust: Trust,
        progress: Progress,
    ) -> None:
        self._archive = archive
        self._progress = progress
        self._trust = trust
        self._given = given
        self._named = named
        self._evidence = evidence
        self._report = report
        self._used: set[str] = set()  # names of the archive's files that belong to the image

    def run(self) -> VerifyResult:
        """Check the index, each image, docker's manifest.json, the referrers, and then find unused files."""
        report = self._report
        heads = [manifest_loading.reader(data, where).head for where, data in self._given]
        several = len(heads) > 1
        try:
            top = read_index(self._archive, heads, report, self._used)
        except BadDocument as error:
            report.add(error.kind, error.where, error.why)
            top = IndexedImages(None, [None] * len(heads), [])
        for other in top.others:
            report.add(DOCUMENT, "index.json", f"it refers to the image {other.digest}, which has no manifest")
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
        referrers = self._referrers(top, parts)
        signatures = self._signatures(top, parts, referrers)
        if top.top is not None and not top.others and None not in top.images:
            for name in sorted(self._archive.sizes.keys() - self._used):
                report.add(ARCHIVE, name, "it does not belong to the image")
        digest = top.top.digest if top.top is not None else ""
        return VerifyResult(report, digest, parts, self._named, sorted(set(referrers.artifacts)), signatures)

    def _image(self, where: str, data: bytes, image: Blob | None, report: Report) -> VerifiedImage:
        reader = manifest_loading.reader(data, where)
        trace = Trace(reader, self._evidence, report)
        try:
            told = _ToldVisitor(trace, self._progress, len(reader.head.layers))
            checked = check(self._archive, image, reader, report, told, self._used)
            trace.finish()
        finally:
            trace.close()
        return VerifiedImage(reader.head, checked, *trace.result, where, data)

    def _docker(self, images: Sequence[tuple[Blob, list[Blob]]]) -> None:
        """Check that manifest.json, by which docker and podman load a tar, refers to one of the images."""
        if "manifest.json" not in self._archive.sizes:
            return
        self._used.add("manifest.json")
        found = documents.read(self._archive, "manifest.json").value
        names = documents.docker_names(found)
        self._report.names |= set(names)
        expected = [documents.expected_docker(config, layers, names) for config, layers in images]
        if expected and found not in expected:
            for where, what in differences(expected[0], found):
                self._report.add(DOCUMENT, f"manifest.json: {where}", what)

    def _referrers(self, top: IndexedImages, parts: Sequence[VerifiedImage]) -> Referrers:
        images = {image.digest: image for image in [top.top, *top.images, *top.others] if image is not None}
        manifests = {part.checked.digest: part.data for part in parts if part.checked.digest}
        referrers = Referrers(self._archive, images, manifests, self._report, self._used)
        referrers.check(top.attachments)
        return referrers

    def _signatures(self, top: IndexedImages, parts: Sequence[VerifiedImage], referrers: Referrers) -> Signatures:
        images = {top.top.digest: ""} if top.top is not None else {}
        images |= {part.checked.digest: part.platform for part in parts if part.checked.digest}
        manifests = {
            part.checked.digest: hashlib.sha256(part.data).hexdigest() for part in parts if part.checked.digest
        }
        checker = SignatureCheck(self._archive, images, manifests, self._trust, self._report)
        return checker.run(list(referrers.signed))
