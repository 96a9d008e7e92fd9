"""VEX documents are written as their formats require, the same every time, and mean the same when read again."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from fpack.builders.audit import csaf_rules, vex_documents
from fpack.builders.audit.model import (
    AFFECTED,
    FIXED,
    NOT_AFFECTED,
    UNDER_INVESTIGATION,
    Advisory,
    BinaryPackage,
    Finding,
    Product,
)
from fpack.builders.audit.statements import STATUSES, Statements
from fpack.builders.audit.vex_subject import VexSubject
from packageurl import PackageURL

DIGEST = "sha256:" + "ab" * 32
DATE = 1_790_000_000
SUBJECT = VexSubject("example.com/shop", "1.0", "amd64", DIGEST, DATE, fpack="0.1.0")
ZLIB = Product(
    "Debian",
    "trixie",
    "zlib",
    "1:1.3.1-1",
    "pkg:deb/debian/zlib@1:1.3.1-1?arch=source&distro=trixie",
    (
        BinaryPackage("zlib1g", "1:1.3.1-1+b1", "amd64", "1" * 64),
        BinaryPackage("zlib1g-tools", "1:1.3.1-1+b1", "amd64", "2" * 64),
    ),
)
LEFT_PAD = Product("npm", "", "@a/left-pad", "1.0.0", "pkg:npm/%40a/left-pad@1.0.0")


def finding(name: str, product: Product = ZLIB, status: str = AFFECTED, **fields: Any) -> Finding:
    aliases = fields.pop("aliases", ())
    advisory = Advisory(name, aliases, product.ecosystem, product.release, product.name, (), description="It fails.")
    return Finding(advisory, product, status, **fields)


FINDINGS = [
    finding("CVE-2026-0001", fixed="1:1.3.1-2"),
    finding("CVE-2026-0001", LEFT_PAD, UNDER_INVESTIGATION),
    finding("CVE-2026-0002", aliases=("DSA-1-1", "CVE-2026-0002")),
    finding(
        "CVE-2026-0003",
        status=NOT_AFFECTED,
        justification="vulnerable_code_not_present",
        evidence=("/usr/bin/x of zlib-bin (zlib 1:1.3.1-1) is not in the image", "looked for among 9 files"),
    ),
    finding("CVE-2026-0004", status=FIXED),
    finding("GHSA-xxxx-yyyy-zzzz", LEFT_PAD, UNDER_INVESTIGATION, aliases=("CVE-2026-0005",)),
    finding("TEMP-0000001-ABCDEF", status=NOT_AFFECTED, evidence=("A vendor says \u201cno\u201d.",)),
]


def written(name: str, findings: list[Finding] = FINDINGS, subject: VexSubject = SUBJECT) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(vex_documents.document(findings, subject, name))
    return value


@pytest.mark.parametrize("name", vex_documents.FORMATS)
def test_the_same_findings_give_the_same_document(name: str) -> None:
    one = vex_documents.document(FINDINGS, SUBJECT, name)
    assert vex_documents.document([*reversed(FINDINGS), FINDINGS[0]], SUBJECT, name) == one
    assert b"2026-09-21T14:13:20Z" in one and one.endswith(b"}\n")
    others = (
        vex_documents.document(FINDINGS[1:], SUBJECT, name),
        vex_documents.document(FINDINGS, SUBJECT._replace(digest="sha256:" + "cd" * 32), name),
        vex_documents.document(FINDINGS, SUBJECT._replace(time=DATE + 1), name),
    )
    ids = {json.dumps(json.loads(text).get("@id") or json.loads(text)["document"]["tracking"]["id"]) for text in others}
    assert len(ids) == 3


@pytest.mark.parametrize("name", vex_documents.FORMATS)
def test_the_document_of_an_image_without_a_finding(name: str) -> None:
    """It names the image and its time, states nothing, and can be read."""
    value = written(name, [])
    assert SUBJECT.digest in json.dumps(value) if name == "csaf" else value["statements"] == []
    assert vex_documents.read(vex_documents.document([], SUBJECT, name), "own.json") == ([], [])
    assert vex_documents.document([], SUBJECT, name) != vex_documents.document([], SUBJECT._replace(digest="x"), name)
    if name == "csaf":
        assert value["document"]["category"] == "csaf_base" and value["document"]["notes"]
        assert "vulnerabilities" not in value and "relationships" not in value["product_tree"]


@pytest.mark.parametrize("name", vex_documents.FORMATS)
def test_a_written_document_says_the_same_when_it_is_read(name: str) -> None:
    statements, ignored = vex_documents.read(vex_documents.document(FINDINGS, SUBJECT, name), "own.json")
    assert not ignored
    judge = Statements(statements, SUBJECT.identity, DATE).judge
    for told in FINDINGS:
        opposite = AFFECTED if told.status != AFFECTED else UNDER_INVESTIGATION
        judged = judge(told._replace(status=opposite, justification="", evidence=()))
        assert (judged.status, judged.justification) == (told.status, told.justification), told
        assert judged.evidence[0].startswith("stated by fpack on 2026-09-21 in own.json: ")
        other = Statements(statements, SUBJECT._replace(digest="sha256:" + "0" * 64).identity, DATE)
        assert other.judge(told) == told
    assert judge(finding("CVE-2026-9999")) == finding("CVE-2026-9999")
    assert judge(finding("CVE-2026-0003", LEFT_PAD)) == finding("CVE-2026-0003", LEFT_PAD)


def test_openvex_has_what_its_schema_requires() -> None:
    """The rules of the schema of OpenVEX 0.2.0, and of its text."""
    value = written("openvex")
    assert value["@context"] == "https://openvex.dev/ns/v0.2.0"
    assert value.keys() == {"@context", "@id", "author", "timestamp", "version", "tooling", "statements"}
    assert value["@id"].startswith("urn:uuid:") and value["version"] == 1
    assert len(value["statements"]) == len(FINDINGS)
    assert len({json.dumps(row, sort_keys=True) for row in value["statements"]}) == len(FINDINGS)
    for row in value["statements"]:
        assert row.keys() <= {
            *("vulnerability", "products", "status", "status_notes", "justification"),
            *("impact_statement", "action_statement"),
        }
        assert row["vulnerability"].keys() <= {"name", "description", "aliases"} and row["vulnerability"]["name"]
        assert row["status"] in STATUSES
        assert ("action_statement" in row) == (row["status"] == AFFECTED)
        assert ("impact_statement" in row) == (row["status"] == NOT_AFFECTED)
        (product,) = row["products"]
        assert product["hashes"] == {"sha-256": "ab" * 32}
        for item in (product, *product["subcomponents"]):
            assert item["@id"] == item["identifiers"]["purl"]
            url = PackageURL.from_string(item["@id"])
            assert url.version
    urls = [item["@id"] for item in value["statements"][0]["products"][0]["subcomponents"]]
    assert urls == [
        "pkg:deb/debian/zlib1g@1:1.3.1-1%2Bb1?arch=amd64",
        "pkg:deb/debian/zlib1g-tools@1:1.3.1-1%2Bb1?arch=amd64",
        "pkg:deb/debian/zlib@1:1.3.1-1?arch=source",
    ]
    notes = next(row for row in value["statements"] if row["vulnerability"]["name"] == "CVE-2026-0003")
    assert notes["impact_statement"] == "; ".join(FINDINGS[3].evidence)


def test_csaf_keeps_the_rules() -> None:
    value = written("csaf")
    assert csaf_rules.broken_rules(value) == []
    assert value["document"]["tracking"]["id"].lower() == value["document"]["tracking"]["id"]
    by_name = {item.get("cve") or item["ids"][0]["text"]: item for item in value["vulnerabilities"]}
    assert len(by_name) == 6
    one = by_name["CVE-2026-0001"]["product_status"]
    assert len(one["known_affected"]) == 3 and len(one["under_investigation"]) == 1
    three = by_name["CVE-2026-0003"]
    assert three["flags"][0]["label"] == "vulnerable_code_not_present"
    assert three["threats"][0]["details"] == "; ".join(FINDINGS[3].evidence)
    assert by_name["CVE-2026-0001"]["remediations"][0] == {
        "category": "vendor_fix",
        "details": "Update zlib from 1:1.3.1-1 to 1:1.3.1-2.",
        "product_ids": ["image:package-1", "image:package-2", "image:package-3"],
    }


def test_one_package_has_one_status_for_a_vulnerability() -> None:
    """Two sources of data can disagree. CSAF forbids that a document does; the one that hides less is told."""
    for status in (NOT_AFFECTED, UNDER_INVESTIGATION, FIXED):
        value = written("csaf", [finding("CVE-1999-0001", status=status), finding("CVE-1999-0001")])
        assert [*value["vulnerabilities"][0]["product_status"]] == ["known_affected"]


def broken(change: Any) -> set[str]:
    value = copy.deepcopy(written("csaf"))
    change(value)
    return {text.partition(":")[0] for text in csaf_rules.broken_rules(value)}


def tracking(**fields: Any) -> Any:
    return lambda value: value["document"]["tracking"].update(fields)


def first(value: dict[str, Any]) -> dict[str, Any]:
    """Return the first vulnerability, which has known_affected products."""
    found: dict[str, Any] = value["vulnerabilities"][0]
    return found


def third(value: dict[str, Any]) -> dict[str, Any]:
    """Return a vulnerability that does not affect the products."""
    found: dict[str, Any] = value["vulnerabilities"][2]
    return found


def revisions(*numbers: str) -> list[dict[str, str]]:
    return [
        {"date": f"2026-01-0{n}T00:00:00Z", "number": number, "summary": "s"} for n, number in enumerate(numbers, 1)
    ]


def names(value: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = value["product_tree"]["full_product_names"]
    return found


CHANGES: dict[str, Any] = {
    "6.1.1": lambda v: first(v)["product_status"]["known_affected"].append("nothing"),
    "6.1.2": lambda v: names(v).append(names(v)[0]),
    "6.1.3": lambda v: v["product_tree"]["relationships"][0].update(
        product_reference=v["product_tree"]["relationships"][0]["full_product_name"]["product_id"]
    ),
    "6.1.4": lambda v: first(v)["remediations"][0].update(group_ids=["nothing"]),
    "6.1.5": lambda v: v["product_tree"].update(product_groups=[{"group_id": "a", "product_ids": ["image"]}] * 2),
    "6.1.6": lambda v: first(v)["product_status"]["under_investigation"].append("image:package-1"),
    "6.1.13": lambda v: names(v)[0]["product_identification_helper"].update(purl="pkg:"),
    "6.1.14": tracking(revision_history=revisions("2", "1"), version="1"),
    "6.1.16": tracking(version="2"),
    "6.1.17": tracking(version="0", revision_history=revisions("0")),
    "6.1.18": tracking(revision_history=revisions("0", "1")),
    "6.1.19": tracking(revision_history=revisions("1.0.0-rc", "1.0.0"), version="1.0.0"),
    "6.1.20": tracking(status="draft"),
    "6.1.21": tracking(revision_history=revisions("1", "3"), version="3"),
    "6.1.22": tracking(revision_history=revisions("1", "1")),
    "6.1.23": lambda v: v["vulnerabilities"].append(copy.deepcopy(first(v))),
    "6.1.25": lambda v: names(v)[0]["product_identification_helper"].update(
        hashes=[{"filename": "a", "file_hashes": [{"algorithm": "sha256", "value": "0" * 64}] * 2}]
    ),
    "6.1.26": lambda v: v["document"].update(category="csaf_vex2"),
    "6.1.27.7": lambda v: first(v).update(product_status={}),
    "6.1.27.8": lambda v: first(v).pop("cve"),
    "6.1.27.9": lambda v: (third(v).pop("flags"), third(v).pop("threats")),
    "6.1.27.10": lambda v: first(v).pop("remediations"),
    "6.1.27.11": lambda v: first(v).pop("notes"),
    "6.1.29": lambda v: first(v)["remediations"][0].pop("product_ids"),
    "6.1.30": tracking(revision_history=revisions("1", "2.0.0"), version="2.0.0"),
    "6.1.31": lambda v: v["product_tree"].update(
        branches=[{"category": "product_version", "name": "<=2", "product": {}}]
    ),
    "6.1.32": lambda v: third(v)["flags"][0].pop("product_ids"),
    "6.1.33": lambda v: third(v)["flags"].append(third(v)["flags"][0]),
}


@pytest.mark.parametrize("rule", CHANGES)
def test_each_rule_of_csaf_finds_a_document_that_breaks_it(rule: str) -> None:
    assert rule in broken(CHANGES[rule])
