"""A cache of byte strings under a directory: checked when read, replaced whole, never an error.

A cache that is damaged, unwritable or absent costs time and nothing else. What is kept is run later, so an entry is
taken only from a file of this user's that nobody else can write to: root may work in another's home.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from blake3 import blake3

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


def read(directory: str | Path | None, name: str) -> memoryview | None:
    """The entry's bytes, or None if there is none or it is not as it was written."""
    if directory is None:
        return None
    try:
        fd = os.open(f"{directory}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb", buffering=0) as file:
            status = os.fstat(fd)
            if status.st_uid != os.geteuid() or status.st_mode & 0o022:
                return None
            data = file.readall()
    except OSError:
        return None
    body = memoryview(data)[_DIGEST:]
    return body if blake3(body).digest() == data[:_DIGEST] else None


def write(directory: str | Path | None, name: str, body: bytes) -> None:
    """Keep an entry, if that is possible."""
    if directory is None:
        return
    beside = f"{directory}/.{name}.{os.urandom(6).hex()}"
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(blake3(body).digest() + body)
        os.replace(beside, f"{directory}/{name}")
    except OSError:
        try:
            os.unlink(beside)
        except OSError:
            pass
