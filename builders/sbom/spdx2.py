"""Write a bill of materials as SPDX 2.3 in JSON.

Source: the SPDX specification 2.3, chapters 6 to 11. SPDX 2.3 has no directories, and each file needs a SHA-1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from ..manifest.format import DIRECTORY, FILE
from . import spdx
from .model import BUILT_USING, GENERATED_FROM, Bill, BillFile, Component, Hashes, Licence

MEDIA_TYPE = "application/spdx+json"
_DOCUMENT = "SPDXRef-DOCUMENT"
_NOTHING = "NOASSERTION"
_PURPOSES = {
    "container": "CONTAINER",
    "operating-system": "OPERATING_SYSTEM",
    "deb": "INSTALL",
    "apk": "INSTALL",
    "deb-source": "SOURCE",
    "source": "SOURCE",
    "build": "APPLICATION",
}
# Scanners recognise the operating system by the beginning of its identifier.
_PREFIXES = {"container": "ContainerImage", "operating-system": "OperatingSystem"}
_SHA1 = 20  # bytes


def document(bill: Bill) -> Iterator[bytes]:
    """Yield the SPDX 2.3 document of `bill` in pieces: canonical JSON in one line."""
    return _Document(bill).pieces()


class _Document:
    """The parts of a document that its fields share."""

    def __init__(self, bill: Bill) -> None:
        self.bill = bill
        self.licences = spdx.Licences(bill)
        self.ids = {component.ref: _component_id(component) for component in spdx.components(bill)}
        self.files = spdx.files_of_components(bill)
        # The files of these components all have the SHA-1 that the format requires.
        self.analysed = {
            ref for ref, numbers in self.files.items() if all(_has_sha1(bill.files[number]) for number in numbers)
        }
        self.sources = spdx.source_infos(bill)
        self.sums: dict[str, bytearray] = {}

    def pieces(self) -> Iterator[bytes]:
        """Yield the document. The files come before the packages, whose verification codes need them."""
        bill = self.bill
        creators = [*map(_actor, spdx.agents(bill.subject.supplier)), f"Tool: fpack-{bill.tool}"]
        extent = "every file of the image is listed" if bill.complete else "some files of the image may be missing"
        yield b'{"SPDXID":' + _json(_DOCUMENT)
        yield b',"comment":' + _json(f"Completeness: {extent}.")
        yield b',"creationInfo":' + _json({"created": spdx.timestamp(bill.created), "creators": creators})
        yield b',"dataLicense":"CC0-1.0","documentNamespace":' + _json(spdx.namespace(bill))
        yield from _array("files", self._files())
        yield from _array("hasExtractedLicensingInfos", self._texts())
        yield b',"name":' + _json(spdx.clean(bill.subject.name))
        yield from _array("packages", (self._package(component) for component in spdx.components(bill)))
        yield from _array("relationships", self._relationships())
        yield b',"spdxVersion":"SPDX-2.3"}'

    def _files(self) -> Iterator[dict[str, Any]]:
        for file in self.bill.files:
            owner = file.component or self.bill.subject.ref
            if owner not in self.analysed or file.kind == DIRECTORY:
                continue
            sums = file.hashes
            self.sums.setdefault(owner, bytearray()).extend(bytes.fromhex(sums.sha1))
            value = {
                "SPDXID": _file_id(file),
                "checksums": _checksums(sums),
                "comment": spdx.file_comment(file),
                "copyrightText": spdx.clean(file.copyright) or _NOTHING,
                "fileName": "./" + spdx.clean(file.path),
                "licenseConcluded": self.licences.expression(owner, file.licence.expression) or _NOTHING,
                "licenseInfoInFiles": [_NOTHING],
            }
            types = ["APPLICATION"] * file.executable + ["ARCHIVE"] * file.archive
            yield {**value, "fileTypes": types} if types else value

    def _texts(self) -> Iterator[dict[str, Any]]:
        for key, text in sorted(self.licences.texts.items()):
            yield {"extractedText": spdx.clean(text.text), "licenseId": key, "name": spdx.clean(text.name or key)}

    def _package(self, component: Component) -> dict[str, Any]:
        """Return a package. Fields without a value are left out, unless the format requires them."""
        ref = component.ref
        value: dict[str, Any] = {
            "SPDXID": self.ids[ref],
            "copyrightText": spdx.clean(component.copyright) or _NOTHING,
            "downloadLocation": next(filter(None, map(spdx.url, component.urls)), _NOTHING),
            "externalRefs": _external_references(component),
            "filesAnalyzed": ref in self.sums,
            "licenseConcluded": self._expression(ref, component.effective),
            "licenseDeclared": self._expression(ref, component.declared),
            "name": spdx.clean(component.name),
            "supplier": _first(component.supplier) or _NOTHING,
        }
        optional: dict[str, Any] = {
            "checksums": _checksums(component.hashes),
            "comment": spdx.unread_comment(component),
            "homepage": spdx.url(component.homepage),
            "licenseComments": spdx.licence_comment(component),
            "originator": _first(component.originator),
            "packageFileName": spdx.clean(component.file),
            "primaryPackagePurpose": _PURPOSES.get(component.kind, "LIBRARY"),
            "sourceInfo": self.sources.get(ref),
            "summary": spdx.clean(component.description),
            "versionInfo": spdx.clean(component.version),
        }
        if ref in self.sums:
            optional["packageVerificationCode"] = {"packageVerificationCodeValue": _code(self.sums[ref])}
        return value | {key: item for key, item in optional.items() if item}

    def _expression(self, ref: str, licence: Licence) -> str:
        return self.licences.expression(ref, licence.expression) or _NOTHING

    def _relationships(self) -> Iterator[dict[str, str]]:
        bill, ids = self.bill, self.ids
        yield _relationship(_DOCUMENT, "DESCRIBES", ids[bill.subject.ref])
        for relation in bill.relations:
            start, end = ids[relation.start], ids[relation.end]
            if relation.kind == BUILT_USING:
                yield {**_relationship(start, GENERATED_FROM, end), "comment": "Built-Using"}
            else:
                yield _relationship(start, relation.kind, end)
        for ref in sorted(self.sums):
            for number in self.files[ref]:
                file = bill.files[number]
                if file.kind != DIRECTORY:
                    yield _relationship(ids[ref], "CONTAINS", _file_id(file))


def _has_sha1(file: BillFile) -> bool:
    return file.kind != FILE or bool(file.hashes.sha1)


def _json(value: Any) -> bytes:
    return spdx.encode(value).encode()


def _array(key: str, items: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    yield b",%s:[" % _json(key)
    separator = b""
    for item in items:
        yield separator + _json(item)
        separator = b","
    yield b"]"


def _component_id(component: Component) -> str:
    digest = hashlib.sha256(component.ref.encode()).hexdigest()[:16]
    return f"SPDXRef-{_PREFIXES.get(component.kind, 'Package')}-{spdx.slug(component.name)}-{digest}"


def _file_id(file: BillFile) -> str:
    return f"SPDXRef-File-{hashlib.sha256(spdx.path_bytes(file.path)).hexdigest()[:32]}"


def _checksums(sums: Hashes) -> list[dict[str, str]]:
    pairs = (("SHA1", sums.sha1), ("SHA256", sums.sha256), ("SHA512", sums.sha512))
    return [{"algorithm": name, "checksumValue": value} for name, value in pairs if value]


def _code(sums: bytearray) -> str:
    """Return the package verification code: the SHA-1 of the sorted SHA-1s of its files in hexadecimal."""
    return hashlib.sha1(
        "".join(sorted(sums[at : at + _SHA1].hex() for at in range(0, len(sums), _SHA1))).encode()
    ).hexdigest()


def _actor(found: spdx.Agent) -> str:
    """Return `Person: NAME (EMAIL)`. A name's own parentheses would be read as an address."""
    name = found.name.replace("(", "[").replace(")", "]")
    return f"{found.kind}: {name}" + (f" ({found.address})" if "@" in found.address else "")


def _first(text: str) -> str:
    """Return the first agent, since the format has one supplier and one originator."""
    return next(map(_actor, spdx.agents(text)), "")


def _external_references(component: Component) -> list[dict[str, str]]:
    found = []
    if component.purl:
        # The format has no scope, and scanners take every package with a purl of this category for a part of the image.
        category = "OTHER" if component.build_only else "PACKAGE-MANAGER"
        found.append(_reference(category, "purl", component.purl))
    if component.cpe:
        found.append(_reference("SECURITY", "cpe23Type", component.cpe))
    return found


def _reference(category: str, kind: str, locator: str) -> dict[str, str]:
    return {"referenceCategory": category, "referenceLocator": locator, "referenceType": kind}


def _relationship(start: str, kind: str, end: str) -> dict[str, str]:
    return {"relatedSpdxElement": end, "relationshipType": kind, "spdxElementId": start}
