"""The statements of others: what they are about, which of them counts, and hostile documents."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from fpack.builders.audit import vex_documents
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
from fpack.builders.audit.package_urls import ImageIdentity, in_range, parse
from fpack.builders.audit.statements import STATUSES, BadVex, Statements, read_time, show_time
from fpack.builders.debian.version import version_key

DIGEST = "sha256:" + "ab" * 32
IMAGE = ImageIdentity("example.com/shop", "1.0", "amd64", (DIGEST,))
OCI = f"pkg:oci/shop@{DIGEST}"
SOURCE = "pkg:deb/debian/x@1.0-1?arch=source&distro=trixie"
NOW = 1_790_000_000
PRODUCT = Product(
    "Debian",
    "trixie",
    "x",
    "1.0-1",
    SOURCE,
    (BinaryPackage("libx1", "1.0-1+b1", "amd64", "1" * 64), BinaryPackage("x-tools", "1.0-1", "amd64", "2" * 64)),
)
FINDING = Finding(Advisory("CVE-2026-1", ("DSA-1-1",), "Debian", "trixie", "x", ()), PRODUCT, AFFECTED)
LIBX, TOOLS = "pkg:deb/debian/libx1@1.0-1%2Bb1?arch=amd64", "pkg:deb/debian/x-tools@1.0-1?arch=amd64"


def row(*products: Any, status: str = NOT_AFFECTED, at: int = NOW, name: str = "CVE-2026-1", **fields: Any) -> Any:
    """Return a statement of OpenVEX."""
    why = {"justification": "vulnerable_code_not_in_execute_path"} if status == NOT_AFFECTED else {}
    items = [item if isinstance(item, dict) else {"@id": item} for item in products]
    return {
        "vulnerability": {"name": name},
        "products": items,
        "status": status,
        "timestamp": show_time(at),
        **why,
        **fields,
    }


def read(*rows: Any, **fields: Any) -> tuple[Any, list[str]]:
    top = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "urn:a", "author": "Vendor", "version": 1}
    value = {**top, "timestamp": show_time(NOW), "statements": list(rows), **fields}
    return vex_documents.read(json.dumps(value).encode(), "vendor.json")


def judged(*rows: Any, finding: Finding = FINDING, image: ImageIdentity = IMAGE, **fields: Any) -> Finding:
    return Statements(read(*rows, **fields)[0], image, NOW).judge(finding)


def inside(*parts: str, product: str = OCI) -> dict[str, Any]:
    return {"@id": product, "subcomponents": [{"@id": part} for part in parts]}


@pytest.mark.parametrize(
    "product",
    [
        OCI,
        OCI.replace("sha256:", "sha256%3A"),
        f"{OCI}?repository_url=other.example/shop&tag=9",  # the digest is the identity
        "pkg:oci/shop",  # without a version: all
        "pkg:oci/shop?repository_url=example.com/shop&tag=1.0&arch=amd64",
        {"@id": "urn:shop", "hashes": {"sha-256": "ab" * 32}},
        {"identifiers": {"purl": OCI}},
        inside(SOURCE),
        inside("pkg:deb/debian/x?arch=source"),
        inside(LIBX, TOOLS),
        inside("pkg:deb/debian/libx1", "pkg:deb/debian/x-tools"),
        SOURCE,
        "pkg:deb/debian/x@1.0-1?arch=source&distro=debian-13",
        "pkg:deb/debian/x@1.0-1?arch=source&distro=debian-13.2",
    ],
)
def test_products_that_are_this_one(product: Any) -> None:
    found = judged(row(product))
    assert (found.status, found.justification) == (NOT_AFFECTED, "vulnerable_code_not_in_execute_path")
    assert found.evidence == (
        "stated by Vendor on 2026-09-21 in vendor.json: not_affected vulnerable_code_not_in_execute_path",
    )
    assert judged(row(product, name="DSA-1-1")).status == NOT_AFFECTED  # an alias
    assert judged(row(product, name="CVE-2026-2")) == FINDING


@pytest.mark.parametrize(
    "product",
    [
        OCI.replace("ab", "cd"),
        OCI.replace(DIGEST, "1.0"),
        "pkg:oci/other",
        "pkg:oci/*",
        "pkg:oci/shop?tag=2.0",
        "pkg:oci/shop?repository_url=evil.example/shop",
        "pkg:oci/shop?arch=arm64",
        "pkg:docker/shop",
        "*",
        "",
        "pkg:",
        "pkg:deb",
        "pkg:deb/debian/*",
        "pkg:deb/*/x@1.0-1?arch=source",
        "pkg:deb/debian/x@*?arch=source",
        "pkg:deb/debian/x@1.0-2?arch=source",
        "pkg:deb/debian/x@1.0-1",  # a binary package that is called x
        "pkg:deb/ubuntu/x@1.0-1?arch=source",
        "pkg:deb/debian/x@1.0-1?arch=source&distro=bookworm",
        "pkg:deb/debian/x@1.0-1?arch=source&distro=debian-12",
        "pkg:deb/debian/x@1.0-1?arch=source&epoch=1",
        "pkg:deb/debian/X@1.0-1?arch=source",
        "pkg:rpm/debian/x@1.0-1?arch=source",
        "pkg:deb/debian/x@1.0-1?arch=source&checksum=1",
        LIBX,  # one of two
        inside(LIBX),
        inside("*"),
        inside("pkg:deb/debian/*"),
        inside("libx1"),
        inside(SOURCE, product="pkg:oci/other"),
        {**inside(), "subcomponents": []},
        {"@id": LIBX, "subcomponents": [{"@id": TOOLS}]},
        {"@id": "urn:x", "hashes": {"sha-256": "1" * 64}},
        {"@id": "urn:x", "hashes": {"sha-256": "1" * 63}},
        {"@id": f"{OCI}\x1b[2J"},
        {"@id": "pkg:oci/shop%0a"},
        {"@id": 3},
        {"@id": {"@id": OCI}},
        {},
    ],
)
def test_products_that_are_not_this_one(product: Any) -> None:
    found = judged(row(product))
    assert (found.status, found.justification) == (AFFECTED, "")
    assert found.evidence == () or found.evidence[-1] == "nothing is stated of the other packages of the source"


def test_all_packages_of_a_source_have_to_be_cleared() -> None:
    both = judged(row(LIBX), row({"@id": "urn:x", "hashes": {"sha-256": "2" * 64}}))
    assert both.status == NOT_AFFECTED
    assert judged(row(LIBX), row(TOOLS, status=FIXED)).status == FIXED
    assert judged(row(LIBX), row(TOOLS, status=UNDER_INVESTIGATION)).status == UNDER_INVESTIGATION
    one = judged(row(LIBX, status=AFFECTED), finding=FINDING._replace(status=NOT_AFFECTED, justification="a"))
    assert (one.status, one.justification) == (AFFECTED, "")  # and one suffices for the contrary


def test_the_newest_statement_counts_and_of_two_the_one_that_hides_less() -> None:
    for status in STATUSES:
        older = [row(OCI, status=other, at=NOW - 60) for other in STATUSES]
        assert judged(row(OCI, status=status), *older).status == status
        assert judged(*older, row(OCI, status=status)).status == status
    rows = [row(OCI, status=status) for status in STATUSES]
    for seed in range(20):
        random.Random(seed).shuffle(rows)
        assert judged(*rows).status == AFFECTED
        assert judged(*[item for item in rows if item["status"] != AFFECTED]).status == UNDER_INVESTIGATION
    updated = row(OCI, at=NOW - 100, last_updated=show_time(NOW))
    assert judged(updated, row(OCI, status=AFFECTED, at=NOW - 50)).status == NOT_AFFECTED


def test_a_statement_of_the_future_does_not_count() -> None:
    for at in (NOW + 1, 4_102_444_800, 253_402_300_799):
        statements, ignored = read(row(OCI, at=at))
        assert not ignored
        held = Statements(statements, IMAGE, NOW)
        assert held.judge(FINDING) == FINDING and "CVE-2026-1 is ignored: its time" in held.ignored[0]


def test_a_document_can_be_the_predicate_of_an_attestation() -> None:
    inner = {"@context": "https://openvex.dev/ns", "author": "Vendor", "timestamp": show_time(NOW)}
    value = {
        "_type": "https://in-toto.io/VexStatement/v0.1",
        "predicateType": "https://openvex.dev/ns",
        "predicate": {**inner, "statements": [{**row(OCI), "vulnerability": "CVE-2026-1", "products": [OCI]}]},
    }
    statements, ignored = vex_documents.read(json.dumps(value).encode(), "a")
    assert not ignored and Statements(statements, IMAGE, NOW).judge(FINDING).status == NOT_AFFECTED


@pytest.mark.parametrize(
    "bad",
    [
        "text",
        row(OCI, name="*"),
        row(OCI, name="CVE-2026-?"),
        row(OCI, name=""),
        row(OCI, name="CVE-2026-1\x1b[2J"),
        row(OCI, vulnerability=None),
        row(OCI, vulnerability=["CVE-2026-1"]),
        row(OCI, status="safe"),
        row(OCI, status=None),
        row(OCI, justification="because"),
        {**row(OCI), "justification": None},
        row(OCI, products=None),
        row(OCI, products={}),
        row("*"),
    ],
)
def test_statements_that_are_ignored_are_told(bad: Any) -> None:
    statements, ignored = read(bad, row(OCI, status=FIXED))
    assert len(statements) == len(ignored) == 1
    assert ignored[0].startswith("vendor.json: statement 1 is ignored: ") and ignored[0].isprintable()


def test_statements_without_author_or_time() -> None:
    for fields in ({"author": ""}, {"author": None}, {"timestamp": None}, {"timestamp": "yesterday"}):
        statements, ignored = read({**row(OCI), "timestamp": None}, **fields)
        assert not statements and len(ignored) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"3",
        b"{",
        b"\xff\xfe",
        b"{}",
        b'{"@context": "https://openvex.dev/ns/v9"}',
        b'{"@context": "https://openvex.dev/ns", "statements": {}}',
        b'{"@context": "https://openvex.dev/ns", "@context": "https://openvex.dev/ns"}',
        b'{"@context": "https://openvex.dev/ns", "a": "\\ud800"}',
        b'{"@context": "https://openvex.dev/ns", "version": NaN}',
        b'{"@context": "https://openvex.dev/ns", "statements": ' + b"[" * 200_000,
        b'{"@context": ' * 100_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
        b'{"@context": "https://openvex.dev/ns", "statements": [' + b"1," * 100_001 + b"1]}",
        b'{"document": {"csaf_version": "2.1"}}',
        b'{"document": {"csaf_version": "2.0"}}',
        b'{"document": {"csaf_version": "2.0"}, "product_tree": {"branches": '
        + b'[{"branches": ' * 500
        + b"[]"
        + b"}]" * 500
        + b"}}",
        b'{"document": {"csaf_version": "2.0"}, "product_tree": [1, 2]}',
        b'{"document": {"csaf_version": "2.0"}, "vulnerabilities": [1]}',
        b'{"document": {"csaf_version": "2.0"}, "vulnerabilities": [{"product_status": [1]}]}',
    ],
)
def test_documents_that_cannot_be_read(data: bytes) -> None:
    with pytest.raises(BadVex) as caught:
        vex_documents.read(data, "bad.json")
    assert caught.value.where == "bad.json" and caught.value.why and len(str(caught.value)) < 500


def test_a_document_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vex_documents, "MAX_SIZE", 10)
    with pytest.raises(BadVex, match="more than 10 bytes"):
        vex_documents.read(b'{"a": "0123456789"}', "a")


def test_prose_of_a_statement_is_short_and_printable() -> None:
    found = judged(row(OCI, impact_statement="a\x1b[2J\n" * 10_000), author="V\x1b[31m\u202e")
    assert found.status == NOT_AFFECTED
    assert all(fact.isprintable() and len(fact) < 3000 for fact in found.evidence)


# CSAF of others.


def csaf(status: dict[str, list[str]], tree: dict[str, Any], **fields: Any) -> Finding:
    value = {
        "document": {
            "category": "csaf_security_advisory",
            "csaf_version": "2.0",
            "publisher": {"name": "Vendor", "category": "vendor", "namespace": "https://example.com"},
            "tracking": {"current_release_date": show_time(NOW)},
        },
        "product_tree": tree,
        "vulnerabilities": [{"cve": "CVE-2026-1", "product_status": status, **fields}],
    }
    statements, _ = vex_documents.read(json.dumps(value).encode(), "vendor.json")
    return Statements(statements, IMAGE, NOW).judge(FINDING)


def leaf(name: str, purl: str, category: str = "product_version", product_id: str = "P") -> dict[str, Any]:
    helper = {"purl": purl}
    product = {"name": name, "product_id": product_id, "product_identification_helper": helper}
    return {"category": category, "name": name, "product": product}


NO_IMPACT = {"flags": [{"label": "component_not_present", "product_ids": ["P"]}]}


def test_csaf_branches_ranges_groups_and_relations() -> None:
    for branch in (
        leaf("1.0-1", SOURCE),
        leaf("vers:deb/>=0.9|<1.1", SOURCE.replace("@1.0-1", ""), "product_version_range"),
    ):
        tree = {"branches": [{"category": "vendor", "name": "a", "branches": [branch]}]}
        assert csaf({"known_not_affected": ["P"]}, tree, **NO_IMPACT).justification == "component_not_present"
        assert csaf({"fixed": ["P"]}, tree).status == FIXED
        assert csaf({"first_affected": ["P"]}, tree).status == AFFECTED
        assert csaf({"known_not_affected": ["P"]}, tree) == FINDING  # without a reason
        group = {**tree, "product_groups": [{"group_id": "G", "product_ids": ["P"]}]}
        threat = {"threats": [{"category": "impact", "details": "No.", "group_ids": ["G"]}]}
        assert csaf({"known_not_affected": ["P"]}, group, **threat).evidence[-1].endswith(": not_affected: No.")
    for name in ("vers:deb/<1.0-1", "vers:deb/*1", "vers:rpm/*", "<2", "all", "vers:deb/>1.0|" + "<1|" * 300):
        tree = {"branches": [leaf(name, SOURCE.replace("@1.0-1", ""), "product_version_range")]}
        assert csaf({"fixed": ["P"]}, tree) == FINDING
    bare = SOURCE.replace("@1.0-1", "")
    for name, status in (("1.0-1", FIXED), ("0.9-1", FINDING.status), ("openssl 1.0-1", FINDING.status)):
        flat, deep = leaf(name, bare), leaf("amd64", bare, "architecture")
        for branch in (flat, {"category": "product_version", "name": name, "branches": [deep]}):
            assert csaf({"fixed": ["P"]}, {"branches": [branch]}).status == status, "no other version is meant"
    for name, status in (("vers:deb/<1.1", FIXED), ("vers:deb/<1.0", FINDING.status)):
        outer = {"category": "product_version_range", "name": name, "branches": [leaf("amd64", bare, "architecture")]}
        assert csaf({"fixed": ["P"]}, {"branches": [outer]}).status == status
    for category in ("product_version", "product_version_range"):
        tree = {"branches": [leaf("0.1", "pkg:oci/shop", category)]}
        assert csaf({"fixed": ["P"]}, tree) == FINDING, "another version of the image"
    tree = {"branches": [leaf(IMAGE.tag, "pkg:oci/shop")]}
    assert csaf({"fixed": ["P"]}, tree).status == FIXED
    image, part = leaf("shop", OCI, product_id="I")["product"], leaf("x", SOURCE, product_id="S")["product"]
    relation = {
        "category": "default_component_of",
        "full_product_name": {"name": "x in shop", "product_id": "P"},
        "product_reference": "S",
        "relates_to_product_reference": "I",
    }
    tree = {"full_product_names": [image, part], "relationships": [relation]}
    assert csaf({"fixed": ["P"]}, tree).status == FIXED
    image["product_identification_helper"]["purl"] = "pkg:oci/other"
    assert csaf({"fixed": ["P"]}, tree) == FINDING


def test_csaf_that_contradicts_itself_is_refused() -> None:
    tree = {"branches": [leaf("1.0-1", SOURCE)]}
    for status in ({"fixed": ["P"], "known_affected": ["P"]}, {"fixed": ["Q"]}):
        with pytest.raises(BadVex, match=r"6\.1\.[16]"):
            csaf(status, tree)


def test_many_relations_are_checked_quickly() -> None:
    rows = [
        {"full_product_name": {"name": "a", "product_id": f"{n}"}, "product_reference": f"{n - 1}",
         "relates_to_product_reference": f"{n - 1}"}
        for n in range(1, 20_000)
    ]  # fmt: skip
    tree = {"full_product_names": [leaf("a", SOURCE, product_id="0")["product"]], "relationships": rows}
    assert csaf({"fixed": ["19999"]}, tree) == FINDING
    rows[0]["product_reference"] = "19999"
    with pytest.raises(BadVex, match=r"6\.1\.3"):
        csaf({"fixed": ["0"]}, tree)


# Versions and times.


@pytest.mark.parametrize("seed", range(3))
def test_ranges_of_versions_against_a_plain_reading(seed: int) -> None:
    choose = random.Random(seed)
    versions = [f"{a}.{b}-{c}" for a in "01" for b in "02" for c in "13"]
    for _ in range(300):
        low, high = sorted(choose.sample(versions, 2), key=version_key)
        first, last = choose.choice([">", ">="]), choose.choice(["<", "<="])
        for version in versions:
            key = version_key(version)
            above = key > version_key(low) or (first == ">=" and version == low)
            below = key < version_key(high) or (last == "<=" and version == high)
            assert in_range(f"vers:deb/{first}{low}|{last}{high}", version) == (above and below)
            assert in_range(f"vers:deb/{last}{low}|{first}{high}", version) == (
                key < version_key(low) or key > version_key(high) or (version == low and last == "<=")
                or (version == high and first == ">=")
            )  # fmt: skip
            assert in_range(f"vers:deb/!={low}|<={high}", version) == (version != low and key <= version_key(high))
    assert in_range("vers:deb/1.0|=2.0", "1.0") and in_range("vers:deb/*", "1")
    assert not in_range("vers:deb/1 2", "1") and not in_range("vers:deb/", "1") and not in_range("*", "1")


def test_package_urls_against_the_library() -> None:
    from packageurl import PackageURL

    for text in (
        SOURCE,
        LIBX,
        OCI,
        "pkg:npm/%40a/b@1",
        "pkg:golang/a.b/c/d@v1?x=%2F#sub",
        "pkg:pypi/a",
        "pkg:gem/a@1%3A2",
    ):
        wanted, found = PackageURL.from_string(text), parse(text)
        assert found is not None
        assert (found.type, found.namespace, found.name) == (wanted.type, wanted.namespace or "", wanted.name)
        assert (found.version, dict(found.qualifiers)) == (wanted.version or "", wanted.qualifiers)
    for text in ("", "pkg:", "pkg:a", "a/b", "pkg:a/b\n", "pkg:a/" + "b" * 5000, "pkg:a/%00", "pkg:a/\u0430"):
        assert parse(text) is None


def test_times() -> None:
    assert read_time("2026-09-21T14:13:20Z") == read_time("2026-09-21T16:13:20.5+02:00") == NOW
    for value in (None, 3, "", "2026", "T", "2026-13-01T00:00:00Z", "9" * 50, "2026-09-21 14:13:20Z"):
        assert read_time(value) is None
