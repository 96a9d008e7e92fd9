"""Verify the signatures of a clearsigned message with the keys of a keyring.

A signature is valid if it matches the text and was made while its key could sign. For new data, the key must also be
able to sign now: an expired or revoked key may be in an attacker's hands, who can write any date into a signature. One
valid signature is enough, as for apt and `sqv -n 1`; the others are ignored.

pysequoia checks a signature at the time that the signature claims, and cannot check it at another time. So the state of
the key now is read from the certificate's packets. The keyring is trusted: pysequoia checks its self-signatures only
for the time of the signature.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from fpack.store.errors import FpackError
from fpack.store.settings import KEYRING, UBUNTU_KEYRING

from .suites import DEBIAN, DISTRIBUTIONS, UBUNTU, show_date

SHIPPED = Path(__file__).with_name("keyring.pgp")
KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
    SHIPPED,
)
# Each archive has its own keys: a signature by Debian's keys counts for nothing in Ubuntu's archive.
UBUNTU_SHIPPED = Path(__file__).with_name("ubuntu-keyring.pgp")
UBUNTU_KEYRINGS = (Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg"), UBUNTU_SHIPPED)
MAX_SIGNATURES = 16  # the verification of each reads the whole text

_BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
_WEAK = ("MD5", "SHA1", "RipeMD")


class ReleaseError(FpackError):
    """A suite's signed index that cannot be trusted or read."""

    exit_code = 4


class Unsigned(ReleaseError):
    """A file without a signature, or with text that no signature covers."""


class Truncated(ReleaseError):
    """An incomplete file."""


class BadSignature(ReleaseError):
    """A file without a valid signature by a key of the keyring."""


class KeyringError(ReleaseError):
    """A keyring that is missing, unreadable or without certificates."""


class Signature(NamedTuple):
    """A signature that matches the text. key, certificate: fingerprints. made: Unix seconds.

    trouble: why the key can no longer sign, as words after `the key FINGERPRINT`; "" if it can.
    """

    key: str
    certificate: str
    made: int
    trouble: str


class SignedText(NamedTuple):
    """The text of a message and its valid signatures. Those whose keys can still sign come first."""

    text: bytes
    signatures: tuple[Signature, ...]


def find_keyring(
    option: str | None = None, environ: Mapping[str, str] = os.environ, archive: str = DEBIAN
) -> Path:  # fmt: skip
    """Return the keyring file of an archive: the one of the setting, else the machine's, else fpack's own.

    option: the file for Debian's archives.
    """
    ubuntu = archive == UBUNTU
    named = UBUNTU_KEYRING.look_up(None, environ) if ubuntu else KEYRING.look_up(option, environ)
    if named.value:
        path = Path(named.value).expanduser()
        if not path.is_file():
            raise KeyringError("The keyring does not exist", where=named.value, why=f"it is named by {named.origin}")
        return path
    for path in UBUNTU_KEYRINGS if ubuntu else KEYRINGS:
        if path.is_file():
            return path
    package, setting = ("ubuntu-keyring", UBUNTU_KEYRING) if ubuntu else ("debian-archive-keyring", KEYRING)
    raise KeyringError(
        f"There is no keyring to verify {DISTRIBUTIONS[UBUNTU if ubuntu else DEBIAN]}'s archive with",
        hint=f"install {package}, or name a keyring with {setting.variable}",
    )


