"""A suite's signed index of indexes (InRelease): its dates and names, and what it vouches for."""

from __future__ import annotations

import hashlib
import re
from calendar import timegm
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from fpack.store.settings import MAX_INDEX_AGE, MAX_INDEX_DAYS

from .control import ControlError, parse_stanza
from .signatures import ReleaseError, verify
from .suites import File, show_date

MAX_SIZE = 16 << 20
DAY = 24 * 3600
FUTURE = DAY  # how far a release may be dated ahead of this machine's clock

_ENTRY = re.compile(r"([0-9a-f]{64})[ \t]+(\d{1,15})[ \t]+(\S+)\Z")


class Expired(ReleaseError):
    """Its archive does not vouch for it any more."""


class NotYetValid(ReleaseError):
    """It is dated in the future."""


class WrongSuite(ReleaseError):
    """It is another suite's."""


class Rollback(ReleaseError):
    """It is older than one that is known."""


class Release(NamedTuple):
    """A verified release. Dates are Unix seconds; `until` is None when it never expires."""

    suite: str
    codename: str
    date: int
    until: int | None
    sha256: str  # of the signed file as it was fetched
    by_hash: bool
    architectures: tuple[str, ...]
    files: Mapping[str, File]


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
    """The new release in a clearsigned `data`, verified; it must be of `suite` (a codename or a suite's name).

    max_age: days that one without an expiry date is good for; None: for ever.
    """
    signed = verify(data, keyring, where, now=now, new=True)
    release = parse_release(signed.text, hashlib.sha256(data).hexdigest(), where)
    if suite not in (release.suite, release.codename):
        raise WrongSuite(
            f"A mirror has another suite in the place of {suite}",
            where=where,
            why=f"its index says {release.codename or release.suite}",
        )
    check_dates(release, now, accept_expired=accept_expired, max_age=max_age, where=where)
    return release


def check_dates(
    release: Release, now: float, *, accept_expired: bool, max_age: float | None = MAX_INDEX_DAYS, where: str = ""
) -> None:
    """Expired or NotYetValid if `release` does not hold at the time `now`."""
    name = release.codename or release.suite
    if release.date > now + FUTURE:
        raise NotYetValid(
            f"The index of {name} is dated in the future",
            where=where,
            why=f"it was made on {show_date(release.date)}, and this machine's clock says {show_date(int(now))}",
            hint="set the machine's clock",
        )
    if accept_expired:
        return
    if release.until is None and max_age is not None and release.date + max_age * DAY < now:
        raise Expired(
            f"The index of {name} is {int((now - release.date) // DAY)} days old",
            where=where,
            why=f"it was made on {show_date(release.date)} and has no expiry date; what has none is accepted for "
            f"{max_age:g} days, for a mirror that serves an old one may hide security updates",
            hint="try another mirror; an archive that changes no more is accepted with --accept-expired or "
            f"FPACK_ACCEPT_EXPIRED=1, and {MAX_INDEX_AGE.names} sets the limit",
        )
    if release.until is not None and release.until < now:
        raise Expired(
            f"The index of {name} expired on {show_date(release.until)}",
            where=where,
            why=f"it was made on {show_date(release.date)}; a mirror that serves it may hide security updates",
            hint="try another mirror, or accept it with --accept-expired or FPACK_ACCEPT_EXPIRED=1",
        )


def check_rollback(release: Release, locked_date: int | None, where: str = "") -> None:
    """Rollback if `release` is older than the one that was locked."""
    if locked_date is not None and release.date < locked_date:
        raise Rollback(
            f"A mirror has an older index of {release.codename or release.suite} than the lock",
            where=where,
            why=f"it was made on {show_date(release.date)}, the locked one on {show_date(locked_date)}",
            hint="try another mirror, or allow it to go back",
        )


def parse_release(signed: bytes, sha256: str, where: str = "") -> Release:
    """The fields of a release, from the text that its signature covers."""
    try:
        fields = parse_stanza(signed.decode("utf-8").replace("\r\n", "\n"), where)
    except (UnicodeDecodeError, ControlError) as error:
        raise ReleaseError(
            "A suite's index cannot be read", where=where, why=getattr(error, "why", str(error))
        ) from None
    files: dict[str, File] = {}
    for line in fields.get("sha256", "").split("\n"):
        if line.strip():
            match = _ENTRY.match(line.strip())
            if match is None:
                raise ReleaseError("A suite's index cannot be read", where=where, why=f"not a digest: {line[:100]!r}")
            files[match[3]] = File(match[3], int(match[2]), match[1])
    if not files:
        raise ReleaseError("A suite's index has no SHA-256 digests", where=where)
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
        raise ReleaseError("A suite's index has no readable date", where=where, why=repr(text[:60])) from None
