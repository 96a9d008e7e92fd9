"""Test which packages count as reproduced, with answers of a real rebuilderd and with hostile ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.attest import in_toto_link, rebuilder_answers, rebuilder_bundle
from fpack.builders.attest.rebuilder_policy import Operator, PolicyException, RebuilderPolicy
from fpack.builders.attest.rebuilders import (
    ENOUGH,
    EXCEPTED,
    FAILED,
    NO_DATA,
    NOT_REPRODUCED,
    NOT_TRIED,
    REFUSED,
    REPRODUCED,
    UNKNOWN,
    UNPROVEN,
    OperatorResult,
    RebuilderAnswer,
    ask,
    evaluate,
)
from support.servers.rebuilders import (
    ATTESTATION,
    Key,
    LockedDeb,
    attestation,
    good,
    link,
    listed,
    package,
    policy_file,
    row,
)

REAL = Path(__file__).parent / "rebuilderd"
NETBASE = LockedDeb(
    "netbase", "6.5", "all", "76bafa92947ebd37b0a6f9ec6570412041f56edebc1c66d323731216d318471e",
    "pool/main/n/netbase/netbase_6.5_all.deb",
)  # fmt: skip
HOSTNAME = LockedDeb(
    "hostname", "3.25", "amd64", "9c2a27e5d4d87137211fe46631b05b2ee8892ec76aae926304e4485ba02e1015",
    "pool/main/h/hostname/hostname_3.25_amd64.deb",
)  # fmt: skip
DASH = LockedDeb("dash", "0.5.12-12", "amd64", "0" * 64, "pool/main/d/dash/dash_0.5.12-12_amd64.deb")
A, B, C = "https://a.example", "https://b.example", "https://c.example"
ALICE, BOB = Key(), Key()
HELLO = package()
LIST = rebuilder_answers.list_path(HELLO)


def one(
    documents: dict[tuple[str, str], RebuilderAnswer], *, about: Any = HELLO, keys: tuple[Key, ...] = (ALICE,)
) -> OperatorResult:
    """Return what one operator, with the server A, says of a package."""
    policy = RebuilderPolicy((Operator("alice", (A,), tuple(key.raw for key in keys)),), 1)
    (found,) = evaluate([about], policy, documents)
    assert (found.verdict == ENOUGH) == (found.operators[0].state == REPRODUCED)
    return found.operators[0]


def served(data: bytes) -> dict[tuple[str, str], RebuilderAnswer]:
    """Return the documents of the server A, which says GOOD and has this attestation."""
    return {(A, LIST): RebuilderAnswer(listed(row(HELLO))), (A, ATTESTATION): RebuilderAnswer(data)}


# ---- a real rebuilderd


@pytest.fixture(scope="module", name="real")
def real_policy() -> RebuilderPolicy:
    """Return the two servers whose answers are kept, with the keys that they offered."""
    bundle = rebuilder_bundle.read(REAL / "bundle.json")
    alpha, beta = sorted({server for server, _ in bundle}, key=lambda url: (url, ATTESTATION) not in bundle)
    texts = [rebuilder_answers.read_keys((REAL / f"{name}-keys.json").read_bytes()) for name in ("alpha", "beta")]
    keys = [tuple(map(in_toto_link.parse_key, found)) for found in texts]
    return RebuilderPolicy((Operator("alpha", (alpha,), keys[0]), Operator("beta", (beta,), keys[1])), 1)


def test_a_real_rebuilderd_reproduced_a_package_of_debian(real: RebuilderPolicy) -> None:
    bundle = rebuilder_bundle.read(REAL / "bundle.json")
    found = {item.name: item for item in evaluate([NETBASE, HOSTNAME, DASH], real, bundle)}
    assert list(found) == ["dash", "hostname", "netbase"]
    assert [result.state for result in found["netbase"].operators] == [REPRODUCED, NOT_REPRODUCED]
    assert found["netbase"].verdict == ENOUGH and found["netbase"].votes == 1
    assert found["netbase"].operators[0].keys == (in_toto_link.format_key(real.operators[0].keys[0]),)
    assert [result.state for result in found["hostname"].operators] == [NOT_REPRODUCED, NOT_TRIED]
    assert [result.state for result in found["dash"].operators] == [NOT_TRIED, NOT_TRIED]
    assert found["hostname"].verdict == found["dash"].verdict == REFUSED


def test_the_id_of_a_real_key_is_the_one_in_its_signature(real: RebuilderPolicy) -> None:
    bundle = rebuilder_bundle.read(REAL / "bundle.json")
    data = bundle[real.operators[0].servers[0], ATTESTATION].data
    assert data is not None
    ids = [signature["keyid"] for signature in json.loads(data)["signatures"]]
    assert in_toto_link.key_id(real.operators[0].keys[0]) in ids and len(ids) == 2  # the worker's is the other


def test_the_answers_of_the_older_interface_count_too(real: RebuilderPolicy) -> None:
    server = real.operators[0].servers[0]
    documents = {
        (server, rebuilder_answers.list_path(NETBASE)): RebuilderAnswer(None),
        (server, rebuilder_answers.old_list_path(NETBASE)): RebuilderAnswer((REAL / "alpha-v0-list.json").read_bytes()),
        (server, "/api/v0/builds/1/attestation"): RebuilderAnswer((REAL / "alpha-v0-attestation.json").read_bytes()),
    }
    (found,) = evaluate([NETBASE], real, documents)
    assert found.verdict == ENOUGH
    (found,) = evaluate([NETBASE._replace(sha256="0" * 64)], real, documents)
    assert found.operators[0].state == UNPROVEN and found.verdict == UNKNOWN


def test_each_changed_byte_of_a_real_attestation_takes_the_proof_away(real: RebuilderPolicy) -> None:
    bundle = dict(rebuilder_bundle.read(REAL / "bundle.json"))
    place = real.operators[0].servers[0], ATTESTATION
    data = bundle[place].data
    assert data is not None
    value = json.loads(data)
    for start in range(0, len(data), 7):
        changed = data[:start] + bytes([data[start] ^ 1]) + data[start + 1 :]
        bundle[place] = RebuilderAnswer(changed)
        (found,) = evaluate([NETBASE], real, bundle)
        try:
            new = json.loads(changed)
        except ValueError:
            new = None
        # The worker's signature, and the id of a key, which is not signed, prove nothing and may change.
        harmless = isinstance(new, dict) and new.get("signed") == value["signed"]
        if harmless and value["signatures"][1]["sig"] in changed.decode("latin-1") and "signatures" in new:
            continue
        assert found.verdict != ENOUGH, (start, changed[max(start - 20, 0) : start + 20])


# ---- whose attestation counts


def test_only_a_configured_key_counts() -> None:
    assert one(good(A, HELLO, ALICE)).state == REPRODUCED
    found = one(good(A, HELLO, BOB))
    assert found.state == UNPROVEN and "no valid signature of a configured key" in found.why
    assert one(good(A, HELLO)).state == UNPROVEN
    assert one(good(A, HELLO, BOB, ALICE)).keys == (ALICE.text,)


def test_a_rotated_key_counts_for_as_long_as_it_is_configured() -> None:
    old, new = Key(), Key()
    assert one(good(A, HELLO, old), keys=(old, new)).keys == (old.text,)
    assert one(good(A, HELLO, new), keys=(old, new)).keys == (new.text,)
    assert one(good(A, HELLO, old), keys=(new,)).state == UNPROVEN


def test_the_id_of_a_key_decides_nothing() -> None:
    """A signature by another key under the name of a configured one, and a valid one under another name."""
    signed = link(HELLO)
    forged = {"keyid": ALICE.id, "sig": BOB.sign(signed)["sig"]}
    renamed = {"keyid": BOB.id, "sig": ALICE.sign(signed)["sig"]}
    for signature, state in ((forged, UNPROVEN), (renamed, REPRODUCED)):
        assert one(served(json.dumps({"signatures": [signature], "signed": signed}).encode())).state == state


def test_an_operator_has_one_vote() -> None:
    """With two servers, two keys, and signatures that occur twice."""
    keys = Key(), Key()
    documents = good(A, HELLO, *keys, *keys) | good(B, HELLO, *keys)
    policy = RebuilderPolicy(
        (Operator("alice", (A, B), tuple(key.raw for key in keys)), Operator("bob", (C,), (BOB.raw,))), 2
    )
    (found,) = evaluate([HELLO], policy, documents | {(C, LIST): RebuilderAnswer(listed())})
    assert found.votes == 1 and found.verdict == REFUSED
    (found,) = evaluate([HELLO], policy, documents | good(C, HELLO, BOB))
    assert found.votes == 2 and found.verdict == ENOUGH


def test_a_server_cannot_vote_for_another_operator() -> None:
    """Alice's server relays what Bob signed; and Bob's, an attestation that Alice's worker sent to it."""
    policy = RebuilderPolicy((Operator("alice", (A,), (ALICE.raw,)), Operator("bob", (B,), (BOB.raw,))), 2)
    (found,) = evaluate([HELLO], policy, good(A, HELLO, ALICE, BOB) | {(B, LIST): RebuilderAnswer(listed())})
    assert [result.state for result in found.operators] == [REPRODUCED, NOT_TRIED] and found.verdict == REFUSED
    (found,) = evaluate([HELLO], policy, good(B, HELLO, ALICE, BOB) | {(A, LIST): RebuilderAnswer(listed())})
    assert [result.state for result in found.operators] == [NOT_TRIED, REPRODUCED] and found.verdict == REFUSED
    (found,) = evaluate([HELLO], policy, good(C, HELLO, ALICE, BOB))
    assert [result.state for result in found.operators] == [NO_DATA, NO_DATA]


