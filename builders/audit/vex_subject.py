"""Define the image that a VEX document is about, and how documents name it and its packages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from fpack.builders.manifest.format import MTIME, Head
from fpack.builders.sbom.purl import purl

from .model import Finding
from .package_urls import ImageIdentity

PUBLISHER = "fpack"


class VexSubject(NamedTuple):
    """An image. digest: of its manifest. time: of the document, in Unix seconds. author: who states it.

    namespace: a URI of the author. fpack: the version.
    """

    name: str
    tag: str
    arch: str
    digest: str
    time: int
    author: str = PUBLISHER
    namespace: str = "urn:fpack"
    fpack: str = ""

    @property
    def purl(self) -> str:
        """The package URL of the image."""
        return purl("oci", "", self.name.rpartition("/")[2].lower(), self.digest, {"arch": self.arch})

    @property
    def identity(self) -> ImageIdentity:
        """The image as the statements of others name it."""
        return ImageIdentity(self.name, self.tag, self.arch, (self.digest,))


def of_manifest(head: Head, fpack: str, author: str = "", namespace: str = "", time: int | None = None) -> VexSubject:
    """Return the image of a manifest. time: by default, the date of the newest release in its lock."""
    image = head.image
    dates = [suite.date for suite in head.lock.suites]
    return VexSubject(
        name=image.name,
        tag=image.tag,
        arch=image.arch,
        digest=image.manifest.digest,
        time=max(dates, default=MTIME) if time is None else time,
        author=author or PUBLISHER,
        namespace=namespace or "urn:fpack",
        fpack=fpack,
    )


def stated(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings as a document states them, sorted."""
    return sorted(set(findings), key=lambda finding: (finding.advisory.id, finding.product, finding.advisory.origin))


def component_urls(finding: Finding) -> list[str]:
    """Return the package URLs of a finding's packages, without qualifiers that other tools write in their own ways."""
    product = finding.product
    if product.ecosystem not in ("Debian", "Ubuntu"):
        return [product.purl]
    system = product.ecosystem.lower()
    binaries = sorted({(binary.name, binary.version, binary.arch) for binary in product.binaries})
    urls = [purl("deb", system, name, version, {"arch": arch}) for name, version, arch in binaries]
    return [*urls, purl("deb", system, product.name, product.version, {"arch": "source"})]


def serial(digest: bytes) -> str:
    """Return a UUID of version 8 made of a digest. Source: RFC 9562, section 5.8."""
    number = int.from_bytes(digest[:16]) & ~(0xF << 76 | 0x3 << 62) | 0x8 << 76 | 0x2 << 62
    return re.sub("(.{8})(.{4})(.{4})(.{4})", r"\1-\2-\3-\4-", f"{number:032x}", count=1)
