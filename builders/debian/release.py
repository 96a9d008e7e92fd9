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
from fpack.store.errors import counted, malformation
from fpack.store.settings import MAX_INDEX_AGE, MAX_INDEX_DAYS

from .control import ControlError, parse_stanza
from .signatures import ReleaseError, verify
from .suites import SuiteFile, show_date

MAX_SIZE = 16 << 20  # bytes
FUTURE = DAY  # how far a release's date may be ahead of this machine's clock

# The sections of digests that count, and the number of digits. MD5 and SHA-1 are broken.
_SECTIONS = {"sha256": 64, "sha512": 128}
_ENTRY = re.compile(r"([0-9a-f]+)[ \t]+(\d{1,15})[ \t]+(\S+)\Z")
# A file's line in a release that is only searched. The number of digits tells the algorithm.
_LINE = rb"^ ([0-9a-f]{64}|[0-9a-f]{128})[ \t]+(\d{1,15})[ \t]+(%s)$"


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

    @property
    def name(self) -> str:
        """The suite's directory, as in `directory_name`."""
        return directory_name(self.suite, self.codename)


def directory_name(suite: str, codename: str) -> str:
    """Return the name of a suite's directory under dists/, from the fields Suite and Codename of its release.

    It is Debian's Codename, such as trixie-updates. In Ubuntu the updates have the codename of their release, and it is
    the Suite, such as noble-updates.
    """
    return suite if not codename or suite.startswith(f"{codename}-") else codename


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
    if not is_of(release, suite):
        raise WrongSuite(
            f"The mirror has a different suite in place of {suite}", where=where, why=f"its index is for {release.name}"
        )
    check_dates(release, now, accept_expired=accept_expired, max_age=max_age, where=where)
    return release


def is_of(release: Release, suite: str) -> bool:
    """Return whether a release is that of `suite`."""
    return suite in (release.suite, release.name)


def check_dates(
    release: Release, now: float, *, accept_expired: bool, max_age: float | None = MAX_INDEX_DAYS, where: str = ""
) -> None:
    """Raise Expired or NotYetValid if `release` is not valid at the time `now` (Unix seconds). max_age: in days."""
    name = release.name
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
            f"The index of {name} is {counted(int((now - release.date) // DAY), 'day')} old",
            where=where,
            why=f"its date is {show_date(release.date)} and it has no expiry date; such an index is accepted for "
            f"{max_age:g} {'day' if max_age == 1 else 'days'}, since a mirror with an old index may hide security "
            "updates",
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
            f"The mirror has an older index of {release.name} than the lock",
            where=where,
            why=f"its date is {show_date(release.date)}; the locked index has {show_date(locked_date)}",
            hint="try another mirror, or accept the older index with fpack update --allow-older",
        )


def parse_release(signed: bytes, sha256: str, where: str = "") -> Release:
    """Parse the text that a release's signature covers. sha256: the digest of the signed file."""
    try:
        fields = parse_stanza(signed.decode("utf-8").replace("\r\n", "\n"), where)
    except (UnicodeDecodeError, ControlError) as error:
        raise ReleaseError("The suite's index is malformed", where=where, why=malformation(error)) from None
    files = _files(fields, where)
    if not files:
        broken = [name for key, name in (("md5sum", "MD5"), ("sha1", "SHA-1")) if fields.get(key, "").strip()]
        why = f"its {' and '.join(broken)} digests do not count, since they can be forged" if broken else ""
        raise ReleaseError("The suite's index has no SHA-256 or SHA-512 digests", where=where, why=why)
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


def _files(fields: Mapping[str, str], where: str) -> dict[str, SuiteFile]:
    """Return the listed files with all digests of each. The sections may list different files."""
    files: dict[str, SuiteFile] = {}
    for section, digits in _SECTIONS.items():
        for line in fields.get(section, "").split("\n"):
            if not line.strip():
                continue
            match = _ENTRY.match(line.strip())
            if match is None or len(match[1]) != digits:
                raise ReleaseError("The suite's index is malformed", where=where, why=f"not a digest: {line[:150]!r}")
            file = _with(files.get(match[3]), match[3], int(match[2]), match[1])
            if file is None:
                why = f"it lists {match[3]!r:.200} twice, with different sizes or digests"
                raise ReleaseError("The suite's index contradicts itself", where=where, why=why)
            files[match[3]] = file
    return files


def find_files(data: bytes, pattern: str) -> dict[str, SuiteFile]:
    """Return the files whose path matches `pattern` from the text of a release that was verified before.

    A search for a few files is faster than parsing the whole release.
    """
    files: dict[str, SuiteFile] = {}
    for match in re.finditer(_LINE % pattern.encode(), data, re.MULTILINE):
        path = match[3].decode()
        if (file := _with(files.get(path), path, int(match[2]), match[1].decode())) is not None:
            files[path] = file
    return files


def _with(known: SuiteFile | None, path: str, size: int, digest: str) -> SuiteFile | None:
    """Return a file with one more digest. Return None if it contradicts what is known of the file."""
    sha256, sha512 = ("", digest) if len(digest) > _SECTIONS["sha256"] else (digest, "")
    file = known or SuiteFile(path, size, "")
    new = SuiteFile(path, size, sha256 or file.sha256, sha512 or file.sha512)
    return new if new == file._replace(sha256=file.sha256 or sha256, sha512=file.sha512 or sha512) else None


def _date(text: str, where: str) -> int:
    from email.utils import parsedate_tz

    parsed = parsedate_tz(text)
    try:
        if parsed is None:
            raise ValueError
        return timegm(parsed[:9]) - (parsed[9] or 0)
    except (ValueError, OverflowError):
        raise ReleaseError("The suite's index has no valid date", where=where, why=repr(text[:60])) from None
