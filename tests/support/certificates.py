"""Make a self-signed certificate for a test server."""

from __future__ import annotations

import subprocess
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
