"""Read in-toto links, the attestations of rebuilders, and check their signatures.

A link says that a step made products from materials. rebuilderd signs one for each package that it reproduced:
the step is named `rebuild FILE`, and the product is the package's file. The signatures are Ed25519, over the canonical
form of the field `signed`. The key id in a signature is not signed and decides nothing: a signature is tried with each
key that the caller trusts.

Format: in-toto specification 1.0, sections 4.2 and 4.4, as rebuilderd 0.28 (in-toto-rs 0.4) writes it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fpack.builders.streams import strict_json

from . import canonical_json

MAX_SIZE = 256 << 10  # bytes
MAX_SIGNATURES = 32
MAX_PRODUCTS = 4096
MAX_PEM = 1024

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_SHA512 = re.compile(r"[0-9a-f]{128}\Z")
# An Ed25519 signature has 64 bytes. Other spellings of it, in capitals or padded, are no signatures.
_SIGNATURE = re.compile(r"[0-9a-f]{128}\Z")
_RAW_KEY = re.compile(r"ed25519:([0-9a-f]{64})\Z")
_PEM = re.compile(r"\s*-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END PUBLIC KEY-----\s*\Z")
# The SubjectPublicKeyInfo of an Ed25519 key up to the key: RFC 8410, and with the NULL that rebuilderd puts in it.
_KEY_INFOS = (bytes.fromhex("302a300506032b6570032100"), bytes.fromhex("302c300706032b65700500032100"))


class LinkProduct(NamedTuple):
    """The digests of a file, in hexadecimal. sha512: "" if the link has none."""

    sha256: str
    sha512: str = ""


class InTotoLink(NamedTuple):
    """A link. products: by the name of the file. signed: the bytes that the signatures are over."""

    name: str
    products: Mapping[str, LinkProduct]
    signed: bytes
    signatures: tuple[bytes, ...]


def parse(data: bytes) -> InTotoLink:
    """Read a link. Raise ValueError with the reason if it is malformed. Signatures of other kinds are left out."""
    value = strict_json.parse(data, MAX_SIZE)
    if not isinstance(value, dict):
        raise ValueError("it is not a record")
    signed, signatures = value.get("signed"), value.get("signatures")
    if not isinstance(signed, dict) or signed.get("_type") != "link":
        raise ValueError("it is not an in-toto link")
    if not isinstance(signatures, list) or len(signatures) > MAX_SIGNATURES:
        raise ValueError(f"its signatures are not a list of at most {MAX_SIGNATURES}")
    name = signed.get("name")
    if not isinstance(name, str):
        raise ValueError("it has no name")
    texts = [item["sig"] for item in signatures if isinstance(item, dict) and isinstance(item.get("sig"), str)]
    found = tuple(dict.fromkeys(bytes.fromhex(text) for text in texts if _SIGNATURE.match(text)))
    return InTotoLink(name, _products(signed.get("products")), canonical_json.encode(signed), found)


def _products(value: Any) -> dict[str, LinkProduct]:
    if not isinstance(value, dict) or len(value) > MAX_PRODUCTS:
        raise ValueError(f"its products are not a record of at most {MAX_PRODUCTS} files")
    found = {}
    for name, hashes in value.items():
        digest = hashes.get("sha256") if isinstance(hashes, dict) else None
        if not isinstance(digest, str) or not _SHA256.match(digest):
            raise ValueError("a product has no SHA-256")
        strong = hashes.get("sha512", "")
        if strong != "" and not (isinstance(strong, str) and _SHA512.match(strong)):
            raise ValueError("the SHA-512 of a product is malformed")
        found[name] = LinkProduct(digest, strong)
    return found


def signers(link: InTotoLink, keys: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the keys among `keys` by which a link is signed."""
    return tuple(key for key in keys if any(_is_valid(key, value, link.signed) for value in link.signatures))


def _is_valid(key: bytes, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def parse_key(text: str) -> bytes:
    """Return the 32 bytes of an Ed25519 public key: `ed25519:` with 64 digits, or PEM. Raise ValueError otherwise."""
    if match := _RAW_KEY.match(text):
        return bytes.fromhex(match[1])
    if len(text) <= MAX_PEM and (match := _PEM.match(text)):
        try:
            data = base64.b64decode("".join(match[1].split()), validate=True)
        except binascii.Error:
            raise ValueError("it is not valid base64") from None
        for info in _KEY_INFOS:
            if data.startswith(info) and len(data) == len(info) + 32:
                return data[len(info) :]
    raise ValueError("it is not an Ed25519 key: `ed25519:` and 64 hexadecimal digits, or a public key in PEM")


def format_key(key: bytes) -> str:
    """Return a key as text, as it is configured."""
    return f"ed25519:{key.hex()}"


def key_id(key: bytes) -> str:
    """Return the id by which in-toto names a key: the SHA-256 of the canonical record that describes it."""
    about = {
        "keyid_hash_algorithms": ["sha256", "sha512"],
        "keytype": "ed25519",
        "keyval": {"public": key.hex()},
        "scheme": "ed25519",
    }
    return hashlib.sha256(canonical_json.encode(about)).hexdigest()
