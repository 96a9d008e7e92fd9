"""Lists of accepted vulnerabilities: reasons and dates are required, and an entry counts until its date."""

from __future__ import annotations

import datetime

import pytest
from fpack.builders.audit.accepted import AcceptedError, acceptance, expired, read_accepted, unmatched
from fpack.builders.audit.audit import audit
from support.reports.vulnerabilities import affected, document, osv, product

GOOD = b"""
[[accept]]
id = "CVE-2026-0001"
reason = "not reachable"
until = 2026-12-31

[[accept]]
id = "GHSA-2"
package = "leaf"
reason = "the maintainer's fix is tested"
until = 2026-01-01
"""
DAY = datetime.date(2026, 1, 1)


def test_an_entry_accepts_by_id_or_alias_until_its_date() -> None:
    entries = read_accepted(GOOD, "accepted.toml")
    leaf, other = (affected("npm", name, ("introduced", "0")) for name in ("leaf", "other"))
    data = osv(document("GHSA-1", leaf, aliases=["CVE-2026-0001"]), document("GHSA-2", leaf, other))
    one, two = audit([product("leaf", "1.0.0", "npm")], [data]).findings
    (three,) = audit([product("other", "1.0.0", "npm")], [data]).findings
    assert acceptance(one, entries, DAY) == entries[0] and acceptance(two, entries, DAY) == entries[1]
    assert acceptance(three, entries, DAY) is None
    assert acceptance(two, entries, DAY + datetime.timedelta(1)) is None
    assert acceptance(one, entries, datetime.date(2027, 1, 1)) is None
    assert unmatched(entries, [one]) == entries[1:] and unmatched(entries, [three]) == entries
    assert unmatched(entries, [one, two]) == []
    assert expired(entries, DAY) == [] and expired(entries, datetime.date(2026, 6, 1)) == entries[1:]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[[accept]]\nid = "CVE-2026-1"\nuntil = 2026-12-31', "no reason"),
        ('[[accept]]\nid = "CVE-2026-1"\nreason = " "\nuntil = 2026-12-31', "no reason"),
        ('[[accept]]\nid = "CVE-2026-1"\nreason = "x"', "until is not a date"),
        ('[[accept]]\nid = "CVE-2026-1"\nreason = "x"\nuntil = "2026-12-31"', "until is not a date"),
        ('[[accept]]\nid = "CVE-2026-1"\nreason = "x"\nuntil = 2026-12-31T00:00:00Z', "until is not a date"),
        ('[[accept]]\nid = "*"\nreason = "x"\nuntil = 2026-12-31', "not that of a vulnerability"),
        ('[[accept]]\nid = "CVE-2026-1"\nreasons = "x"\nuntil = 2026-12-31', "unknown field reasons"),
        ('[[accept]]\nid = "CVE-2026-1"\npackage = ""\nreason = "x"\nuntil = 2026-12-31', "not a name"),
        ('accept = ["CVE-2026-1"]', "not a table"),
        ("accept = 1", "is not a list of tables"),
        ('[accepted]\nid = "CVE-2026-1"', "unknown field accepted"),
        ("[[accept]", "TOML"),
        ("a = " + "[" * 100_000, ""),
        ("a = 1\n" * 10**6, ""),
        ("\ud800", ""),
    ],
)
def test_a_list_that_is_not_complete_is_refused(text: str, why: str) -> None:
    with pytest.raises(AcceptedError) as caught:
        read_accepted(text.encode("utf-8", "surrogatepass"), "accepted.toml")
    assert why in str(caught.value) and caught.value.where == "accepted.toml"
