"""Load a manifest from a file or from bytes of an image, in bounded memory whatever its content."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from fpack.builders.manifest import json_form
from fpack.builders.manifest.format import MAX_SIZE, Head, ManifestError
from fpack.builders.manifest.reader import ManifestReader

from .findings import VerifyError

# The limit of the process's data while it reads a manifest, and the growth that is always allowed. A valid manifest of
# 500,000 entries needs half of that.
MEMORY, LEAST = 230 << 20, 32 << 20


@contextlib.contextmanager
def bounded(memory: int = MEMORY) -> Iterator[None]:
    """Limit the process to `memory` bytes of data within the context. Raise ManifestError if it needs more.

    A small manifest can decode to large data. The limit applies to all threads of the process.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    limit = max(memory, used + LEAST)
    if soft != resource.RLIM_INFINITY:
        limit = min(limit, soft)
    collecting = gc.isenabled()
    # Decoding allocates many small objects, which would trigger the garbage collector again and again.
    gc.disable()
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    except MemoryError:
        why = f"it takes more than {limit >> 20} MB to decode"
        raise ManifestError("This is not a manifest that fpack can read", why=why) from None
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        if collecting:
            gc.enable()


def from_file(path: Path) -> bytes:
    """Read a file with a manifest in either form. Return the canonical form."""
    try:
        with open(path, "rb", buffering=0) as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise VerifyError("The manifest cannot be read", where=str(path), why=error.strerror or "") from None
    if len(data) > MAX_SIZE:
        raise ManifestError("The manifest is too large", where=str(path), why=f"the limit is {MAX_SIZE} bytes")
    if data.lstrip()[:1] != b"{":
        return data
    with bounded():
        return b"".join(json_form.parse(data, str(path)))


def reader(data: bytes, where: str) -> ManifestReader:
    """Return a reader of a manifest's canonical form."""
    with bounded():
        return ManifestReader(data, where)


def head(data: bytes, where: str) -> Head:
    """Return the head of a manifest's canonical form. The rest is not validated."""
    with bounded():
        return ManifestReader(data, where, head_alone=True).head
