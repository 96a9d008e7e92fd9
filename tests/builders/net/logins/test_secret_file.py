"""Secrets of the user: which server gets one, and which files are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fpack.builders.net.logins.request_login import BadLogin, RequestLogin
from fpack.builders.net.logins.secret_file import NoSecret, SecretFile

URL = "https://files.example/a.tar"


def secrets(tmp_path: Path, text: str, mode: int = 0o600, **environ: str) -> SecretFile:
    path = tmp_path / "secrets.toml"
    path.write_text(text)
    path.chmod(mode)
    return SecretFile({"FPACK_SECRETS": str(path), **environ})


def test_a_secret_goes_to_its_hosts_alone(tmp_path: Path) -> None:
    found = secrets(tmp_path, '[TOKEN]\nhosts = ["files.example", "other.example:8443"]\nvalue = "s3cret"\n')
    for url in (URL, "https://files.example:443/", "https://FILES.example/", "https://other.example:8443/x"):
        assert found.value("TOKEN", urlsplit(url)) == "s3cret"
    for url in (
        "https://evil.example/", "https://files.example:8443/", "https://other.example/", "http://files.example/",
        "https://files.example.evil.example/", "https://files.example@evil.example/", "http://files.example:443/",
    ):  # fmt: skip
        with pytest.raises(NoSecret) as caught:
            found.value("TOKEN", urlsplit(url))
        assert "s3cret" not in f"{caught.value} {caught.value.why} {caught.value.hint}"


def test_a_secret_comes_from_a_variable_or_a_file(tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.write_text("from a file\n")
    held.chmod(0o600)
    text = f'[A]\nhosts = ["files.example"]\nenv = "OWN"\n[B]\nhosts = ["files.example"]\nfile = "{held}"\n'
    found = secrets(tmp_path, text, OWN="from a variable")
    assert found.value("A", urlsplit(URL)) == "from a variable"
    assert found.value("B", urlsplit(URL)) == "from a file"
    held.chmod(0o644)
    with pytest.raises(NoSecret, match="Other users"):
        found.value("B", urlsplit(URL))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "There is no secret"), ("[TOKEN]\nvalue = 's3cret'\n", "not usable"),
        ("[TOKEN]\nhosts = ['files.example']\n", "not usable"), ("[TOKEN]\nhosts = 's3cret", "not valid TOML"),
        ("[TOKEN]\nhosts = ['files.example']\nvalue = 's3cret'\nenv = 'X'\n", "not usable"),
        ("[TOKEN]\nhosts = ['*']\nvalue = 's3cret'\n", "not usable"),
        ("[TOKEN]\nhosts = ['files.example']\nvalue = \"s3cret\\r\\nHost: evil\"\n", "not usable"),
        ("[TOKEN]\nhosts = ['files.example']\nenv = 'ABSENT'\n", "has no value"),
    ],
)  # fmt: skip
def test_a_secret_that_cannot_be_used_is_an_error_without_it(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(NoSecret, match=what) as caught:
        secrets(tmp_path, text).value("TOKEN", urlsplit(URL))
    assert "s3cret" not in f"{caught.value} {caught.value.why} {caught.value.hint} {caught.value.where}"


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoSecret, match="Other users"):
        secrets(tmp_path, '[TOKEN]\nhosts = ["files.example"]\nvalue = "s3cret"\n', 0o644).value("TOKEN", urlsplit(URL))


@pytest.mark.parametrize(
    "auth",
    [
        {"form": "header", "name": "Host", "secret": "T"}, {"form": "header", "name": "A: b", "secret": "T"},
        {"form": "basic", "name": "a:b", "secret": "T"}, {"form": "digest", "name": "", "secret": "T"}, {},
    ],
)  # fmt: skip
def test_a_login_that_changes_the_request_is_refused(auth: dict[str, Any]) -> None:
    with pytest.raises(BadLogin):
        RequestLogin(auth, SecretFile({}))
