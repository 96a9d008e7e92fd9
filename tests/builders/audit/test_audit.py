"""The audit: its index finds what a linear scan of the data finds, and versions are compared as dpkg compares them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from fpack.builders.audit.audit import audit
from fpack.builders.audit.databases.compiled import CompiledData, Compiler, DataError
from fpack.builders.audit.model import AFFECTED, NOT_AFFECTED, Finding
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reports.vulnerabilities import affected, document, entry, ids, osv, product, state, tracker

SOURCES = st.sampled_from(["a1", "b-2", "c+3", "d.4", "linux"])
VERSIONS = st.sampled_from(
    ["1.0-1", "1.0-1+deb13u1", "1.0-1~rc1", "1:0.1-1", "2.0~beta-1", "2.0-1", "2.0+dfsg-1", "10.0-1", "1.0", "0.9.9-3"]
)
RELEASES = ("trixie", "bookworm", "sid")
STATE = st.one_of(
    st.just(state()),
    st.just(state("0")),
    st.builds(state, VERSIONS),
    st.just(state(nodsa="Minor", nodsa_reason="ignored")),
)
NUMBERS = st.integers(1, 30).map("CVE-2026-{:04}".format)
TRACKERS = st.dictionaries(
    SOURCES,
    st.dictionaries(NUMBERS, st.dictionaries(st.sampled_from(RELEASES), STATE).map(lambda found: entry(**found))),
    min_size=1,
)


def is_older(one: str, other: str) -> bool:
    """Return whether dpkg says that a version is lower than another."""
    return subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0


def scan(data: dict[str, Any], source: str, version: str, release: str, older: Callable[[str, str], bool]) -> list[str]:
    """Return the vulnerabilities of a source package, by the description of the tracker's states."""
    found = []
    for number, about in data.get(source, {}).items():
        value = about["releases"].get(release)
        if value is None:
            continue
        if value["status"] != "resolved" or (value["fixed_version"] != "0" and older(version, value["fixed_version"])):
            found.append(number)
    return sorted(found)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not installed")
@settings(max_examples=60)
@given(TRACKERS, SOURCES, VERSIONS, st.sampled_from(RELEASES))
def test_the_index_finds_what_a_scan_with_dpkg_finds(
    data: dict[str, Any], source: str, version: str, release: str
) -> None:
    opened = tracker(data)
    found = audit([product(source, version, release=release)], [opened])
    known = any(release in about["releases"] for numbers in data.values() for about in numbers.values())
    assert bool(found.missing) == (not known)
    assert ids(found.findings) == scan(data, source, version, release, is_older)


def test_every_source_of_many_is_found() -> None:
    data = {f"source{number}": {f"CVE-2026-{number:05}": entry(trixie=state())} for number in range(3000)}
    opened = tracker(data)
    for number in range(0, 3000, 7):
        assert ids(list(opened.advisories("Debian", "trixie", f"source{number}"))) == [f"CVE-2026-{number:05}"]
    assert list(opened.advisories("Debian", "trixie", "source")) == []


def test_a_vulnerability_of_two_sources_of_data_is_one_finding() -> None:
    vector = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}
    first = tracker({"leaf": {"CVE-2026-0001": entry(trixie=state("1.0-3", urgency="low"))}})
    leaf = affected("Debian:13", "leaf", ("introduced", "0"), ("fixed", "1.0-2"))
    second = osv(document("DEBIAN-CVE-2026-0001", leaf, upstream=["CVE-2026-0001"], severity=[vector]))
    for databases in ([first, second], [second, first]):
        (finding,) = audit([product("leaf", "1.0-1")], databases).findings
        assert finding.advisory.origin == "Debian security tracker, OSV"
        assert (finding.fixed, finding.advisory.severity, finding.advisory.score) == ("1.0-3", "critical", 9.8)
        (other,) = audit([product("leaf", "1.0-2")], databases).findings
        assert other.status == AFFECTED and other.evidence == ("OSV says that 1.0-2 is not affected",)
        assert not audit([product("leaf", "1.0-3")], databases).findings


