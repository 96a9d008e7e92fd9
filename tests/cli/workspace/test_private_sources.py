"""Sources that want a password: from the language to the store."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import zstandard
from support.archives.archive import Archive
from support.processes.program import Fpack, world
from support.servers.httpserver import LoopbackServer
from support.servers.registry import Registry, log_in

SECRET = "s3cret-of-the-test"
DATA = b"#!/bin/sh\necho private\n"
SHA256 = hashlib.sha256(DATA).hexdigest()


class _Private(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        allowed = self.headers.get("PRIVATE-TOKEN") == SECRET
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(DATA) if allowed else 0))
        self.end_headers()
        self.wfile.write(DATA if allowed else b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), _Private)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return world(tmp_path / "archive")


def test_a_secret_is_in_nothing_that_fpack_writes(tmp_path: Path, archive: Archive, server: str) -> None:
    fpack = Fpack(tmp_path / "user", archive)
    folder = fpack.home / "project"
    folder.mkdir()
    (folder / "fpack.fp").write_text(
        f"""
        debian = import("fpack/debian").trixie
        tool = fetch {{
          url = "http://{server}/tool", sha256 = "{SHA256}"
          auth = {{ header = "PRIVATE-TOKEN", value = secret("TOKEN") }}
        }}
        image = container {{
          name = "app", configure = false, packages = [debian.hello], files = {{ "/srv/tool" = tool }}
        }}
        """
    )
    assert "There is no secret TOKEN" in fpack.fails("build", "tool", cwd=folder)
    secrets = fpack.home / ".config" / "fpack" / "secrets.toml"
    secrets.parent.mkdir(parents=True)
    secrets.write_text('[TOKEN]\nhosts = ["files.example"]\nenv = "OWN"\n')
    secrets.chmod(0o600)
    fpack.env["OWN"] = SECRET
    assert "not for this server" in fpack.fails("build", "tool", cwd=folder)
    secrets.write_text(f'[TOKEN]\nhosts = ["{server}"]\nenv = "OWN"\n')
    done = fpack("pack", "-v", "--provenance", "--sbom", cwd=folder)
    assert SECRET not in done.stdout + done.stderr
    files = [file for file in fpack.home.rglob("*") if file.is_file() and not file.is_symlink()]
    assert (folder / "app.tar") in files
    assert not [file for file in files if SECRET.encode() in file.read_bytes()]
    # Who has the file needs no secret.
    secrets.unlink()
    fpack("build", "tool", cwd=folder)


class _Logins(BaseHTTPRequestHandler):
    """An archive for one login, and a file for another one."""

    folder: Path
    logins: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        login = self.logins["fetch" if self.path == "/tool" else "apt"]
        file = self.folder / self.path.lstrip("/")
        data = DATA if self.path == "/tool" else file.read_bytes() if file.is_file() else None
        allowed = self.headers.get("Authorization") == f"Basic {base64.b64encode(login.encode()).decode()}"
        self.send_response(401 if not allowed else 404 if data is None else 200)
        body = data if allowed and data is not None else b""
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_login_is_in_nothing_that_fpack_writes_or_says(tmp_path: Path, archive: Archive) -> None:
    """The logins of a fetch and of an archive in ~/.netrc, and of a registry: of all files and outputs."""
    fpack = Fpack(tmp_path / "user", archive)
    folder = fpack.home / "project"
    folder.mkdir()
    told = []

    def run(*words: str, status: int = 0) -> None:
        done = fpack(*words, cwd=folder, status=status)
        told.append(done.stdout + done.stderr)

    logins = {"fetch": f"me:{SECRET}", "apt": f"apt:{SECRET}-2"}
    handler = type("Handler", (_Logins,), {"folder": archive.folder, "logins": logins})
    with LoopbackServer(handler) as server, Registry(user=f"ann:{SECRET}-3") as registry:
        base = f"http://localhost:{server.port}"
        fpack.env |= {"FPACK_MIRROR": archive.mirror_at(base), **log_in(tmp_path / "login", registry)}
        netrc = fpack.home / ".netrc"
        netrc.write_text(f"machine localhost login apt password {SECRET}\n")
        netrc.chmod(0o600)
        (folder / "fpack.fp").write_text(
            f"""
            debian = import("fpack/debian").trixie
            tool = fetch {{ url = "http://127.0.0.1:{server.port}/tool", sha256 = "{SHA256}" }}
            image = container {{
              name = "app", configure = false, packages = [debian.hello], files = {{ "/srv/tool" = tool }}
            }}
            """
        )
        run("lock", status=5)
        run("build", "-v", "tool", status=5)
        rows = [f"machine localhost login apt password {SECRET}-2", f"machine 127.0.0.1 login me password {SECRET}\n"]
        netrc.write_text("\n".join(rows))
        place = f"{registry.host}/team"
        run("pack", "-v", "--json", "--sbom", "--provenance", "-o", "app.tar", "--push", f"{place}/app", "--plain-http")
        run("key", "generate", "ci")
        run("cache", "push", "#image", "--to", f"oci://{place}/cache", "--key", "ci", "--json")
        run("lock", "--keep", f"{place}/kept", "--json")
        run("bundle", "app.bundle", "--json")
        run("verify", f"{place}/app", "--plain-http", "--json")
        run("config", "--json")
        fpack.env |= log_in(tmp_path / "login", registry, user=f"ann:{SECRET}-4")
        run("pull", f"{place}/app", "--plain-http", "-o", "copy.tar", status=1)
    netrc.unlink()
    assert len(told) == 10 and all(told)
    stored = [data for found in registry.repositories.values() for data in found.blobs.values()]
    stored += [data for found in registry.repositories.values() for _, data in found.manifests.values()]
    stored += [file.read_bytes() for file in fpack.home.rglob("*") if file.is_file() and not file.is_symlink()]
    assert len(stored) > 100
    for login in (*logins.values(), f"ann:{SECRET}-3", f"ann:{SECRET}-4"):
        for text in (login.partition(":")[2], base64.b64encode(login.encode()).decode().rstrip("=")):
            assert not [output for output in told if text in output]
            assert not [data for data in stored if text.encode() in unpacked(data)]


def unpacked(data: bytes) -> bytes:
    """Return data, or what a blob of zstd has."""
    if data[:4] != b"\x28\xb5\x2f\xfd":
        return data
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)
