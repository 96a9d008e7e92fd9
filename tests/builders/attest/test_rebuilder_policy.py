"""The file of rebuilders, and bundles: what is refused, with the reason."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from fpack.builders.attest import rebuilder_bundle
from fpack.builders.attest.in_toto_link import format_key, parse_key
from fpack.builders.attest.rebuilder_bundle import BundleError
from fpack.builders.attest.rebuilder_policy import PolicyError, parse_policy, read_policy
from fpack.builders.attest.rebuilders import RebuilderAnswer
from fpack.builders.streams import strict_json
from support.servers.rebuilders import Key, policy_file

A, B = "https://a.example", "https://b.example"
KEY, OTHER = Key(1), Key(2)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no operator"),
        ("[[operator]]\n", "the name of an operator"),
        ("operator = 1", "write [[operator]]"),
        ("required = ", "Invalid value"),
        ("a = " + "[" * 100_000, ""),
        (policy_file(2, {"a": ([A], [KEY])}), "a number from 1 to 1"),
        (policy_file(0, {"a": ([A], [KEY])}), "a number from 1 to 1"),
        (policy_file(1, {"a": ([A], [KEY])}).replace("required = 1", "required = true"), "a number from 1 to 1"),
        (policy_file(1, {"a": ([A], [])}), "the keys of a are not a list"),
        (policy_file(1, {"a": ([], [KEY])}), "the servers of a are not a list"),
        (policy_file(1, {"a": ([A], [KEY])}) * 2, "required"),
        # One vote for each operator: nobody is two.
        (policy_file(1, {"a": ([A], [KEY]), "b": ([A + "/"], [OTHER])}), "the server https://a.example occurs twice"),
        (policy_file(1, {"a": ([A], [KEY]), "b": ([B], [KEY])}), f"the key {KEY.text} occurs twice"),
        (policy_file(1, {"a": ([A], [KEY]), "a ": ([B], [OTHER])}), "the name a is that of two operators"),
        *(
            (policy_file(1, {"a": ([url], [KEY])}), why)
            for url, why in (
                ("file:///etc/passwd", "is not the URL of a server"),
                ("a.example", "is not the URL of a server"),
                ("https://", "is not the URL of a server"),
                ("https://user:secret@a.example", "has a login, a query or a fragment"),
                ("https://a.example/?x=1", "has a login, a query or a fragment"),
                ("https://a.example/\u001b[31m", "is not the URL of a server"),
            )
        ),
        (policy_file(1, {"a": ([A], [KEY])}, "[other]"), "the unknown field 'other'"),
        (policy_file(1, {"a": ([A], [KEY])}, '[[exception]]\npackage = "x"'), "the reason of the exception x"),
        (policy_file(1, {"a": ([A], [KEY])}, '[[exception]]\npackage = "x"\nreason = " "'), "the reason"),
        (policy_file(1, {"a": ([A], [KEY])}).replace(KEY.text, "ed25519:00"), "a key of a: it is not an Ed25519 key"),
    ],
)
def test_what_is_no_policy(text: str, why: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text.encode(), "rebuilders.toml")
    assert caught.value.where == "rebuilders.toml" and why in caught.value.why
    assert caught.value.exit_code == 2 and caught.value.why.isprintable()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        read_policy(tmp_path / "none.toml")
    assert "not configured" in caught.value.what and "--policy" in caught.value.hint


def test_keys_in_their_forms() -> None:
    short, long = (bytes.fromhex(text) for text in ("302a300506032b6570032100", "302c300706032b65700500032100"))
    for info in (short, long):
        text = base64.b64encode(info + KEY.raw).decode()
        for pem in (
            f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n",
            f"-----BEGIN PUBLIC KEY-----\r\n{text}\r\n-----END PUBLIC KEY-----\r\n",
        ):
            assert parse_key(pem) == KEY.raw
    assert parse_key(format_key(KEY.raw)) == KEY.raw
    bad = base64.b64encode(short + KEY.raw + b"\0").decode()
    for text in (
        "", KEY.raw.hex(), KEY.text.upper(), f"{KEY.text}\n", f"{KEY.text}00",
        f"-----BEGIN PUBLIC KEY-----\n{bad}\n-----END PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----\n=\n-----END "
        "PUBLIC KEY-----", "-----BEGIN PRIVATE KEY-----\n" + bad + "\n-----END PRIVATE KEY-----",
    ):  # fmt: skip
        with pytest.raises(ValueError, match="key|base64"):
            parse_key(text)


def test_a_bundle_gives_back_what_was_put_in() -> None:
    documents = {
        (B, "/y"): RebuilderAnswer(None, "it is down"),
        (A, "/x"): RebuilderAnswer("{\"é\": \"\u2028\"}\n".encode()),
        (A, "/n"): RebuilderAnswer(None),
    }  # fmt: skip
    data = rebuilder_bundle.encode(documents)
    assert rebuilder_bundle.decode(data, "b") == documents
    assert data == rebuilder_bundle.encode(dict(reversed(documents.items()))) and data.isascii()
    broken = rebuilder_bundle.decode(rebuilder_bundle.encode({(A, "/x"): RebuilderAnswer(b"\xff")}), "b")
    assert broken[A, "/x"] == RebuilderAnswer(None, "its answer is not UTF-8")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([], "the format"),
        ({"format": "fpack-rebuilders"}, "version"),
        ({"format": "fpack-rebuilders", "version": 2}, "version"),
        ({"format": "fpack-rebuilders", "version": 1}, "documents"),
        ({"format": "fpack-rebuilders", "version": 1, "documents": [1]}, "not a record"),
        ({"format": "fpack-rebuilders", "version": 1, "documents": [{"server": A}]}, "no server or path"),
        ({"format": "fpack-rebuilders", "version": 1, "documents": [{"server": A, "path": 1}]}, "not text"),
        (
            {"format": "fpack-rebuilders", "version": 1, "documents": [{"server": A, "path": "/", "more": ""}]},
            "not a record",
        ),
        ({"format": "fpack-rebuilders", "version": 1, "documents": [{"server": A, "path": "/"}] * 2}, "twice"),
        (
            {"format": "fpack-rebuilders", "version": 1,
             "documents": [{"server": A, "path": "/", "body": "x" * (1 << 21)}]},
            "more than",
        ),
    ],
)  # fmt: skip
def test_what_is_no_bundle(value: object, why: str) -> None:
    with pytest.raises(BundleError) as caught:
        rebuilder_bundle.decode(json.dumps(value).encode(), "bundle.json")
    assert caught.value.where == "bundle.json" and why in caught.value.why


def test_a_bundle_nested_deeply() -> None:
    with pytest.raises(BundleError, match="malformed"):
        rebuilder_bundle.decode(b"[" * 200_000, "bundle.json")


def test_a_bundle_of_too_many_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value takes memory, however short it is: they are counted before they are parsed."""
    monkeypatch.setattr(strict_json, "MAX_VALUES", 1000)
    with pytest.raises(BundleError) as caught:
        rebuilder_bundle.decode(b"[" + b"0," * 1000 + b"0]", "bundle.json")
    assert "it has more than 1000 values" in caught.value.why