def verify(data: bytes, keyring: Path, where: str = "", *, now: float, new: bool) -> SignedText:
    """Return the text of the clearsigned `data` and the valid signatures. Raise BadSignature if there are none.

    The whole file must be one clearsigned message, since no signature covers text before or after it. now: Unix
    seconds. new: the keys must be able to sign at that time as well. Otherwise the caller must show the user the
    `trouble` of the signatures.
    """
    head, armored = _split(data, where)
    certificates = _certificates(keyring)
    good: list[tuple[bytes, Signature]] = []
    faults: list[str] = []
    for packet in _packets(armored, where):
        try:
            found = _check(head, packet, certificates, now)
        except Exception as error:  # any attribute of a packet that can be parsed may be one that pysequoia refuses
            found = f"a signature is malformed: {_first_line(error)}"
        if isinstance(found, str):
            faults.append(found)
        elif new and found[1].trouble:
            faults.append(f"the key {found[1].key} {found[1].trouble}")
        else:
            good.append(found)
    if not good:
        raise BadSignature(
            "A suite's index has no valid signature",
            where=where,
            why="; ".join([*dict.fromkeys(faults), f"the keyring is {keyring}"]),
            hint="update the keyring (debian-archive-keyring or ubuntu-keyring), or try another mirror",
        )
    signatures = sorted((signature for _, signature in good), key=lambda signature: bool(signature.trouble))
    return SignedText(good[0][0], tuple(signatures))


def valid_certificates(keyring: Path, now: float) -> tuple[int, int]:
    """Return the number of valid certificates of a keyring, and the number of all its certificates."""
    certificates = _certificates(keyring)
    return sum(not _certificate_trouble(certificate, now) for certificate in certificates), len(certificates)


def _split(data: bytes, where: str) -> tuple[bytes, bytes]:
    """Split a clearsigned message into the part before the signatures and their armor. Raise an error for others."""
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
    raw = data.split(b"\n")
    at = lines.index(_SIGNATURE)
    return b"".join(line + b"\n" for line in raw[:at]), b"\n".join(raw[at:])


def _certificates(keyring: Path) -> list[Any]:
    import pysequoia

    try:
        parsed = pysequoia.Cert.split_bytes(keyring.read_bytes())
        # A keyring may hold a certificate twice, once with its revocation: merge them.
        merged: dict[str, Any] = {}
        for certificate in parsed:
            known = merged.get(certificate.fingerprint)
            merged[certificate.fingerprint] = certificate if known is None else known.merge(certificate)
    except OSError as error:
        raise KeyringError("The keyring cannot be read", where=str(keyring), why=error.strerror or "") from None
    except Exception as error:  # pysequoia raises its own kinds and RuntimeError
        raise KeyringError("The keyring holds no certificates", where=str(keyring), why=_first_line(error)) from None
    return list(merged.values())


def _packets(armored: bytes, where: str) -> list[Any]:
    """Parse the signatures in an armor."""
    from pysequoia.packet import PacketPile, Tag

    try:
        packets = list(PacketPile.from_bytes(armored))
        others = [packet for packet in packets if packet.tag != Tag.Signature]
    except Exception as error:
        raise BadSignature("A suite's index has no valid signature", where=where, why=_first_line(error)) from None
    if not packets or others:
        raise BadSignature("A suite's index has no valid signature", where=where, why="there is none in its armor")
    if len(packets) > MAX_SIGNATURES:
        raise BadSignature("A suite's index has too many signatures", where=where, why=f"there are {len(packets)}")
    return packets


def _check(head: bytes, packet: Any, certificates: Sequence[Any], now: float) -> tuple[bytes, Signature] | str:
    """Return the text and the signature if it is valid, else the reason why it is not."""
    import pysequoia

    claimed = packet.issuer_fingerprint or packet.issuer_key_id or "unknown"
    # pysequoia reports the keys of valid signatures, but not which signature each made. So verify one at a time.
    message = head + pysequoia.armor(bytes(packet), pysequoia.ArmorKind.Signature).encode()
    asked: list[str] = []

    def lookup(ids: list[str]) -> Sequence[Any]:
        asked.extend(ids)
        return certificates

    try:
        result = pysequoia.verify(bytes=message, store=lookup)
    except Exception as error:
        digest = str(packet.hash_algorithm).rpartition(".")[2]
        if not _holder(certificates, {*asked, claimed}):
            return f"the key {claimed} is not in the keyring"
        if digest in _WEAK:
            return f"the signature by the key {claimed} uses {digest}, which is broken"
        return f"the signature by the key {claimed} does not hold: {_first_line(error)}"
    if not result.valid_sigs or result.bytes is None or packet.signature_created is None:
        return f"the signature by the key {claimed} does not hold"
    valid = result.valid_sigs[0]
    certificate = next(c for c in certificates if c.fingerprint == valid.certificate)
    made = packet.signature_created
    # This machine's clock may be behind. The key must have been valid at the time of the signature in any case.
    at = max(now, made.timestamp())
    trouble = _trouble(certificate, valid.signing_key, at)
    until = packet.signature_expiration_time
    if not trouble and until is not None and until.timestamp() <= at:
        trouble = f"signed until {_date(until)} only"
    signature = Signature(valid.signing_key, valid.certificate, int(made.timestamp()), trouble)
    return bytes(result.bytes), signature


