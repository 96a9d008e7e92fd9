"""Sources that want a password: from the language to the store."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.archives.archive import Archive
from support.processes.program import Fpack, world

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
