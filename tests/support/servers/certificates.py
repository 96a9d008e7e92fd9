"""Make a self-signed certificate for a test server, and let the server use it."""

from __future__ import annotations

import ssl
import subprocess
from http.server import HTTPServer
from pathlib import Path

import pytest


def own_certificate(folder: Path) -> Path:
    """Write a file with a new key and its certificate for `localhost`."""
    pem = folder / "server.pem"
    try:
        subprocess.run(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
            f"-addext subjectAltName=DNS:localhost -keyout {pem} -out {pem}.crt".split(),
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    pem.write_bytes(pem.read_bytes() + Path(f"{pem}.crt").read_bytes())
    return pem


def use_tls(server: HTTPServer, certificate: Path) -> None:
    """Let a server talk TLS. certificate: a file with it and its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    # The thread of a request shakes hands: a client that says nothing would stop the thread that accepts.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
