"""SARIF: what services for code review need of a result, as the standard and its consumers require it."""

from __future__ import annotations

import json
from typing import Any

from fpack.builders.audit.audit import audit
from fpack.builders.audit.model import NOT_AFFECTED, BinaryPackage
from fpack.builders.audit.sarif import SarifResult, sarif
from support.reports.vulnerabilities import entry, product, state, tracker

DATA = tracker(
    {
        "leaf": {
            "CVE-2026-0001": entry(trixie=state("2-1", urgency="high")),
            "CVE-2026-0002": entry("", trixie=state(nodsa="Minor", nodsa_reason="postponed", urgency="medium")),
            "CVE-2026-0003": entry(trixie=state(urgency="low")),
            "CVE-2026-0004": entry(trixie=state()),
        }
    }
)
LEAF = product("leaf", "1-1")._replace(binaries=(BinaryPackage("libleaf1", "1-1+b1", "amd64", "00" * 32),))


def log(**suppressed: str) -> dict[str, Any]:
    findings = audit([LEAF], [DATA]).findings
    return sarif(
        [
            SarifResult(uri, finding, suppressed.get(finding.advisory.id.replace("-", "_"), ""))
            for uri in ("a.tar", "b.tar")
            for finding in findings
        ],
        "1.0",
    )


def test_results_refer_to_their_rules() -> None:
    made = log()
    (run,) = made["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert made["version"] == "2.1.0" and [rule["id"] for rule in rules] == [f"CVE-2026-000{n}" for n in (1, 2, 3, 4)]
    assert len(run["results"]) == 8
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"] in ("a.tar", "b.tar")
        assert [item["name"] for item in location["logicalLocations"]] == ["leaf", "libleaf1"]
        assert result["message"]["text"]
    for rule in rules:
        assert rule["shortDescription"]["text"] and rule["fullDescription"]["text"]
        assert rule["helpUri"].startswith("https://")


def test_levels_and_scores_are_those_of_the_severity() -> None:
    (run,) = log()["runs"]
    assert [result["level"] for result in run["results"][:4]] == ["error", "warning", "note", "note"]
    scores = [rule["properties"].get("security-severity") for rule in run["tool"]["driver"]["rules"]]
    assert scores == ["7.0", "4.0", "0.1", None]


def test_fingerprints_are_stable_and_distinct() -> None:
    prints = [result["partialFingerprints"]["vulnerability/v1"] for result in log()["runs"][0]["results"]]
    assert len({*prints}) == 8 and json.dumps(log()) == json.dumps(log())


def test_what_does_not_count_is_suppressed() -> None:
    results = log(CVE_2026_0001="accepted: not reachable")["runs"][0]["results"]
    assert [result.get("suppressions") for result in results[:2]] == [
        [{"kind": "external", "status": "accepted", "justification": "accepted: not reachable"}],
        None,
    ]
    finding = audit([LEAF], [DATA]).findings[0]._replace(status=NOT_AFFECTED, evidence=("/usr/lib/x is absent",))
    (result,) = sarif([SarifResult("a.tar", finding)], "1.0")["runs"][0]["results"]
    assert result["suppressions"][0]["justification"] == "/usr/lib/x is absent"
