"""Write a bill of materials as CycloneDX 1.6 or 1.7, in JSON.

Packages and builds are components, with their files as components inside. Sources are components of their own, because
vulnerabilities of Debian are known by source. The tools of builds are the formulation, since scanners take all other
components for parts of the image. The properties `bsi:` are those of the guideline TR-03183-2. By `aquasecurity:trivy:`
and `syft:` these scanners find source packages.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from .model import (
    BUILD_TOOL_OF,
    BUILT_USING,
    DEPENDS_ON,
    GENERATED_FROM,
    NO_NOTICE,
    Bill,
    BillFile,
    Component,
    Hashes,
    LicenceText,
)

_TYPES = {"container": "container", "operating-system": "operating-system", "source": "file", "build": "application"}
_HASHES = (("sha256", "SHA-256"), ("sha512", "SHA-512"))
_PERSON = re.compile(r"\s*+\"?([^<\"]*+)\"?\s*+<([^<>\s@]+@[^<>\s@]+)>\s*\Z")
_SITE = re.compile(r"\s*+\"?([^<\"]*+)\"?\s*+<(https?://[^<>\s]+)>\s*\Z")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[!#$&-;=?-\[\]_a-z~%]+\Z", re.IGNORECASE)
_VERSION = re.compile(r"(?:(\d+):)?(.*?)(?:-([^-]*))?\Z", re.DOTALL)


def document(bill: Bill, version: str) -> Iterator[bytes]:
    """Yield the document, a line for each component and each file. version: of CycloneDX."""
    writer = _Writer(bill, version)
    yield b'{"$schema":' + _json(f"http://cyclonedx.org/schema/bom-{version}.schema.json")
    yield b',"bomFormat":"CycloneDX","specVersion":' + _json(version)
    yield b',"serialNumber":' + _json(f"urn:uuid:{bill.serial}") + b',"version":1'
    yield b',\n"metadata":' + _json(writer.metadata())
    yield b',\n"components":[\n'
    yield from _separated(writer.components())
    if tools := writer.tools():
        yield b'],\n"formulation":[{"bom-ref":"tools-of-builds","components":[\n'
        yield from _separated([_json(tool)] for tool in tools)
        yield b"]}"
    yield b'],\n"dependencies":[\n'
    yield from _separated([_json(row)] for row in writer.dependencies())
    yield b'],\n"compositions":[\n'
    yield from _separated([_json(row)] for row in writer.compositions())
    yield b"]}\n"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _separated(items: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
    for number, pieces in enumerate(items):
        if number:
            yield b",\n"
        yield from pieces


class _Writer:
    """The parts of one document."""

    def __init__(self, bill: Bill, version: str) -> None:
        self._bill = bill
        self._mixed = version != "1.6"  # licences may be several expressions, with texts
        self._by_ref = {component.ref: component for component in (bill.subject, *bill.components)}
        self._parts = [bill.subject.ref, *(part.ref for part in bill.components if not part.build_only)]
        self._relations: dict[tuple[str, str], list[str]] = {}
        for relation in bill.relations:
            self._relations.setdefault((relation.start, relation.kind), []).append(relation.end)
        self._files: dict[str, list[BillFile]] = {}
        for file in bill.files:
            self._files.setdefault(file.component or bill.subject.ref, []).append(file)

    def metadata(self) -> dict[str, Any]:
        """Return what the document says of itself."""
        subject = self._component(self._bill.subject)
        if own := self._files.get(self._bill.subject.ref):
            subject["components"] = [_file(file) for file in own]
        tool = {"type": "application", "name": "fpack", "version": self._bill.tool, "bom-ref": "fpack"}
        supplier = self._bill.subject.supplier
        return {
            **({"authors": _authors(supplier), "supplier": _organisation(supplier)} if supplier else {}),
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._bill.created)),
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [tool]},
            "component": subject,
        }

    def components(self) -> Iterator[Iterator[bytes]]:
        """Yield the pieces of each component but the tools of builds."""
        for component in self._bill.components:
            if not component.build_only:
                yield self._with_files(component)

    def tools(self) -> list[dict[str, Any]]:
        """Return the tools of builds."""
        return [self._component(component) for component in self._bill.components if component.build_only]

    def _with_files(self, component: Component) -> Iterator[bytes]:
        head = _json(self._component(component))
        files = self._files.get(component.ref)
        if not files:
            yield head
            return
        yield head.removesuffix(b"}") + b',"components":[\n'
        yield from _separated([_json(_file(file))] for file in files)
        yield b"]}"

    def _component(self, component: Component) -> dict[str, Any]:
        value: dict[str, Any] = {
            "type": _TYPES.get(component.kind, "library"),
            "bom-ref": component.ref,
            "name": component.name,
            "version": component.version,
            "description": component.description,
            "scope": "excluded" if component.build_only or component.kind in ("deb-source", "source") else "required",
            "supplier": _organisation(component.supplier),
            "authors": _authors(component.originator),
            "hashes": _hashes(component.hashes),
            "licenses": self._licences(component),
            "copyright": "" if component.copyright == NO_NOTICE else component.copyright,
            "cpe": component.cpe,
            "purl": component.purl,
            "pedigree": self._pedigree(component),
            "externalReferences": _references(component),
            "evidence": self._evidence(component.texts),
            "properties": self._properties(component),
        }
        return {key: item for key, item in value.items() if item}

    def _licences(self, component: Component) -> list[dict[str, Any]]:
        declared, effective = component.declared, component.effective
        if not declared.expression:
            if not declared.original and effective.expression:
                return [{"expression": effective.expression, "acknowledgement": "concluded"}]
            named = {"license": {"name": declared.original, "acknowledgement": "declared"}}
            return [named] if declared.original else []
        found: list[dict[str, Any]] = [{"expression": declared.expression, "acknowledgement": "declared"}]
        if self._mixed:
            details = [
                {"licenseIdentifier": text.id, "text": {"content": text.text, "contentType": "text/plain"}}
                for text in component.texts
            ]
            if details:
                found[0]["expressionDetails"] = details
            if effective.expression:
                found.append({"expression": effective.expression, "acknowledgement": "concluded"})
        return found

    def _evidence(self, texts: tuple[LicenceText, ...]) -> dict[str, Any]:
        """Return the texts of licences where an expression cannot have them."""
        if self._mixed or not texts:
            return {}
        named = [
            {"license": {"name": text.id, "text": {"content": text.text, "contentType": "text/plain"}}}
            for text in texts
        ]
        return {"licenses": named}

    def _pedigree(self, component: Component) -> dict[str, Any]:
        """Return the source that a component was built from, and the sources of which it has parts."""
        ends = [end for kind in (GENERATED_FROM, BUILT_USING) for end in self._relations.get((component.ref, kind), ())]
        ancestors = [
            {
                "type": _TYPES.get(source.kind, "library"),
                "name": source.name,
                **({"version": source.version} if source.version else {}),
                **({"purl": source.purl} if source.purl else {}),
            }
            for source in (self._by_ref[end] for end in ends)
        ]
        return {"ancestors": ancestors} if ancestors else {}

    def _properties(self, component: Component) -> list[dict[str, str]]:
        found: list[tuple[str, str]] = [("fpack:kind", component.kind)]
        if component.file:
            found.append(("bsi:component:filename", component.file))
        if component.kind == "deb" and not component.base:
            found += [
                ("bsi:component:executable", "executable"),
                ("bsi:component:archive", "archive"),
                ("bsi:component:structured", "structured"),
            ]
        if component.kind == "operating-system" and component.file:  # os-release
            found += [
                ("bsi:component:executable", "non-executable"),
                ("bsi:component:archive", "no archive"),
                ("bsi:component:structured", "unstructured"),
            ]
        if component.effective.expression:
            found.append(("bsi:component:effectiveLicense", component.effective.expression))
        if component.declared.original:
            found.append(("fpack:licence:original", component.declared.original))
        if component.arch:
            found.append(("fpack:arch", component.arch))
        if component.size:
            found.append(("fpack:size", str(component.size)))
        found += [("fpack:build-tool-of", end) for end in self._relations.get((component.ref, BUILD_TOOL_OF), ())]
        found += [("fpack:from-base", component.base)] if component.base else []
        found += [("fpack:unread-sbom", path) for path in component.unread_bills]
        found += self._scanners(component)
        return [{"name": name, "value": value} for name, value in sorted(found)]

    def _scanners(self, component: Component) -> list[tuple[str, str]]:
        """Return the properties from which scanners read the source of a Debian package, and the distribution."""
        if component.kind == "operating-system":
            return [
                ("aquasecurity:trivy:Class", "os-pkgs"),
                ("aquasecurity:trivy:Type", component.name),
                ("syft:distro:id", component.name),
                ("syft:distro:versionCodename", component.description),
                ("syft:distro:versionID", component.version),
            ]
        if component.kind != "deb":
            return []
        found = [
            ("aquasecurity:trivy:PkgID", f"{component.name}@{component.version}"),
            ("aquasecurity:trivy:PkgType", "debian"),
            ("syft:package:metadataType", "dpkg-db-entry"),
            ("syft:package:type", "deb"),
        ]
        for end in self._relations.get((component.ref, GENERATED_FROM), ()):
            source = self._by_ref[end]
            match = _VERSION.match(source.version)
            epoch, upstream, revision = match.groups("") if match is not None else ("", source.version, "")
            found += [
                ("aquasecurity:trivy:SrcName", source.name),
                ("aquasecurity:trivy:SrcVersion", upstream),
                ("syft:metadata:source", source.name),
                ("syft:metadata:sourceVersion", source.version),
            ]
            found += [("aquasecurity:trivy:SrcEpoch", epoch)] if epoch else []
            found += [("aquasecurity:trivy:SrcRelease", revision)] if revision else []
        return found

    def dependencies(self) -> Iterator[dict[str, Any]]:
        """Yield what each component loads. One that loads nothing has an empty list."""
        for ref in sorted(self._parts):
            yield {"ref": ref, "dependsOn": self._relations.get((ref, DEPENDS_ON), [])}

    def compositions(self) -> Iterator[dict[str, Any]]:
        """Yield which lists are complete.

        The files of the image are. A program can load a library whose name it computes, so the dependencies of a
        package are unknown. Nothing is claimed of what is in sources.
        """
        subject = self._bill.subject.ref
        inside = [subject, *sorted(self._files.keys() - {subject})]
        aggregate = "complete" if self._bill.complete else "incomplete"
        yield {"aggregate": aggregate, "assemblies": inside, "dependencies": [subject]}
        others = sorted({*self._parts} - {subject})
        if others:
            outside = sorted(set(others) - set(inside))
            yield {"aggregate": "unknown", **({"assemblies": outside} if outside else {}), "dependencies": others}


def _file(file: BillFile) -> dict[str, Any]:
    raw = file.path.encode("utf-8", "surrogateescape")
    found = [
        ("bsi:component:archive", "archive" if file.archive else "no archive"),
        ("bsi:component:executable", "executable" if file.executable else "non-executable"),
        ("bsi:component:filename", _shown(file.path.rpartition("/")[2])),
        ("bsi:component:structured", "structured" if file.structured else "unstructured"),
        ("fpack:layer", file.layer),
        ("fpack:mode", f"{file.mode:04o}"),
    ]
    if file.uid or file.gid:
        found.append(("fpack:owner", f"{file.uid}:{file.gid}"))
    if file.target:
        found.append(("fpack:link-target", _shown(file.target)))
    if file.kind != "f":
        found.append(("fpack:file-type", "symlink"))
    if _shown(file.path) != file.path:
        found.append(("fpack:path-bytes", raw.hex()))
    value: dict[str, Any] = {
        "type": "file",
        "bom-ref": "file:/" + quote(raw, safe="/+~:"),
        "name": "/" + _shown(file.path),
        "hashes": _hashes(file.hashes),
        "copyright": file.copyright,
        "properties": [{"name": name, "value": text} for name, text in sorted(found)],
    }
    if file.licence.expression:
        value["licenses"] = [{"expression": file.licence.expression, "acknowledgement": "declared"}]
    return {key: item for key, item in value.items() if item}


def _shown(path: str) -> str:
    """Return a path as text. Bytes that are not UTF-8 are escaped."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _hashes(hashes: Hashes) -> list[dict[str, str]]:
    return [{"alg": alg, "content": found} for name, alg in _HASHES if (found := getattr(hashes, name))]


def _organisation(text: str) -> Mapping[str, Any]:
    """Return a maintainer such as `Name <address>` as an organisation. The address may be a page."""
    if (match := _SITE.match(text)) and _URL.match(match[2]):
        return {"name": match[1].rstrip() or match[2], "url": [match[2]]}
    match = _PERSON.match(text)
    if match is None:
        return {"name": text} if text else {}
    name, address = match.groups()
    return {"name": name.rstrip() or address, "contact": [{"email": address}]}


def _authors(text: str) -> list[dict[str, str]]:
    """Return the upstream contact, one person a line, as authors."""
    found = []
    for line in filter(None, map(str.strip, text.split("\n"))):
        match = _PERSON.match(line)
        found.append(
            {"name": match[1].rstrip() or match[2], "email": match[2]} if match is not None else {"name": line}
        )
    return found


def _references(component: Component) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if _URL.match(component.homepage):
        found.append({"type": "website", "url": component.homepage})
    kind = "source-distribution" if component.kind in ("source", "deb-source") else "distribution"
    found += [
        {"type": kind, "url": url, **({"hashes": hashes} if (hashes := _hashes(component.hashes)) else {})}
        for url in component.urls
        if _URL.match(url)
    ]
    return found
