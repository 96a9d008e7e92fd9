"""OSV documents: ecosystems, ranges, aliases, ratings and affected parts."""

from __future__ import annotations

from typing import Any

import pytest
from fpack.builders.audit.audit import audit
from fpack.builders.audit.databases.compiled import DataError
from fpack.builders.audit.databases.osv import ranges_of
from fpack.builders.audit.model import AFFECTED, UNDER_INVESTIGATION, VersionRange
from support.reports.vulnerabilities import affected, document, ids, osv, product

VECTOR = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}


def found(data: Any, name: str, version: str, ecosystem: str, release: str = "") -> list[str]:
    return ids(audit([product(name, version, ecosystem, release)], [data]).findings)


def test_each_ecosystem_is_matched_by_its_own_order() -> None:
    events = (("introduced", "1.2"), ("fixed", "1.10"))
    kinds = ("npm", "PyPI", "Go", "crates.io", "RubyGems")
    data = osv(*(document(f"CVE-2026-000{n}", affected(kind, "leaf", *events)) for n, kind in enumerate(kinds)))
    for number, kind in enumerate(kinds):
        prefix = "v" if kind == "Go" else ""
        states = [found(data, "leaf", f"{prefix}{version}.0", kind) for version in ("1.1", "1.2", "1.9", "1.10")]
        assert states == [[], [f"CVE-2026-000{number}"], [f"CVE-2026-000{number}"], []]
        assert found(data, "other", "1.5.0", kind) == []


def test_a_release_of_a_distribution_has_its_own_documents() -> None:
    events = (("introduced", "0"), ("fixed", "2.0-1"))
    data = osv(
        document("DEBIAN-CVE-2026-0001", affected("Debian:13", "leaf", *events), upstream=["CVE-2026-0001"]),
        document("DEBIAN-CVE-2026-0002", affected("Debian:12", "leaf", *events), upstream=["CVE-2026-0002"]),
        document("UBUNTU-CVE-2026-0003", affected("Ubuntu:24.04:LTS", "leaf", *events), upstream=["CVE-2026-0003"]),
        document("UBUNTU-CVE-2026-0004", affected("Ubuntu:Pro:24.04:LTS", "leaf", *events)),
        document("UBUNTU-CVE-2026-0005", affected("Ubuntu:25.10", "leaf", *events)),
    )
    assert found(data, "leaf", "1.0-1", "Debian", "trixie") == ["CVE-2026-0001"]
    assert found(data, "leaf", "1.0-1", "Debian", "bookworm") == ["CVE-2026-0002"]
    assert found(data, "leaf", "1.0-1", "Ubuntu", "noble") == ["CVE-2026-0003"]
    assert found(data, "leaf", "1.0-1", "Ubuntu", "questing") == ["UBUNTU-CVE-2026-0005"]
    assert [data.covers("Debian", name) for name in ("trixie", "forky")] == [True, False]
    assert not data.covers("npm", "")


@pytest.mark.parametrize(
    ("events", "ranges"),
    [
        ([("introduced", "0")], [VersionRange("0")]),
        ([("introduced", "0"), ("fixed", "2.0.0")], [VersionRange("0", "2.0.0")]),
        ([("introduced", "1.0.0"), ("last_affected", "1.5.0")], [VersionRange("1.0.0", "", "1.5.0")]),
        (
            [("fixed", "2.10.0"), ("introduced", "0"), ("introduced", "2.9.0"), ("fixed", "1.5.0")],
            [VersionRange("0", "1.5.0"), VersionRange("2.9.0", "2.10.0")],
        ),
        ([("introduced", "1.0.0"), ("introduced", "1.1.0"), ("fixed", "1.2.0")], [VersionRange("1.0.0", "1.2.0")]),
        ([("fixed", "2.0.0")], [VersionRange("0", "2.0.0")]),
    ],
)
def test_events_make_ranges(events: list[tuple[str, str]], ranges: list[VersionRange]) -> None:
    assert ranges_of("npm", events) == ranges


def test_listed_versions_are_affected_too() -> None:
    data = osv(document("MAL-2026-1", affected("PyPI", "My_Leaf", versions=["1.0", "1.2"])))
    states = [found(data, "my-leaf", version, "PyPI") for version in ("1.0", "1.0.0", "1.1", "1.2")]
    assert states == [["MAL-2026-1"], ["MAL-2026-1"], [], ["MAL-2026-1"]]


