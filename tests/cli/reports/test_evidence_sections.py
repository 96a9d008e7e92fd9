"""The sections of what others say of an image, drawn: findings, rebuilders and signatures with hostile text."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.builders.audit.model import AFFECTED, NOT_AFFECTED, Advisory, BinaryPackage, Finding, Product
from fpack.cli.images.attestations.attached import AttachedDocument
from fpack.cli.reports import findings, page
from fpack.cli.reports.model import ReportPage
from support.attacks.hostile_names import ATTACKS, MARK
from support.processes.browser import DESKTOP, PHONE, Tab, needs_browser


def evidence(text: str) -> ReportPage:
    """Return a page of these sections. text: stands in every text of others."""
    binary = BinaryPackage(text, text, "amd64", "", "0" * 128)
    product = Product("Debian", "trixie", text, text, "pkg:x", (binary,))
    advisory = Advisory(text, (), "Debian", "trixie", text, (), severity="high", description=text, substate=text)
    found = [
        Finding(advisory, product, AFFECTED, text),
        Finding(advisory, product, NOT_AFFECTED, "", text, (text,)),
    ]
    return ReportPage(
        "page",
        [],
        [
            findings.vulnerabilities(findings.AuditRows(found, [text], [text])),
            findings.rebuilds(
                [
                    findings.RebuiltPackage(text, text, [text], [], [text]),
                    findings.RebuiltPackage("b", "1", [], ["one"]),
                    findings.RebuiltPackage("c", "1", [], [], ["one: not tried"]),
                ]
            ),
            findings.signatures(
                [
                    AttachedDocument("manifest", text, (text, "")),
                    AttachedDocument("document", text),
                    AttachedDocument("other", text, (), text),
                ]
            ),
        ],
    )


def test_text_of_others_is_data() -> None:
    text = "".join(page.html(evidence("".join(ATTACKS))))
    assert text.isascii() and text.count("<script") == 2 and text.count("</script>") == 2


@pytest.mark.slow
@needs_browser
def test_the_sections_are_drawn(tab: Tab, tmp_path: Path) -> None:
    for number, attack in enumerate(ATTACKS):
        path = tmp_path / f"{number}.html"
        path.write_text("".join(page.html(evidence(attack))))
        size = PHONE if number % 2 else DESKTOP
        tab.open(path, size)
        assert tab.run("document.title") != MARK and tab.run("document.scripts.length") == 2
        assert tab.texts("#signatures tbody td .badge") == ["not checked", "not signed", "cannot be read"]
        assert tab.texts("#rebuilds tbody td .badge") == ["reproduced", "not reproduced", "no data"]
        assert tab.run("document.documentElement.scrollWidth") == size[0]
