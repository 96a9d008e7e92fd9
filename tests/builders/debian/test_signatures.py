"""Test which signatures count, with keys that expired, were revoked or never signed, and with broken digests.

Each is also shown to gpgv, where that can be: for something new, fpack is never less strict.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from fpack.builders.debian.signatures import BadSignature, KeyringError, SignedText, valid_certificates, verify
from support.archives.openpgp import YEAR, GnuPG, gnupg, gpgv_accepts

TEXT = "Codename: trixie\n"
NOW = time.time()
OLD = NOW - 5 * YEAR


class Case(NamedTuple):
    """A message and its keyring. new: why it is refused as something new, or empty. old: the same, of an old image."""

    data: bytes
    keyring: bytes
    new: str
    old: str = ""


@pytest.fixture(scope="module")
def gpg() -> Iterator[GnuPG]:
    with gnupg() as made:
        yield made


Maker = Callable[[GnuPG], Case]
CASES: dict[str, Maker] = {}


def case(maker: Maker) -> Maker:
    CASES[maker.__name__] = maker
    return maker


@case
def good(gpg: GnuPG) -> Case:
    key = gpg.key("good", OLD)
    return Case(gpg.clearsign(TEXT, key, at=NOW - 60), gpg.keyring(key), "")


@case
def good_subkey(gpg: GnuPG) -> Case:
    key = gpg.key("good subkey", OLD)
    sub = gpg.subkey(key, OLD, "8y")
    return Case(gpg.clearsign(TEXT, sub, at=NOW - 60), gpg.keyring(key), "")


@case
def prolonged(gpg: GnuPG) -> Case:
    key = gpg.key("prolonged", OLD, "1y")
    sub = gpg.subkey(key, OLD, "1y")
    gpg.prolong(key, "20y", OLD + YEAR // 2)
    gpg.prolong(key, "20y", OLD + YEAR // 2, sub)
    return Case(gpg.clearsign(TEXT, sub, at=NOW - 60), gpg.keyring(key), "")


@case
def expired_certificate(gpg: GnuPG) -> Case:
    key = gpg.key("expired certificate", OLD, "2y")
    return Case(gpg.clearsign(TEXT, key, at=OLD + YEAR), gpg.keyring(key), f"the key {key.lower()} expired on 20")


@case
def expired_certificate_of_a_subkey(gpg: GnuPG) -> Case:
    key = gpg.key("expired certificate of a subkey", OLD, "2y")
    sub = gpg.subkey(key, OLD)
    return Case(gpg.clearsign(TEXT, sub, at=OLD + YEAR), gpg.keyring(key), f"the key {sub.lower()} expired on 20")


@case
def expired_subkey(gpg: GnuPG) -> Case:
    key = gpg.key("expired subkey", OLD)
    sub = gpg.subkey(key, OLD, "2y")
    return Case(gpg.clearsign(TEXT, sub, at=OLD + YEAR), gpg.keyring(key), f"the key {sub.lower()} expired on 20")


@case
def shortened(gpg: GnuPG) -> Case:
    """Return a case in which a key's newest statement about its last day counts, not the one with the latest day."""
    key = gpg.key("shortened", OLD)
    sub = gpg.subkey(key, OLD, "20y")
    before = gpg.keyring(key)  # GnuPG forgets earlier statements
    data = gpg.clearsign(TEXT, sub, at=OLD + YEAR)
    gpg.prolong(key, "1y", OLD + 2 * YEAR, sub)
    return Case(data, before + gpg.keyring(key), "expired on 20")


@case
def made_after_the_key_expired(gpg: GnuPG) -> Case:
    key = gpg.key("made after the key expired", OLD, "2y")
    data = gpg.clearsign(TEXT, key, at=OLD + YEAR + 3600)
    # GnuPG signs with no key that has expired: the last day is moved to before the signature.
    gpg.prolong(key, "1y", OLD + 1)
    return Case(data, gpg.keyring(key), "does not hold", "does not hold")


@case
def superseded_subkey(gpg: GnuPG) -> Case:
    key = gpg.key("superseded subkey", OLD)
    sub = gpg.subkey(key, OLD)
    data = gpg.clearsign(TEXT, sub, at=OLD + YEAR)
    gpg.revoke(key, OLD + 2 * YEAR, 2, subkey=True)
    return Case(data, gpg.keyring(key), f"the key {sub.lower()} was revoked")


@case
def compromised_subkey(gpg: GnuPG) -> Case:
    key = gpg.key("compromised subkey", OLD)
    sub = gpg.subkey(key, OLD)
    data = gpg.clearsign(TEXT, sub, at=OLD + YEAR)
    gpg.revoke(key, OLD + 2 * YEAR, 1, subkey=True)
    return Case(data, gpg.keyring(key), "does not hold", "does not hold")


