"""Find, read and write the files of keys: those that sign images, and those that a user trusts.

A key is named by its path, or by the name that `fpack key generate` gave it in the user's directory of keys.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fpack.builders.attest import keys as form
from fpack.builders.attest.key_errors import KeyFileError, PassphraseNeeded
from fpack.builders.attest.keys import PrivateKey, PublicKey
from fpack.cli.errors import UsageError
from fpack.store.errors import FpackError
from fpack.store.settings import configuration_file

PASSPHRASE = "FPACK_KEY_PASSPHRASE"
PRIVATE, PUBLIC = ".pem", ".pub"
MAX_KEYS = 64
_MAX_PASSPHRASE = 1 << 12  # bytes
_OTHERS = 0o077  # the bits of a mode that let others use a file


def directory() -> Path:
    """Return the user's directory of keys."""
    return Path(configuration_file()).parent / "keys"


def public_file(private: Path) -> Path:
    """Return the file of the public half of a key."""
    return (
        private.with_suffix(PUBLIC) if private.suffix in (PRIVATE, ".key") else private.with_name(private.name + PUBLIC)
    )


def passphrase(file: Path | None, environ: Mapping[str, str] = os.environ) -> bytes | None:
    """Return the passphrase from a file, without its last line break, or from the environment, or None."""
    if file is not None:
        text = _read(file, _MAX_PASSPHRASE, "passphrase")
        if not (text := text.removesuffix(b"\n").removesuffix(b"\r")):
            raise UsageError("The file of the passphrase is empty", where=os.fspath(file))
        return text
    return os.fsencode(environ[PASSPHRASE]) if environ.get(PASSPHRASE) else None


def load_private(name: str, phrase: bytes | None) -> PrivateKey:
    """Read a private key. Raise KeyFileError if others can read its file, or if it is not usable."""
    path = _find(name, PRIVATE)
    if path.suffix == PUBLIC:
        raise _is_public(path)
    try:
        return form.read_private(_read(path, form.MAX_KEY, "key", secret=True), os.fspath(path), phrase)
    except PassphraseNeeded as error:
        raise error.with_(hint=f"set {PASSPHRASE}, or use --passphrase-file FILE") from None


def load_public(name: str) -> PublicKey:
    """Read a public key."""
    path = _find(name, PUBLIC)
    return form.read_public(_read(path, form.MAX_KEY, "key"), os.fspath(path))


def load_trusted(names: Sequence[str]) -> tuple[PublicKey, ...]:
    """Read public keys, each once."""
    if len(names) > MAX_KEYS:
        raise UsageError(f"There are {len(names)} keys", why=f"fpack uses {MAX_KEYS} at most")
    return unique(map(load_public, names))


def unique(keys: Iterable[PublicKey]) -> tuple[PublicKey, ...]:
    """Return each key once: the same key in two files is one signer."""
    found: dict[bytes, PublicKey] = {}
    for key in keys:
        found.setdefault(key.spki, key)
    return tuple(found.values())


def load_any(name: str, phrase: bytes | None) -> tuple[PublicKey, bool]:
    """Read the public half of any key file, and tell whether the file holds the private one.

    The public half of an encrypted key without its passphrase is the file beside it.
    """
    path = _find(name, PRIVATE)
    data = _read(path, form.MAX_KEY, "key")
    if b" PRIVATE KEY-----" not in data:
        return form.read_public(data, os.fspath(path)), False
    try:
        return form.read_private(data, os.fspath(path), phrase).public, True
    except PassphraseNeeded as error:
        beside = public_file(path)
        if not beside.is_file():
            raise error.with_(hint=f"set {PASSPHRASE}, or use --passphrase-file FILE") from None
        return load_public(os.fspath(beside)), True


def write_pair(key: PrivateKey, path: Path, phrase: bytes | None) -> Path:
    """Write both halves of a key. Return the path of the public one. Raise FpackError if either file exists."""
    public = public_file(path)
    if path.suffix == PUBLIC:
        raise _is_public(path)
    _create(path, key.pem(phrase), 0o600)
    try:
        _create(public, key.public.pem, 0o644)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    return public


def _is_public(path: Path) -> UsageError:
    hint = f"name the private one, as in {path.stem}{PRIVATE}"
    return UsageError(f"{path} is the name of a public key", hint=hint)


def _find(name: str, suffix: str) -> Path:
    path = Path(name)
    if "/" in name:
        return path
    # A file in the directory may also be named as `fpack key generate` printed it: `release.pub`.
    own = directory() / (name if name.endswith((PRIVATE, PUBLIC)) else f"{name}{suffix}")
    if path.is_file() and own.is_file():
        # The working directory may be another's, whose key must not pass as the user's own.
        why = f"there is a file of this name here, and {own}"
        raise UsageError(f"{name!r} names two keys", why=why, hint=f"write ./{name} for the file, or the whole path")
    if path.is_file():
        return path
    if own.is_file():
        return own
    why = f"there is neither a file of this name nor {own}"
    raise UsageError(f"There is no key {name!r}", why=why, hint="fpack key generate makes one")


def _read(path: Path, limit: int, what: str, secret: bool = False) -> bytes:
    """Read a regular file. secret: raise KeyFileError if users other than its owner can read it."""
    where = os.fspath(path)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise KeyFileError(f"The {what} is not a regular file", where=where)
            if secret and status.st_mode & _OTHERS:
                raise KeyFileError(
                    "Other users can use the private key",
                    where=where,
                    why=f"its mode is {stat.S_IMODE(status.st_mode):04o}",
                    hint=f"chmod 600 {path.name}, or make a new key if someone may have read it",
                )
            data = b""
            while len(data) <= limit and (piece := os.read(fd, limit + 1 - len(data))):
                data += piece
        finally:
            os.close(fd)
    except OSError as error:
        raise KeyFileError(f"The {what} cannot be read", where=where, why=error.strerror or "") from None
    if len(data) > limit:
        raise KeyFileError(f"The {what} is too large", where=where, why=f"the limit is {limit} bytes")
    return data


def _create(path: Path, data: bytes, mode: int) -> None:
    """Create a file that does not exist, completely or not at all."""
    where = os.fspath(path)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    except FileExistsError:
        hint = "choose another name; fpack never replaces a key"
        raise FpackError("The file exists", where=where, hint=hint) from None
    except OSError as error:
        raise FpackError("The key cannot be written", where=where, why=error.strerror or "") from None
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise FpackError("The key cannot be written", where=where, why=error.strerror or "") from None