def test_a_severity_that_the_tracker_lacks_is_that_of_other_data() -> None:
    data = tracker({"leaf": {"CVE-2026-0001": entry(trixie=state()), "CVE-2026-0002": entry(trixie=state())}})
    upstream = document("CVE-2026-0001", severity=[{"type": "CVSS_V2", "score": "AV:N/AC:L/Au:N/C:N/I:N/A:C"}])
    findings = audit([product("leaf", "1.0-1")], [data, osv(upstream)]).findings
    assert [(item.advisory.id, item.advisory.severity) for item in findings] == [
        ("CVE-2026-0001", "high"),
        ("CVE-2026-0002", "unknown"),
    ]


def test_findings_are_sorted_whatever_the_order_of_the_arguments_is() -> None:
    data = tracker(
        {name: {f"CVE-2026-000{n}": entry(trixie=state(urgency=word)) for n, word in enumerate(("low", "high"))}
         for name in ("b", "a")}
    )  # fmt: skip
    products = [product("a", "1"), product("b", "1")]
    found = audit(products, [data]).findings
    assert [(f.advisory.severity, f.product.name) for f in found] == [
        ("high", "a"), ("high", "b"), ("low", "a"), ("low", "b"),
    ]  # fmt: skip
    assert audit(products[::-1], [data]).findings == found


def test_judges_change_findings_in_their_order() -> None:
    data = tracker({"leaf": {"CVE-2026-0001": entry(trixie=state())}})

    def absent(finding: Finding) -> Finding:
        return finding._replace(status=NOT_AFFECTED, evidence=(*finding.evidence, "absent"))

    def stated(finding: Finding) -> Finding:
        return finding._replace(evidence=(*finding.evidence, f"stated of {finding.status}"))

    (finding,) = audit([product("leaf", "1")], [data], statements=(stated,), evidence=absent).findings
    assert finding.status == NOT_AFFECTED and finding.evidence == ("absent", "stated of not_affected")


def test_parts_without_data_are_told() -> None:
    data = tracker({"leaf": {"CVE-2026-0001": entry(trixie=state())}})
    products = [product("other", "1-1"), product("x", "1.0.0", "npm"), product("y", "1.0", "PyPI")]
    found = audit(products, [data])
    assert [(part.ecosystem, part.packages) for part in found.missing] == [("PyPI", ("y",)), ("npm", ("x",))]
    assert [part.sources for part in audit(products, []).coverage] == [(), (), ()]


def test_a_version_that_cannot_be_compared_is_told() -> None:
    data = tracker({"leaf": {"CVE-2026-0001": entry(trixie=state("1-2"))}})
    (finding,) = audit([product("leaf", "not a version")], [data]).findings
    assert finding.status == "under_investigation"
    assert finding.evidence == ("Debian security tracker names no versions that can be compared with not a version",)


def test_compiled_data_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpack.builders.audit.databases.compiled.MAX_BYTES", 10_000)
    with pytest.raises(DataError):
        tracker({f"s{n}": {"CVE-2026-0001": entry("x" * 200, trixie=state())} for n in range(100)})


@settings(max_examples=40)
@given(st.dictionaries(st.text("ab/é", max_size=4), st.lists(st.integers(0, 99), min_size=1, max_size=4), max_size=12))
def test_compiled_rows_are_those_that_were_added(rows: dict[str, list[int]]) -> None:
    compiler = Compiler("osv", "x")
    for key, numbers in rows.items():
        for number in numbers:
            compiler.add(key, [number], "npm")
    data = CompiledData(compiler.finish())
    assert {key: [row[0] for row in data.rows(key)] for key in rows} == rows
    assert data.rows("\n absent") == [] and json.dumps(data.header.rows)


@pytest.mark.parametrize("data", [b"", b"other", b"fpack vulnerabilities 0\n" + b"\0" * 100])
def test_data_of_another_format_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        CompiledData(data)
