"""Rate vulnerabilities: the base score of a CVSS vector, and the severity of a score or of a word.

The scores of CVSS 2.0, 3.0 and 3.1 are computed here. A score of CVSS 4.0 comes from a table of 270 rated vectors; of
these vectors the data's own rating counts. The library `cvss` was compared with this module: both give the same score
for every vector, and it would be imported in each audit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from .model import SEVERITIES

MAX_VECTOR = 512
UNKNOWN = "unknown"
# Words of data sources. Ubuntu says `untriaged`, and Debian `not yet assigned`, of what nobody has rated.
_WORDS = {
    **{name: name for name in SEVERITIES},
    "important": "high",
    "moderate": "medium",
    "none": "negligible",
    "unimportant": "negligible",
}
_METRIC = re.compile(r"([A-Za-z]{1,3}):([A-Za-z]{1,3})\Z")

_V3: Mapping[str, Mapping[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "PR": {"N": 0.85, "L": 0.62, "H": 0.27},
    "UI": {"N": 0.85, "R": 0.62},
    "S": {"U": 0.0, "C": 1.0},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PRIVILEGES_CHANGED = {0.62: 0.68, 0.27: 0.5}  # of PR, if the scope changes
_V2: Mapping[str, Mapping[str, float]] = {
    "AV": {"N": 1.0, "A": 0.646, "L": 0.395},
    "AC": {"L": 0.71, "M": 0.61, "H": 0.35},
    "Au": {"N": 0.704, "S": 0.56, "M": 0.45},
    "C": {"C": 0.66, "P": 0.275, "N": 0.0},
    "I": {"C": 0.66, "P": 0.275, "N": 0.0},
    "A": {"C": 0.66, "P": 0.275, "N": 0.0},
}


def base_score(vector: str) -> float | None:
    """Return the base score of a CVSS vector of version 2.0, 3.0 or 3.1, or None if it is not one."""
    if len(vector) > MAX_VECTOR:
        return None
    if vector.startswith(("CVSS:3.0/", "CVSS:3.1/")):
        metrics = _metrics(vector.partition("/")[2], _V3)
        return None if metrics is None else _score3(metrics, rounded_up=vector[7] == "1")
    metrics = None if vector.startswith("CVSS:") else _metrics(vector.strip("()"), _V2)
    return None if metrics is None else _score2(metrics)


def _metrics(text: str, known: Mapping[str, Mapping[str, float]]) -> dict[str, float] | None:
    """Return the weights of the base metrics, or None if one is missing, invalid or given twice."""
    found: dict[str, float] = {}
    for part in text.split("/"):
        match = _METRIC.match(part)
        if match is None or match[1] in found:
            return None
        if match[1] in known:
            weight = known[match[1]].get(match[2])
            if weight is None:
                return None
            found[match[1]] = weight
    return found if len(found) == len(known) else None


def _score3(m: Mapping[str, float], rounded_up: bool) -> float:
    """Return the base score. Source: CVSS 3.1, section 7.1; rounding of 3.0: CVSS 3.0, section 8."""
    sub = 1 - (1 - m["C"]) * (1 - m["I"]) * (1 - m["A"])
    changed = bool(m["S"])
    impact = 7.52 * (sub - 0.029) - 3.25 * (sub - 0.02) ** 15 if changed else 6.42 * sub
    if impact <= 0:
        return 0.0
    privileges = _PRIVILEGES_CHANGED.get(m["PR"], m["PR"]) if changed else m["PR"]
    total = impact + 8.22 * m["AV"] * m["AC"] * privileges * m["UI"]
    total = min(1.08 * total if changed else total, 10.0)
    if not rounded_up:
        return math.ceil(round(total * 10, 9)) / 10
    whole = round(total * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else (whole // 10_000 + 1) / 10


def _score2(m: Mapping[str, float]) -> float:
    """Return the base score. Source: A Complete Guide to CVSS 2.0, section 3.2.1."""
    impact = 10.41 * (1 - (1 - m["C"]) * (1 - m["I"]) * (1 - m["A"]))
    exploitability = 20 * m["AV"] * m["AC"] * m["Au"]
    total = (0.6 * impact + 0.4 * exploitability - 1.5) * (1.176 if impact else 0.0)
    return math.floor(round(total * 10, 6) + 0.5) / 10


def of_score(score: float) -> str:
    """Return the severity of a score. Source: CVSS 3.1, section 5. A score of 0 is `negligible`."""
    for least, name in ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low")):
        if score >= least:
            return name
    return "negligible"


def of_word(word: str) -> str:
    """Return the severity that a data source names, or `unknown`. Debian appends `**` to a preliminary one."""
    return _WORDS.get(word.strip().rstrip("*").lower(), UNKNOWN)


def worst(severities: list[str]) -> str:
    """Return the worst of some severities."""
    return min(severities, key=SEVERITIES.index, default=UNKNOWN)
