"""A suite's signed index of indexes (InRelease): its signature, dates and names, and what it vouches for."""

from __future__ import annotations

import hashlib
import os
import re
from calendar import timegm
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fpack.store.errors import FpackError

from .control import ControlError, parse_stanza
from .suites import File, show_date

MAX_SIZE = 16 << 20
FUTURE = 24 * 3600  # how far a release may be dated ahead of this machine's clock
SHIPPED = Path(__file__).with_name("keyring.pgp")
KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
    SHIPPED,
)

_BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
_ENTRY = re.compile(r"([0-9a-f]{64})[ \t]+(\d{1,15})[ \t]+(\S+)\Z")


class ReleaseError(FpackError):
    """A suite's signed index that cannot be trusted or read."""

    exit_code = 4


class Unsigned(ReleaseError):
    """It carries no signature, or text that no signature covers."""


class Truncated(ReleaseError):
    """It ends early."""


class BadSignature(ReleaseError):
    """No signature on it is valid and by a key of the keyring."""


class Expired(ReleaseError):
    """Its archive does not vouch for it any more."""


class NotYetValid(ReleaseError):
    """It is dated in the future."""


class WrongSuite(ReleaseError):
    """It is another suite's."""


class Rollback(ReleaseError):
    """It is older than one that is known."""


class KeyringError(ReleaseError):
    """There is no keyring, or it holds no certificates."""


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


def find_keyring(option: str | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """The file of the keys that may sign: the option, FPACK_KEYRING, the machine's keyring, or the one in fpack."""
    named = option or environ.get("FPACK_KEYRING")
    if named:
        path = Path(named)
        if not path.is_file():
            raise KeyringError("The keyring does not exist", where=named)
        return path
    for path in KEYRINGS:
        if path.is_file():
            return path
    raise KeyringError(
        "There is no keyring to verify Debian's archive with",
        hint="install debian-archive-keyring, or name a keyring with FPACK_KEYRING",
    )


def verify(data: bytes, keyring: Path, where: str = "") -> bytes:
    """The signed part of a clearsigned `data`, when one of its signatures is valid and by a key of `keyring`.

    The whole file must be one clearsigned message: text before or after it would be read by nobody's authority.
    """
    _check_frame(data, where)
    import pysequoia

    try:
        certificates = pysequoia.Cert.split_bytes(keyring.read_bytes())
    except OSError as error:
        raise KeyringError("The keyring cannot be read", where=str(keyring), why=error.strerror or "") from None
    except Exception as error:  # pysequoia raises its own kinds and RuntimeError
        raise KeyringError("The keyring holds no certificates", where=str(keyring), why=_first_line(error)) from None
    certificates = [certificate for certificate in certificates if not certificate.is_revoked]
    signers: list[str] = []

    def lookup(ids: list[str]) -> list[Any]:
        signers.extend(ids)
        return certificates

    try:
        result = pysequoia.verify(bytes=data, store=lookup)
    except Exception as error:
        keys = ", ".join(signers)
        raise BadSignature(
            "A suite's index has no valid signature",
            where=where,
            why=f"{_first_line(error)} It claims to be signed by {keys}; the keyring is {keyring}"
            if keys
            else _first_line(error),
            hint="update the keyring (debian-archive-keyring), or try another mirror",
        ) from None
    if not result.valid_sigs or result.bytes is None:
        raise BadSignature("A suite's index has no valid signature", where=where)
    return bytes(result.bytes)


def _check_frame(data: bytes, where: str) -> None:
    lines = [line.rstrip() for line in data.split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    if not lines or lines[0] != _BEGIN:
        if lines and _BEGIN.startswith(lines[0]) and len(lines) == 1:
            raise Truncated("A suite's index is incomplete", where=where, why="it ends in its first line")
        raise Unsigned("A suite's index is not signed", where=where, why="it does not begin with a signed message")
    markers = [line for line in lines if line.startswith(b"-----") and line.endswith(b"-----")]
    if _SIGNATURE not in markers or _END not in markers:
        raise Truncated("A suite's index is incomplete", where=where, why="its signature is missing or cut off")
    if markers != [_BEGIN, _SIGNATURE, _END] or lines[-1] != _END:
        raise Unsigned("A suite's index has text that is not signed", where=where)
    # The armor's own headers are not signed. RFC 9580, 7: only Hash may be there.
    headers = lines[1 : lines.index(b"")] if b"" in lines else lines
    if any(not line.startswith(b"Hash:") for line in headers):
        raise Unsigned("A suite's index has headers that are not signed", where=where)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [error.__class__.__name__])[0]


def read_release(
    data: bytes, keyring: Path, *, suite: str, now: float, accept_expired: bool = False, where: str = ""
) -> Release:
    """The verified release in a clearsigned `data`, which must be of `suite` (a codename or a suite's name)."""
    release = parse_release(verify(data, keyring, where), hashlib.sha256(data).hexdigest(), where)
    if suite not in (release.suite, release.codename):
        raise WrongSuite(
            f"A mirror has another suite in the place of {suite}",
            where=where,
            why=f"its index says {release.codename or release.suite}",
        )
    check_dates(release, now, accept_expired=accept_expired, where=where)
    return release


def check_dates(release: Release, now: float, *, accept_expired: bool, where: str = "") -> None:
    """Expired or NotYetValid if `release` does not hold at the time `now`."""
    name = release.codename or release.suite
    if release.date > now + FUTURE:
        raise NotYetValid(
            f"The index of {name} is dated in the future",
            where=where,
            why=f"it was made on {show_date(release.date)}, and this machine's clock says {show_date(int(now))}",
            hint="set the machine's clock",
        )
    if release.until is not None and release.until < now and not accept_expired:
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
