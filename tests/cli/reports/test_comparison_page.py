"""The page of a comparison, from plain data in the form of `fpack diff --json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fpack.cli.reports import page
from fpack.cli.reports.comparison_page import MAX_LINES, comparison_page
from fpack.cli.reports.model import DataTable
from support.attacks.hostile_names import ATTACKS, MARK
from support.processes.browser import DESKTOP, PHONE, Tab, needs_browser


def side(name: str, size: int) -> dict[str, Any]:
    return {"name": name, "form": "image", "digest": "sha256:00", "packages": 2, "compressed": 10, "unpacked": size}


def version(text: str) -> dict[str, Any]:
    return {"version": text, "source_version": text, "archive": "debian", "size": 100, "sha256": "00"}


def state(**changes: Any) -> dict[str, Any]:
    return {"kind": "file", "mode": "0644", "uid": 0, "gid": 0, "size": 5, "sha256": "00", "target": None, **changes}


def comparison(text: str = "x") -> dict[str, Any]:
    """Return a comparison in which everything differs. text: stands in every text of others."""
    package = {"name": f"lib{text}", "release": "", "arch": "", "source": text}
    entry = {"version": f"2{text}", "suite": "trixie", "urgency": "high", "date": "2026-11-01"}
    vulnerability = {"package": text, "version": "1", "severity": "high", "status": "affected", "description": text}
    return {
        "old": side(f"old{text}", 1000),
        "new": side(f"new{text}", 3_001_000),
        "differs": True,
        "packages": [
            {**package, "change": "changed", "movement": "upgraded", "old": version("1"), "new": version(f"2{text}")},
            {**package, "change": "added", "movement": None, "old": None, "new": version("1")},
        ],
        "sizes": [{"owner": "", "old": 5, "new": 4}, {"owner": text, "old": 0, "new": 3_000_000}],
        "files": [
            {"path": f"/{text}", "change": "changed", "package": text, "parts": ["content", "mode", "owner"],
             "old": state(), "new": state(mode="0755", uid=7)},
            {"path": f"/srv/{text}", "change": "removed", "package": "", "parts": [], "old": state(), "new": None},
        ],
        "licences": [{"package": text, "old": "MIT", "new": text}],
        "settings": [{"name": "user", "old": None, "new": text}],
        "changelogs": [
            {"source": text, "old": "1", "new": "2", "packages": [text], "cves": ["CVE-2026-1"], "absent": None,
             "entries": [{**entry, "lines": [f"  * {text}"] * (MAX_LINES + 2), "cves": ["CVE-2026-1"]}]},
            {"source": "other", "old": "1", "new": "2", "packages": [], "cves": [], "entries": [], "absent": "offline"},
        ],
        "vulnerabilities": {"fixed": [{"id": "CVE-2026-1", **vulnerability}], "new": [], "remaining": 3, "without": []},
    }  # fmt: skip


def tables(data: dict[str, Any]) -> dict[str, Any]:
    return {section.id.removeprefix("diff-"): section for section in comparison_page(data).sections}


def test_everything_that_differs_is_told() -> None:
    made = comparison_page(comparison())
    assert made.title == "oldx → newx"
    assert made.facts == ["2 packages differ", "2 files differ", "+3.0 MB unpacked"]
    found = tables(comparison())
    assert found["packages"].rows[0] == ["libx", "changed", "upgraded", "1", "2x", "x", 100, 100]
    assert found["packages"].rows[1] == ["libx", "added", None, None, "1", "x", None, 100]
    assert found["sizes"].rows == [["x", 0, 3_000_000, "+3.0 MB"], ["the container", 5, 4, "−1 B"]]
    assert found["files"].rows[0] == ["/x", "changed", "x", 5, 5, "content; mode 0644 → 0755; owner 0:0 → 7:0"]
    assert found["files"].rows[1] == ["/srv/x", "removed", "", 5, None, ""]
    assert found["configuration"].rows == [("user", ["old: none", "new: x"])]
    assert found["licences"].rows == [["x", "MIT", "x"]]
    assert found["changelogs"].rows[0][4] == "CVE-2026-1" and found["changelogs"].rows[0][5].endswith("(2 lines more)")
    assert found["changelogs"].rows[1][5] == "not known: offline"
    assert found["vulnerabilities"].rows[0][:3] == ["CVE-2026-1", "fixed", "high"]
    assert found["vulnerabilities"].note == "Both sides have 3 others."


def test_a_page_names_files_without_their_directories() -> None:
    data = comparison()
    data["old"]["name"], data["new"]["name"] = "/home/someone/old.tar", "dir/api.fp#image"
    assert comparison_page(data).title == "old.tar → dir/api.fp#image"
    assert "/home/someone" not in "".join(page.html(comparison_page(data)))


def test_no_difference_and_no_data_are_said() -> None:
    data = comparison() | {name: [] for name in ("packages", "sizes", "files", "licences", "settings", "changelogs")}
    found = tables(data | {"vulnerabilities": None})
    assert found["vulnerabilities"].kind == "missing" and found["vulnerabilities"].note.startswith("No data")
    assert found["packages"].empty == "No package differs." and not found["packages"].rows
    assert all(section.empty for section in found.values() if isinstance(section, DataTable) and not section.rows)
    assert found["configuration"].note == "No setting of the container differs."


def test_text_of_others_is_data() -> None:
    text = "".join(page.html(comparison_page(comparison("".join(ATTACKS)))))
    assert text.isascii() and text.count("<script") == 2 and text.count("</script>") == 2
    data = text.partition('id="data">')[2]
    assert "\\u202e" not in data.replace("\\\\", "") and len(data) < 200_000


@pytest.mark.slow
@needs_browser
def test_a_comparison_is_drawn(tab: Tab, tmp_path: Path) -> None:
    for number, attack in enumerate(ATTACKS):
        path = tmp_path / f"{number}.html"
        path.write_text("".join(page.html(comparison_page(comparison(attack)))))
        tab.open(path, PHONE if number % 2 else DESKTOP)
        assert tab.run("document.title") != MARK and tab.run("document.scripts.length") == 2
        assert tab.texts("#diff-packages tbody td .badge") == ["changed", "added"]
        assert tab.run("document.documentElement.scrollWidth") == (PHONE if number % 2 else DESKTOP)[0]
