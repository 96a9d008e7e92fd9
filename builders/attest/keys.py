"""Read, write and use keys: Ed25519 and ECDSA on the curve P-256, as PEM.

A public key is a SubjectPublicKeyInfo, a private one PKCS#8, as openssl writes both. Older forms of EC keys and the
encrypted form of cosign are read. The kind of a key alone decides how its signatures are verified, and nothing that
comes with a signature.
"""

from __future__ import annotations

import base64
import re

from fpack import light_hashes
from fpack.light_typing import TYPE_CHECKING, NamedTuple

from .cosign_key import decrypt
from .key_errors import KeyFileError, PassphraseNeeded

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

ED25519, ECDSA = "ed25519", "ecdsa"
KINDS = (ED25519, ECDSA)
MAX_KEY = 1 << 16  # bytes of a file
_COSIGN = (b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----", b"-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----")
# An Ed25519 key has one form. So such keys are read here, and the library's readers of all forms are not imported.
_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")  # then 32 bytes
_PEM = re.compile(rb"\s*-----BEGIN PUBLIC KEY-----\r?\n([0-9A-Za-z+/]{59}=)\r?\n-----END PUBLIC KEY-----\s*")
_SUPPORTED = "fpack uses Ed25519 keys and ECDSA keys on the curve P-256"


class PublicKey(NamedTuple):
    """A public key. kind: of KINDS. spki: its SubjectPublicKeyInfo in DER, which identifies it. name: for messages."""

    kind: str
    spki: bytes
    name: str = ""

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint of the key's OpenSSH form, as `ssh-keygen -l` prints it.

        Libraries for DSSE, such as cosign's, give the same text to a key without a name.
        """
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        text = _load_der(self.spki).public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        digest = light_hashes.sha256(base64.b64decode(text.split()[1])).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    @property
    def pem(self) -> bytes:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return _load_der(self.spki).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Return whether this key made a signature over `data`."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519
        from cryptography.hazmat.primitives.hashes import SHA256

        key = _load_der(self.spki)
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, data)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, data, ec.ECDSA(SHA256()))
            else:
                return False
        except (InvalidSignature, ValueError):
            return False
        return True


class PrivateKey:
    """A private key."""

    def __init__(self, key: PrivateKeyTypes, name: str) -> None:
        self._key = key
        self.public = _public(key.public_key(), name)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data`. The same data gives the same signature."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519
        from cryptography.hazmat.primitives.hashes import SHA256

        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(data)
        assert isinstance(self._key, ec.EllipticCurvePrivateKey)
        try:
            return self._key.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True))
        except UnsupportedAlgorithm:  # OpenSSL before 3.2: another signature each time
            return self._key.sign(data, ec.ECDSA(SHA256()))

    def pem(self, passphrase: bytes | None) -> bytes:
        """Return the key as PKCS#8 in PEM, encrypted if there is a passphrase."""
        from cryptography.hazmat.primitives import serialization as form

        encryption = form.BestAvailableEncryption(passphrase) if passphrase else form.NoEncryption()
        return self._key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, encryption)


def generate(kind: str) -> PrivateKey:
    """Return a new key of a kind."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    return PrivateKey(
        ed25519.Ed25519PrivateKey.generate() if kind == ED25519 else ec.generate_private_key(ec.SECP256R1()), ""
    )


def read_public(data: bytes, where: str) -> PublicKey:
    """Read a public key in PEM. Raise KeyFileError if it is none. where: the name of the file."""
    if (match := _PEM.fullmatch(data)) and (spki := base64.b64decode(match[1])).startswith(_ED25519_SPKI):
        return PublicKey(ED25519, spki, where)
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b" PRIVATE KEY-----" in data:
        raise KeyFileError(
            "This is a private key",
            where=where,
            why="a public key was expected",
            hint="name the file that ends in .pub",
        )
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        hint = "name a file in PEM, which begins with -----BEGIN PUBLIC KEY-----"
        raise KeyFileError("This is not a public key that fpack can read", where=where, hint=hint) from None
    return _public(key, where)


def read_private(data: bytes, where: str, passphrase: bytes | None = None) -> PrivateKey:
    """Read a private key in PEM. Raise PassphraseNeeded if it is encrypted, KeyFileError if it is unusable.

    where: the name of the file. A passphrase of a key that is not encrypted is ignored.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if b"-----BEGIN PUBLIC KEY-----" in data:
        raise KeyFileError("This is a public key", where=where, why="only the private key can sign")
    if is_encrypted(data) and not passphrase:
        raise PassphraseNeeded("The key is encrypted", where=where, why="no passphrase was given")
    try:
        if data.lstrip().startswith(_COSIGN):
            return PrivateKey(_load_private_der(decrypt(data, passphrase or b"", where)), where)
        return PrivateKey(load_pem_private_key(data, passphrase if is_encrypted(data) else None), where)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        why = "the passphrase is wrong, or the file is damaged" if is_encrypted(data) else _SUPPORTED
        raise KeyFileError("This is not a private key that fpack can read", where=where, why=why) from None


def is_encrypted(data: bytes) -> bool:
    """Return whether a private key in PEM is encrypted."""
    return b"ENCRYPTED" in data


def _public(key: PublicKeyTypes, where: str) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if isinstance(key, ed25519.Ed25519PublicKey):
        kind = ED25519
    elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        kind = ECDSA
    else:
        raise KeyFileError("The key has an unsupported algorithm", where=where, why=_SUPPORTED)
    # Written again: a point has two forms, and a key must not count twice.
    return PublicKey(kind, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), where)


def _load_der(spki: bytes) -> PublicKeyTypes:
    if spki.startswith(_ED25519_SPKI):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return Ed25519PublicKey.from_public_bytes(spki[len(_ED25519_SPKI) :])
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    return load_der_public_key(spki)


def _load_private_der(der: bytes) -> PrivateKeyTypes:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    return load_der_private_key(der, None)
