"""Read the bills of materials that a package brings: CycloneDX and SPDX documents in JSON.

Python's wheels have them in `*.dist-info/sboms` (PEP 770), other packages in `share/sbom`. They are documents of
others: their size, number and text have limits. A bill takes the name, version, package URL, licence and digests of an
entry, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from fpack.builders.streams import strict_json

from .licences.check import is_expression
from .model import Component, Hashes, Licence

MAX_SIZE = 8 << 20  # of a document
MAX_DOCUMENTS = 64  # of a store path
MAX_PARTS = 20_000  # of a document
_MAX_DEPTH = 16  # of components in components
_MAX_TEXT = 1024
_WHEEL = re.compile(r"(?:.*/)?[^/]+\.dist-info/sboms/[^/]+\.json\Z", re.DOTALL)
_SHARED = re.compile(r"(?:usr/)?share/sbom/.*[^/]\.(?:cdx|spdx)\.json\Z", re.DOTALL)
_VERSIONS = ("1.4", "1.5", "1.6", "1.7")
_PURL = re.compile(r"pkg:([a-z][a-z0-9.+-]*)/[!#-;=?-\[\]_a-z~]+\Z")
_KINDS = {kind: kind for kind in ("npm", "pypi", "golang", "cargo", "gem")}
_HEX = {"sha256": re.compile(r"[0-9a-f]{64}\Z"), "sha512": re.compile(r"[0-9a-f]{128}\Z")}
# Components that are no packages, and those that are not in the path that has the document.
_NO_PARTS = ("file", "operating-system", "device", "source")
_TOOLS = (
    "BUILD_TOOL_OF",
    "BUILD_DEPENDENCY_OF",
    "DEV_TOOL_OF",
    "DEV_DEPENDENCY_OF",
    "TEST_TOOL_OF",
    "TEST_DEPENDENCY_OF",
)
_DOCUMENT = "SPDXRef-DOCUMENT"


class FragmentPart(NamedTuple):
    """An entry of a document. purl: valid, or "". licence: as the document states it. Digests: hexadecimal, or ""."""

    purl: str
    name: str
    version: str
    licence: str = ""
    sha256: str = ""
    sha512: str = ""


def is_fragment(path: str) -> bool:
    """Return whether a path, relative to the top of a package, is that of a bill of materials."""
    return bool(_WHEEL.match(path) or _SHARED.match(path))


def read(data: bytes, path: str) -> list[FragmentPart]:
    """Return the parts that a document lists, sorted. Raise ValueError, with the reason, if it is malformed.

    The document of a wheel is about the wheel, which is a part of the path; any other one is about the path itself.
    """
    if len(data) > MAX_SIZE:
        raise ValueError(f"it has more than {MAX_SIZE} bytes")
    value = _record(strict_json.parse(data), "the document")
    if value.get("bomFormat") == "CycloneDX":
        if value.get("specVersion") not in _VERSIONS:
            raise ValueError(f"its version of CycloneDX is not one of {', '.join(_VERSIONS)}")
        found, about = _cyclonedx(value)
    elif value.get("spdxVersion") == "SPDX-2.3":
        found, about = _spdx(value)
    else:
        raise ValueError(f"it is neither CycloneDX {_VERSIONS[0]} to {_VERSIONS[-1]} nor SPDX 2.3")
    whole = {(part.name, part.version) for part in about}
    parts = {part for part in found if (part.name, part.version) not in whole}
    if _WHEEL.match(path):
        parts |= {part for part in about if part.purl}
    return unique(parts)


def unique(parts: Iterable[FragmentPart]) -> list[FragmentPart]:
    """Return one part for each package URL, or for each name and version without one, sorted."""
    found: dict[str, FragmentPart] = {}
    for part in sorted(parts, key=lambda part: (_ref(part), [not field for field in part], part)):
        found.setdefault(_ref(part), part)
    return list(found.values())


def component(part: FragmentPart) -> Component:
    # The text of a reference is in the document, not in the bill, and its name could be that of another licence.
    certain = is_expression(part.licence) and "LicenseRef-" not in part.licence
    licence = Licence(part.licence, part.licence if certain else "")
    match = _PURL.match(part.purl)
    return Component(
        ref=_ref(part),
        kind=_KINDS.get(match[1], "library") if match is not None else "library",
        name=part.name,
        version=part.version,
        purl=part.purl,
        declared=licence,
        effective=licence,
        hashes=Hashes(part.sha256, part.sha512),
    )


def _ref(part: FragmentPart) -> str:
    return part.purl or f"part:{quote(part.name, safe='')}@{quote(part.version, safe='')}"


# ---- CycloneDX


def _cyclonedx(value: Mapping[str, Any]) -> tuple[list[FragmentPart], list[FragmentPart]]:
    """Return the parts, and what the document is about."""
    main = _record(value.get("metadata", {}), "metadata").get("component")
    about = [] if main is None else [_component_part(_record(main, "metadata.component"))]
    inner = _records(main, "components") if main is not None else []
    todo = [(1, row) for row in [*_records(value, "components"), *inner]]
    found = []
    while todo:
        depth, row = todo.pop()
        if depth > _MAX_DEPTH:
            raise ValueError(f"its components are nested more than {_MAX_DEPTH} levels deep")
        if row.get("scope") == "excluded":
            continue
        if row.get("type") not in _NO_PARTS:
            found.append(_component_part(row))
        todo += [(depth + 1, other) for other in _records(row, "components")]
        _check_count(len(found) + len(todo))
    return found, about


def _component_part(row: Mapping[str, Any]) -> FragmentPart:
    group, name = _text(row, "group"), _text(row, "name")
    stated = []
    for item in _records(row, "licenses"):
        licence = _record(item.get("license", {}), "license")
        stated.append(_text(item, "expression") or _text(licence, "id") or _text(licence, "name"))
    hashes = {_text(item, "alg"): _text(item, "content") for item in _records(row, "hashes")}
    return _part(f"{group}/{name}" if group else name, _text(row, "version"), _text(row, "purl"), _all(stated), hashes)


def _all(licences: list[str]) -> str:
    """Join licences that all apply."""
    names = sorted({name for name in licences if name})
    if len(names) == 1:
        return names[0]
    return " AND ".join(f"({name})" if re.search(r"\s(?:OR|AND)\s", name) else name for name in names)


# ---- SPDX 2.3


def _spdx(value: Mapping[str, Any]) -> tuple[list[FragmentPart], list[FragmentPart]]:
    """Return the parts, and what the document is about."""
    described = {str(ref) for ref in _list(value, "documentDescribes")}
    tools = set()
    for relation in _records(value, "relationships"):
        start, kind, end = (
            str(relation.get(key)) for key in ("spdxElementId", "relationshipType", "relatedSpdxElement")
        )
        if kind == "DESCRIBES" and start == _DOCUMENT:
            described.add(end)
        elif kind == "DESCRIBED_BY" and end == _DOCUMENT:
            described.add(start)
        elif kind in _TOOLS:
            tools.add(start)
    found: list[FragmentPart] = []
    about: list[FragmentPart] = []
    for row in _records(value, "packages"):
        ref = str(row.get("SPDXID"))
        if ref in tools or str(row.get("primaryPackagePurpose", "")).lower() in _NO_PARTS:
            continue
        (about if ref in described else found).append(_package_part(row))
        _check_count(len(found) + len(about))
    return found, about


def _package_part(row: Mapping[str, Any]) -> FragmentPart:
    purl = ""
    for item in _records(row, "externalRefs"):
        if item.get("referenceType") == "purl":
            purl = purl or _text(item, "referenceLocator")
    licence = _text(row, "licenseDeclared")
    hashes = {_text(item, "algorithm"): _text(item, "checksumValue") for item in _records(row, "checksums")}
    stated = "" if licence in ("NOASSERTION", "NONE") else licence
    return _part(_text(row, "name"), _text(row, "versionInfo"), purl, stated, hashes)


# ---- both


def _part(name: str, version: str, purl: str, licence: str, hashes: Mapping[str, str]) -> FragmentPart:
    if not name:
        raise ValueError("an entry has no name")
    sums = {alg.replace("-", "").lower(): content.lower() for alg, content in hashes.items()}
    digests = [found if _HEX[alg].match(found := sums.get(alg, "")) else "" for alg in ("sha256", "sha512")]
    return FragmentPart(purl if _PURL.match(purl) else "", name, version, licence, *digests)


def _check_count(count: int) -> None:
    if count > MAX_PARTS:
        raise ValueError(f"it has more than {MAX_PARTS} entries")


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key, "")
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not value.isprintable():
        raise ValueError(f"{key} is not a text of at most {_MAX_TEXT} printable characters")
    return value


def _record(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is not an object")
    return value


def _list(row: Mapping[str, Any], key: str) -> list[Any]:
    value = row.get(key, [])
    if not isinstance(value, list):
        raise ValueError(f"{key} is not a list")
    return value


def _records(row: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    for item in _list(row, key):
        yield _record(item, f"an entry of {key}")
