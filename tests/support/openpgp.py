"""OpenPGP keys of any age and state, made by GnuPG in a home of its own, and what gpgv says of their signatures."""

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
    """A home of GnuPG. Times are Unix seconds: keys and signatures are made at any."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def key(self, user: str, made: float, expires: str = "0", usage: str = "cert,sign") -> str:
        """A new certificate; its fingerprint. expires: as in 2y."""
        self._run("--quick-gen-key", user, "ed25519", usage, expires, at=made)
        return self.fingerprints(user)[0]

    def subkey(self, certificate: str, made: float, expires: str = "0", usage: str = "sign") -> str:
        """One more key of a certificate; its fingerprint."""
        before = self.fingerprints(certificate)
        self._run("--quick-add-key", certificate, "ed25519", usage, expires, at=made)
        (new,) = set(self.fingerprints(certificate)) - set(before)
        return new

    def fingerprints(self, name: str) -> list[str]:
        """The fingerprints of a certificate's keys, the primary one's first."""
        listed = self._run("--list-keys", "--with-colons", name).decode().splitlines()
        return [line.split(":")[9] for line in listed if line.startswith("fpr:")]

    def prolong(self, certificate: str, expires: str, at: float, subkey: str = "") -> None:
        """Give a certificate, or one of its subkeys, another last day."""
        self._run("--quick-set-expire", certificate, expires, *([subkey] if subkey else []), at=at)

    def revoke(self, certificate: str, at: float, reason: int, subkey: bool = False) -> None:
        """Revoke a certificate or its first subkey. reason: 1 compromised, 2 superseded."""
        select = ["key 1"] if subkey else []
        commands = [*select, "revkey", "y", str(reason), "", "y", "save", ""]
        self._run("--command-fd", "0", "--edit-key", certificate, at=at, given="\n".join(commands).encode())

    def stop_signing(self, certificate: str, at: float) -> None:
        """Let the first subkey of a certificate authenticate, and no longer sign."""
        commands = ["key 1", "change-usage", "s", "a", "q", "save", ""]
        self._run("--expert", "--command-fd", "0", "--edit-key", certificate, at=at, given="\n".join(commands).encode())

    def clearsign(self, text: str, *keys: str, at: float, digest: str = "SHA512", expires: str = "") -> bytes:
        """A text signed by keys, at a time. expires: of the signature, as in 1d."""
        signers = [word for key in keys for word in ("--local-user", f"{key}!")]
        more = ["--default-sig-expire", expires] if expires else []
        return self._run("--clearsign", "--digest-algo", digest, *more, *signers, at=at, given=text.encode())

    def keyring(self, *certificates: str) -> bytes:
        """The public parts of certificates."""
        return b"".join(self._run("--export", certificate) for certificate in certificates)

    def close(self) -> None:
        """End the agent."""
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
    """A new home. In /tmp: the path of its agent's socket must be short."""
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
    """Whether apt would take it, from what gpgv says: a good signature, by a key that may sign now."""
    done = subprocess.run(
        ["gpgv", "--status-fd", "1", "--keyring", keyring], input=data, capture_output=True, check=False
    )
    words = [line.split()[1] for line in done.stdout.decode().splitlines() if line.startswith("[GNUPG:]")]
    return "GOODSIG" in words
