"""A cache of byte strings under a directory: checked when read, replaced whole, never an error.

A cache that is damaged, unwritable or absent costs time and nothing else.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from blake3 import blake3

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


def read(directory: Path | None, name: str) -> bytes | None:
    """The entry's bytes, or None if there is none or it is not as it was written."""
    if directory is None:
        return None
    try:
        with open(f"{directory}/{name}", "rb") as file:
            data = file.read()
    except OSError:
        return None
    body = data[_DIGEST:]
    return body if blake3(body).digest() == data[:_DIGEST] else None


def write(directory: Path | None, name: str, body: bytes) -> None:
    """Keep an entry, if that is possible."""
    if directory is None:
        return
    beside = f"{directory}/.{name}.{os.getpid()}"
    try:
        os.makedirs(directory, exist_ok=True)
        with open(beside, "wb") as file:
            file.write(blake3(body).digest() + body)
        os.replace(beside, f"{directory}/{name}")
    except OSError:
        try:
            os.unlink(beside)
        except OSError:
            pass
