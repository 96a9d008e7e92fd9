"""Decrypt the private keys of `cosign generate-key-pair`: scrypt and NaCl's secretbox over PKCS#8.

PyNaCl has the cipher. Only this module needs it, so it is an optional dependency.
"""

from __future__ import annotations

import base64

from fpack.builders.streams import strict_json
from fpack.light_typing import Any

from .key_errors import KeyFileError

# cosign's own cost, and what a hostile file may ask for at most: 128 * N * r bytes of memory.
_MAX_MEMORY = 1 << 28
_MAX_PARALLEL = 16


def decrypt(data: bytes, passphrase: bytes, where: str) -> bytes:
    """Return the PKCS#8 form of a key in DER. Raise KeyFileError, or ValueError if the passphrase does not fit."""
    try:
        from nacl.exceptions import CryptoError
        from nacl.secret import SecretBox
    except ImportError:
        raise KeyFileError(
            "This is an encrypted key of cosign's, which needs the library PyNaCl",
            where=where,
            hint="pip install 'fpack[cosign]', or make a key with fpack key generate",
        ) from None
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    try:
        value = strict_json.parse(base64.b64decode(b"".join(data.strip().splitlines()[1:-1])))
        kdf, cipher = value["kdf"], value["cipher"]
        names = (kdf["name"], cipher["name"])
        cost, block, parallel = (_count(kdf["params"][name]) for name in ("N", "r", "p"))
        salt, nonce, text = map(base64.b64decode, (kdf["salt"], cipher["nonce"], value["ciphertext"]))
    except (ValueError, KeyError, TypeError):
        raise KeyFileError("The encrypted key cannot be read", where=where, why="the file is damaged") from None
    if names != ("scrypt", "nacl/secretbox"):
        raise KeyFileError("The encrypted key cannot be read", where=where, why="it has an unknown cipher")
    if 128 * cost * block > _MAX_MEMORY or parallel > _MAX_PARALLEL:
        raise KeyFileError("The encrypted key cannot be read", where=where, why="it takes too much memory to decrypt")
    secret = Scrypt(salt=salt, length=SecretBox.KEY_SIZE, n=cost, r=block, p=parallel).derive(passphrase)
    try:
        return SecretBox(secret).decrypt(text, nonce)
    except CryptoError:
        raise ValueError("the passphrase is wrong") from None


def _count(value: Any) -> int:
    if value.__class__ is not int or value < 1:
        raise ValueError(value)
    return int(value)