def _holder(certificates: Sequence[Any], ids: set[str]) -> bool:
    """Return whether one of the certificates has a key with one of these fingerprints or IDs."""
    return any(packet.fingerprint in ids or packet.key_id in ids for c in certificates for packet, _ in _components(c))


def _components(certificate: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield each key, user ID and attribute of a certificate with the signatures that follow it."""
    from pysequoia.packet import PacketPile, Tag

    head, signatures = None, []
    for packet in PacketPile.from_bytes(bytes(certificate)):
        if packet.tag == Tag.Signature:
            signatures.append(packet)
            continue
        if head is not None:
            yield head, signatures
        head, signatures = packet, []
    if head is not None:
        yield head, signatures


def _certificate_trouble(certificate: Any, at: float) -> str:
    """Return why a certificate is not valid at the time `at`, as words after `the key FINGERPRINT`; "" if it is."""
    if certificate.is_revoked:
        return f"is one of the certificate {certificate.fingerprint}, which was revoked"
    try:
        until = certificate.expiration
    except Exception as error:  # no self-signature is acceptable by today's rules
        return f"is one of the certificate {certificate.fingerprint}, which is not valid: {_first_line(error)}"
    if until is not None and until.timestamp() <= at:
        return f"expired on {_date(until)}"
    return ""


def _trouble(certificate: Any, key: str, at: float) -> str:
    """Return why a key cannot sign at the time `at`, as words after `the key FINGERPRINT`; "" if it can."""
    from pysequoia.packet import SignatureType, Tag

    if trouble := _certificate_trouble(certificate, at):
        return trouble
    bindings: list[Any] = []
    created: datetime | None = None
    if key == certificate.fingerprint:
        # The capabilities of the primary key are in its signatures on itself and on its user IDs.
        for component, signatures in _components(certificate):
            if component.tag != Tag.PublicSubkey:
                bindings += [s for s in signatures if _is_by(s, certificate) and s.key_flags is not None]
    for component, signatures in _components(certificate) if key != certificate.fingerprint else ():
        if component.fingerprint == key:
            created = component.key_created
            if any(s.signature_type == SignatureType.SubkeyRevocation for s in signatures):
                return "was revoked"
            bindings += [s for s in signatures if s.signature_type == SignatureType.SubkeyBinding]
    bindings = [s for s in bindings if s.signature_created and s.signature_created.timestamp() <= at]
    if not bindings:
        return f"does not belong to the certificate {certificate.fingerprint}"
    newest = max(bindings, key=lambda s: s.signature_created)
    if newest.key_flags is None or not newest.key_flags.signing:
        return "is not one that signs"
    if created is not None and newest.key_validity_period is not None:
        until = created + newest.key_validity_period
        if until.timestamp() <= at:
            return f"expired on {_date(until)}"
    return ""


def _is_by(signature: Any, certificate: Any) -> bool:
    """Return whether a signature names the primary key of a certificate as its issuer."""
    issuer = signature.issuer_fingerprint or signature.issuer_key_id
    return bool(issuer) and certificate.fingerprint.endswith(issuer)


def _date(time: datetime) -> str:
    return show_date(int(time.timestamp()))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["the OpenPGP library gives no reason"])[0]
