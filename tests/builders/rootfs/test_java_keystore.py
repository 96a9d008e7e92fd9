"""Test that the Java trust store follows the format and contains only certificates."""

from __future__ import annotations

import base64
import hashlib
import struct

from fpack.builders.rootfs.java_keystore import certificate, keystore


def pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def read(store: bytes) -> dict[str, bytes]:
    """Parse a trust store to the last byte. Return the certificates by alias."""
    body, digest = store[:-20], store[-20:]
    assert hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + body).digest() == digest
    assert body[:8] == bytes.fromhex("feedfeed00000002")
    (count,) = struct.unpack_from(">I", body, 8)
    place = 12
    found: dict[str, bytes] = {}

    def take(form: str) -> bytes:
        nonlocal place
        (length,) = struct.unpack_from(form, body, place)
        place += struct.calcsize(form) + length
        return body[place - length : place]

    for _ in range(count):
        assert struct.unpack_from(">I", body, place) == (2,)
        place += 4
        alias = take(">H").decode()
        place += 8
        assert take(">H") == b"X.509"
        found[alias] = take(">I")
    assert place == len(body)
    return found


def test_it_holds_the_certificates() -> None:
    certificates = {"debian:a.crt": b"\x30\x03abc", "debian:b.crt": b"\x30\x82" + bytes(5000)}
    assert read(keystore([(alias, pem(der)) for alias, der in certificates.items()])) == certificates


def test_an_empty_one() -> None:
    assert read(keystore([])) == {}


def test_what_is_no_certificate_is_left_out() -> None:
    files = [("text", b"hello"), ("cut off", pem(b"abcdef")[:-9]), ("empty", pem(b"")), ("good", pem(b"abc"))]
    broken = b"-----BEGIN CERTIFICATE-----\nabcde\n-----END CERTIFICATE-----\n"
    assert read(keystore([*files, ("broken", broken)])) == {"good": b"abc"}


def test_text_around_a_certificate_does_not_matter() -> None:
    assert certificate(b"subject=/CN=x\r\n" + pem(b"abc").replace(b"\n", b"\r\n") + pem(b"second")) == b"abc"


def test_an_alias_is_ascii() -> None:
    assert list(read(keystore([("Ä", pem(b"abc"))]))) == ["\\xc4"]
