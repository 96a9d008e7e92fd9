"""Bills of materials as SPDX 3.0.1."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.sbom import spdx3
from fpack.builders.sbom.model import Bill, BillFile, Component, Hashes, Licence
from support.documents import check_canonical, check_expected
from support.reports import bills

EXPECTED = Path(__file__).parent / "everything" / "spdx-3.0.1.json"


def written(bill: Bill) -> list[dict[str, Any]]:
    """Return the elements of the document of a bill."""
    found: list[dict[str, Any]] = json.loads(b"".join(spdx3.document(bill)))["@graph"]
    return found


def of_type(elements: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [element for element in elements if element["type"] == kind]


def links(elements: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [element for element in elements if element.get("relationshipType") == kind]


def package(elements: list[dict[str, Any]], name: str, version: str = "") -> dict[str, Any]:
    found = [
        element
        for element in of_type(elements, "software_Package")
        if element["name"] == name and element.get("software_packageVersion", "").startswith(version)
    ]
    assert len(found) == 1
    return found[0]


def test_everything() -> None:
    data = b"".join(spdx3.document(bills.everything()))
    check_canonical(data)
    check_expected(data, EXPECTED)


def model_errors(data: bytes) -> list[str]:
    """Read and write a document with the model of SPDX, and return its errors and its undefined identifiers."""
    model = pytest.importorskip("spdx_python_model.bindings.v3_0_1", reason="spdx-python-model is not installed")
    found = model.SHACLObjectSet()
    try:
        model.JSONLDDeserializer().read(io.BytesIO(data), found)
        model.JSONLDSerializer().write(found, io.BytesIO())
    except (TypeError, ValueError) as error:
        return [str(error)]
    return sorted(found.missing_ids)


def test_model_accepts_the_document() -> None:
    for bill in (bills.everything(), bills.large(20, 3), bills.everything()._replace(complete=False, files=())):
        assert model_errors(b"".join(spdx3.document(bill))) == []


@pytest.mark.parametrize("change", ["undefined", "type", "required"])
def test_model_rejects_a_broken_document(change: str) -> None:
    document = json.loads(b"".join(spdx3.document(bills.everything())))
    link = links(document["@graph"], "hasDeclaredLicense")[0]
    if change == "undefined":
        link["to"] = [link["to"][0] + "x"]
    elif change == "type":
        package(document["@graph"], "tool")["suppliedBy"] = link["from"]
    else:
        del link["from"]
    assert len(model_errors(json.dumps(document).encode())) == 1


def test_collection_has_each_element() -> None:
    elements = written(bills.everything())
    collection = of_type(elements, "software_Sbom")[0]
    ids = [element["spdxId"] for element in elements if "spdxId" in element]
    assert len(set(ids)) == len(ids)
    outside = {of_type(elements, "SpdxDocument")[0]["spdxId"], collection["spdxId"]}
    assert sorted(collection["element"]) == sorted(set(ids) - outside)
    assert collection["rootElement"] == [package(elements, "tree", "1.0")["spdxId"]]


def test_every_path_of_the_image_is_a_file() -> None:
    bill = bills.everything()
    elements = written(bill)
    files = [file for file in of_type(elements, "software_File") if "/artifact/" not in file["spdxId"]]
    assert len(files) == len(bill.files)
    assert [file["name"] for file in files if file["software_fileKind"] == "directory"] == ["/etc"]
    contained = [end for link in links(elements, "contains") for end in link["to"]]
    assert {file["spdxId"] for file in files} <= set(contained)
    assert {link["completeness"] for link in links(elements, "contains")} == {"complete"}


def test_incomplete_bill_claims_nothing() -> None:
    elements = written(bills.everything()._replace(complete=False))
    assert {link["completeness"] for link in links(elements, "contains")} == {"incomplete"}
    assert of_type(elements, "software_Sbom")[0]["software_sbomType"] == ["analyzed"]


def test_dependencies_of_packages_are_not_said_to_be_complete() -> None:
    assert {link["completeness"] for link in links(written(bills.everything()), "dependsOn")} == {"noAssertion"}


def test_source_generates_binary() -> None:
    elements = written(bills.everything())
    tree = package(elements, "libtree1", "1:2.0~rc1")
    source = package(elements, "tree", "1:2.0~rc1")
    found = [link for link in links(elements, "generates") if link["from"] == source["spdxId"]]
    assert [link["to"] for link in found] == [[tree["spdxId"]]]
    assert tree["software_sourceInfo"] == "built package from: tree 1:2.0~rc1+dfsg-3"
    used = [link for link in links(elements, "generates") if link.get("comment") == "Built-Using"]
    assert [(link["from"], link["to"]) for link in used] == [(package(elements, "static")["spdxId"], [tree["spdxId"]])]


def test_licence_references_lead_to_their_texts() -> None:
    bill = bills.everything()
    elements = written(bill)
    by_id = {element["spdxId"]: element for element in elements if "spdxId" in element}
    for part in bill.components:
        if part.name != "libtree1":
            continue
        iri = package(elements, "libtree1", part.version)["spdxId"]
        (concluded,) = [link for link in links(elements, "hasConcludedLicense") if link["from"] == iri]
        expression = by_id[concluded["to"][0]]
        (entry,) = expression["simplelicensing_customIdToUri"]
        assert entry["key"] == expression["simplelicensing_licenseExpression"]
        assert by_id[entry["value"]]["simplelicensing_licenseText"] == part.texts[0].text


def test_build_has_inputs_tools_and_output() -> None:
    elements = written(bills.everything())
    (build,) = of_type(elements, "build_Build")
    found = {
        link["relationshipType"]: (link["scope"], link["to"])
        for link in of_type(elements, "LifecycleScopedRelationship")
        if link["from"] == build["spdxId"]
    }
    assert found == {
        "hasInput": ("build", [package(elements, name)["spdxId"] for name in ("tool-1.2.tar.gz", "@tree/leaf")]),
        "hasOutput": ("build", [package(elements, "tool")["spdxId"]]),
        "usesTool": ("build", [package(elements, "cc")["spdxId"]]),
    }
    assert build["build_buildId"] == "0123456789abcdfghijklmnpqrsvwxyz-tool-1.2"


def test_delivered_file_has_what_the_guideline_of_the_bsi_reads() -> None:
    elements = written(bills.everything())
    by_id = {element["spdxId"]: element for element in elements if "spdxId" in element}
    tree = package(elements, "libtree1", "1:2.0~rc1")
    (link,) = [link for link in links(elements, "hasDistributionArtifact") if link["from"] == tree["spdxId"]]
    file = by_id[link["to"][0]]
    assert file["name"] == "libtree1_1%3a2.0~rc1+dfsg-3+b1_amd64.deb"
    assert [item["algorithm"] for item in file["verifiedUsing"]] == ["sha256", "sha512"]
    assert (file["software_primaryPurpose"], file["software_additionalPurpose"]) == ("archive", ["container"])
    assert [item["locator"] for item in file["externalRef"]] == [
        ["https://deb.example.org/a.deb"],
        ["https://snapshot.example.org/a.deb"],
    ]


def test_without_a_supplier_the_author_is_the_program() -> None:
    bill = bills.everything()
    elements = written(bill._replace(subject=bill.subject._replace(supplier="")))
    (author,) = of_type(elements, "SoftwareAgent")
    assert of_type(elements, "CreationInfo")[0]["createdBy"] == [author["spdxId"]]


def test_a_build_is_delivered_as_its_files() -> None:
    build = Component("path:a-app-1", "build", "app", "1")
    files = [
        BillFile("app/bin/app", "f", 0o755, 0, 0, 1, Hashes("1" * 64, "2" * 128), "", build.ref, "", *rest)
        for rest in [(True, False, False, Licence(), "")]
    ]
    bill = bills.everything()
    elements = written(bill._replace(components=(*bill.components, build), files=(*bill.files, *files)))
    (end,) = [
        link["to"] for link in links(elements, "hasDistributionArtifact") if link["from"].endswith("path:a-app-1")
    ]
    (file,) = [file for file in of_type(elements, "software_File") if [file["spdxId"]] == end]
    assert (file["software_primaryPurpose"], file["software_additionalPurpose"]) == ("executable", ["firmware"])


def test_an_originator_without_an_address_is_reached_by_the_page_of_the_project() -> None:
    part = Component("pkg:gem/a@1", "gem", "a", "1", originator="Ann", homepage="https://a.example.org/")
    bill = bills.everything()
    elements = written(bill._replace(components=(*bill.components, part)))
    (package,) = [row for row in of_type(elements, "software_Package") if row["name"] == "a"]
    (ann,) = [row for row in elements if row.get("spdxId") == package["originatedBy"][0]]
    assert [row["identifier"] for row in ann["externalIdentifier"]] == ["https://a.example.org/"]