# ---- what an attestation is about


@pytest.mark.parametrize(
    "signed",
    [
        pytest.param(link(package(digit="d")), id="same name, another digest"),
        pytest.param(link(package("other")), id="replayed from another package"),
        pytest.param(link(package(version="2.10-4")), id="replayed from another version"),
        pytest.param(link(HELLO, name="rebuild other_1_amd64.deb"), id="name of another step"),
        pytest.param(link(HELLO, name="download hello_2.10-3_amd64.deb"), id="another step"),
        pytest.param(link(HELLO, products={}), id="no product"),
        pytest.param(
            link(HELLO, products={}, materials=link(HELLO)["products"]), id="the package is a material, not a product"
        ),
        pytest.param(
            link(HELLO, products={"out/hello_2.10-3_amd64.deb": {"sha256": HELLO.sha256}}), id="another directory"
        ),
        pytest.param(link(HELLO, products={"hello_2.10-3_amd64.deb": {"sha512": "c" * 128}}), id="no SHA-256"),
        pytest.param(link(HELLO, products={"hello_2.10-3_amd64.deb": {"sha256": "A" * 64}}), id="digest in capitals"),
        pytest.param(link(HELLO, products={"hello_2.10-3_amd64.deb": {"sha256": "a" * 63}}), id="short digest"),
        pytest.param(link(HELLO, products=[HELLO.sha256]), id="products that are a list"),
        pytest.param(link(HELLO, _type="layout"), id="another type"),
        pytest.param({**link(HELLO), "name": None}, id="no name"),
    ],
)
def test_an_attestation_about_anything_else_does_not_count(signed: dict[str, Any]) -> None:
    found = one(served(attestation(signed, ALICE)))
    assert found.state == UNPROVEN and found.why


