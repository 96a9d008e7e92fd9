"""Sign and verify DSSE envelopes (https://github.com/secure-systems-lab/dsse, version 1.0.2).

A signature covers the type of the payload and its bytes, which are parsed only after the signature is verified. The
key id of a signature is a hint that nothing signs, so it is not used: every key is tried, and counts once.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable

from fpack.builders.streams import strict_json
from fpack.light_typing import TYPE_CHECKING, Any, NamedTuple
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from .keys import PrivateKey, PublicKey

MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json"
IN_TOTO = "application/vnd.in-toto+json"
MAX_ENVELOPE = 64 << 20  # bytes
MAX_SIGNATURES = 32
_MAX_SIGNATURE = 1 << 10  # of bytes
_MAX_TYPE = 256
_URL_SAFE = str.maketrans("-_", "+/")


class EnvelopeError(FpackError):
    """An envelope, or the statement in one, that cannot be used."""


class EnvelopeSignature(NamedTuple):
    """A signature of an envelope. keyid: a hint, possibly ""."""

    keyid: str
    value: bytes


class Envelope(NamedTuple):
    """An envelope."""

    payload_type: str
    payload: bytes
    signatures: tuple[EnvelopeSignature, ...] = ()

    def encode(self) -> bytes:
        """Return the JSON form."""
        signatures = [{"keyid": item.keyid, "sig": _base64(item.value)} for item in self.signatures]
        value = {"payload": _base64(self.payload), "payloadType": self.payload_type, "signatures": signatures}
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

    def signers(self, keys: Iterable[PublicKey]) -> tuple[PublicKey, ...]:
        """Return those keys that signed the envelope, each once however often it was given or has signed."""
        data = pae(self.payload_type, self.payload)
        found: dict[bytes, PublicKey] = {}
        for key in keys:
            if key.spki not in found and any(key.verifies(item.value, data) for item in self.signatures):
                found[key.spki] = key
        return tuple(found.values())

    def signed(self, key: PrivateKey) -> Envelope:
        """Return the envelope with a signature of `key`; the same envelope if it has one."""
        if self.signers([key.public]):
            return self
        value = key.sign(pae(self.payload_type, self.payload))
        return self._replace(signatures=(*self.signatures, EnvelopeSignature(key.public.fingerprint, value)))


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed: the pre-authentication encoding."""
    name = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def parse(data: bytes, where: str) -> Envelope:
    """Read an envelope. Raise EnvelopeError if it is invalid. Unknown fields are ignored, as the specification says."""
    try:
        if len(data) > MAX_ENVELOPE:
            raise ValueError(f"it has {len(data)} bytes; the limit is {MAX_ENVELOPE}")
        value = strict_json.parse(data)
        if not isinstance(value, dict):
            raise ValueError("it is not a record")
        payload_type, signatures = value.get("payloadType"), value.get("signatures")
        if not isinstance(payload_type, str) or not 0 < len(payload_type) <= _MAX_TYPE:
            raise ValueError("it has no payloadType")
        if not isinstance(signatures, list) or not signatures:
            raise ValueError("it has no signatures")
        if len(signatures) > MAX_SIGNATURES:
            raise ValueError(f"it has {len(signatures)} signatures; the limit is {MAX_SIGNATURES}")
        return Envelope(payload_type, _bytes(value.get("payload"), "payload"), tuple(map(_signature, signatures)))
    except ValueError as error:
        raise EnvelopeError("This is not a signed envelope (DSSE)", where=where, why=str(error)) from None


def _signature(value: Any) -> EnvelopeSignature:
    if not isinstance(value, dict):
        raise ValueError("a signature is not a record")
    keyid, signature = value.get("keyid", ""), _bytes(value.get("sig"), "sig")
    if not isinstance(keyid, str) or not 0 < len(signature) <= _MAX_SIGNATURE:
        raise ValueError("a signature is invalid")
    return EnvelopeSignature(keyid, signature)


def _bytes(value: Any, field: str) -> bytes:
    """Decode base64 in either alphabet."""
    if not isinstance(value, str):
        raise ValueError(f"it has no {field}")
    try:
        return base64.b64decode(value.translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"its {field} is not base64") from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
