"""Sign realisations, and verify them: statements that derivations have certain outputs.

A cache is not trusted, and content proves itself. Only the claim that a derivation gives a path needs a signature. A
statement holds the claims of one signer at one time. Its signature covers the time, so that an old one cannot pass as
new. Statements are never changed: a compacted index carries those of others as they are.
"""

from __future__ import annotations

from blake3 import blake3
from fpack import light_hashes
from fpack.light_typing import TYPE_CHECKING, NamedTuple
from fpack.store import canonical
from fpack.store.errors import InvalidName, NotCanonical, malformation
from fpack.store.path import parse

from .bounded import BoundedReader
from .errors import BadIndex, CacheError

if TYPE_CHECKING:
    from fpack.builders.attest.keys import PrivateKey

_DOMAIN = b"fpack cache realisations 1\0"
FORMAT = "fpack cache realisations 1"
_ID = 21  # bytes of the key of a realisation: a letter for its kind, and a digest
_MAX_KEY, _MAX_SIGNATURE = 1 << 10, 1 << 8
MAX_PAYLOAD = 64 << 20  # bytes
_MAX_REALISATIONS = 1 << 20


class Realisation(NamedTuple):
    """The claim that an output of a derivation is a store path. id: of `resolved_id` or `derivation_id`."""

    id: bytes
    output: str
    base: str


class SignedStatement(NamedTuple):
    """Signed claims. spki: the signer's public key. payload: the encoded claims, with their time."""

    spki: bytes
    payload: bytes
    signature: bytes

    @property
    def digest(self) -> bytes:
        """The digest that tells statements apart."""
        return light_hashes.sha256(b"%d %b%b" % (len(self.spki), self.spki, self.payload)).digest()

    def is_signed(self) -> bool:
        """Return whether the named key signed the statement."""
        from fpack.builders.attest.keys import ED25519, PublicKey  # a fetch of store paths compares no signatures

        return PublicKey(ED25519, self.spki).verifies(self.signature, _DOMAIN + self.payload)


class StatementClaims(NamedTuple):
    """The decoded payload of a statement. time: in milliseconds since 1970."""

    time: int
    realisations: tuple[Realisation, ...]


def resolved_id(key: bytes) -> bytes:
    """Return the id of a resolved derivation. key: its key, 20 bytes."""
    return b"k" + key


def derivation_id(generation: int, digest: bytes) -> bytes:
    """Return the id of a derivation whose inputs are not resolved, for builders of one generation."""
    body = canonical.encode(["fpack cache derivation 1", generation, digest])
    return b"d" + blake3(body).digest(_ID - 1)


def sign(key: PrivateKey, time: int, realisations: list[Realisation]) -> SignedStatement:
    """Return a signed statement. Raise CacheError if the key is not an Ed25519 key."""
    from fpack.builders.attest.keys import ED25519

    if key.public.kind != ED25519:
        raise CacheError(
            "The key cannot sign for a cache", where=key.public.name, why="caches use Ed25519 keys",
            hint="fpack key generate NAME",
        )  # fmt: skip
    payload = _payload(StatementClaims(time, tuple(sorted(set(realisations)))))
    return SignedStatement(key.public.spki, payload, key.sign(_DOMAIN + payload))


def decode_claims(statement: SignedStatement) -> StatementClaims:
    """Return the claims of a statement whose signature was verified. Raise BadIndex if they are not valid."""
    try:
        reader = BoundedReader(statement.payload)
        if (reader.map(3), reader.scalar(), reader.scalar(), reader.scalar()) != (3, "format", FORMAT, "realisations"):
            raise ValueError("its fields are not those of a statement")
        realisations = tuple([_realisation(reader) for _ in range(reader.list(_MAX_REALISATIONS))])
        name, time = reader.scalar(), reader.scalar()
        reader.end()
        if name != "time" or time.__class__ is not int or not 0 <= time < 1 << 53:
            raise ValueError("its fields have wrong types")
        claims = StatementClaims(time, realisations)
        if _payload(claims) != statement.payload:
            raise ValueError("it is not in its canonical form")
    except (NotCanonical, InvalidName, KeyError, TypeError, ValueError, AttributeError) as error:
        why = str(error) if isinstance(error, NotCanonical) else malformation(error)
        raise BadIndex("A statement of a cache is not valid", why=why[:200]) from None
    return claims


def _payload(claims: StatementClaims) -> bytes:
    rows = [list(row) for row in claims.realisations]
    return canonical.encode({"format": FORMAT, "time": claims.time, "realisations": rows})


def _realisation(reader: BoundedReader) -> Realisation:
    if reader.list(len(Realisation._fields)) != len(Realisation._fields):
        raise ValueError("a realisation has other fields")
    id_, output, base = reader.scalar(), reader.scalar(), reader.scalar()
    if not isinstance(id_, bytes) or len(id_) != _ID or not isinstance(output, str) or not isinstance(base, str):
        raise ValueError("a realisation has fields of wrong types")
    if parse(base).base != base:
        raise ValueError("a realisation names no path")
    return Realisation(id_, output, base)


def check_statement(value: object) -> SignedStatement:
    """Return the statement of a decoded index. The signature is not verified yet."""
    if not isinstance(value, list) or len(value) != len(SignedStatement._fields):
        raise ValueError("a statement has other fields")
    for data, most in zip(value, (_MAX_KEY, MAX_PAYLOAD, _MAX_SIGNATURE), strict=True):
        if not isinstance(data, bytes) or len(data) > most:
            raise ValueError("a statement has a field of a wrong type")
    return SignedStatement(*value)