def test_one_about_several_files_counts_for_each() -> None:
    both = {**link(HELLO)["products"], "hello-dbg_2.10-3_amd64.deb": {"sha256": "e" * 64}}
    assert one(served(attestation(link(HELLO, products=both, name="rebuild"), ALICE))).state == REPRODUCED


def test_what_is_outside_of_the_signed_part_is_ignored() -> None:
    value = json.loads(attestation(link(package("other")), ALICE))
    assert one(served(json.dumps({**value, **link(HELLO)}).encode())).state == UNPROVEN
    value["signed"] |= {"products": link(HELLO)["products"]}
    assert one(served(json.dumps(value).encode())).state == UNPROVEN


# ---- archives without SHA-256, and of other distributions


@pytest.mark.parametrize(
    ("sha256", "sha512", "products", "state"),
    [
        ("", "c" * 128, {"sha256": "f" * 64, "sha512": "c" * 128}, REPRODUCED),
        ("", "c" * 128, {"sha256": "f" * 64, "sha512": "d" * 128}, UNPROVEN),
        ("", "c" * 128, {"sha256": "f" * 64}, UNPROVEN),
        ("", "", {"sha256": "f" * 64, "sha512": "c" * 128}, UNPROVEN),
        ("f" * 64, "c" * 128, {"sha256": "f" * 64}, REPRODUCED),
        ("f" * 64, "c" * 128, {"sha256": "f" * 64, "sha512": "d" * 128}, UNPROVEN),
        ("f" * 64, "c" * 128, {"sha256": "e" * 64, "sha512": "c" * 128}, UNPROVEN),
        ("f" * 64, "", {"sha256": "f" * 64, "sha512": "c" * 127}, UNPROVEN),
        ("f" * 64, "", {"sha256": "f" * 64, "sha512": 1}, UNPROVEN),
    ],
)
def test_each_digest_that_both_have_is_equal(sha256: str, sha512: str, products: dict[str, Any], state: str) -> None:
    about = HELLO._replace(sha256=sha256, sha512=sha512)
    signed = link(about, products={rebuilder_answers.file_name(about): products})
    found = one(served(attestation(signed, ALICE)), about=about)
    assert found.state == state and bool(found.why) == (state == UNPROVEN)


