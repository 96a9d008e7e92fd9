"""Test the agents, licences, digests of links and texts in both versions of SPDX."""

from __future__ import annotations

import pytest
from fpack.builders.sbom import spdx
from fpack.builders.sbom.model import Licence, LicenceText
from fpack.builders.sbom.spdx import Agent, Licences
from support.reports import bills


@pytest.mark.parametrize(
    ("text", "kind", "name", "address"),
    [
        ("Åsa Löv <asa@example.org>", "Person", "Åsa Löv", "asa@example.org"),
        ('"Löv, Åsa" <asa@debian.org>', "Person", "Löv, Åsa", "asa@debian.org"),
        ("asa@example.org", "Organization", "asa@example.org", "asa@example.org"),
        ("Åsa Löv (asa@example.org)", "Person", "Åsa Löv (asa@example.org)", "asa@example.org"),
        ("Write to bug-tree@example.org", "Organization", "Write to bug-tree@example.org", "bug-tree@example.org"),
        ("Åsa @ Löv", "Organization", "Åsa @ Löv", ""),
        ("Tree Maintainers <asa@example.org>", "Organization", "Tree Maintainers", "asa@example.org"),
        ("Tree <tree@lists.example.org>", "Organization", "Tree", "tree@lists.example.org"),
        ("Tree <team+tree@tracker.example.org>", "Organization", "Tree", "team+tree@tracker.example.org"),
        ("Debian", "Organization", "Debian", ""),
        ("https://tree.example.org/", "Organization", "https://tree.example.org/", "https://tree.example.org/"),
        ("Tree <https://tree.example.org/>", "Organization", "Tree", "https://tree.example.org/"),
        ("<asa@example.org", "Organization", "asa@example.org", "asa@example.org"),
    ],
)
def test_agent(text: str, kind: str, name: str, address: str) -> None:
    assert spdx.agents(text) == [Agent(kind, name, address)]


def test_agents_stand_on_lines() -> None:
    assert [agent.name for agent in spdx.agents(" A <a@example.org>\n\n<>\nB\n")] == ["A", "B"]
    assert spdx.agents("") == []


def test_hostile_agents_take_linear_time() -> None:
    for text in (" " * 10**6 + "x", "<" * 10**6, "@lists" * 10**6, "a." * 10**6 + "!"):
        spdx.agents(text)
        spdx.url(f"https://{text}")


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("https://www.example.org/a?b#c", True),
        ("http://example.org", True),
        ("ftp://user@example.org:21/x", True),
        ("example.org", False),
        ("https://localhost/x", False),
        ("javascript:alert(1)", False),
        ("https://example.org/žluť", True),
        ("https://example.org/a b", False),
        ("https://example.org/\udce9", False),
        ("https://example.org/\x00", False),
        ('https://example.org/"', False),
        ("", False),
    ],
)
def test_url(text: str, accepted: bool) -> None:
    assert spdx.url(text) == (text if accepted else "")


def test_bytes_that_are_not_utf8_are_escaped() -> None:
    assert spdx.clean("caf\udce9 žluť") == "caf\\xe9 žluť"


def test_two_texts_under_one_id_are_two_licences() -> None:
    bill = bills.everything()
    licences = Licences(bill)
    own = [part for part in bill.components if part.name == "libtree1"]
    expressions = [licences.expression(part.ref, part.effective.expression) for part in own]
    assert len(set(expressions)) == 2
    for part, expression in zip(own, expressions, strict=True):
        assert licences.texts[expression].text == part.texts[0].text
        assert licences.texts[expression].id == expression


def test_every_reference_has_a_text() -> None:
    bill = bills.everything()
    licences = Licences(bill)
    assert "not known" in licences.texts["LicenseRef-odd"].text
    found = [bill.subject._replace(effective=Licence("", "MIT OR LicenseRef-new"))]
    assert "LicenseRef-new" in Licences(bill._replace(subject=found[0])).texts


def test_equal_texts_keep_their_id() -> None:
    text = LicenceText("LicenseRef-x", "x", "the text")
    parts = tuple(bills.deb(name, "1", texts=(text,)) for name in ("a", "b"))
    assert Licences(bills.everything()._replace(components=parts, files=())).texts == {"LicenseRef-x": text}


def test_a_binary_rebuild_has_the_version_of_its_source() -> None:
    bill = bills.everything()
    infos = spdx.source_infos(bill)
    tree = next(part for part in bill.components if part.version.endswith("+b1"))
    assert infos[tree.ref] == "built package from: tree 1:2.0~rc1+dfsg-3"
