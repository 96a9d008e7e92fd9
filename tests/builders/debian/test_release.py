"""Test that invalid signed releases are refused, each with its own error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fpack.builders.debian import signatures as module
from fpack.builders.debian.release import (
    Expired,
    NotYetValid,
    Release,
    Rollback,
    WrongSuite,
    check_rollback,
    read_release,
)
from fpack.builders.debian.signatures import BadSignature, KeyringError, ReleaseError, Truncated, Unsigned, find_keyring
from support.archives.archive import clearsign, new_key, signing_key, write_keyring

DIGEST = "ab" * 32
TEXT = f"""Origin: Debian
Suite: stable
Codename: trixie
Date: Sat, 14 Jun 2025 10:00:00 UTC
Valid-Until: Sat, 21 Jun 2025 10:00:00 UTC
Acquire-By-Hash: yes
Architectures: all amd64 arm64
SHA256:
 {DIGEST} 1234 main/binary-amd64/Packages
 {DIGEST}   99 main/binary-amd64/Packages.xz
"""
MADE = 1_749_895_200
UNTIL = MADE + 7 * 86400


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    return write_keyring(tmp_path / "keyring.pgp")


def read(
    data: bytes,
    keyring: Path,
    *,
    now: float = MADE + 100,
    suite: str = "trixie",
    accept: bool = False,
    max_age: float | None = 450,
) -> Release:
    return read_release(
        data, keyring, suite=suite, now=now, accept_expired=accept, max_age=max_age, where="http://m/InRelease"
    )


def test_a_good_one(keyring: Path) -> None:
    release = read(clearsign(TEXT), keyring)
    assert (release.suite, release.codename, release.date, release.until) == ("stable", "trixie", MADE, UNTIL)
    assert release.by_hash
    assert release.architectures == ("all", "amd64", "arm64")
    assert release.files["main/binary-amd64/Packages.xz"] == ("main/binary-amd64/Packages.xz", 99, DIGEST, "")


def test_without_an_expiry_date_it_has_a_greatest_age(keyring: Path) -> None:
    """Stable releases have no expiry date. They are valid for months, but not for ever."""
    data = clearsign(TEXT.replace("Valid-Until: Sat, 21 Jun 2025 10:00:00 UTC\n", ""))
    day = 86400
    assert read(data, keyring, now=MADE + 449 * day).until is None
    with pytest.raises(Expired, match="451 days old.*2025-06-14.*450 days"):
        read(data, keyring, now=MADE + 451 * day)
    assert read(data, keyring, now=MADE + 451 * day, accept=True).until is None
    assert read(data, keyring, now=MADE + 451 * day, max_age=None).until is None
    assert read(data, keyring, now=MADE + 29 * day, max_age=30).until is None
    with pytest.raises(Expired, match="accepted for 30 days") as caught:
        read(data, keyring, now=MADE + 31 * day, max_age=30)
    assert "--max-index-age" in caught.value.hint and "FPACK_MAX_INDEX_AGE" in caught.value.hint


def test_the_greatest_age_is_no_expiry_date(keyring: Path) -> None:
    data = clearsign(TEXT.replace("21 Jun 2025", "21 Jun 2035"))
    assert read(data, keyring, now=MADE + 1000 * 86400).until == UNTIL + 3652 * 86400


def test_one_good_signature_of_several_is_enough(tmp_path: Path) -> None:
    stranger = new_key()
    keyring = write_keyring(tmp_path / "two.pgp", stranger, signing_key())
    assert read(clearsign(TEXT), keyring).codename == "trixie"


def changed(data: bytes) -> bytes:
    return data.replace(b"1234", b"1235")


def cut_in_text(data: bytes) -> bytes:
    return data[: data.index(b"Architectures")]


def cut_in_signature(data: bytes) -> bytes:
    return data[: data.index(b"-----BEGIN PGP SIGNATURE-----") + 60]


def no_signature(data: bytes) -> bytes:
    return TEXT.encode()


def text_before(data: bytes) -> bytes:
    return b"Origin: Evil\n\n" + data


def text_after(data: bytes) -> bytes:
    return data + b"\nOrigin: Evil\n"


def text_between(data: bytes) -> bytes:
    return data.replace(
        b"-----BEGIN PGP SIGNATURE-----", b"-----BEGIN PGP SIGNATURE-----\nx\n-----BEGIN PGP SIGNATURE-----"
    )


def twice(data: bytes) -> bytes:
    return data + data


def empty_signature(data: bytes) -> bytes:
    at = data.index(b"-----BEGIN PGP SIGNATURE-----")
    return data[:at] + b"-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n"


def damaged_signature(data: bytes) -> bytes:
    at = data.index(b"-----BEGIN PGP SIGNATURE-----") + 80
    return data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :]


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (changed, BadSignature),
        (empty_signature, BadSignature),
        (damaged_signature, BadSignature),
        (cut_in_text, Truncated),
        (cut_in_signature, Truncated),
        (no_signature, Unsigned),
        (text_before, Unsigned),
        (text_after, Unsigned),
        (text_between, Unsigned),
        (twice, Unsigned),
        (lambda data: b"", Unsigned),
        (lambda data: b"\xff\x00" * 40, Unsigned),
        (lambda data: data[:20], Truncated),
    ],
)
def test_damage(keyring: Path, damage: Callable[[bytes], bytes], error: type[ReleaseError]) -> None:
    with pytest.raises(error) as caught:
        read(damage(clearsign(TEXT)), keyring)
    assert type(caught.value) is error
    assert "backtrace" not in str(caught.value)
    assert caught.value.where == "http://m/InRelease"


def test_every_cut_is_noticed(keyring: Path) -> None:
    data = clearsign(TEXT).rstrip(b"\n")
    for length in range(0, len(data), 7):
        with pytest.raises(ReleaseError):
            read(data[:length], keyring)


def test_a_strangers_signature(keyring: Path) -> None:
    stranger = new_key()
    with pytest.raises(BadSignature, match="is not in the keyring"):
        read(clearsign(TEXT, stranger), keyring)


def test_a_revoked_key(tmp_path: Path) -> None:
    import pysequoia

    key = new_key()
    certificate = key.extract_certificate()
    data = clearsign(TEXT, key)
    keyring = tmp_path / "k.pgp"
    keyring.write_bytes(bytes(certificate))
    assert read(data, keyring).codename == "trixie"
    revocation = certificate.revoke(key.certifier())
    revoked = pysequoia.Cert.from_bytes(bytes(certificate) + bytes(revocation))
    assert revoked.is_revoked
    keyring.write_bytes(bytes(revoked))
    with pytest.raises(BadSignature):
        read(data, keyring)


def test_expired(keyring: Path) -> None:
    data = clearsign(TEXT)
    assert read(data, keyring, now=UNTIL - 1).until == UNTIL
    with pytest.raises(Expired, match="2025-06-21T10:00:00Z"):
        read(data, keyring, now=UNTIL + 1)
    assert read(data, keyring, now=UNTIL + 1, accept=True).until == UNTIL


def test_dated_in_the_future(keyring: Path) -> None:
    assert read(clearsign(TEXT), keyring, now=MADE - 3600).date == MADE
    with pytest.raises(NotYetValid, match="clock"):
        read(clearsign(TEXT), keyring, now=MADE - 90_000)


def test_another_suite(keyring: Path) -> None:
    with pytest.raises(WrongSuite, match="trixie"):
        read(clearsign(TEXT), keyring, suite="bookworm")


def test_going_back_is_refused(keyring: Path) -> None:
    release = read(clearsign(TEXT), keyring)
    check_rollback(release, None)
    check_rollback(release, MADE)
    with pytest.raises(Rollback, match="2025-06-14"):
        check_rollback(release, MADE + 1)


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("Date: Sat, 14 Jun 2025 10:00:00 UTC", "Date: yesterday"),
        TEXT.replace("Date: Sat, 14 Jun 2025 10:00:00 UTC\n", ""),
        TEXT[: TEXT.index("SHA256")],
        TEXT.replace(DIGEST, "xyz"),
        TEXT.replace("SHA256:", "SHA256: \nSHA256:"),
        TEXT.replace("1234", "-1"),
    ],
)
def test_signed_nonsense(keyring: Path, text: str) -> None:
    with pytest.raises(ReleaseError):
        read(clearsign(text), keyring)


def test_keyrings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = write_keyring(tmp_path / "a"), write_keyring(tmp_path / "b")
    assert find_keyring(str(mine), {"FPACK_KEYRING": str(other)}) == mine
    assert find_keyring(None, {"FPACK_KEYRING": str(other)}) == other
    with pytest.raises(KeyringError):
        find_keyring(str(tmp_path / "none"), {})
    monkeypatch.setattr(module, "KEYRINGS", (tmp_path / "none", other))
    assert find_keyring(None, {}) == other
    monkeypatch.setattr(module, "KEYRINGS", (tmp_path / "none",))
    with pytest.raises(KeyringError, match="no keyring"):
        find_keyring(None, {})


def test_the_keyring_that_comes_with_fpack() -> None:
    import pysequoia

    certificates = pysequoia.Cert.split_bytes(module.SHIPPED.read_bytes())
    users = [str(user) for certificate in certificates for user in certificate.user_ids]
    assert any("trixie" in user for user in users)
    assert all("@debian.org" in user or "@lists.debian.org" in user for user in users)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"])
def test_a_keyring_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(ReleaseError):
        read(clearsign(TEXT), tmp_path / "k")


@pytest.mark.parametrize("header", [b"Codename: sid", b"Comment: x", b"Version: 1", b"Date: x", b" folded"])
def test_headers_that_no_signature_covers(keyring: Path, header: bytes) -> None:
    first = b"-----BEGIN PGP SIGNED MESSAGE-----\n"
    for data in (clearsign(TEXT), clearsign(TEXT).replace(b"Hash: SHA512\n", b"")):
        with pytest.raises(Unsigned, match="headers"):
            read(data.replace(first, first + header + b"\n", 1), keyring)


def test_a_signature_of_another_text(keyring: Path) -> None:
    mark = b"-----BEGIN PGP SIGNATURE-----"
    one, two = clearsign(TEXT), clearsign(TEXT.replace("trixie", "sid"))
    mixed = one[: one.index(mark)] + two[two.index(mark) :]
    for data in (mixed, mixed + one[one.index(mark) :], one + two):
        with pytest.raises(ReleaseError):
            read(data, keyring)