def test_a_package_of_ubuntu_is_another_one_than_debians() -> None:
    ubuntu = HELLO._replace(archive="ubuntu-security")
    assert "distribution=ubuntu&" in rebuilder_answers.list_path(ubuntu)
    assert "distro=ubuntu&" in rebuilder_answers.old_list_path(ubuntu)
    assert one(good(A, ubuntu, ALICE), about=ubuntu).state == REPRODUCED
    assert one(good(A, HELLO, ALICE), about=ubuntu).state == NO_DATA


def test_nobody_is_asked_about_a_package_of_another_archive() -> None:
    def read(server: str, path: str) -> RebuilderAnswer:
        raise AssertionError(path)

    operator = Operator("alice", (A,), (ALICE.raw,))
    found = ask(HELLO._replace(archive="example"), operator, read)
    assert found.state == NOT_TRIED and "example" in found.why


# ---- signatures in other spellings


def _later(text: str) -> str:
    """Return the signature with the order of the group added to its scalar: a check must refuse such a second form."""
    order = 2**252 + 27742317777372353535851937790883648493
    raw = bytes.fromhex(text)
    return (raw[:32] + (int.from_bytes(raw[32:], "little") + order).to_bytes(32, "little")).hex()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(str.upper, id="capitals"),
        pytest.param(lambda text: text + "00", id="longer"),
        pytest.param(lambda text: text[:-2], id="shorter"),
        pytest.param(lambda text: f" {text}", id="blank before"),
        pytest.param(lambda text: f"{text}\n", id="line end after"),
        pytest.param(lambda text: f"0x{text}", id="prefix"),
        pytest.param(lambda text: text[:-1] + "٣", id="digit of another script"),
        pytest.param(_later, id="malleable"),
        pytest.param(lambda text: "0" * 128, id="zeros"),
    ],
)
def test_a_signature_has_one_spelling(change: Any) -> None:
    signed = link(HELLO)
    text = ALICE.sign(signed)["sig"]
    changed = {"keyid": ALICE.id, "sig": change(text)}
    assert one(served(json.dumps({"signatures": [changed], "signed": signed}).encode())).state == UNPROVEN
    # Beside a valid one it does no harm.
    both = [changed, {"keyid": ALICE.id, "sig": text}, {"keyid": "x", "sig": 7}, None]
    assert one(served(json.dumps({"signatures": both, "signed": signed}).encode())).state == REPRODUCED


# ---- hostile documents


