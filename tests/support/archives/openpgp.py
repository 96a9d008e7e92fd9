"""Make OpenPGP keys and signatures of any date and state with GnuPG, and check signatures with gpgv."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

YEAR = 365 * 86400


class GnuPG:
    """A GnuPG home directory. Keys and signatures can be made at any time, given in Unix seconds."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def key(self, user: str, made: float, expires: str = "0", usage: str = "cert,sign") -> str:
        """Make a certificate and return its fingerprint. expires: such as 2y."""
        self._run("--quick-gen-key", user, "ed25519", usage, expires, at=made)
        return self.fingerprints(user)[0]

    def subkey(self, certificate: str, made: float, expires: str = "0", usage: str = "sign") -> str:
        """Add a subkey to a certificate and return its fingerprint."""
        before = self.fingerprints(certificate)
        self._run("--quick-add-key", certificate, "ed25519", usage, expires, at=made)
        (new,) = set(self.fingerprints(certificate)) - set(before)
        return new

    def fingerprints(self, name: str) -> list[str]:
        """Return the fingerprints of a certificate's keys, the primary key first."""
        listed = self._run("--list-keys", "--with-colons", name).decode().splitlines()
        return [line.split(":")[9] for line in listed if line.startswith("fpr:")]

    def prolong(self, certificate: str, expires: str, at: float, subkey: str = "") -> None:
        """Change the expiry date of a certificate or one of its subkeys."""
        self._run("--quick-set-expire", certificate, expires, *([subkey] if subkey else []), at=at)

    def revoke(self, certificate: str, at: float, reason: int, subkey: bool = False) -> None:
        """Revoke a certificate or its first subkey. reason: 1 compromised, 2 superseded."""
        select = ["key 1"] if subkey else []
        commands = [*select, "revkey", "y", str(reason), "", "y", "save", ""]
        self._run("--command-fd", "0", "--edit-key", certificate, at=at, given="\n".join(commands).encode())

    def stop_signing(self, certificate: str, at: float) -> None:
        """Change the usage of a certificate's first subkey from signing to authentication."""
        commands = ["key 1", "change-usage", "s", "a", "q", "save", ""]
        self._run("--expert", "--command-fd", "0", "--edit-key", certificate, at=at, given="\n".join(commands).encode())

    def clearsign(self, text: str, *keys: str, at: float, digest: str = "SHA512", expires: str = "") -> bytes:
        """Sign a text with keys at a given time. expires: of the signature, such as 1d."""
        signers = [word for key in keys for word in ("--local-user", f"{key}!")]
        more = ["--default-sig-expire", expires] if expires else []
        return self._run("--clearsign", "--digest-algo", digest, *more, *signers, at=at, given=text.encode())

    def keyring(self, *certificates: str) -> bytes:
        """Export the public parts of certificates."""
        return b"".join(self._run("--export", certificate) for certificate in certificates)

    def close(self) -> None:
        """Stop the agent."""
        subprocess.run(["gpgconf", "--homedir", self._home, "--kill", "all"], capture_output=True)

    def _run(self, *args: str, at: float | None = None, given: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", os.fspath(self._home), "--batch", "--no-tty", "--quiet"]
        command += ["--pinentry-mode", "loopback", "--passphrase", "", "--status-fd", "2"]
        command += ["--allow-weak-digest-algos", "--allow-weak-key-signatures"]
        if at is not None:
            command += ["--faked-system-time", time.strftime("%Y%m%dT%H%M%S!", time.gmtime(at))]
        done = subprocess.run([*command, *args], input=given, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


@contextlib.contextmanager
def gnupg() -> Iterator[GnuPG]:
    """Yield a new home directory in /tmp, since the path of the agent's socket must be short."""
    for program in ("gpg", "gpg-agent", "gpgv"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        made = GnuPG(Path(home))
        try:
            yield made
        finally:
            made.close()


def gpgv_accepts(data: bytes, keyring: Path) -> bool:
    """Return whether gpgv reports a good signature by a currently valid key, as apt requires."""
    done = subprocess.run(
        ["gpgv", "--status-fd", "1", "--keyring", keyring], input=data, capture_output=True, check=False
    )
    words = [line.split()[1] for line in done.stdout.decode().splitlines() if line.startswith("[GNUPG:]")]
    return "GOODSIG" in words
