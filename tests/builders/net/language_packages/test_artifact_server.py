"""The server of repositories for builds without a network: what it serves, records and refuses."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.builders.net.http import Http
from fpack.builders.net.language_packages.artifact_server import RECORDED, ArtifactServer, valid
from support.servers.httpserver import Server


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "remote/a").mkdir(parents=True)
    (tmp_path / "remote/a/x.jar").write_bytes(b"jar")
    (tmp_path / "remote/a/maven-metadata.xml").write_text("<metadata/>")
    with Server(tmp_path / "remote") as server:
        yield server


@pytest.fixture
def server(tmp_path: Path, remote: Server) -> Iterator[ArtifactServer]:
    (tmp_path / "files").mkdir()
    (tmp_path / "empty").mkdir()
    found = ArtifactServer([f"{remote.url}/none", remote.url], tmp_path / "files", Http(retries=0))
    found.listen(tmp_path / "socket")
    yield found
    found.close()


def _ask(tmp_path: Path, path: str, method: str = "GET") -> tuple[str, bytes]:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "socket"))
        client.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b" ", 2)[1].decode(), body


def test_files_are_served_and_recorded(tmp_path: Path, server: ArtifactServer, remote: Server) -> None:
    assert _ask(tmp_path, "/a/x.jar") == ("200", b"jar")
    assert _ask(tmp_path, "/a/x.jar", "HEAD") == ("200", b"")
    assert _ask(tmp_path, "/a/x.jar.sha1") == ("200", hashlib.sha1(b"jar").hexdigest().encode())
    assert _ask(tmp_path, "/a/maven-metadata.xml") == ("200", b"<metadata/>")
    assert _ask(tmp_path, "/a/none.jar")[0] == "404" and _ask(tmp_path, "/a/none.jar.sha1")[0] == "404"
    status, body = _ask(tmp_path, RECORDED)
    assert (status, json.loads(body)) == ("200", {
        "format": 1,
        "files": {
            "a/maven-metadata.xml": {"text": "<metadata/>"},
            "a/x.jar": {"repository": remote.url, "sha256": hashlib.sha256(b"jar").hexdigest()},
        },
    })  # fmt: skip
    assert [path for _, path, _ in remote.requests].count("/a/x.jar") == 1


@pytest.mark.parametrize("path", ["/../x", "/a/../x", "/a//x", "/", "/.hidden", "/a%2f..", f"/{'a' * 2000}", "/a/b?c"])
def test_other_paths_are_refused(tmp_path: Path, server: ArtifactServer, remote: Server, path: str) -> None:
    assert _ask(tmp_path, path)[0] == "404"
    assert remote.requests == [] and not valid(path.lstrip("/") or "/")


def test_the_path_of_a_crate_in_an_index_may_begin_with_a_hyphen() -> None:
    assert valid("nu/-a/nu-ansi-term")


def test_other_requests_are_refused(tmp_path: Path, server: ArtifactServer) -> None:
    assert _ask(tmp_path, "/a/x.jar", "PUT")[0] == "405"
    assert _ask(tmp_path, "/a b c")[0] == "405"


def test_a_repository_that_fails_is_told(tmp_path: Path, server: ArtifactServer, remote: Server) -> None:
    remote.fail("/a/x.jar", 503, times=None)
    assert _ask(tmp_path, "/a/x.jar")[0] == "502"
    assert "503" in server.failures[0].why


def test_a_client_that_says_nothing_ends_nothing(tmp_path: Path, server: ArtifactServer) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "socket"))
    assert _ask(tmp_path, "/a/x.jar")[0] == "200"