HOSTILE = [
    pytest.param(b"", id="empty"),
    pytest.param(b"<html>", id="a web page"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[" * 100_000, id="deep and open"),
    pytest.param(b"[" * 50_000 + b"]" * 50_000, id="deep lists"),
    pytest.param(b'{"a":' * 20_000 + b"1" + b"}" * 20_000, id="deep records"),
    pytest.param(b'"\xff"', id="not UTF-8"),
    pytest.param(b'{"signed": 1, "signed": 2}', id="a field twice"),
    pytest.param(b'{"signed": NaN}', id="not a number"),
    pytest.param(b"9" * 10_000, id="a number of many digits"),
    pytest.param(b"1" + b"e9" * 1, id="a number of the wrong kind"),
    pytest.param('{"signatures": [], "signed": {}}'.encode("utf-16"), id="UTF-16"),
    pytest.param(b" " * (2 << 20), id="too large"),
]


@pytest.mark.parametrize("data", HOSTILE)
def test_a_hostile_attestation_proves_nothing(data: bytes) -> None:
    found = one(served(data))
    assert found.state == UNPROVEN and found.why.startswith("its attestation is malformed: ")
    assert len(found.why) < 300 and found.why.isprintable()


@pytest.mark.parametrize("data", HOSTILE)
def test_a_hostile_list_is_no_data(data: bytes) -> None:
    found = one({(A, LIST): RebuilderAnswer(data)})
    assert found.state == NO_DATA and found.why.startswith("its list of builds is malformed: ")
    assert len(found.why) < 300 and found.why.isprintable()


@pytest.mark.parametrize(
    ("field", "why"),
    [
        (json.loads("[" * 40 + "]" * 40), "deeply"),
        (0.5, "whole"),
        ("x" * 300_000, "more than"),
        ("\ud800", "surrogate"),
    ],
    ids=["deep", "fraction", "large", "half of a character"],
)
def test_signed_by_the_operator_it_proves_nothing_either(field: Any, why: str) -> None:
    """A key that signs what has no canonical form, or is too large to read."""
    signed = link(HELLO, byproducts={"x": field})
    text = json.dumps(signed, sort_keys=True, separators=(",", ":"))
    signature = {"keyid": ALICE.id, "sig": ALICE.private.sign(text.encode()).hex()}
    found = one(served(json.dumps({"signatures": [signature], "signed": signed}).encode()))
    assert found.state == UNPROVEN and why in found.why
    signed = link(HELLO, byproducts={"x": [[1, "x"], {}]})
    text = json.dumps(signed, sort_keys=True, separators=(",", ":"))
    signature = {"keyid": ALICE.id, "sig": ALICE.private.sign(text.encode()).hex()}
    assert one(served(json.dumps({"signatures": [signature], "signed": signed}).encode())).state == REPRODUCED


@pytest.mark.parametrize("order", [1, -1])
def test_a_document_with_two_signed_parts_proves_nothing(order: int) -> None:
    """Parsers differ on which of them counts."""
    signatures = json.dumps([ALICE.sign(link(HELLO))])
    first, second = [json.dumps(link(about)) for about in (HELLO, package("other"))][::order]
    data = f'{{"signatures": {signatures}, "signed": {first}, "signed": {second}}}'
    found = one(served(data.encode()))
    assert found.state == UNPROVEN and "occurs twice" in found.why


def test_there_are_not_too_many_signatures() -> None:
    signed = link(HELLO)
    many = [ALICE.sign(signed)] * (in_toto_link.MAX_SIGNATURES + 1)
    assert one(served(json.dumps({"signatures": many, "signed": signed}).encode())).state == UNPROVEN


@pytest.mark.parametrize(
    "changes",
    [
        {"build_id": "../../../keys"}, {"build_id": True}, {"build_id": -1}, {"build_id": 1.5}, {"artifact_id": "1"},
        {"build_id": None}, {"artifact_id": None}, {"status": "good"}, {"status": ["GOOD"]}, {"status": {}},
        {"url": None}, {"url": 7}, {"build_id": 1 << 70},
    ],
)  # fmt: skip
def test_a_malformed_entry_is_no_data(changes: dict[str, Any]) -> None:
    """No path is made of what a server says but of numbers."""
    documents = {(A, LIST): RebuilderAnswer(listed({**row(HELLO), **changes}))}
    asked: list[str] = []

    class Watched(dict[tuple[str, str], RebuilderAnswer]):
        def get(self, key: Any, default: Any = None) -> Any:
            asked.append(key[1])
            return super().get(key, default)

    assert one(Watched(documents)).state == NO_DATA and asked == [LIST]


def test_at_most_some_attestations_are_read() -> None:
    rows = [row(HELLO, build_id=number) for number in range(60)]
    documents = {(A, LIST): RebuilderAnswer(listed(*rows))}
    for number in range(60):
        documents |= {(A, ATTESTATION.replace("builds/1", f"builds/{number}")): RebuilderAnswer(b"{}")}
    right = {(A, ATTESTATION.replace("builds/1", "builds/0")): RebuilderAnswer(attestation(link(HELLO), ALICE))}
    assert one(documents | right).state == UNPROVEN
    last = {(A, ATTESTATION.replace("builds/1", "builds/59")): RebuilderAnswer(attestation(link(HELLO), ALICE))}
    assert one(documents | last).state == REPRODUCED


# ---- what else is known


def test_what_a_server_says_without_proof() -> None:
    def state(*rows: dict[str, Any]) -> str:
        return one({(A, LIST): RebuilderAnswer(listed(*rows))}).state

    assert state(row(HELLO, "BAD")) == NOT_REPRODUCED
    assert state(row(HELLO, None)) == FAILED
    assert state(row(HELLO, "UNKWN")) == FAILED
    assert state(row(HELLO, None, build_id=None, artifact_id=None)) == NOT_TRIED
    assert state() == NOT_TRIED
    assert state(row(package("hello", "2.10-4"), "BAD")) == NOT_TRIED
    assert state(row(HELLO, attestation_log_id=None)) == UNPROVEN
    assert state(row(HELLO, None, build_id=None), row(HELLO, "BAD", build_id=2)) == NOT_REPRODUCED


def test_a_version_with_signs_is_asked_for_and_found() -> None:
    about = LockedDeb("libstdc++6", "1:14+dfsg~rc1-1", "amd64", "f" * 64, "pool/g/libstdc++6_14+dfsg~rc1-1_amd64.deb")
    assert "name=libstdc%2B%2B6&version=1%3A14%2Bdfsg~rc1-1&" in rebuilder_answers.list_path(about)
    documents = {
        (A, rebuilder_answers.list_path(about)): RebuilderAnswer(
            listed(row(about, url="http://x/libstdc%2B%2B6_14%2Bdfsg~rc1-1_amd64.deb"))
        ),
        (A, ATTESTATION): RebuilderAnswer(attestation(link(about), ALICE)),
    }
    assert one(documents, about=about).state == REPRODUCED


def test_the_verdict_follows_from_votes_exceptions_and_silence() -> None:
    def verdict(required: int, *answers: bytes | None, exceptions: tuple[PolicyException, ...] = ()) -> str:
        operators = tuple(Operator(f"o{i}", (f"https://{i}.example",), (ALICE.raw,)) for i in range(len(answers)))
        documents = {}
        for operator, answer in zip(operators, answers, strict=True):
            server = operator.servers[0]
            documents[server, LIST] = (
                RebuilderAnswer(answer) if answer is not None else RebuilderAnswer(None, "it is down")
            )
            documents[server, ATTESTATION] = RebuilderAnswer(attestation(link(HELLO), ALICE))
        (found,) = evaluate([HELLO], RebuilderPolicy(operators, required, exceptions), documents)
        return found.verdict

    yes, no = listed(row(HELLO)), listed(row(HELLO, "BAD"))
    assert verdict(2, yes, yes, no) == ENOUGH
    assert verdict(2, yes, no, no) == REFUSED
    assert verdict(2, yes, no, None) == UNKNOWN
    assert verdict(2, no, no, None) == REFUSED  # whatever the third says
    assert verdict(1, yes, None, None) == ENOUGH
    for version, expected in (("", EXCEPTED), (HELLO.version, EXCEPTED), ("1", REFUSED)):
        assert verdict(1, no, exceptions=(PolicyException("hello", version, "known"),)) == expected
    assert verdict(1, no, exceptions=(PolicyException("other", "", "known"),)) == REFUSED
    assert verdict(1, yes, exceptions=(PolicyException("hello", "", "known"),)) == ENOUGH


def test_policy_files_of_tests_are_policies() -> None:
    from fpack.builders.attest.rebuilder_policy import parse_policy

    text = policy_file(1, {"alice": ([A, B + "/"], [ALICE])}, '[[exception]]\npackage = "x"\nreason = "y"')
    found = parse_policy(text.encode(), "f")
    assert found == RebuilderPolicy((Operator("alice", (A, B), (ALICE.raw,)),), 1, (PolicyException("x", "", "y"),))
