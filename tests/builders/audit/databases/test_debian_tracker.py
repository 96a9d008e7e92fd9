"""The data of Debian's security tracker: states and sub-states in each release."""

from __future__ import annotations

import io
import json

import pytest
from fpack.builders.audit.audit import audit
from fpack.builders.audit.databases.compiled import DataError
from fpack.builders.audit.databases.json_stream import JsonStream
from fpack.builders.audit.model import SUBSTATES
from support.reports.vulnerabilities import entry, ids, opened, product, state, tracker

STATES = {
    "CVE-2026-0001": entry(trixie=state("3.5.2-1"), bookworm=state("0")),
    "CVE-2026-0002": entry(trixie=state(), bookworm=state("3.0-1")),
    "CVE-2026-0003": entry(trixie=state("0")),
    "CVE-2026-0004": entry(trixie=state(nodsa="Minor issue", nodsa_reason="")),
    "CVE-2026-0005": entry(trixie=state(nodsa="Later", nodsa_reason="postponed")),
    "CVE-2026-0006": entry(trixie=state(nodsa="Never", nodsa_reason="ignored")),
    "CVE-2026-0007": entry(trixie=state(urgency="end-of-life")),
    "CVE-2026-0008": entry(trixie=state(status="undetermined")),
    "CVE-2026-0009": entry(trixie=state(urgency="unimportant")),
    "CVE-2026-0010": entry(trixie=state(urgency="high**")),
    "CVE-2026-0011": entry(bookworm=state()),
    "TEMP-0000000-ABCDEF": entry(trixie=state()),
}
DATA = tracker({"openssl": STATES, "other": {"CVE-2026-0099": entry(sid=state())}})


def test_substates_are_told() -> None:
    found = {item.id: item.substate for item in DATA.advisories("Debian", "trixie", "openssl") if item.substate}
    assert found == {
        "CVE-2026-0004": "no-dsa",
        "CVE-2026-0005": "postponed",
        "CVE-2026-0006": "ignored",
        "CVE-2026-0007": "end-of-life",
        "CVE-2026-0008": "undetermined",
        "CVE-2026-0009": "unimportant",
    }
    assert {*found.values()} == {*SUBSTATES}


def test_a_version_is_affected_until_it_is_fixed() -> None:
    before = {finding.advisory.id: finding for finding in audit([product("openssl", "3.5.1-1")], [DATA]).findings}
    assert before["CVE-2026-0001"].fixed == "3.5.2-1" and before["CVE-2026-0002"].fixed == ""
    assert not {"CVE-2026-0003", "CVE-2026-0011", "CVE-2026-0099"} & before.keys()
    assert before["CVE-2026-0010"].advisory.severity == "high"
    assert before["CVE-2026-0009"].advisory.severity == "negligible"
    assert before["TEMP-0000000-ABCDEF"].advisory.severity == "unknown"
    for version in ("3.5.2-1", "3.5.2-1+deb13u1", "1:0"):
        assert before.keys() - {*ids(audit([product("openssl", version)], [DATA]).findings)} == {"CVE-2026-0001"}


def test_the_releases_are_those_of_the_data() -> None:
    assert [DATA.covers("Debian", name) for name in ("trixie", "sid", "forky")] == [True, True, False]
    assert not DATA.covers("Ubuntu", "trixie")
    assert list(DATA.advisories("Debian", "forky", "openssl")) == []
    assert audit([product("openssl", "1-1", release="forky")], [DATA]).missing[0].packages == ("openssl",)


def test_what_cannot_be_read_is_counted() -> None:
    found = tracker(
        {
            "good": {"CVE-2026-0001": entry(trixie=state())},
            "bad": {
                "\x1b[2J": entry(trixie=state()),
                "CVE-2026-0002": entry(trixie=state("not a version\n"), sid=state()),
                "CVE-2026-0003": {"releases": []},
                "CVE-2026-0004": entry(trixie={"status": "weird"}),
                "CVE-2026-0005": entry(trixie={"status": "resolved"}),
            },
            "Not a Source": {},
        }
    )
    assert found.header.bad == 6
    assert all(problem.isprintable() for problem in found.header.problems)
    assert ids(list(found.advisories("Debian", "sid", "bad"))) == ["CVE-2026-0002"]


@pytest.mark.parametrize("data", [b"{}", b'{"a b": {}}', b'{"source": []}', b"[]", b"1", b"", b'{"source": {}', b"{]"])
def test_what_is_not_the_tracker_s_data_is_refused(data: bytes) -> None:
    with pytest.raises(DataError):
        opened(data)


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_a_stream_reads_the_same_from_pieces_of_any_size(size: int) -> None:
    value = {f"é{number}": {"text": '\\"}{][, ü' * number, "list": [1.5, None, True, {}]} for number in range(40)}
    for made in (value, [*value.values(), "text", 12345, -1.5e3, True, None], {}, []):
        data = b"\xef\xbb\xbf " + json.dumps(made, ensure_ascii=False, indent=1).encode() + b" \n"
        file = io.BytesIO(data)
        found = list(JsonStream(lambda _: file.read(size), "x").members())  # noqa: B023
        assert found == (list(made.items()) if isinstance(made, dict) else [("", item) for item in made])


NO_JSON = [
    '{"a": 1', '{"a": 1,}', '{"a" 1}', "[1 2]", "[1,]", '{"a": 1} x', '{"a": tru', '["\\x"]', "{1: 2}",
    '{"a": ' + "[" * 100_000, '{"a": ' + "9" * 5000 + "}", '{"a": xyz' + " " * 10_000_000,
]  # fmt: skip


@pytest.mark.parametrize("text", NO_JSON, ids=range(len(NO_JSON)))
def test_a_stream_refuses_what_is_no_json(text: str) -> None:
    with pytest.raises(DataError):
        list(JsonStream(io.BytesIO(text.encode()).read, "x").members())