def test_ranges_of_commits_are_not_guessed() -> None:
    commits = {"type": "GIT", "repo": "https://example.org/leaf", "events": [{"introduced": "0"}]}
    data = osv(document("GO-2026-1", {"package": {"ecosystem": "Go", "name": "leaf"}, "ranges": [commits]}))
    (finding,) = audit([product("leaf", "v1.0.0", "Go")], [data]).findings
    assert finding.status == UNDER_INVESTIGATION and "no versions that can be compared" in finding.evidence[0]


def test_a_withdrawn_document_does_not_count() -> None:
    leaf = affected("npm", "leaf", ("introduced", "0"))
    data = osv(document("GHSA-1", leaf, withdrawn="2026-01-01T00:00:00Z"), document("GHSA-2", leaf))
    assert found(data, "leaf", "1.0.0", "npm") == ["GHSA-2"] and data.header.withdrawn == 1


def test_one_vulnerability_of_several_documents_is_one_finding() -> None:
    leaf = affected("PyPI", "leaf", ("introduced", "0"), ("fixed", "2.0"))
    later = affected("PyPI", "leaf", ("introduced", "0"), ("fixed", "2.1"))
    data = osv(
        document("GHSA-1", leaf, aliases=["CVE-2026-0001", "PYSEC-2026-1"], severity=[VECTOR]),
        document("PYSEC-2026-1", later, aliases=["GHSA-1"]),
        document("PYSEC-2026-2", leaf, aliases=["CVE-2026-0002"]),
        document("GHSA-3", leaf),
    )
    findings = audit([product("leaf", "1.0", "PyPI")], [data]).findings
    assert ids(findings) == ["CVE-2026-0001", "CVE-2026-0002", "GHSA-3"]
    first = findings[0]
    assert first.advisory.aliases == ("GHSA-1", "PYSEC-2026-1") and first.fixed == "2.1"
    assert (first.advisory.severity, first.advisory.score) == ("critical", 9.8)


def test_an_alias_never_joins_two_cves() -> None:
    leaf = affected("npm", "leaf", ("introduced", "0"))
    data = osv(
        document("GHSA-1", leaf, aliases=["CVE-2026-0001", "CVE-2026-0002"]),
        document("CVE-2026-0003", leaf, aliases=["GHSA-1"]),
        document("GHSA-4", leaf, aliases=["GHSA-1"]),
    )
    assert {*found(data, "leaf", "1.0.0", "npm")} == {f"CVE-2026-000{n}" for n in (1, 2, 3)} | {"GHSA-4"}


def test_a_notice_is_about_each_of_its_vulnerabilities() -> None:
    fixed = affected("Debian:13", "leaf", ("introduced", "0"), ("fixed", "1.0-2"))
    data = osv(document("DSA-6000-1", fixed, upstream=["CVE-2026-0001", "CVE-2026-0002"]))
    findings = audit([product("leaf", "1.0-1")], [data]).findings
    assert ids(findings) == ["CVE-2026-0001", "CVE-2026-0002"]
    assert {finding.advisory.aliases for finding in findings} == {("DSA-6000-1",)}


