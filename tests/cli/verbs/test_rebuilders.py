"""`fpack rebuilders` and `fpack verify --rebuilt` as people run them: what they say, and their exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.attest import rebuilder_answers
from support.images.greeter import Greeter
from support.servers.rebuilders import Key, Rebuilders, listed, locked, policy_file


@pytest.fixture(name="server")
def rebuilders(tmp_path: Path) -> Iterator[Rebuilders]:
    with Rebuilders(tmp_path / "rebuilders") as running:
        yield running


def configured(made: Greeter, text: str) -> None:
    path = made.fpack.home / ".config/fpack/rebuilders.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def shown(made: Greeter, *args: str | Path, status: int = 0) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(
        made.fpack("rebuilders", "show", "--json", made.tar, *args, status=status).stdout
    )
    return value


def test_all_packages_were_reproduced(made: Greeter, server: Rebuilders) -> None:
    packages = locked(made.manifest)
    server.reproduced(packages)
    configured(made, policy_file(1, {"one": ([server.url + "/"], [server.key])}))
    found = shown(made)
    assert found["counts"] == {"reproduced": len(packages), "excepted": 0, "refused": 0, "unknown": 0}
    assert {item["name"]: item["sha256"] for item in found["packages"]} == {p.name: p.sha256 for p in packages}
    (said,) = found["packages"][0]["operators"]
    assert said == {
        "operator": "one",
        "state": "reproduced",
        "why": "",
        "keys": [server.key.text],
        "server": server.url,
    }
    text = made.fpack("verify", made.tar, "--rebuilt").stdout
    assert f"{len(packages)} of {len(packages)} Debian packages reproduced by 1 of 1 operator" in text
    value = json.loads(made.fpack("verify", "--json", made.tar, "--rebuilt=1/1").stdout)
    assert value["success"] and value["images"][0]["rebuilders"] == found
    assert json.loads(made.fpack("verify", "--json", made.tar).stdout)["images"][0]["rebuilders"] is None


def test_a_package_that_was_not_reproduced_fails_the_verification(made: Greeter, server: Rebuilders) -> None:
    policy = server.policy_of(made.manifest)
    first, *others = locked(made.manifest)
    text = made.fpack("verify", made.tar, "--rebuilt", "--policy", policy, status=1).stdout
    assert "REFUSED: 1 package not reproduced by enough rebuilders" in text
    assert (
        f"{first.name} {first.version}: one: not reproduced" in text
        and f"{others[0].name} {others[0].version}" not in text
    )
    table = made.fpack("rebuilders", "show", made.tar, "--policy", policy, status=1).stdout.splitlines()
    assert table[0].split() == ["package", "version", "verdict", "one"]
    assert [first.name, first.version, "refused", "not", "reproduced"] in [line.split() for line in table]
    policy.write_text(policy.read_text() + f'[[exception]]\npackage = "{first.name}"\nreason = "a known fault"\n')
    text = made.fpack("verify", made.tar, "--rebuilt", "--policy", policy).stdout
    assert "excepted: a known fault" in text and "1 excepted" in text
    assert shown(made, "--policy", policy)["counts"]["excepted"] == 1


def test_an_audit_requires_them_too(made: Greeter, server: Rebuilders, tmp_path: Path) -> None:
    first, *others = locked(made.manifest)
    server.reproduced(others)
    policy, data = tmp_path / "policy.toml", tmp_path / "tracker.json"
    policy.write_text(policy_file(1, {"one": ([server.url], [server.key])}))
    data.write_text('{"absent": {"CVE-2026-0001": {"releases": {"trixie": {"status": "open"}}}}}')
    words = ("audit", made.tar, "--data", data, "--policy", policy, "--rebuilt")
    value = json.loads(made.fpack(*words, "--json", status=None).stdout)["images"][0]["rebuilders"]
    assert value["counts"]["reproduced"] == len(others)
    assert f"{first.name} {first.version}: one: " in made.fpack(*words, status=None).stdout
    plain = json.loads(made.fpack("audit", made.tar, "--data", data, "--json").stdout)
    assert plain["images"][0]["rebuilders"] is None


def test_a_bundle_says_the_same_without_its_servers(made: Greeter, server: Rebuilders, tmp_path: Path) -> None:
    packages = locked(made.manifest)
    server.reproduced(packages)
    policy = tmp_path / "policy.toml"
    policy.write_text(policy_file(1, {"one": ([server.url], [server.key])}))
    bundle = tmp_path / "rebuilt.json"
    done = made.fpack("rebuilders", "fetch", made.tar, "--policy", policy, "-o", bundle)
    assert f"{2 * len(packages)} answers about {len(packages)} packages" in done.stdout
    before, asked = bundle.read_bytes(), len(server.requests)
    made.fpack("rebuilders", "fetch", made.tar, "--policy", policy, "-o", bundle)
    assert bundle.read_bytes() == before and len(server.requests) == 2 * asked
    live = shown(made, "--policy", policy)
    server.heal()
    asked = len(server.requests)
    assert shown(made, "--policy", policy, "--rebuilders", bundle) == live
    made.fpack("verify", made.tar, "--rebuilt", "--policy", policy, "--rebuilders", bundle, "--offline", status=None)
    assert len(server.requests) == asked
    # A bundle is no authority: it is checked like the answers of servers.
    policy.write_text(policy_file(1, {"one": ([server.url], [Key()])}))
    assert shown(made, "--policy", policy, "--rebuilders", bundle, status=1)["counts"]["reproduced"] == 0
    policy.write_text(policy_file(1, {"one": (["http://127.0.0.1:1"], [server.key])}))
    assert shown(made, "--policy", policy, "--rebuilders", bundle, status=6)["counts"]["unknown"] == len(packages)


def test_a_server_that_is_down_is_told_and_is_no_success(made: Greeter, server: Rebuilders, tmp_path: Path) -> None:
    packages = locked(made.manifest)
    server.reproduced(packages)
    operators = {"one": ([server.url], [server.key]), "two": (["http://127.0.0.1:1"], [Key()])}
    configured(made, policy_file(2, operators))
    found = shown(made, status=6)
    assert found["counts"]["unknown"] == len(packages) and found["packages"][0]["operators"][1]["state"] == "no data"
    text = made.fpack("verify", made.tar, "--rebuilt", status=6).stdout
    assert "NOT FULLY CHECKED" in text and "too few rebuilders answered" in text
    made.fpack("verify", made.tar, "--rebuilt=1")  # one suffices
    done = made.fpack("rebuilders", "fetch", made.tar, "-o", tmp_path / "bundle.json", status=6)
    assert "no answer of http://127.0.0.1:1: The server cannot be reached" in done.stdout


def test_answers_cannot_control_a_terminal(made: Greeter, server: Rebuilders) -> None:
    packages = locked(made.manifest)
    server.reproduced(packages)
    evil = listed({"url": "x", "status": "\u001b[31mGOOD\u0007", "build_id": 1})
    server.heal()
    for about in packages:
        server.replace(rebuilder_answers.list_path(about), evil)
    server.replace(rebuilder_answers.KEYS, json.dumps({"current": ["\u001b[31m" + server.key.text]}).encode())
    configured(made, policy_file(1, {"one": ([server.url], [server.key])}))
    for args in (("show", made.tar), ("keys", server.url)):
        done = made.fpack("rebuilders", *args, status=None)
        assert "\u001b" not in done.stdout + done.stderr and "\u0007" not in done.stdout + done.stderr


def test_keys_are_printed_in_the_form_of_the_file(made: Greeter, server: Rebuilders) -> None:
    text = made.fpack("rebuilders", "keys", server.url + "/").stdout
    packages = locked(made.manifest)
    server.reproduced(packages)
    configured(made, text)
    assert shown(made)["counts"]["reproduced"] == len(packages)
    assert f'keys = ["{server.key.text}"]' in text
    assert "cannot be fetched" in made.fpack.fails("rebuilders", "keys", "http://127.0.0.1:1")
    assert "not a server" in made.fpack.fails("rebuilders", "keys", "file:///etc/passwd")
    server.heal()
    server.replace(
        rebuilder_answers.KEYS, b'{"current": ["-----BEGIN PUBLIC KEY-----\\nx\\n-----END PUBLIC KEY-----"]}'
    )
    assert "not a list of keys" in made.fpack.fails("rebuilders", "keys", server.url)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--policy", "none.toml"), "--policy needs --rebuilt"),
        (("--rebuilders", "none.json"), "--rebuilders needs --rebuilt"),
        (("--rebuilt=0",), "'0' is not a number of operators"),
        (("--rebuilt=two",), "'two' is not a number of operators"),
        (("--rebuilt=1/2/3",), "is not a number of operators"),
        (("--rebuilt=2",), "2 operators cannot agree"),
        (("--rebuilt=1/3",), "needs 3 operators"),
        (("--rebuilt", "--offline"), "--rebuilders FILE"),
        (("--rebuilt=1", "--rebuilders", "none.json"), "The bundle cannot be read"),
        (("--rebuilt=1", "--policy", "none.toml"), "The rebuilders are not configured"),
    ],
)
def test_options_that_do_not_fit(made: Greeter, args: tuple[str, ...], message: str) -> None:
    configured(made, policy_file(1, {"one": (["http://127.0.0.1:1"], [Key()])}))
    assert message in made.fpack.fails("verify", made.tar, *args)


def test_the_number_stands_with_the_option(made: Greeter) -> None:
    """`--rebuilt IMAGE` would take the image for a number."""
    assert "needs IMAGE" in made.fpack.fails("verify", "--rebuilt", made.tar)
