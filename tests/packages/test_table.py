"""The table of results counts both sides apart, and later results replace earlier ones of the same side alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from packages import table
from packages.cases import Case, read


def cases(tmp_path: Path) -> list[Case]:
    listed = tmp_path / "list.toml"
    listed.write_text(
        '[[package]]\nname = "jq"\ncommand = ["jq"]\nexpect = "jq"\nnote = "the first case was wrong"\n'
        '[[package]]\nname = "nginx"\nkind = "server"\nrequest = ["http", "80", "/"]\nexpect = "nginx"\n'
        '[[package]]\nname = "tar"\ncommand = ["tar"]\nexpect = "tar"\n'
    )
    return read(listed)[0]


def results(tmp_path: Path, *lines: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    file = tmp_path / "list.jsonl"
    file.write_text("".join(json.dumps({"release": "trixie", **line}) + "\n" for line in lines))
    return table.latest(file)


def test_a_later_result_replaces_its_side_alone(tmp_path: Path) -> None:
    found = results(
        tmp_path,
        {"name": "jq", "fpack": "status", "fpack_what": "no", "commit": "1"},
        {"name": "jq", "debian": "works", "debian_size": 30_000_000},
        {"name": "jq", "fpack": "works", "size": 2_000_000, "commit": "2"},
    )
    result = found["trixie", "jq"]
    assert (result["fpack"], result["debian"], result["commit"]) == ("works", "works", "2")
    assert "fpack_what" not in result


def test_the_table_counts_each_side(tmp_path: Path) -> None:
    found = results(
        tmp_path,
        {"name": "jq", "fpack": "works", "size": 2_000_000, "seconds": 1.5, "commit": "2"},
        {"name": "nginx", "fpack": "exits", "debian": "works", "debian_size": 30_000_000, "commit": "2"},
    )
    text = table.render(cases(tmp_path), found)
    assert "| jq | program | trixie | works | - | 2.0 | - | - | 1.5 | 2 |" in text
    assert "| nginx | server | trixie | exits | works | - | - | 30.0 | - | 2 |" in text
    assert "- 1 of 2 that were tried work in fpack's image, 0 of 1 servers" in text
    assert "- 1 of 1 that were tried work in Debian, 1 of 1 servers" in text
    assert "- not tried in fpack's image: tar" in text
    assert "- 1 `exits`: the server ends" in text
    assert "- jq: the first case was wrong" in text


def test_the_first_result_is_shown_beside_the_last(tmp_path: Path) -> None:
    found = results(
        tmp_path,
        {"name": "jq", "debian": "works"},
        {"name": "jq", "fpack": "status", "size": 2_000_000, "commit": "1"},
        {"name": "jq", "fpack": "works", "size": 3_000_000, "seconds": 1.5, "commit": "2"},
    )
    text = table.render(cases(tmp_path), found, with_first=True)
    assert "| jq | program | trixie | status | works | works | 3.0 | - | - | 1.5 | 2 |" in text
    assert "- 0 of 1 that were tried work in the first image of fpack, 0 of 0 servers" in text
    assert "- 1 of 1 that were tried work in fpack's image, 0 of 0 servers" in text
    assert "at first" not in table.render(cases(tmp_path), found)
