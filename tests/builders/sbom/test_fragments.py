"""The bills of materials in packages: CycloneDX and SPDX, what is a part, and documents that are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fpack.builders.sbom import fragments
from fpack.builders.sbom.fragments import FragmentPart, is_fragment, read

SHARED, WHEEL = "share/sbom/app.cdx.json", "lib/python3/site-packages/app-1.dist-info/sboms/app.json"


def cyclonedx(*components: Any, version: str = "1.6", **fields: Any) -> bytes:
    return json.dumps(
        {"bomFormat": "CycloneDX", "specVersion": version, "components": list(components), **fields}
    ).encode()


def spdx(*packages: Any, **fields: Any) -> bytes:
    return json.dumps({"spdxVersion": "SPDX-2.3", "packages": list(packages), **fields}).encode()


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        (SHARED, True),
        (WHEEL, True),
        ("usr/share/sbom/a/b.spdx.json", True),
        ("app-1.dist-info/sboms/x.json", True),
        ("share/sbom/app.json", False),
        ("share/sbom/.cdx.json", False),
        ("opt/share/sbom/app.cdx.json", False),
        ("app-1.dist-info/sboms/below/x.json", False),
        ("app-1.dist-info/x.json", False),
    ],
)
def test_the_paths_of_bills(path: str, is_one: bool) -> None:
    assert is_fragment(path) is is_one


@pytest.mark.parametrize("version", ["1.4", "1.5", "1.6", "1.7"])
def test_cyclonedx_is_read(version: str) -> None:
    data = cyclonedx(
        {
            "type": "library",
            "group": "@scope",
            "name": "left",
            "version": "1.0",
            "purl": "pkg:npm/%40scope/left@1.0",
            "licenses": [{"license": {"id": "MIT"}}, {"expression": "ISC OR Zlib"}],
            "hashes": [{"alg": "SHA-256", "content": "A" * 64}, {"alg": "SHA-512", "content": "short"}],
            "components": [{"type": "library", "name": "inner"}, {"type": "file", "name": "a.c"}],
        },
        {"type": "library", "name": "test-tool", "scope": "excluded"},
        {"type": "operating-system", "name": "debian"},
        {"type": "application", "name": "app", "version": "1"},
        version=version,
        metadata={"component": {"type": "application", "name": "app", "version": "1", "purl": "pkg:pypi/app@1"}},
    )
    left = FragmentPart("pkg:npm/%40scope/left@1.0", "@scope/left", "1.0", "(ISC OR Zlib) AND MIT", "a" * 64)
    assert read(data, SHARED) == [FragmentPart("", "inner", ""), left]
    # The document of a wheel is about the wheel, and that of another path about the path itself.
    assert read(data, WHEEL) == [FragmentPart("", "inner", ""), left, FragmentPart("pkg:pypi/app@1", "app", "1")]


def test_spdx_is_read() -> None:
    data = spdx(
        {
            "SPDXID": "SPDXRef-a",
            "name": "zlib",
            "versionInfo": "1.3",
            "licenseDeclared": "Zlib",
            "externalRefs": [
                {"referenceType": "cpe23Type", "referenceLocator": "cpe:x"},
                {"referenceType": "purl", "referenceLocator": "pkg:generic/zlib@1.3"},
            ],
            "checksums": [{"algorithm": "SHA256", "checksumValue": "b" * 64}],
        },
        {"SPDXID": "SPDXRef-b", "name": "app", "licenseDeclared": "NOASSERTION"},
        {"SPDXID": "SPDXRef-c", "name": "cmake"},
        {"SPDXID": "SPDXRef-d", "name": "debian", "primaryPackagePurpose": "OPERATING-SYSTEM"},
        {"SPDXID": "SPDXRef-e", "name": "plain", "licenseDeclared": "NONE"},
        relationships=[
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-b"},
            {"spdxElementId": "SPDXRef-c", "relationshipType": "BUILD_TOOL_OF", "relatedSpdxElement": "SPDXRef-b"},
        ],
    )
    assert read(data, SHARED) == [
        FragmentPart("", "plain", ""),
        FragmentPart("pkg:generic/zlib@1.3", "zlib", "1.3", "Zlib", "b" * 64),
    ]


def test_a_package_url_is_listed_once_with_what_is_known_most_fully() -> None:
    url = "pkg:cargo/serde@1"
    rows = [{"name": "serde", "purl": url}, {"name": "serde", "version": "1", "purl": url}]
    for order in (rows, rows[::-1]):
        assert read(cyclonedx(*order), SHARED) == [FragmentPart(url, "serde", "1")]


@pytest.mark.parametrize("url", ["pkg:npm/a b", "http://x", 'pkg:npm/"', "pkg:npm", "PKG:npm/x", "pkg:npm/é"])
def test_an_invalid_package_url_is_left_out(url: str) -> None:
    assert read(cyclonedx({"name": "a", "purl": url}), SHARED) == [FragmentPart("", "a", "")]


def nested(levels: int) -> dict[str, Any]:
    row: dict[str, Any] = {"name": "a"}
    for _ in range(levels):
        row = {"name": "a", "components": [row]}
    return row


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[]", "the document is not an object"),
        (b"{", "Expecting"),
        (b"{}", "it is neither CycloneDX 1.4 to 1.7 nor SPDX 2.3"),
        (b'{"spdxVersion":"SPDX-2.2"}', "neither"),
        (b'{"bomFormat":"CycloneDX","specVersion":"1.3"}', "its version of CycloneDX"),
        (b'{"bomFormat":"CycloneDX","specVersion":["1.4"]}', "its version of CycloneDX"),
        (b'{"bomFormat":"CycloneDX","bomFormat":"CycloneDX"}', "twice"),
        (b"[" * 200_000, "nested too deeply"),
        (b"\xff", "UTF-8"),
        (cyclonedx("text"), "an entry of components is not an object"),
        (cyclonedx(components={}), "components is not a list"),
        (cyclonedx(metadata=[]), "metadata is not an object"),
        (cyclonedx({"name": ""}), "no name"),
        (cyclonedx({}), "no name"),
        (cyclonedx({"name": 1}), "name is not a text"),
        (cyclonedx({"name": "a\x1b[31m"}), "name is not a text"),
        (cyclonedx({"name": "a\u202e"}), "name is not a text"),
        (cyclonedx({"name": "a" * 1025}), "name is not a text"),
        (cyclonedx({"name": "a", "licenses": [{"license": "MIT"}]}), "license is not an object"),
        (cyclonedx({"name": "a", "hashes": [{"alg": [], "content": ""}]}), "alg is not a text"),
        (cyclonedx(nested(17)), "more than 16 levels"),
        (spdx({"name": "a", "externalRefs": [1]}), "an entry of externalRefs"),
        (spdx(relationships=[1]), "an entry of relationships"),
        (spdx(documentDescribes={}), "documentDescribes is not a list"),
    ],
)  # fmt: skip
def test_a_malformed_document_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(data, SHARED)


def test_size_and_number_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    data = cyclonedx({"name": "a"}, {"name": "b", "components": [{"name": "c"}]})
    assert len(read(data, SHARED)) == 3
    monkeypatch.setattr(fragments, "MAX_PARTS", 2)
    with pytest.raises(ValueError, match="more than 2 entries"):
        read(data, SHARED)
    with pytest.raises(ValueError, match="more than 2 entries"):
        read(spdx(*({"name": name} for name in "abc")), SHARED)
    monkeypatch.setattr(fragments, "MAX_SIZE", 10)
    with pytest.raises(ValueError, match="more than 10 bytes"):
        read(data, SHARED)
