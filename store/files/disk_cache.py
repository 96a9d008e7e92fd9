"""A cache of byte strings under a directory: checked when read, replaced whole, never an error.

A cache that is damaged, unwritable or absent costs time and nothing else. What is kept is run later, so an entry is
taken only from a file of this user's, in a directory where nobody else can put another in its place: root may work with
another's home. Its checksum covers its name, so that one entry cannot stand in for another.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from blake3 import blake3

from .owners import exposed, make_directories, open_to_others

if TYPE_CHECKING:
    from pathlib import Path

_DIGEST = 32
# Code objects and marshal's format belong to one version of the interpreter; without debug ranges they have no columns.
_RANGES = "no_debug_ranges" in sys._xoptions or "PYTHONNODEBUGRANGES" in os.environ
_INTERPRETER = f"{sys.implementation.cache_tag} {sys.hexversion:x} {_RANGES}".encode()


def key(*parts: bytes) -> str:
    """A file name for what depends on `parts` and on the interpreter."""
    digest = blake3(_INTERPRETER)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


_safe: dict[str, bool] = {}


def _is_safe(directory: str) -> bool:
    """Tell whether nobody else can change the entries of a directory."""
    if directory not in _safe:
        _safe[directory] = exposed(directory) is None
    return _safe[directory]


def _checksum(directory: str | Path, name: str, body: bytes | memoryview) -> bytes:
    digest = blake3(f"{os.path.basename(directory)}/{name}\0".encode("utf-8", "surrogateescape"))
    digest.update(body)
    return digest.digest()


def read(directory: str | Path | None, name: str) -> memoryview | None:
    """The entry's bytes, or None if there is none or it is not as it was written."""
    if directory is None or not _is_safe(os.fspath(directory)):
        return None
    try:
        fd = os.open(f"{directory}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb", buffering=0) as file:
            status = os.fstat(fd)
            if status.st_uid != os.geteuid() or open_to_others(status):
                return None
            data = file.readall()
    except OSError:
        return None
    body = memoryview(data)[_DIGEST:]
    return body if _checksum(directory, name, body) == data[:_DIGEST] else None


def write(directory: str | Path | None, name: str, body: bytes) -> None:
    """Keep an entry, if that is possible."""
    if directory is None or not _is_safe(os.fspath(directory)):
        return
    beside = f"{directory}/.{name}.{os.urandom(6).hex()}"
    try:
        make_directories(os.fspath(directory))
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(_checksum(directory, name, body) + body)
        os.replace(beside, f"{directory}/{name}")
    except OSError:
        try:
            os.unlink(beside)
        except OSError:
            pass
