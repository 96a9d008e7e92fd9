"""DSSE envelopes: the specification's own example, several signatures, and envelopes that are not what they seem."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.attest import dsse, keys, statement
from fpack.builders.attest.dsse import IN_TOTO, Envelope, EnvelopeError, EnvelopeSignature, pae
from fpack.builders.attest.keys import PublicKey, read_public

COSIGN = Path(__file__).parent / "cosign"
FIRST, SECOND, THIRD = keys.generate("ed25519"), keys.generate("ecdsa"), keys.generate("ed25519")
ALL = [FIRST.public, SECOND.public, THIRD.public]


def signed(payload: bytes = b'{"a":1}', *signers: Any, kind: str = IN_TOTO) -> Envelope:
    envelope = Envelope(kind, payload)
    for signer in signers or (FIRST,):
        envelope = envelope.signed(signer)
    return envelope


def parse(value: Any) -> Envelope:
    return dsse.parse(json.dumps(value).encode(), "envelope")


def test_the_encoding_is_that_of_the_specification() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


def test_an_envelope_tells_who_signed_it() -> None:
    envelope = dsse.parse(signed(b"data", FIRST, SECOND).encode(), "")
    assert envelope.payload == b"data"
    assert envelope.signers(ALL) == (FIRST.public, SECOND.public)
    assert envelope.signers([THIRD.public]) == ()
    assert [item.keyid for item in envelope.signatures] == [FIRST.public.fingerprint, SECOND.public.fingerprint]


def test_signing_again_changes_nothing() -> None:
    envelope = signed(b"data", FIRST, SECOND)
    assert envelope.signed(FIRST) is envelope and envelope.signed(SECOND) is envelope


def test_what_cosign_signed_is_verified() -> None:
    key = read_public((COSIGN / "cosign.pub").read_bytes(), "cosign.pub")
    envelope = dsse.parse((COSIGN / "envelope.json").read_bytes(), "")
    assert envelope.signers([FIRST.public, key]) == (key,)
    found = statement.parse(envelope.payload, "")
    assert (found.predicate_type, found.predicate) == ("urn:fpack:manifest:1", {"a": 1})
    assert found.is_about("sha256:783e52f97050322b4181764e96af0ee779a0828729ba73a264fb2957e26f434d")


def test_both_alphabets_of_base64_and_unknown_fields_are_read() -> None:
    envelope = signed(b"\xff\xfe\xfd" * 5)
    value = json.loads(envelope.encode())
    for field in ("payload",):
        value[field] = value[field].translate(str.maketrans("+/", "-_"))
    value["signatures"][0]["sig"] = value["signatures"][0]["sig"].translate(str.maketrans("+/", "-_"))
    value["new"] = value["signatures"][0]["new"] = {}
    del value["signatures"][0]["keyid"]
    assert parse(value).signers(ALL) == (FIRST.public,)


# Attacks.


def test_a_signature_of_another_type_of_payload_is_none() -> None:
    envelope = signed(b"data")
    assert envelope._replace(payload_type="text/plain").signers(ALL) == ()
    assert envelope._replace(payload=b"Data").signers(ALL) == ()


def test_a_signature_of_the_bare_payload_is_none() -> None:
    """A signature for another purpose, without the encoding, does not count."""
    bare = Envelope(IN_TOTO, b"data", (EnvelopeSignature("", FIRST.sign(b"data")),))
    assert bare.signers(ALL) == ()


def test_the_boundary_between_type_and_payload_is_signed() -> None:
    envelope = signed(b"b 1 c", kind="a")
    moved = Envelope("a 5 b", b"c", envelope.signatures)
    assert moved.signers(ALL) == ()


def test_a_key_counts_once() -> None:
    """A key that signed twice, under two key ids, or that was given twice, is one signer."""
    envelope = signed(b"data")
    (one,) = envelope.signatures
    twice = envelope._replace(signatures=(one, one._replace(keyid="other"), one))
    again = PublicKey(FIRST.public.kind, FIRST.public.spki, "a copy of it")
    assert twice.signers([FIRST.public, again, FIRST.public]) == (FIRST.public,)


def test_key_ids_decide_nothing() -> None:
    """Duplicate, wrong and swapped key ids: only the signatures count."""
    envelope = signed(b"data", FIRST, SECOND)
    one, two = envelope.signatures
    swapped = (one._replace(keyid=two.keyid), two._replace(keyid=one.keyid))
    for signatures in (swapped, (one._replace(keyid="x"), two._replace(keyid="x"))):
        assert envelope._replace(signatures=signatures).signers(ALL) == (FIRST.public, SECOND.public)
    stolen = EnvelopeSignature(FIRST.public.fingerprint, THIRD.sign(pae(IN_TOTO, b"data")))
    assert Envelope(IN_TOTO, b"data", (stolen,)).signers([FIRST.public]) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"payload": None}, {"payload": 5}, {"payload": "!!!"}, {"payload": "YQ"}, {"payloadType": None},
        {"payloadType": ""}, {"payloadType": 1}, {"payloadType": "x" * 300}, {"signatures": []}, {"signatures": {}},
        {"signatures": None}, {"signatures": [5]}, {"signatures": [{"keyid": "x"}]}, {"signatures": [{"sig": ""}]},
        {"signatures": [{"sig": "YQ==", "keyid": 5}]}, {"signatures": [{"sig": "YQ=="}] * 33},
        {"signatures": [{"sig": base64.b64encode(b"x" * 2000).decode()}]},
    ],
)  # fmt: skip
def test_a_malformed_envelope_is_refused(change: dict[str, Any]) -> None:
    value = {**json.loads(signed().encode()), **change}
    with pytest.raises(EnvelopeError):
        parse(value)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"null", b"5", b'{"payload":', b"\xff", signed().encode()[:-1], signed().encode() + b"x",
        signed().encode().replace(b'{"payload"', b'{"payload":"","payload"', 1),
        b"[" * 100_000, b'{"a":' * 100_000, b'{"payloadType":"\\ud800"}', b'{"payload":NaN}',
        signed().encode().decode().encode("utf-16"),
    ],
)  # fmt: skip
def test_what_is_no_json_or_ambiguous_is_refused(data: bytes) -> None:
    with pytest.raises(EnvelopeError):
        dsse.parse(data, "envelope")


def test_a_huge_envelope_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = signed(b"x" * 1000).encode()
    monkeypatch.setattr(dsse, "MAX_ENVELOPE", len(data))
    assert dsse.parse(data, "").signers(ALL)
    monkeypatch.setattr(dsse, "MAX_ENVELOPE", len(data) - 1)
    with pytest.raises(EnvelopeError) as caught:
        dsse.parse(data, "")
    assert "the limit is" in caught.value.why


# Statements.


def test_a_statement_is_read_as_it_was_written() -> None:
    made = statement.about("shop:1", "sha256:" + "0" * 64, "urn:x", {"b": [1, None], "a": "ü\x9b\x1b[2J\x7f"})
    data = made.encode()
    assert statement.parse(data, "") == made
    assert made.is_about("sha256:" + "0" * 64)
    assert not made.is_about("sha256:" + "1" * 64) and not made.is_about("sha256:None") and not made.is_about("")
    assert all(32 <= byte < 127 for byte in data), "it cannot drive a terminal"


def test_a_statement_without_a_sha256_is_about_no_image() -> None:
    made = statement.Statement((("x", {"sha512": "00"}),), "urn:x", {})
    assert not made.is_about("sha256:None") and not made.is_about("sha256:00")


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://in-toto.io/Statement/v2"}, {"_type": None}, {"predicateType": ""}, {"predicateType": 5},
        {"subject": []}, {"subject": {}}, {"subject": None}, {"subject": [5]}, {"subject": [{"name": "x"}]},
        {"subject": [{"name": "x", "digest": {}}]}, {"subject": [{"name": "x", "digest": {"sha256": 5}}]},
        {"subject": [{"name": 5, "digest": {"sha256": "00"}}]},
        {"subject": [{"name": "x", "digest": {"sha256": "00"}}] * 1001},
    ],
)  # fmt: skip
def test_a_malformed_statement_is_refused(change: dict[str, Any]) -> None:
    value = {**json.loads(statement.about("x", "sha256:00", "urn:x", {}).encode()), **change}
    with pytest.raises(EnvelopeError):
        statement.parse(json.dumps(value).encode(), "")


@pytest.mark.parametrize("data", [b"", b"not JSON", b"[]", b"null", b'{"_type":' + b"[" * 100_000, b"\xff"])
def test_a_payload_that_is_no_statement_is_refused(data: bytes) -> None:
    with pytest.raises(EnvelopeError):
        statement.parse(data, "")


@pytest.mark.parametrize("predicate", [None, [], "x", {}, {"manifest": None}, {"manifest": {"digest": []}},
                                       {"manifest": {"digest": {"sha256": None}}}])  # fmt: skip
def test_a_predicate_that_names_no_manifest(predicate: Any) -> None:
    assert not statement.names_manifest(predicate, "None") and not statement.names_manifest(predicate, "")
