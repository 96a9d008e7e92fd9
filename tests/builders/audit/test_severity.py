"""Scores of CVSS vectors, and severities."""

from __future__ import annotations

import pytest
from fpack.builders.audit.severity import base_score, of_score, of_word, worst

# The first ones are the examples of the specifications; all were compared with another implementation.
VECTORS = [
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
    ("CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),
    ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8),
    ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", 0.0),
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
    ("CVSS:3.0/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1),
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H/E:P/RL:O", 7.5),
    ("AV:N/AC:L/Au:N/C:N/I:N/A:C", 7.8),
    ("(AV:N/AC:L/Au:N/C:C/I:C/A:C)", 10.0),
    ("AV:L/AC:H/Au:N/C:C/I:C/A:C", 6.2),
    ("AV:N/AC:L/Au:N/C:N/I:N/A:N", 0.0),
]


@pytest.mark.parametrize(("vector", "score"), VECTORS)
def test_the_score_of_a_vector(vector: str, score: float) -> None:
    assert base_score(vector) == score


@pytest.mark.parametrize(
    "vector",
    [
        "",
        "CVSS:3.1/AV:N",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:X",
        "CVSS:3.1/AV:N/AV:L/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
        "CVSS:3.1/" + "AV:N/" * 100_000,
        "medium",
    ],
)
def test_what_is_no_vector_has_no_score(vector: str) -> None:
    assert base_score(vector) is None


def test_severities() -> None:
    scores = [10.0, 9.0, 8.9, 7.0, 6.9, 4.0, 3.9, 0.1, 0.0]
    names = ["critical", "critical", "high", "high", "medium", "medium", "low", "low", "negligible"]
    assert [of_score(score) for score in scores] == names
    words = ["MODERATE", "high**", "unimportant", "not yet assigned", "untriaged", "Critical", ""]
    found = ["medium", "high", "negligible", "unknown", "unknown", "critical", "unknown"]
    assert [of_word(word) for word in words] == found
    assert worst(["unknown", "low", "high"]) == "high" and worst([]) == "unknown"
