"""Write findings as SARIF, which services for code review read. Source: SARIF 2.1.0, an OASIS standard."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from .model import FIXED, NOT_AFFECTED, Finding

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"critical": "error", "high": "error", "medium": "warning"}
# For a severity without a score: the least score of the severity, as services read it.
_SCORES = {"critical": 9.0, "high": 7.0, "medium": 4.0, "low": 0.1, "negligible": 0.0}


class SarifResult(NamedTuple):
    """A finding in an image. uri: of the image. suppressed: why the finding does not count, or ""."""

    uri: str
    finding: Finding
    suppressed: str = ""


def sarif(results: Iterable[SarifResult], version: str) -> dict[str, Any]:
    """Return a SARIF log. version: fpack's."""
    listed = list(results)
    rules: dict[str, dict[str, Any]] = {}
    for result in listed:
        rules.setdefault(result.finding.advisory.id, _rule(result.finding))
    order = {number: index for index, number in enumerate(sorted(rules))}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "fpack", "version": version, "rules": [rules[number] for number in order]}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(result, order[result.finding.advisory.id]) for result in listed],
            }
        ],
    }


def _rule(finding: Finding) -> dict[str, Any]:
    advisory = finding.advisory
    score = advisory.score if advisory.score is not None else _SCORES.get(advisory.severity)
    rule: dict[str, Any] = {
        "id": advisory.id,
        "shortDescription": {"text": f"{advisory.id} in {advisory.package}"},
        "fullDescription": {"text": advisory.description or advisory.id},
        "properties": {
            "tags": ["security", "vulnerability", advisory.severity],
            **({"security-severity": f"{score:.1f}"} if score is not None else {}),
        },
    }
    if advisory.urls:
        rule["helpUri"] = advisory.urls[0]
    return rule


def _result(result: SarifResult, rule: int) -> dict[str, Any]:
    finding = result.finding
    product, advisory = finding.product, finding.advisory
    names = ", ".join(f"{binary.name} {binary.version}" for binary in product.binaries)
    fix = f"fixed in {finding.fixed}" if finding.fixed else "no fixed version is known"
    state = f", {advisory.substate}" if advisory.substate else ""
    message = f"{product.name} {product.version} is {finding.status.replace('_', ' ')} by {advisory.id}: {fix}{state}."
    key = f"{result.uri}\0{advisory.id}\0{product.ecosystem}\0{product.name}"
    value: dict[str, Any] = {
        "ruleId": advisory.id,
        "ruleIndex": rule,
        "level": _LEVELS.get(advisory.severity, "note"),
        "message": {"text": f"{message} In the image: {names}." if names else message},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": result.uri}},
                "logicalLocations": [
                    {"name": product.name, "fullyQualifiedName": product.purl, "kind": "package"},
                    *({"name": binary.name, "kind": "package"} for binary in product.binaries),
                ],
            }
        ],
        "partialFingerprints": {"vulnerability/v1": hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()},
        "properties": {"status": finding.status, "substate": advisory.substate, "origin": advisory.origin},
    }
    if result.suppressed or finding.status in (NOT_AFFECTED, FIXED):
        why = result.suppressed or "; ".join(finding.evidence) or finding.justification
        value["suppressions"] = [{"kind": "external", "status": "accepted", **({"justification": why} if why else {})}]
    return value
