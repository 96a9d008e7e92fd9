"""The logins of apt's configuration for private archives."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fpack.builders.net.http import Http
from fpack.builders.net.logins.apt_auth import AptAuth
from support.servers.httpserver import Server

TEXT = """
# machine comment.example login no password no
machine apt.example/private login me password one
machine http://plain.example login me password two
machine ports.example:8443
  login me
  password machine
machine last.example login me password three
"""


@pytest.fixture
def auth(tmp_path: Path) -> AptAuth:
    (tmp_path / "auth.conf").write_text(TEXT)
    (tmp_path / "auth.conf.d").mkdir()
    (tmp_path / "auth.conf.d" / "own.conf").write_text("machine own.example login x password y\nmachine apt.example/")
    (tmp_path / "auth.conf.d" / "off.disabled").write_text("machine off.example login x password y")
    return AptAuth(str(tmp_path))


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("https://apt.example/private/dists/x", "one"), ("https://apt.example/public", ""),
        ("https://apt.example/private/../public", ""), ("http://apt.example/private/x", ""),
        ("http://plain.example/x", "two"), ("https://plain.example/x", ""),
        ("https://ports.example:8443/x", "machine"), ("https://ports.example/x", ""),
        ("https://last.example/", "three"), ("https://own.example/", "y"), ("https://off.example/", ""),
        ("https://comment.example/", ""), ("https://apt.example.evil.example/private/", ""),
    ],
)  # fmt: skip
def test_a_login_is_for_its_scheme_host_port_and_path(auth: AptAuth, url: str, password: str) -> None:
    found = auth.login(urlsplit(url))
    assert (found[1] if found else "") == password


def test_no_file_is_no_login(tmp_path: Path) -> None:
    assert AptAuth(str(tmp_path)).login(urlsplit("https://apt.example/")) is None


def test_a_private_archive_gets_the_login_and_a_redirect_does_not(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "file").write_bytes(b"content")
    with Server(tmp_path / "www") as server:
        host = server.url.removeprefix("http://").replace("localhost", "127.0.0.1")
        (tmp_path / "auth.conf").write_text(f"machine {host} login me password s3cret\n")
        http = Http(environ={}, apt_auth=AptAuth(str(tmp_path)))
        http.get([f"http://{host}/file"], limit=100)
        assert server.headers[-1]["authorization"] == "Basic bWU6czNjcmV0"
        server.redirect("/moved", f"http://{host.replace('127.0.0.1', 'localhost')}/file")
        http.get([f"http://{host}/moved"], limit=100)
        assert "authorization" not in server.headers[-1]
