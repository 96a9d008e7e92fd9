"""Keys: those that fpack makes, and those of openssl and cosign; files that are no keys of the right kind."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.attest import keys
from fpack.builders.attest.key_errors import KeyFileError, PassphraseNeeded
from fpack.builders.attest.keys import KINDS, read_private, read_public

HERE = Path(__file__).parent
DATA = (HERE / "openssl" / "data").read_bytes()


def read(name: str) -> bytes:
    return (HERE / name).read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_signs_what_its_public_half_verifies(kind: str) -> None:
    made = keys.generate(kind)
    private = read_private(made.pem(None), "key")
    public = read_public(made.public.pem, "key.pub")
    assert private.public.spki == public.spki == made.public.spki and public.kind == kind
    signature = private.sign(DATA)
    assert public.verifies(signature, DATA) and not public.verifies(signature, DATA + b"!")
    assert made.sign(DATA) == signature, "the same data gives the same signature"
    assert not keys.generate(kind).public.verifies(signature, DATA)


@pytest.mark.parametrize("kind", KINDS)
def test_a_passphrase_encrypts_a_key(kind: str) -> None:
    made = keys.generate(kind)
    pem = made.pem(b"secret")
    assert b"ENCRYPTED" in pem and b"ENCRYPTED" not in made.pem(None)
    assert read_private(pem, "key", b"secret").public.spki == made.public.spki
    with pytest.raises(PassphraseNeeded):
        read_private(pem, "key")
    with pytest.raises(KeyFileError, match="cannot|can read") as caught:
        read_private(pem, "key", b"wrong")
    assert "passphrase is wrong" in caught.value.why


def test_keys_and_signatures_of_openssl_are_read() -> None:
    for private, public, signature in (
        ("ed25519.pem", "ed25519.pub", "ed25519.sig"),
        ("ec-sec1.pem", "ec.pub", "ec.sig"),
        ("ec-encrypted.pem", "ec.pub", "ec.sig"),
    ):
        key = read_public(read(f"openssl/{public}"), public)
        assert read_private(read(f"openssl/{private}"), private, b"secret").public.spki == key.spki
        assert key.verifies(read(f"openssl/{signature}"), DATA)


def test_a_key_in_another_form_is_the_same_key() -> None:
    plain, compressed = (read_public(read(f"openssl/{name}"), name) for name in ("ec.pub", "ec-compressed.pub"))
    assert plain.spki == compressed.spki and read("openssl/ec.pub") != read("openssl/ec-compressed.pub")


def test_a_fingerprint_is_that_of_ssh_keygen() -> None:
    assert (
        read_public(read("openssl/ed25519.pub"), "").fingerprint == "SHA256:hxG2z38r98KFo8Cf2B3/quQm81oPkph2jgtByLy9x/s"
    )
    assert read_public(read("openssl/ec.pub"), "").fingerprint == "SHA256:fpDdFhYieDbf2kCfw5mpyl7vpMtQPlLMeEtSuRCD+YI"


def test_other_algorithms_are_refused() -> None:
    for name in ("rsa.pub", "p384.pub"):
        with pytest.raises(KeyFileError, match="unsupported algorithm"):
            read_public(read(f"openssl/{name}"), name)


def test_a_signature_of_one_algorithm_is_none_of_the_other() -> None:
    """The kind of the key decides. A signature's bytes are never tried as another kind's."""
    ed25519, ecdsa = (read_public(read(f"openssl/{name}"), name) for name in ("ed25519.pub", "ec.pub"))
    assert not ed25519.verifies(read("openssl/ec.sig"), DATA)
    assert not ecdsa.verifies(read("openssl/ed25519.sig"), DATA)
    for signature in (b"", b"\0" * 64, b"\xff" * 5000, read("openssl/ec.sig")[:-1], read("openssl/ec.sig") + b"\0"):
        assert not ed25519.verifies(signature, DATA) and not ecdsa.verifies(signature, DATA)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0" * 100, b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b"not a key",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff\xfe", b"-----BEGIN PUBLIC KEY-----",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n",
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused(data: bytes) -> None:
    with pytest.raises(KeyFileError):
        read_public(data, "file")
    with pytest.raises(KeyFileError):
        read_private(data, "file", b"secret")


def test_the_halves_are_not_confused() -> None:
    made = keys.generate("ed25519")
    with pytest.raises(KeyFileError, match="This is a private key"):
        read_public(made.pem(None), "key")
    with pytest.raises(KeyFileError, match="This is a public key"):
        read_private(made.public.pem, "key")


# Keys of cosign.


def sealed(change: Any) -> bytes:
    """Return cosign's key with another text in its PEM."""
    lines = read("cosign/cosign.key").splitlines()
    value = json.loads(base64.b64decode(b"".join(lines[1:-1])))
    change(value)
    return b"\n".join([lines[0], base64.b64encode(json.dumps(value).encode()), lines[-1]]) + b"\n"


def test_a_key_of_cosign_is_decrypted() -> None:
    pytest.importorskip("nacl")
    public = read_public(read("cosign/cosign.pub"), "")
    assert read_private(read("cosign/cosign.key"), "", b"secret").public.spki == public.spki
    with pytest.raises(PassphraseNeeded):
        read_private(read("cosign/cosign.key"), "")
    with pytest.raises(KeyFileError) as caught:
        read_private(read("cosign/cosign.key"), "", b"wrong")
    assert "passphrase is wrong" in caught.value.why


def test_without_its_library_a_key_of_cosign_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nacl", "nacl.exceptions", "nacl.secret"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(KeyFileError, match="PyNaCl") as caught:
        read_private(read("cosign/cosign.key"), "cosign.key", b"secret")
    assert "pip install" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda value: value["kdf"]["params"].update(N=1 << 40), "too much memory"),
        (lambda value: value["kdf"]["params"].update(r=1 << 30), "too much memory"),
        (lambda value: value["kdf"]["params"].update(p=1 << 20), "too much memory"),
        (lambda value: value["kdf"]["params"].update(N=-1), "damaged"),
        (lambda value: value["kdf"]["params"].update(N=True), "damaged"),
        (lambda value: value["kdf"]["params"].update(N="65536"), "damaged"),
        (lambda value: value["kdf"].update(name="pbkdf2"), "unknown cipher"),
        (lambda value: value["cipher"].update(name="none"), "unknown cipher"),
        (lambda value: value.pop("ciphertext"), "damaged"),
        (lambda value: value["cipher"].update(nonce="AAAA"), "passphrase is wrong"),
        (lambda value: value["kdf"]["params"].update(N=3), "passphrase is wrong"),
    ],
)
def test_an_encrypted_key_cannot_ask_for_anything(change: Any, why: str) -> None:
    pytest.importorskip("nacl")
    with pytest.raises(KeyFileError) as caught:
        read_private(sealed(change), "cosign.key", b"secret")
    assert why in caught.value.why


def test_an_ed25519_key_is_read_without_the_readers_of_all_forms() -> None:
    """Each command with caches reads such keys, and importing these readers takes longer than the rest."""
    code = (
        "import sys; from fpack.builders.attest.keys import read_public\n"
        "read_public(sys.stdin.buffer.read(), '').verifies(bytes(64), b'')\n"
        "print('cryptography.hazmat.primitives.serialization' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=read("openssl/ed25519.pub"), capture_output=True)
    assert done.stdout == b"False\n", done.stderr