@case
def superseded_certificate(gpg: GnuPG) -> Case:
    key = gpg.key("superseded certificate", OLD)
    data = gpg.clearsign(TEXT, key, at=OLD + YEAR)
    gpg.revoke(key, OLD + 2 * YEAR, 2)
    return Case(data, gpg.keyring(key), "was revoked")


@case
def compromised_certificate(gpg: GnuPG) -> Case:
    key = gpg.key("compromised certificate", OLD)
    data = gpg.clearsign(TEXT, key, at=OLD + YEAR)
    gpg.revoke(key, OLD + 2 * YEAR, 1)
    return Case(data, gpg.keyring(key), "does not hold", "does not hold")


@case
def revoked_in_one_of_two_copies(gpg: GnuPG) -> Case:
    key = gpg.key("revoked in one of two copies", OLD)
    data, before = gpg.clearsign(TEXT, key, at=OLD + YEAR), gpg.keyring(key)
    gpg.revoke(key, OLD + 2 * YEAR, 2)
    return Case(data, before + gpg.keyring(key), "was revoked")


@case
def a_subkey_that_signs_no_more(gpg: GnuPG) -> Case:
    key = gpg.key("a subkey that signs no more", OLD)
    sub = gpg.subkey(key, OLD)
    data, before = gpg.clearsign(TEXT, sub, at=OLD + YEAR), gpg.keyring(key)
    gpg.stop_signing(key, OLD + 2 * YEAR)
    return Case(data, before + gpg.keyring(key), f"the key {sub.lower()} is not one that signs")


@case
def a_subkey_that_never_may(gpg: GnuPG) -> Case:
    key = gpg.key("a subkey that never may", OLD)
    sub = gpg.subkey(key, OLD)
    data = gpg.clearsign(TEXT, sub, at=OLD + YEAR)
    gpg.stop_signing(key, OLD + 1)
    return Case(data, gpg.keyring(key), "does not hold", "does not hold")


@case
def from_the_future(gpg: GnuPG) -> Case:
    key = gpg.key("from the future", OLD)
    return Case(gpg.clearsign(TEXT, key, at=NOW + YEAR), gpg.keyring(key), "does not hold", "does not hold")


@case
def a_signature_that_expired(gpg: GnuPG) -> Case:
    key = gpg.key("a signature that expired", OLD)
    data = gpg.clearsign(TEXT, key, at=OLD + YEAR, expires="1d")
    return Case(data, gpg.keyring(key), "does not hold", "does not hold")


@case
def sha1(gpg: GnuPG) -> Case:
    key = gpg.key("sha1", OLD)
    data = gpg.clearsign(TEXT, key, at=NOW - 60, digest="SHA1")
    return Case(data, gpg.keyring(key), "uses SHA1, which is broken", "uses SHA1")


@case
def sha1_of_its_day(gpg: GnuPG) -> Case:
    made = 1_262_304_000  # 2010: it was accepted then
    key = gpg.key("sha1 of its day", made)
    data = gpg.clearsign(TEXT, key, at=made + 60, digest="SHA1")
    return Case(data, gpg.keyring(key), "uses SHA1, which is broken", "uses SHA1")


@case
def a_stranger(gpg: GnuPG) -> Case:
    key, other = gpg.key("a stranger", OLD), gpg.key("one who is known", OLD)
    wanted = f"the key {key.lower()} is not in the keyring"
    return Case(gpg.clearsign(TEXT, key, at=NOW - 60), gpg.keyring(other), wanted, wanted)


@case
def one_good_of_three(gpg: GnuPG) -> Case:
    """As bookworm's: by an old key, a new one, and one that this keyring does not have."""
    old, new, other = gpg.key("old of three", OLD, "2y"), gpg.key("new of three", OLD), gpg.key("other of three", OLD)
    # GnuPG signs with a key only while it is valid, and Debian with several at once.
    first = gpg.clearsign(TEXT, old, other, at=OLD + YEAR)
    return Case(joined(first, gpg.clearsign(TEXT, new, at=NOW - 60)), gpg.keyring(old, new), "")


@case
def an_expired_one_and_a_stranger(gpg: GnuPG) -> Case:
    old, other = gpg.key("old of two", OLD, "2y"), gpg.key("other of two", OLD)
    data = gpg.clearsign(TEXT, old, other, at=OLD + YEAR)
    return Case(data, gpg.keyring(old), f"the key {other.lower()} is not in the keyring")


def joined(one: bytes, other: bytes) -> bytes:
    """Return the message with the signatures of both."""
    import pysequoia
    from pysequoia.packet import PacketPile

    mark = b"-----BEGIN PGP SIGNATURE-----"
    packets = b"".join(bytes(p) for each in (one, other) for p in PacketPile.from_bytes(each[each.index(mark) :]))
    return one[: one.index(mark)] + pysequoia.armor(packets, pysequoia.ArmorKind.Signature).encode()


