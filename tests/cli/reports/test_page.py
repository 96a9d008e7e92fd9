"""A page: one file that asks for nothing, and holds text of others as data alone."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from fpack.builders.audit.model import AFFECTED, UNDER_INVESTIGATION, Advisory, BinaryPackage, Finding, Product
from fpack.cli.reports import findings, page
from fpack.cli.reports.findings import AuditRows, RebuiltPackage
from fpack.cli.reports.model import LINK, Column, DataTable, EmptySection, FieldList, ReportPage
from support.attacks.hostile_names import ATTACKS


class Elements(HTMLParser):
    """The elements of a page, with their attributes, and the content of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else ""
        if self._inside:
            self.raw.setdefault(tag, []).append("")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw[self._inside][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def data(text: str) -> Any:
    """Return the data of a page."""
    return json.loads(Elements(text).raw["script"][0])


def written(*sections: Any, title: str = "db:17") -> str:
    return "".join(page.html(ReportPage(title, ["a fact"], sections)))


HOSTILE = written(
    FieldList("summary", "Summary", [(name, [name]) for name in ATTACKS], "note"),
    DataTable("table", "Table", [Column("a"), Column("b", LINK)], [[name, name] for name in ATTACKS]),
    title="".join(ATTACKS),
)


@pytest.mark.parametrize("text", [written(EmptySection("a", "A", "No data")), HOSTILE])
def test_a_page_asks_for_nothing_and_runs_only_its_own_script(text: str) -> None:
    elements = Elements(text)
    tags = [tag for tag, _ in elements.found]
    assert tags == [
        "html",
        "head",
        "meta",
        "meta",
        "meta",
        "meta",
        "title",
        "style",
        "body",
        "noscript",
        "p",
        "script",
        "script",
    ]
    for _, attributes in elements.found:
        assert not {name for name in attributes if name in ("src", "href", "style") or name.startswith("on")}
    policy = next(a["content"] for _, a in elements.found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'; ")
    for kind, content in (("script", elements.raw["script"][1]), ("style", elements.raw["style"][0])):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy and "trusted-types 'none'" in policy
    own = "".join(elements.raw["script"][1:] + elements.raw["style"])
    addresses = set(re.findall(r"[a-z]+://[^'\s]*", own))
    assert addresses == {"http://www.w3.org/2000/svg"}, "which names SVG, and is not fetched"
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|url\(|@import", own)
    assert text.isascii()


def test_only_addresses_of_pages_become_links() -> None:
    table = DataTable("t", "T", [Column("home", LINK)], [["javascript:alert(1)"], ["https://example.org/"], [None]])
    assert data(written(table))["sections"][0]["rows"] == [[""], ["https://example.org/"], [None]]


def test_text_of_others_is_visible_and_escaped() -> None:
    assert "<script>document" not in HOSTILE and HOSTILE.count("</script>") == 2 and "<!--" not in HOSTILE
    rows = data(HOSTILE)["sections"][1]["rows"]
    assert rows[0][0] == ATTACKS[0] and rows[0][1] == ""
    assert all(text.isprintable() for row in rows for text in row)


def test_the_same_sections_give_the_same_bytes() -> None:
    assert written(EmptySection("a", "A", "n")) == written(EmptySection("a", "A", "n"))


def test_a_table_is_bounded_and_says_so() -> None:
    section = data(written(DataTable("t", "T", [Column("n")], [["x"]] * (page.MAX_ROWS + 1), "A note.")))["sections"][0]
    assert len(section["rows"]) == page.MAX_ROWS
    assert section["note"] == f"A note. The first {page.MAX_ROWS} of {page.MAX_ROWS + 1} rows."


def finding(severity: str, status: str, number: int) -> Finding:
    binary = BinaryPackage("libssl3t64", "3.5.1-1+b1", "amd64", "0" * 64)
    product = Product("Debian", "trixie", "openssl", "3.5.1-1", "pkg:deb/debian/openssl@3.5.1-1", (binary,))
    advisory = Advisory(
        f"CVE-2026-{number}", (), "Debian", "trixie", "openssl", (), severity=severity, substate="no-dsa"
    )
    return Finding(advisory, product, status, "3.5.2-1", evidence=("the tracker",))


def test_vulnerabilities_are_listed_the_worst_first() -> None:
    listed = [finding("low", UNDER_INVESTIGATION, 1), finding("critical", AFFECTED, 2), finding("odd", AFFECTED, 3)]
    section = findings.vulnerabilities(AuditRows(listed, ["the tracker of 2026-11-01"], ["npm"]))
    assert isinstance(section, DataTable)
    assert [row[:3] for row in section.rows] == [
        ["CVE-2026-2", "critical", "openssl"], ["CVE-2026-1", "low", "openssl"], ["CVE-2026-3", "odd", "openssl"],
    ]  # fmt: skip
    assert section.note == "By the tracker of 2026-11-01. No data of npm, so nothing is said about these."


def test_no_data_is_not_no_vulnerability() -> None:
    missing = findings.vulnerabilities(None)
    assert isinstance(missing, EmptySection) and missing.note.startswith("No data")
    none = findings.vulnerabilities(AuditRows([], ["the tracker"]))
    assert isinstance(none, DataTable) and none.empty == "None is known, by this data."
    assert isinstance(findings.rebuilds(None), EmptySection)


def test_rebuilds_tell_who_reproduced_what() -> None:
    section = findings.rebuilds(
        [
            RebuiltPackage("a", "1", ["one", "two"], []),
            RebuiltPackage("b", "1", [], ["one"]),
            RebuiltPackage("c", "1", [], []),
        ]
    )
    assert isinstance(section, DataTable)
    assert [row[2] for row in section.rows] == ["reproduced", "not reproduced", "no data"]
    assert section.note == "1 of 3 packages were reproduced by others, bit for bit."


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mixed(back: str, tint: tuple[int, ...], share: float) -> str:
    parts = [int(back[at : at + 2], 16) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(part * (1 - share) + to * share):02x}" for part, to in zip(parts, tint, strict=True))


def test_text_has_the_contrast_of_level_aa_in_both_schemes() -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 : 1."""
    style = Elements(written()).raw["style"][0]
    schemes = re.findall(r"--back: [^}]*", style)
    assert len(schemes) == 3 and re.sub(r"\s+", "", schemes[1]) == re.sub(r"\s+", "", schemes[2])
    for scheme in schemes:
        colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", scheme))
        tint = tuple(map(int, re.search(r"--tint: (\d+) (\d+) (\d+)", scheme).groups()))  # type: ignore[union-attr]
        # Cells of the treemap lie in one another.
        colours["outer"] = mixed(colours["panel"], tint, 0.1)
        colours["inner"] = mixed(colours["outer"], tint, 0.12)
        for text in ("text", "quiet", "accent", "bad", "warn", "good"):
            for back in ("back", "panel", "outer", "inner") if text in ("text", "quiet") else ("back", "panel"):
                assert contrast(colours[text], colours[back]) >= 4.5, (text, back, colours)
        assert contrast(colours["text"], colours["mark"]) >= 4.5
