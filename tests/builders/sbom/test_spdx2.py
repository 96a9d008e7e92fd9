"""Bills of materials as SPDX 2.3."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.sbom import spdx2
from fpack.builders.sbom.model import Bill
from support.documents import check_canonical, check_expected
from support.reports import bills

EXPECTED = Path(__file__).parent / "everything" / "spdx-2.3.json"


def written(bill: Bill) -> dict[str, Any]:
    """Return the document of a bill."""
    found: dict[str, Any] = json.loads(b"".join(spdx2.document(bill)))
    return found


def package(document: dict[str, Any], name: str, version: str = "") -> dict[str, Any]:
    """Return the package `name` that has files, a version or nothing else of that name."""
    found = [p for p in document["packages"] if p["name"] == name and p.get("versionInfo", "").startswith(version)]
    assert len(found) == 1
    return found[0]


def test_everything() -> None:
    data = b"".join(spdx2.document(bills.everything()))
    check_canonical(data)
    check_expected(data, EXPECTED)


def test_validator_accepts_the_document(tmp_path: Path) -> None:
    parse = pytest.importorskip("spdx_tools.spdx.parser.parse_anything", reason="spdx-tools is not installed")
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    path = tmp_path / "bill.spdx.json"
    for bill in (bills.everything(), bills.large(20, 3), bills.everything()._replace(complete=False, files=())):
        path.write_bytes(b"".join(spdx2.document(bill)))
        document = parse.parse_file(str(path))
        assert [message.validation_message for message in validate_full_spdx_document(document)] == []


def test_validator_rejects_a_broken_document(tmp_path: Path) -> None:
    parse = pytest.importorskip("spdx_tools.spdx.parser.parse_anything", reason="spdx-tools is not installed")
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    document = written(bills.everything())
    document["relationships"][1]["relatedSpdxElement"] = "SPDXRef-nothing"
    path = tmp_path / "bill.spdx.json"
    path.write_text(json.dumps(document))
    assert validate_full_spdx_document(parse.parse_file(str(path))) != []


def test_identifiers_are_unique_and_defined() -> None:
    document = written(bills.everything())
    ids = [item["SPDXID"] for item in (document, *document["packages"], *document["files"])]
    assert len(set(ids)) == len(ids)
    ends = {item[key] for item in document["relationships"] for key in ("spdxElementId", "relatedSpdxElement")}
    assert ends <= set(ids)


def test_verification_code_is_that_of_the_files() -> None:
    document = written(bills.everything())
    files = {file["SPDXID"]: file for file in document["files"]}
    tree = package(document, "libtree1", "1:2.0~rc1")
    inside = [
        files[item["relatedSpdxElement"]]
        for item in document["relationships"]
        if item["spdxElementId"] == tree["SPDXID"] and item["relationshipType"] == "CONTAINS"
    ]
    sums = sorted(sum_["checksumValue"] for f in inside for sum_ in f["checksums"] if sum_["algorithm"] == "SHA1")
    assert len(sums) == 5
    code = hashlib.sha1("".join(sums).encode()).hexdigest()
    assert tree["packageVerificationCode"] == {"packageVerificationCodeValue": code}
    assert tree["filesAnalyzed"]


def test_files_without_sha1_are_left_out_with_their_package() -> None:
    bill = bills.everything()
    files = list(bill.files)
    at = next(number for number, file in enumerate(files) if file.path == "usr/lib/libtree.so.1")
    files[at] = files[at]._replace(hashes=files[at].hashes._replace(sha1=""))
    document = written(bill._replace(files=tuple(files)))
    tree = package(document, "libtree1", "1:2.0~rc1")
    assert not tree["filesAnalyzed"] and "packageVerificationCode" not in tree
    assert {file["fileName"] for file in document["files"]} == {
        "./usr/bin/tool",
        "./usr/lib/libtree32.so.1",
        "./usr/share/tree/žluť\n",
    }


def test_relations() -> None:
    document = written(bills.everything())
    names = {p["SPDXID"]: p["name"] for p in document["packages"]} | {"SPDXRef-DOCUMENT": "DOCUMENT"}
    found = Counter(
        (names[item["spdxElementId"]], item["relationshipType"], names[item["relatedSpdxElement"]], item.get("comment"))
        for item in document["relationships"]
        if item["relatedSpdxElement"] in names
    )
    assert found == Counter(
        {
            ("DOCUMENT", "DESCRIBES", "tree", None): 1,
            ("tree", "CONTAINS", "debian", None): 1,
            ("tree", "CONTAINS", "libtree1", None): 2,
            ("tree", "CONTAINS", "bare", None): 1,
            ("tree", "CONTAINS", "missing", None): 1,
            ("tree", "CONTAINS", "tool", None): 1,
            ("tree", "CONTAINS", "@tree/leaf", None): 1,
            ("libtree1", "DEPENDS_ON", "bare", None): 1,
            ("tool", "DEPENDS_ON", "libtree1", None): 1,
            ("tool", "DEPENDS_ON", "@tree/leaf", None): 1,
            ("libtree1", "GENERATED_FROM", "tree", None): 2,
            ("bare", "GENERATED_FROM", "bare", None): 1,
            ("libtree1", "GENERATED_FROM", "static", "Built-Using"): 1,
            ("tool", "GENERATED_FROM", "tool-1.2.tar.gz", None): 1,
            ("cc", "BUILD_TOOL_OF", "tool", None): 1,
        }
    )


def test_scanners_do_not_take_tools_for_packages_of_the_image() -> None:
    document = written(bills.everything())
    categories = {p["name"]: [r["referenceCategory"] for r in p["externalRefs"]] for p in document["packages"]}
    assert categories["cc"] == ["OTHER", "SECURITY"]
    assert categories["libtree1"] == ["PACKAGE-MANAGER", "SECURITY"]


def test_unknown_values_are_not_guessed() -> None:
    bare = next(p for p in written(bills.everything())["packages"] if p["name"] == "bare" and p.get("summary"))
    assert (bare["licenseDeclared"], bare["licenseConcluded"]) == ("NOASSERTION", "NOASSERTION")
    assert bare["licenseComments"] == "Declared as: strange"
    assert bare["copyrightText"] == "NOASSERTION"


def test_parentheses_of_a_name_are_no_address() -> None:
    tool = package(written(bills.everything()), "tool")
    assert tool["supplier"] == "Person: Jürgen Müller [the younger] (j@example.org)"
