"""Cache byte strings in files of a directory. Entries are checked when read and replaced as a whole.

A cache that is damaged, unwritable or missing only costs time; it never raises an error. Cached code is executed later,
so an entry is read only from a file of this user, in a directory that nobody else can change: root may work with
another user's HOME. The checksum of an entry covers its name, so that one entry cannot replace another.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache

from blake3 import blake3
from fpack.light_typing import TYPE_CHECKING

from .owners import exposed, make_directories, open_to_others

if TYPE_CHECKING:
    from pathlib import Path

_DIGEST = 32
INSTALLED = f"{os.path.dirname(os.path.dirname(os.path.dirname(__file__)))}/compiled"  # entries that a wheel has
# Code objects and marshal's format depend on the interpreter's version; without debug ranges they lack columns.
_RANGES = "no_debug_ranges" in sys._xoptions or "PYTHONNODEBUGRANGES" in os.environ
_INTERPRETER = f"{sys.implementation.cache_tag} {sys.hexversion:x} {_RANGES}".encode()


def key(*parts: bytes) -> str:
    """Return the file name of an entry that depends on `parts` and on the interpreter."""
    digest = blake3(_INTERPRETER)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


@lru_cache(64)
def _is_safe(directory: str) -> bool:
    """Return whether nobody else can change the content of a directory."""
    return exposed(directory) is None


def _checksum(directory: str | Path, name: str, body: bytes | memoryview) -> bytes:
    digest = blake3(f"{os.path.basename(directory)}/{name}\0".encode("utf-8", "surrogateescape"))
    digest.update(body)
    return digest.digest()


def read(directory: str | Path | None, name: str) -> memoryview | None:
    """Return the content of an entry, or None if it is missing or damaged."""
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


def read_installed(name: str) -> memoryview | None:
    """Return the content of an entry that was installed with fpack, or None if it is missing or damaged.

    Who can change the entry can change fpack, so the owner of the file does not matter.
    """
    try:
        with open(f"{INSTALLED}/{name}", "rb", buffering=0) as file:
            data = file.readall()
    except OSError:
        return None
    body = memoryview(data)[_DIGEST:]
    return body if _checksum(INSTALLED, name, body) == data[:_DIGEST] else None


def write(directory: str | Path | None, name: str, body: bytes) -> None:
    """Write an entry, if possible."""
    if directory is None or not _is_safe(os.fspath(directory)):
        return
    temporary = f"{directory}/.{name}.{os.urandom(6).hex()}"
    try:
        make_directories(os.fspath(directory))
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(_checksum(directory, name, body) + body)
        os.replace(temporary, f"{directory}/{name}")
    except OSError:
        try:
            os.unlink(temporary)
        except OSError:
            pass
