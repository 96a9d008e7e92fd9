"""Test where credentials are found, and which servers get them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.distribution.access import challenges, credentials
from fpack.builders.distribution.access.credentials import NONE, BadCredentials, RegistryCredentials, find
from support.growth import check_linear


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


class Home:
    """A home directory with files of credentials. environ: its variables."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "bin").mkdir()
        self.environ = {"HOME": str(path), "XDG_RUNTIME_DIR": str(path / "run"), "PATH": f"{path}/bin:/usr/bin:/bin"}

    def write(self, name: str, document: Any) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(document if isinstance(document, str) else json.dumps(document))

    def helper(self, name: str, script: str) -> None:
        file = self.path / f"bin/docker-credential-{name}"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def find(self, host: str = "registry.example", repository: str = "team/app") -> RegistryCredentials:
        return find(host, repository, self.environ)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_without_files_there_are_none(home: Home) -> None:
    assert home.find() == NONE
    home.write(".docker/config.json", {"auths": {"other.example": auth("a:b")}})
    assert home.find() == NONE


def test_podman_comes_before_docker(home: Home) -> None:
    home.write(".dockercfg", {"registry.example": auth("old:1")})
    assert home.find() == RegistryCredentials("old", "1")
    home.write(".docker/config.json", {"auths": {"https://registry.example/v1/": auth("docker:2")}})
    assert home.find() == RegistryCredentials("docker", "2")
    home.write(".config/containers/auth.json", {"auths": {"registry.example": auth("config:3")}})
    assert home.find() == RegistryCredentials("config", "3")
    home.write("run/containers/auth.json", {"auths": {"registry.example": auth("run:4:5")}})
    assert home.find() == RegistryCredentials("run", "4:5")
    home.write("own.json", {"auths": {}})
    home.environ["REGISTRY_AUTH_FILE"] = str(home.path / "own.json")
    assert home.find() == NONE


def test_the_longest_name_is_taken(home: Home) -> None:
    entries = {
        "registry.example": auth("all:1"), "registry.example/team": auth("team:1"),
        "registry.example/team/app": auth("app:1"), "registry.example/te": auth("no:1"),
    }  # fmt: skip
    home.write(".docker/config.json", {"auths": entries})
    assert home.find().user == "app"
    assert home.find(repository="team/other").user == "team"
    assert home.find(repository="other").user == "all"
    assert home.find("registry.example:5000") == NONE


@pytest.mark.parametrize("host", ["docker.io", "registry-1.docker.io", "index.docker.io"])
def test_docker_hub_has_several_names(home: Home, host: str) -> None:
    home.write(".docker/config.json", {"auths": {"https://index.docker.io/v1/": auth("me:1")}})
    assert home.find(host).user == "me"


def test_tokens(home: Home) -> None:
    row = {**auth("me:"), "identitytoken": "long", "registrytoken": "short"}
    home.write(".docker/config.json", {"auths": {"registry.example": row}})
    found = home.find()
    assert found == RegistryCredentials("me", "", "long", "short")
    assert "long" not in repr(found) and "short" not in f"{found}"


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '"secret"', '{"auths": {"registry.example": {"auth": "secret!"}}}', "[" * 100_000],
)
def test_a_damaged_file_is_an_error_that_does_not_quote_it(home: Home, text: str) -> None:
    home.write(".docker/config.json", text)
    with pytest.raises(BadCredentials) as caught:
        home.find()
    assert "secret" not in str(caught.value) and str(home.path) in caught.value.where


def test_a_pipe_is_not_read(home: Home) -> None:
    import os

    os.mkfifo(home.path / "own.json")
    home.environ["REGISTRY_AUTH_FILE"] = str(home.path / "own.json")
    with pytest.raises(BadCredentials):
        home.find()


def test_a_helper_is_asked(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.helper("one", f'cat >"{home.path}/given"; echo warning >&2; echo \'{{"Username": "me", "Secret": "s"}}\'')
    home.helper("token", 'echo \'{"Username": "<token>", "Secret": "long"}\'')
    home.helper("none", "echo credentials not found in native keychain; exit 1")
    document: dict[str, Any] = {"credHelpers": {"registry.example": "one"}, "credsStore": "none"}
    home.write(".docker/config.json", document)
    assert home.find() == RegistryCredentials("me", "s")
    assert (home.path / "given").read_text() == "registry.example\n"
    home.write(".docker/config.json", {"credsStore": "token", "auths": {"registry.example": {}}})
    assert home.find() == RegistryCredentials(identity="long")
    home.write(".docker/config.json", {"credsStore": "none", "auths": {"registry.example": auth("me:2")}})
    assert home.find() == RegistryCredentials("me", "2")


@pytest.mark.parametrize(
    ("name", "script", "what"),
    [
        ("bad", "echo locked >&2; exit 3", "failed"),
        ("bad", "echo nothing", "gave no credentials"),
        ("bad", 'echo \'{"Username": 1, "Secret": 2}\'', "gave no credentials"),
        ("../../bin/sh", "exit", "name of a credential helper"),
        ("absent", None, "is not installed"),
    ],
)
def test_a_helper_that_fails_is_an_error(home: Home, name: str, script: str | None, what: str) -> None:
    if script is not None:
        home.helper("bad", script)
    home.write(".docker/config.json", {"credHelpers": {"registry.example": name}})
    with pytest.raises(BadCredentials, match=what):
        home.find()


def test_a_helper_that_hangs_is_ended(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "HELPER_SECONDS", 0.2)
    home.helper("slow", f'echo $$ >"{home.path}/pid"; exec sleep 1000')
    home.write(".docker/config.json", {"credHelpers": {"registry.example": "slow"}})
    with pytest.raises(BadCredentials, match="credential helper"):
        home.find()
    pid = (home.path / "pid").read_text().strip()
    assert not pid or not Path("/proc", pid).exists()


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('Basic realm="a"', [("basic", "a", "", "")]),
        ('Bearer realm="https://a/t",service="s",scope="x:y:pull"', [("bearer", "https://a/t", "s", "x:y:pull")]),
        ('Basic realm="a, b", Bearer realm=c , service = d', [("basic", "a, b", "", ""), ("bearer", "c", "d", "")]),
        (r'bearer realm="a\"b"', [("bearer", 'a"b', "", "")]),
        ("Negotiate", [("negotiate", "", "", "")]),
        ("", []),
        ('="', []),
    ],
)  # fmt: skip
def test_challenges(header: str, found: list[tuple[str, ...]]) -> None:
    assert challenges.parse(header) == found


@pytest.mark.parametrize("text", ["{}!", "Basic a=b {}!"])
def test_blanks_of_a_challenge_are_read_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(challenges, "MAX_HEADER", 1 << 20)
    check_linear(lambda size: challenges.parse(text.replace("{}", " " * size)))