def check(data: bytes, keyring: Path, why: str, *, new: bool) -> SignedText | None:
    if not why:
        return verify(data, keyring, now=NOW, new=new)
    with pytest.raises(BadSignature) as caught:
        verify(data, keyring, now=NOW, new=new)
    assert why in caught.value.why
    assert str(keyring) in caught.value.why and "backtrace" not in str(caught.value)
    return None


@pytest.mark.parametrize("name", CASES)
def test_signatures(name: str, gpg: GnuPG, tmp_path: Path) -> None:
    data, certificates, new, old = CASES[name](gpg)
    keyring = tmp_path / "keyring.pgp"
    keyring.write_bytes(certificates)
    accepted = check(data, keyring, new, new=True)
    if accepted is not None:
        assert accepted.text.decode().strip() == TEXT.strip()
        assert not accepted.signatures[0].trouble
        assert gpgv_accepts(data, keyring)
    known = check(data, keyring, old, new=False)
    if known is not None:
        assert known.text.decode().strip() == TEXT.strip()
        assert bool(known.signatures[0].trouble) == bool(new)


def test_gpgv_refuses_what_is_by_a_key_that_may_not_sign(gpg: GnuPG, tmp_path: Path) -> None:
    """That is the point of it: pysequoia alone accepts these."""
    keyring = tmp_path / "keyring.pgp"
    for name in ("expired_certificate", "expired_subkey", "superseded_subkey", "superseded_certificate"):
        keyring.write_bytes(b"")
        data, certificates, _, _ = CASES[name](_renamed(gpg, name))
        keyring.write_bytes(certificates)
        assert not gpgv_accepts(data, keyring), name


def _renamed(gpg: GnuPG, name: str) -> GnuPG:
    """Return the same home, in which each user has one key: a second one gets another name."""

    class Renamed(GnuPG):
        def key(self, user: str, made: float, expires: str = "0", usage: str = "cert,sign") -> str:
            return super().key(f"{user} again {name}", made, expires, usage)

    return Renamed(gpg._home)


def test_when_it_was_signed_and_since_when_its_key_may_not(gpg: GnuPG, tmp_path: Path) -> None:
    key = gpg.key("when", OLD, "2y")
    keyring = tmp_path / "keyring.pgp"
    keyring.write_bytes(gpg.keyring(key))
    (found,) = verify(gpg.clearsign(TEXT, key, at=OLD + YEAR), keyring, now=NOW, new=False).signatures
    assert (found.key, found.certificate, found.made) == (key.lower(), key.lower(), int(OLD + YEAR))
    assert found.trouble.startswith("expired on ")
    assert valid_certificates(keyring, NOW) == (0, 1)
    assert valid_certificates(keyring, OLD + YEAR) == (1, 1)


def test_a_key_that_expires_later_signs_until_then(tmp_path: Path) -> None:
    """The time that counts is given, and not asked of the machine."""
    from support.archives.archive import clearsign, new_key, write_keyring

    key = new_key(validity_seconds=3600)
    keyring, data = write_keyring(tmp_path / "k", key), clearsign(TEXT, key)
    assert verify(data, keyring, now=NOW + 60, new=True).signatures[0].trouble == ""
    with pytest.raises(BadSignature, match="expired on"):
        verify(data, keyring, now=time.time() + 3700, new=True)
    assert verify(data, keyring, now=time.time() + 3700, new=False).signatures[0].trouble.startswith("expired on")


def test_many_signatures_are_refused_before_they_are_checked(gpg: GnuPG, tmp_path: Path) -> None:
    key = gpg.key("many", OLD)
    data = one = gpg.clearsign(TEXT, key, at=NOW - 60)
    for _ in range(16):
        data = joined(data, one)
    keyring = tmp_path / "keyring.pgp"
    keyring.write_bytes(gpg.keyring(key))
    with pytest.raises(BadSignature, match="too many"):
        verify(data, keyring, now=NOW, new=True)


def test_an_armor_of_something_else(gpg: GnuPG, tmp_path: Path) -> None:
    import pysequoia

    key = gpg.key("something else", OLD)
    data = gpg.clearsign(TEXT, key, at=NOW - 60)
    keyring = tmp_path / "keyring.pgp"
    keyring.write_bytes(gpg.keyring(key))
    mark = b"-----BEGIN PGP SIGNATURE-----"
    for other in (gpg.keyring(key), b"\xcb\x03abc"):
        armor = pysequoia.armor(other, pysequoia.ArmorKind.Signature).encode()
        with pytest.raises(BadSignature):
            verify(data[: data.index(mark)] + armor, keyring, now=NOW, new=True)


def test_a_keyring_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(b"nonsense")
    with pytest.raises(KeyringError):
        valid_certificates(tmp_path / "k", NOW)
