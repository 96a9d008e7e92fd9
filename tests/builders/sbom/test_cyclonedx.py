"""CycloneDX of a small bill: what an end-to-end test has no simple means to make."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fpack.builders.sbom.cyclonedx import document
from fpack.builders.sbom.model import BUILD_TOOL_OF, Bill, BillRelation, Component, Hashes, Licence
from support.growth import check_linear
from support.reports.bills import everything

SUBJECT = Component("pkg:oci/a@sha256:00", "container", "a", "1", purl="pkg:oci/a@sha256:00")
BUILD = Component("path:x-app-1.0", "build", "app", "1.0")
TOOL = Component(
    "pkg:deb/debian/gcc@1", "deb", "gcc", "1", purl="pkg:deb/debian/gcc@1", hashes=Hashes("0" * 64), build_only=True
)


def written(version: str = "1.6", *components: Component, **fields: Any) -> dict[str, Any]:
    made = Bill(SUBJECT, components, (), (), "1", 0, "00000000-0000-0000-0000-000000000000", True)
    value: dict[str, Any] = json.loads(b"".join(document(made._replace(**fields), version)))
    return value


def test_tools_of_builds_are_no_components() -> None:
    found = written("1.6", BUILD, TOOL, relations=(BillRelation(TOOL.ref, BUILD_TOOL_OF, BUILD.ref),))
    assert [component["bom-ref"] for component in found["components"]] == [BUILD.ref]
    (formula,) = found["formulation"]
    (tool,) = formula["components"]
    assert tool["purl"] == TOOL.purl and tool["scope"] == "excluded"
    assert {"name": "fpack:build-tool-of", "value": BUILD.ref} in tool["properties"]
    assert TOOL.ref not in json.dumps([found["dependencies"], found["compositions"]])
    assert "formulation" not in written("1.6", BUILD)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A Team <team@example.org>", {"name": "A Team", "contact": [{"email": "team@example.org"}]}),
        ('"Doe, Jo" <jo@example.org>', {"name": "Doe, Jo", "contact": [{"email": "jo@example.org"}]}),
        ("<jo@example.org>", {"name": "jo@example.org", "contact": [{"email": "jo@example.org"}]}),
        ("A System <https://system.example.org/>", {"name": "A System", "url": ["https://system.example.org/"]}),
        ("no address", {"name": "no address"}),
        ("two <a@b> <c@d>", {"name": "two <a@b> <c@d>"}),
        ("", None),
    ],
)
def test_a_maintainer_is_an_organisation(text: str, wanted: dict[str, Any] | None) -> None:
    (found,) = written("1.6", BUILD._replace(supplier=text))["components"]
    assert found.get("supplier") == wanted


def test_a_licence_without_an_expression_has_its_name() -> None:
    (found,) = written("1.6", BUILD._replace(declared=Licence("our own", "")))["components"]
    assert found["licenses"] == [{"license": {"name": "our own", "acknowledgement": "declared"}}]


@pytest.mark.parametrize("page", ["not a page", "https://example.org/a b", "javascript:x", "http://"])
def test_a_page_that_is_no_url_is_left_out(page: str) -> None:
    (found,) = written("1.6", BUILD._replace(homepage=page))["components"]
    assert "externalReferences" not in found


@pytest.mark.parametrize("version", ["1.6", "1.7"])
def test_the_strict_validator_accepts_whatever_a_bill_has(version: str) -> None:
    validation = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema")
    text = b"".join(document(everything(), version)).decode()
    assert validation.JsonStrictValidator(schema.SchemaVersion.from_version(version)).validate_str(text) is None
    assert text == b"".join(document(everything(), version)).decode()


def test_the_file_of_a_system_is_described() -> None:
    system = Component(
        "os:a", "operating-system", "a", "1", file="usr/lib/os-release", hashes=Hashes("1" * 64, "2" * 128)
    )
    (found,) = written("1.6", system)["components"]
    properties = {item["name"]: item["value"] for item in found["properties"]}
    assert properties["bsi:component:filename"] == "usr/lib/os-release"
    assert properties["bsi:component:structured"] == "unstructured"
    assert [item["alg"] for item in found["hashes"]] == ["SHA-256", "SHA-512"]
    (found,) = written("1.6", system._replace(file="", hashes=Hashes()))["components"]
    assert "hashes" not in found and not any(item["name"].startswith("bsi:") for item in found["properties"])


@pytest.mark.parametrize("repeated", ["\t", " a", "a "])
def test_a_maintainer_is_read_in_time_in_proportion_to_its_length(repeated: str) -> None:
    def write(size: int) -> None:
        written("1.6", BUILD._replace(supplier="a" + repeated * (size // len(repeated)) + "<x>"))

    check_linear(write)