def test_ratings() -> None:
    leaf = affected("npm", "leaf", ("introduced", "0"))
    cases: list[tuple[dict[str, Any], tuple[str, float | None]]] = [
        ({"severity": [VECTOR]}, ("critical", 9.8)),
        ({"severity": [VECTOR], "database_specific": {"severity": "MODERATE"}}, ("medium", 9.8)),
        ({"severity": [{"type": "Ubuntu", "score": "low"}, VECTOR]}, ("low", 9.8)),
        ({"severity": [{"type": "CVSS_V2", "score": "AV:N/AC:L/Au:N/C:N/I:N/A:C"}]}, ("high", 7.8)),
        ({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"}]}, ("unknown", None)),
        ({"severity": [{"type": 5}, "x", None]}, ("unknown", None)),
        ({"severity": "high"}, ("unknown", None)),
    ]
    for number, (fields, rated) in enumerate(cases):
        data = osv(document(f"CVE-2026-{number:04}", leaf, **fields))
        (finding,) = audit([product("leaf", "1.0.0", "npm")], [data]).findings
        assert (finding.advisory.severity, finding.advisory.score) == rated, fields
        assert data.rating(f"CVE-2026-{number:04}") == rated


def test_the_rating_of_a_package_comes_before_that_of_the_document() -> None:
    leaf = affected("npm", "leaf", ("introduced", "0"), database_specific={"severity": "low"})
    data = osv(document("CVE-2026-1", leaf, severity=[VECTOR]))
    (finding,) = audit([product("leaf", "1.0.0", "npm")], [data]).findings
    assert finding.advisory.severity == "low"


def test_parts_are_those_that_the_fields_name() -> None:
    imports = [{"path": "leaf/tree", "symbols": ["Grow", "Tree.Fall"]}, {"path": "leaf/root", "symbols": ["Dig"]}]
    whole = [*imports, {"path": "leaf"}]
    binaries = [{"binary_name": "leaf1", "binary_version": "1"}, {"leaf-dev": "1"}]
    cases: list[tuple[Any, tuple[tuple[str, ...], tuple[str, ...]]]] = [
        ({"imports": imports}, ((), ("leaf/root.Dig", "leaf/tree.Grow", "leaf/tree.Tree.Fall"))),
        ({"imports": whole}, ((), ())),
        ({"imports": [{"path": "leaf", "symbols": []}]}, ((), ())),
        ({"imports": [{"path": "leaf", "symbols": ["Grow", 5]}]}, ((), ())),
        ({"imports": [{"path": "leaf", "symbols": ["no name"]}]}, ((), ())),
        ({"binaries": binaries}, (("leaf-dev", "leaf1"), ())),
        ({"binaries": "leaf"}, ((), ())),
        ("binaries", ((), ())),
    ]
    for specific, parts in cases:
        leaf = affected("Go", "leaf", ("introduced", "0"), ecosystem_specific=specific)
        data = osv(document("GO-2026-1", leaf, details="only leaf/tree.Grow is affected"))
        (finding,) = audit([product("leaf", "v1.0.0", "Go")], [data]).findings
        assert finding.advisory.parts[1:] == parts and finding.advisory.parts.files == (), specific


def test_parts_count_only_if_every_affecting_advisory_names_some() -> None:
    named = affected(
        "Go", "leaf", ("introduced", "0"), ecosystem_specific={"imports": [{"path": "a", "symbols": ["B"]}]}
    )
    bare = affected("Go", "leaf", ("introduced", "0"))
    for packages, symbols in (((named, named), ("a.B",)), ((named, bare), ())):
        (finding,) = audit([product("leaf", "v1.0.0", "Go")], [osv(document("GO-2026-1", *packages))]).findings
        assert finding.status == AFFECTED and finding.advisory.parts.symbols == symbols


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"[",
        b"[" * 100_000,
        b"\xff",
        [],
        {},
        {"id": 5},
        {"id": "\x1b[2J-1"},
        {"id": "CVE-2026-1", "affected": {}},
        {"id": "CVE-2026-1", "affected": [{"package": {"ecosystem": 5}}]},
        document("CVE-2026-1", affected("npm", "two words", ("introduced", "0"))),
        document("CVE-2026-1", affected("npm", "x" * 300, ("introduced", "0"))),
        document("CVE-2026-1", affected("npm", "leaf", ("introduced", "1" * 10**6))),
        document("CVE-2026-1", affected("npm", "leaf", ("introduced", ""))),
        document("CVE-2026-1", affected("npm", "leaf", ("introduced", "\ud800"))),
        document("CVE-2026-1", {"package": {"ecosystem": "npm", "name": "leaf"}, "ranges": [{"type": "SEMVER"}]}),
        document("CVE-2026-1", {"package": {"ecosystem": "npm", "name": "leaf"}, "ranges": [[]]}),
        document("CVE-2026-1", {"package": {"ecosystem": "npm", "name": "leaf"}, "versions": [5]}),
        document("CVE-2026-1", aliases="CVE-2026-2"),
    ],
)
def test_a_document_that_cannot_be_read_is_counted_and_the_others_are_read(broken: Any) -> None:
    data = osv(broken, document("GHSA-2", affected("npm", "leaf", ("introduced", "0"))))
    assert data.header.bad == 1 and len(data.header.problems) == 1
    assert found(data, "leaf", "1.0.0", "npm") == ["GHSA-2"]
    with pytest.raises(DataError):
        osv(broken)


def test_texts_of_documents_are_printable_and_short() -> None:
    leaf = affected("npm", "leaf", ("introduced", "0"))
    text = "\x1b[2J\u202e\ud800 a\nb\0" + "x" * 10**6
    reference = {"type": "FIX", "url": "https://example.org/\x1b[2J"}
    data = osv(document("GHSA-1", leaf, summary=text, references=[reference], aliases=["\x1b[2J", "CVE-2026-1\n"]))
    (finding,) = audit([product("leaf", "1.0.0", "npm")], [data]).findings
    advisory = finding.advisory
    shown = [advisory.id, advisory.description, *advisory.urls, *advisory.aliases]
    assert all(item.isprintable() and len(item) <= 300 for item in shown) and advisory.id == "GHSA-1"
