"""Read a list of accepted vulnerabilities, each with a reason and a date after which it counts again."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fpack import strict_toml
from fpack.store.errors import FpackError, malformation

from .databases.compiled import text
from .databases.debian_tracker import ID
from .model import Finding

MAX_SIZE = 4 << 20  # bytes
_FIELDS = {"id", "reason", "until", "package"}


class AcceptedError(FpackError):
    """An invalid list of accepted vulnerabilities."""

    exit_code = 2


class AcceptedEntry(NamedTuple):
    """An accepted vulnerability. package: the source package that it is accepted of, "" for all.

    until: the last day, None for an option of one command. origin: the file, or the option.
    """

    id: str
    reason: str
    until: datetime.date | None = None
    package: str = ""
    origin: str = ""


def read_accepted(data: bytes, where: str) -> list[AcceptedEntry]:
    """Parse a list: TOML with a table `[[accept]]` for each vulnerability. Raise AcceptedError if it is invalid."""
    if len(data) > MAX_SIZE:
        why = f"it has more than {MAX_SIZE} bytes"
        raise AcceptedError("The list of accepted vulnerabilities is invalid", where=where, why=why)
    try:
        document = strict_toml.parse(data.decode("utf-8"))
    except ValueError as error:
        why = malformation(error)[:200]
        raise AcceptedError("The list of accepted vulnerabilities is not valid TOML", where=where, why=why) from None
    rows = document.pop("accept", [])
    if document or not isinstance(rows, list):
        why = "accept is not a list of tables: write [[accept]]"
        if document:
            why = f"it has the unknown field {text(min(document), 40)}; write [[accept]]"
        raise AcceptedError("The list of accepted vulnerabilities is invalid", where=where, why=why)
    return [_row(row, number, where) for number, row in enumerate(rows, 1)]


def _row(row: Any, number: int, where: str) -> AcceptedEntry:
    def bad(why: str) -> AcceptedError:
        return AcceptedError(
            f"Entry {number} of the accepted vulnerabilities is invalid",
            where=where,
            why=why,
            hint='an entry has id, reason and until, as in: id = "CVE-2026-1234", reason = "...", until = 2026-12-31',
        )

    if not isinstance(row, dict) or (unknown := sorted(row.keys() - _FIELDS)):
        raise bad(f"it has the unknown field {text(unknown[0], 40)}" if isinstance(row, dict) else "it is not a table")
    identity, reason, until, package = (row.get(name) for name in ("id", "reason", "until", "package"))
    if not isinstance(identity, str) or not ID.match(identity):
        raise bad("its id is not that of a vulnerability")
    if not isinstance(reason, str) or not text(reason):
        raise bad("it has no reason")
    if not isinstance(until, datetime.date) or isinstance(until, datetime.datetime):
        raise bad("until is not a date")
    if package is not None and (not isinstance(package, str) or not package):
        raise bad("its package is not a name")
    return AcceptedEntry(identity, text(reason), until, package or "", where)


def acceptance(finding: Finding, accepted: Sequence[AcceptedEntry], today: datetime.date) -> AcceptedEntry | None:
    """Return the entry that accepts a finding today, or None."""
    ids = {finding.advisory.id, *finding.advisory.aliases}
    for entry in accepted:
        is_about = entry.id in ids and entry.package in ("", finding.product.name)
        if is_about and (entry.until is None or today <= entry.until):
            return entry
    return None


def unmatched(accepted: Sequence[AcceptedEntry], findings: Iterable[Finding]) -> list[AcceptedEntry]:
    """Return the entries that are about none of the findings, by their IDs and packages."""
    found: set[tuple[str, str]] = set()
    for finding in findings:
        for identity in (finding.advisory.id, *finding.advisory.aliases):
            found |= {(identity, ""), (identity, finding.product.name)}
    return [entry for entry in accepted if (entry.id, entry.package) not in found]


def expired(accepted: Sequence[AcceptedEntry], today: datetime.date) -> list[AcceptedEntry]:
    """Return the entries that no longer count."""
    return [entry for entry in accepted if entry.until is not None and today > entry.until]
