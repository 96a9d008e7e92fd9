"""`fpack key`: keys that only their owner can read, that are never replaced, and that other programs made."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from support.paths import TESTS
from support.processes.program import Fpack

OPENSSL = TESTS / "builders" / "attest" / "openssl"
COSIGN = TESTS / "builders" / "attest" / "cosign"


@pytest.fixture
def user(tmp_path: Path) -> Fpack:
    return Fpack(tmp_path / "home")


def made(fpack: Fpack, *args: str | Path, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fpack("key", "generate", "--json", *args, **options).stdout)
    return found


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_a_key_has_two_files_of_which_one_is_private(user: Fpack, kind: str) -> None:
    old = os.umask(0)
    try:
        found = made(user, "release", "--type", kind)
    finally:
        os.umask(old)
    private, public = Path(found["private"]), Path(found["public"])
    assert private == user.home / ".config/fpack/keys/release.pem" and public == private.with_suffix(".pub")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600 and stat.S_IMODE(public.stat().st_mode) == 0o644
    assert stat.S_IMODE(private.parent.stat().st_mode) == 0o700
    assert private.read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert public.read_text().startswith("-----BEGIN PUBLIC KEY-----\n")
    for name in ("release", private, public):
        shown = json.loads(user("key", "show", "--json", name).stdout)
        assert (shown["type"], shown["fingerprint"]) == (kind, found["fingerprint"])
        assert shown["private"] == (name != public) and shown["pem"] == public.read_text()


def test_openssl_reads_a_key(user: Fpack, tmp_path: Path) -> None:
    import shutil
    import subprocess

    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    for kind in ("ed25519", "ecdsa"):
        made(user, "-o", tmp_path / f"{kind}.pem", "--type", kind, env={"FPACK_KEY_PASSPHRASE": "secret"})
        words = ["openssl", "pkey", "-in", f"{kind}.pem", "-passin", "pass:secret", "-pubout"]
        text = subprocess.run(words, cwd=tmp_path, capture_output=True, check=True, text=True).stdout
        assert text == (tmp_path / f"{kind}.pub").read_text()


def test_a_passphrase_is_read_from_a_file_or_a_variable(user: Fpack, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("word\n")
    assert made(user, "one", "--passphrase-file", tmp_path / "secret")["encrypted"]
    assert "ENCRYPTED" in (user.home / ".config/fpack/keys/one.pem").read_text()
    assert made(user, "-o", tmp_path / "two.pem", env={"FPACK_KEY_PASSPHRASE": "word"})["encrypted"]
    (user.home / ".config/fpack/keys/one.pub").unlink()
    assert "FPACK_KEY_PASSPHRASE" in user.fails("key", "show", "one")
    user("key", "show", "one", env={"FPACK_KEY_PASSPHRASE": "word"})
    assert "the passphrase is wrong" in user.fails("key", "show", "one", env={"FPACK_KEY_PASSPHRASE": "x"})
    (tmp_path / "empty").write_text("\n")
    assert "is empty" in user.fails("key", "generate", "three", "--passphrase-file", tmp_path / "empty")
    assert not (user.home / ".config/fpack/keys/three.pem").exists()
    help_ = user("key", "generate", "--help").stdout
    assert "--passphrase " not in help_, "a command line is visible to all users"


def test_a_key_is_never_replaced(user: Fpack, tmp_path: Path) -> None:
    made(user, "release")
    assert "The file exists" in user.fails("key", "generate", "release")
    (tmp_path / "half.pub").write_text("mine")
    assert "The file exists" in user.fails("key", "generate", "-o", tmp_path / "half.pem")
    assert not (tmp_path / "half.pem").exists() and (tmp_path / "half.pub").read_text() == "mine"
    (tmp_path / "link.pem").symlink_to(tmp_path / "nowhere")
    assert "The file exists" in user.fails("key", "generate", "-o", tmp_path / "link.pem")
    assert not (tmp_path / "nowhere").exists()


def test_names_of_keys_are_names(user: Fpack) -> None:
    for name in ("../x", ".x", "a/b", "a\x1b[2J", "x" * 65, ""):
        assert user.fails("key", "generate", name)
    assert "needs a name or a file" in user.fails("key", "generate")
    assert "needs a name or a file" in user.fails("key", "generate", "x", "-o", "y")
    assert "is the name of a public key" in user.fails("key", "generate", "-o", "x.pub")
    assert "There is no key 'absent'" in user.fails("key", "show", "absent")
    # The names of the files that `fpack key generate release` makes name the same key, from any directory.
    fingerprint = made(user, "release")["fingerprint"]
    for name in ("release", "release.pub", "release.pem"):
        assert fingerprint in user("key", "show", name).stdout
    assert "There is no key 'absent.pub'" in user.fails("key", "show", "absent.pub")
    assert "release.pub is the name of a public key" in user.fails("sign", "x.tar", "--key", "release.pub")


def test_keys_of_other_programs_are_shown(user: Fpack) -> None:
    for file, kind in (
        (OPENSSL / "ed25519.pub", "ed25519"), (OPENSSL / "ec-sec1.pem", "ecdsa"), (COSIGN / "cosign.pub", "ecdsa"),
        (COSIGN / "cosign.key", "ecdsa"),  # encrypted: its public half is beside it
    ):  # fmt: skip
        assert json.loads(user("key", "show", "--json", file).stdout)["type"] == kind
    assert "unsupported algorithm" in user.fails("key", "show", OPENSSL / "rsa.pub")


def test_what_is_no_file_of_a_key_is_refused(user: Fpack, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    for name, why in (
        ("pipe", "not a regular file"), ("large", "too large"), ("", "not a regular file"),
        (os.path.relpath("/dev/zero", tmp_path), "not a regular file"), ("absent/key", "No such file"),
    ):  # fmt: skip
        assert why in user.fails("key", "show", f"{tmp_path}/{name}")


def test_a_file_of_a_project_is_not_taken_for_a_key_of_the_user(user: Fpack, tmp_path: Path) -> None:
    """In a directory of somebody else, `--key release` must not trust a file of that name."""
    made(user, "release")
    made(user, "-o", tmp_path / "other.pem")
    (tmp_path / "release").write_bytes((tmp_path / "other.pub").read_bytes())
    for words in (("verify", "x.tar", "--key", "release"), ("key", "show", "release")):
        assert "names two keys" in user(*words, cwd=tmp_path, status=2).stderr
    user("key", "show", "./release", cwd=tmp_path)
