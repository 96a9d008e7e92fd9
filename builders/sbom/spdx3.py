"""Write a bill of materials as SPDX 3.0.1 in JSON-LD, with the profiles core, software, simpleLicensing and build.

Source: the SPDX specification 3.0.1, its canonical serialization, and BSI TR-03183-2 v2.1 (below: the guideline) on the
use of its fields. A document is a list of elements, each with an identifier (an IRI), and of relationships between
them. The identifier of an element follows from what it describes, so that equal images have equal documents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from ..manifest.format import DIRECTORY
from . import spdx
from .model import Bill, BillFile, Component, Hashes
from .spdx3_links import Link, is_in_files, links

MEDIA_TYPE = "application/spdx+json"
BUILD_TYPE = "urn:fpack:derivation:1"
_CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_CREATION = "_:creationInfo"
_DATA_LICENCE = "CC0-1.0"
_PURPOSES = {
    "container": "container",
    "operating-system": "operatingSystem",
    "deb": "install",
    "apk": "install",
    "deb-source": "source",
    "source": "source",
    "build": "application",
}
_SOURCES = ("deb-source", "source")
_CONTENT_TYPES = {".deb": "application/vnd.debian.binary-package"}

Element = dict[str, Any]


def document(bill: Bill) -> Iterator[bytes]:
    """Yield the SPDX 3.0.1 document of `bill` in pieces: canonical JSON in one line."""
    return _Spdx3Document(bill).pieces()


class _Spdx3Document:
    """The elements of a document. The elements of files are made when they are written."""

    def __init__(self, bill: Bill) -> None:
        self.bill = bill
        self.namespace = spdx.namespace(bill)
        self.licences = spdx.Licences(bill)
        self.files = spdx.files_of_components(bill)
        self.sources = spdx.source_infos(bill)
        self.delivered = {component.ref for component in bill.components if is_in_files(component)}
        self.expressions = {"": ""}  # licence expression: the identifier of its element
        # By identifier: all but the document, the collection, files and relationships, of which there can be very many.
        self.elements: dict[str, Element] = {}
        self.tool = self._add("Tool", "tool", f"fpack-{bill.tool}", name=f"fpack-{bill.tool}")
        # The author is who packs the image, with fpack as the tool; without a name, it is fpack.
        authors = self._agents(bill.subject.supplier)
        self.authors = authors or [self._add("SoftwareAgent", "agent", "fpack", name="fpack")]
        self._add_licences()
        for component in spdx.components(bill):
            self._add_component(component)
        self.links = sorted(links(bill, self.files, self._iri, self._licence_of))

    # ---- output

    def pieces(self) -> Iterator[bytes]:
        yield b'{"@context":' + _json(_CONTEXT) + b',"@graph":['
        yield _json(
            {
                "@id": _CREATION,
                "created": spdx.timestamp(self.bill.created),
                "createdBy": self.authors,
                "createdUsing": [self.tool],
                "specVersion": "3.0.1",
                "type": "CreationInfo",
            }
        )
        collection = self._iri("sbom", "")
        yield b"," + _json(self._document_element(collection))
        yield from _with_list(self._collection(collection), "element", self._members())
        for _, element in sorted(self.elements.items()):
            yield b"," + _json(element)
        for number in range(len(self.bill.files)):
            yield from self._file(number)
        for link in self.links:
            yield from _with_list(self._relationship(link), "to", self._ends(link))
        yield b"]}"

    def _document_element(self, collection: str) -> Element:
        value = self._element("SpdxDocument", self._iri("document", ""))
        return value | {
            "dataLicense": self._iri("licence", _DATA_LICENCE),
            "element": [collection],
            "name": spdx.clean(self.bill.subject.name),
            "profileConformance": self._profiles(),
            "rootElement": [collection],
        }

    def _collection(self, iri: str) -> Element:
        return self._element("software_Sbom", iri) | {
            "name": spdx.clean(self.bill.subject.name),
            "profileConformance": self._profiles(),
            "rootElement": [self._iri("package", self.bill.subject.ref)],
            # A bill that is not complete was made from an image that fpack did not build.
            "software_sbomType": ["build" if self.bill.complete else "analyzed"],
        }

    def _profiles(self) -> list[str]:
        built = any(component.kind == "build" for component in self.bill.components)
        return [*(["build"] if built else []), "core", "simpleLicensing", "software"]

    def _members(self) -> Iterator[str]:
        """Yield the identifiers of the members of the collection."""
        yield from sorted(self.elements)
        for file in self.bill.files:
            yield self._file_iri(file)
            if file.licence.expression:
                yield self._file_licence_iri(file)
        for link in self.links:
            yield self._link_iri(link)

    # ---- elements

    def _iri(self, folder: str, key: str) -> str:
        return f"{self.namespace}/{folder}" + (f"/{quote(spdx.path_bytes(key), safe='/:@=&')}" if key else "")

    def _element(self, kind: str, iri: str) -> Element:
        return {"creationInfo": _CREATION, "spdxId": iri, "type": kind}

    def _add(self, kind: str, folder: str, key: str, **fields: Any) -> str:
        """Add an element with those of `fields` that have a value, and return its identifier.

        kind: the type of the element. folder, key: the end of the identifier.
        """
        iri = self._iri(folder, key)
        if iri not in self.elements:
            self.elements[iri] = self._element(kind, iri) | {name: item for name, item in fields.items() if item}
        return iri

    def _agents(self, text: str) -> list[str]:
        return [self._agent(found) for found in spdx.agents(text)]

    def _originators(self, component: Component) -> list[str]:
        """Return the originators. Without an address, theirs is the page of the project, as the guideline asks."""
        found = spdx.agents(component.originator)
        if not any(agent.address for agent in found):
            found = [agent._replace(address=spdx.url(component.homepage)) for agent in found]
        return list(map(self._agent, found))

    def _agent(self, found: spdx.Agent) -> str:
        identifiers = []
        if found.address:
            identifiers.append(_identifier("email" if "@" in found.address else "urlScheme", found.address))
        key = f"{found.kind.lower()}/{found.name}/{found.address}"
        return self._add(found.kind, "agent", key, name=found.name, externalIdentifier=identifiers)

    def _add_licences(self) -> None:
        for key, text in self.licences.texts.items():
            fields = {"name": spdx.clean(text.name or key), "simplelicensing_licenseText": spdx.clean(text.text) or " "}
            self._add("simplelicensing_SimpleLicensingText", "licence-text", key, **fields)
        self._licence(_DATA_LICENCE)
        for file in self.bill.files:
            self._file_licence(file)  # before the first piece, since the collection lists all elements

    def _licence(self, expression: str) -> str:
        """Return the identifier of the element of an expression, or "" for none."""
        if expression not in self.expressions:
            self.expressions[expression] = self._add_licence(expression)
        return self.expressions[expression]

    def _add_licence(self, expression: str) -> str:
        key = expression if len(expression) <= 100 else hashlib.sha256(expression.encode()).hexdigest()
        uris = [
            {"key": name, "type": "DictionaryEntry", "value": self._iri("licence-text", name)}
            for name in spdx.references(expression)
        ]
        return self._add(
            "simplelicensing_LicenseExpression",
            "licence",
            key,
            simplelicensing_customIdToUri=uris,
            simplelicensing_licenseExpression=expression,
        )

    def _file_licence(self, file: BillFile) -> str:
        return self._licence_of(file.component or self.bill.subject.ref, file.licence.expression)

    def _licence_of(self, component: str, expression: str) -> str:
        return self._licence(self.licences.expression(component, expression))

    def _add_component(self, component: Component) -> None:
        urls = [locator for locator in map(spdx.url, component.urls) if locator]
        suppliers = self._agents(component.supplier)
        identifiers = [
            _identifier(kind, value)
            for kind, value in (("cpe23", component.cpe), ("packageUrl", component.purl))
            if value
        ]
        first = "sourceArtifact" if component.kind in _SOURCES else "binaryArtifact"
        self._add(
            "software_Package",
            "package",
            component.ref,
            comment="; ".join(filter(None, (spdx.licence_comment(component), spdx.unread_comment(component)))),
            externalIdentifier=identifiers,
            externalRef=[_reference(first, locator) for locator in urls],
            name=spdx.clean(component.name),
            originatedBy=self._originators(component) or suppliers,
            software_copyrightText=spdx.clean(component.copyright),
            software_downloadLocation=next(iter(urls), ""),
            software_homePage=spdx.url(component.homepage),
            software_packageUrl=component.purl,
            software_packageVersion=spdx.clean(component.version),
            software_primaryPurpose=_PURPOSES.get(component.kind, "library"),
            software_sourceInfo=self.sources.get(component.ref),
            summary=spdx.clean(component.description),
            suppliedBy=next(iter(suppliers), ""),
            verifiedUsing=_hashes(component.hashes),
        )
        if component.file:
            # The guideline asks for an element of the delivered file, with its name, its digest and its properties.
            suffix = component.file[component.file.rfind(".") :]
            is_system = component.kind == "operating-system"  # its file is os-release
            is_archive = component.kind not in ("operating-system", "container")
            self._add(
                "software_File",
                "artifact",
                component.ref,
                contentType=_CONTENT_TYPES.get(suffix),
                externalRef=[_reference(first, locator) for locator in urls],
                name=spdx.clean(component.file),
                # By these purposes, the guideline tells an unstructured file ("firmware") from a structured one
                # ("container").
                software_additionalPurpose=["firmware" if is_system else "container"],
                software_primaryPurpose="archive" if is_archive else "file",
                verifiedUsing=_hashes(component.hashes),
            )
        if component.kind == "build":
            self._add(
                "build_Build",
                "build",
                component.ref,
                build_buildId=spdx.clean(component.ref.removeprefix("path:")),
                build_buildType=BUILD_TYPE,
                name=spdx.clean(component.name),
            )

    def _file_iri(self, file: BillFile) -> str:
        return self._iri("file", file.path)

    def _file_licence_iri(self, file: BillFile) -> str:
        return self._iri("file-licence", file.path)

    def _file(self, number: int) -> Iterator[bytes]:
        """Yield the element of a file, and the relationship to its licence."""
        file = self.bill.files[number]
        iri = self._file_iri(file)
        value = self._element("software_File", iri)
        value["comment"] = spdx.file_comment(file)
        value["name"] = "/" + spdx.clean(file.path)
        if file.copyright:
            value["software_copyrightText"] = spdx.clean(file.copyright)
        if file.kind == DIRECTORY:
            value["software_fileKind"] = "directory"
        else:
            value["software_fileKind"] = "file"
            value["verifiedUsing"] = _hashes(file.hashes)
            marks = (("executable", file.executable), ("archive", file.archive), ("container", file.structured))
            purposes = [name for name, is_so in marks if is_so]
            if file.component in self.delivered and not file.structured:
                purposes = [*(purposes or ["file"]), "firmware"]  # unstructured, as in `_add_component`
            if purposes:
                value["software_primaryPurpose"] = purposes[0]
            if purposes[1:]:
                value["software_additionalPurpose"] = purposes[1:]
        yield b"," + _json(value)
        licence = self._file_licence(file)
        if licence:
            link = self._element("Relationship", self._file_licence_iri(file))
            link |= {"from": iri, "relationshipType": "hasConcludedLicense", "to": [licence]}
            yield b"," + _json(link)

    # ---- relationships

    def _link_iri(self, link: Link) -> str:
        name = f"{link.kind}-{link.variant}" if link.variant else link.kind
        return f"{self.namespace}/relationship/{name}{link.start.removeprefix(self.namespace)}"

    def _relationship(self, link: Link) -> Element:
        value = self._element("LifecycleScopedRelationship" if link.scope else "Relationship", self._link_iri(link))
        value |= {"from": link.start, "relationshipType": link.kind}
        if link.complete is not None:
            value["completeness"] = "complete" if link.complete else "incomplete"
        elif link.kind == "dependsOn":
            value["completeness"] = "noAssertion"
        if link.scope:
            value["scope"] = link.scope
        if link.comment:
            value["comment"] = link.comment
        return value

    def _ends(self, link: Link) -> Iterator[str]:
        """Yield the identifiers that a relationship leads to, those of files last."""
        yield from link.ends
        if link.files:
            for number in self.files.get(link.files, ()):
                yield self._file_iri(self.bill.files[number])


def _json(value: Any) -> bytes:
    return spdx.encode(value).encode()


def _with_list(element: Element, key: str, items: Iterable[str]) -> Iterator[bytes]:
    """Yield an element with a list in pieces, since the list may have an item for each file."""
    before, after = spdx.encode(element | {key: []}).split(f'"{key}":[]', 1)
    yield f',{before}"{key}":['.encode()
    separator = ""
    for item in items:
        yield f"{separator}{spdx.encode(item)}".encode()
        separator = ","
    yield b"]" + after.encode()


def _hashes(sums: Hashes) -> list[Element]:
    pairs = (("sha256", sums.sha256), ("sha512", sums.sha512))
    return [{"algorithm": name, "hashValue": value, "type": "Hash"} for name, value in pairs if value]


def _identifier(kind: str, value: str) -> Element:
    return {"externalIdentifierType": kind, "identifier": value, "type": "ExternalIdentifier"}


def _reference(kind: str, locator: str) -> Element:
    return {"externalRefType": kind, "locator": [locator], "type": "ExternalRef"}
