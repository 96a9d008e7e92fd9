"""Parse and check a suite's signed InRelease file: its names, its dates and the files that it lists.

Messages call the file "the index of SUITE", since users know it as part of the package index.
"""

from __future__ import annotations

import hashlib
import re
from calendar import timegm
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from fpack.store import DAY
from fpack.store.settings import MAX_INDEX_AGE, MAX_INDEX_DAYS

from .control import ControlError, parse_stanza
from .signatures import ReleaseError, verify
from .suites import SuiteFile, show_date

MAX_SIZE = 16 << 20
FUTURE = DAY  # how far a release's date may be ahead of this machine's clock

_ENTRY = re.compile(r"([0-9a-f]{64})[ \t]+(\d{1,15})[ \t]+(\S+)\Z")


class Expired(ReleaseError):
    """An expired release."""


class NotYetValid(ReleaseError):
    """A release dated in the future."""


class WrongSuite(ReleaseError):
    """A release of a different suite."""


class Rollback(ReleaseError):
    """A release older than the locked one."""


class Release(NamedTuple):
    """A verified release. Dates are Unix seconds. until: the expiry date, or None."""

    suite: str
    codename: str
    date: int
    until: int | None
    sha256: str  # of the signed file as fetched
    by_hash: bool
    architectures: tuple[str, ...]
    files: Mapping[str, SuiteFile]


def read_release(
    data: bytes,
    keyring: Path,
    *,
    suite: str,
    now: float,
    accept_expired: bool = False,
    max_age: float | None = MAX_INDEX_DAYS,
    where: str = "",
) -> Release:
    """Verify and parse a newly fetched, clearsigned release of `suite` (a codename or suite name).

    max_age: days for which a release without an expiry date is valid; None for no limit.
    """
    signed = verify(data, keyring, where, now=now, new=True)
    release = parse_release(signed.text, hashlib.sha256(data).hexdigest(), where)
    if suite not in (release.suite, release.codename):
        raise WrongSuite(
            f"The mirror has a different suite in place of {suite}",
            where=where,
            why=f"its index is for {release.codename or release.suite}",
        )
    check_dates(release, now, accept_expired=accept_expired, max_age=max_age, where=where)
    return release


def check_dates(
    release: Release, now: float, *, accept_expired: bool, max_age: float | None = MAX_INDEX_DAYS, where: str = ""
) -> None:
    """Raise Expired or NotYetValid if `release` is not valid at the time `now` (Unix seconds). max_age: in days."""
    name = release.codename or release.suite
    if release.date > now + FUTURE:
        raise NotYetValid(
            f"The index of {name} is dated in the future",
            where=where,
            why=f"its date is {show_date(release.date)}; this machine's clock shows {show_date(int(now))}",
            hint="set the machine's clock",
        )
    if accept_expired:
        return
    if release.until is None and max_age is not None and release.date + max_age * DAY < now:
        raise Expired(
            f"The index of {name} is {int((now - release.date) // DAY)} days old",
            where=where,
            why=f"its date is {show_date(release.date)} and it has no expiry date; such an index is accepted for "
            f"{max_age:g} days, since a mirror with an old index may hide security updates",
            hint="try another mirror; for an archive that no longer changes use --accept-expired or "
            f"FPACK_ACCEPT_EXPIRED=1; {MAX_INDEX_AGE.names} sets the limit",
        )
    if release.until is not None and release.until < now:
        raise Expired(
            f"The index of {name} expired on {show_date(release.until)}",
            where=where,
            why=f"its date is {show_date(release.date)}; a mirror with an expired index may hide security updates",
            hint="try another mirror, or accept it with --accept-expired or FPACK_ACCEPT_EXPIRED=1",
        )


def check_rollback(release: Release, locked_date: int | None, where: str = "") -> None:
    """Raise Rollback if `release` is older than the locked one."""
    if locked_date is not None and release.date < locked_date:
        raise Rollback(
            f"The mirror has an older index of {release.codename or release.suite} than the lock",
            where=where,
            why=f"its date is {show_date(release.date)}; the locked index has {show_date(locked_date)}",
            hint="try another mirror, or allow an older index",
        )


def parse_release(signed: bytes, sha256: str, where: str = "") -> Release:
    """Parse the text that a release's signature covers. sha256: the digest of the signed file."""
    try:
        fields = parse_stanza(signed.decode("utf-8").replace("\r\n", "\n"), where)
    except (UnicodeDecodeError, ControlError) as error:
        raise ReleaseError(
            "The suite's index is malformed", where=where, why=getattr(error, "why", str(error))
        ) from None
    files: dict[str, SuiteFile] = {}
    for line in fields.get("sha256", "").split("\n"):
        if line.strip():
            match = _ENTRY.match(line.strip())
            if match is None:
                raise ReleaseError("The suite's index is malformed", where=where, why=f"not a digest: {line[:100]!r}")
            files[match[3]] = SuiteFile(match[3], int(match[2]), match[1])
    if not files:
        raise ReleaseError("The suite's index has no SHA-256 digests", where=where)
    until = fields.get("valid-until")
    return Release(
        suite=fields.get("suite", ""),
        codename=fields.get("codename", ""),
        date=_date(fields.get("date", ""), where),
        until=None if until is None else _date(until, where),
        sha256=sha256,
        by_hash=fields.get("acquire-by-hash", "").lower() == "yes",
        architectures=tuple(fields.get("architectures", "").split()),
        files=files,
    )


def _date(text: str, where: str) -> int:
    from email.utils import parsedate_tz

    parsed = parsedate_tz(text)
    try:
        if parsed is None:
            raise ValueError
        return timegm(parsed[:9]) - (parsed[9] or 0)
    except (ValueError, OverflowError):
        raise ReleaseError("The suite's index has no valid date", where=where, why=repr(text[:60])) from None
