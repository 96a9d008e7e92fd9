"""A manifest from a file or from within an image, whatever is in there, in bounded memory."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from fpack.builders.manifest import json_form
from fpack.builders.manifest.format import ManifestError
from fpack.builders.manifest.reader import MAX_SIZE, ManifestReader

from .findings import VerifyError

# The most that the process's data may come to while a manifest is read, and what it may grow by in any case. An honest
# manifest of 500,000 entries needs half of that.
MEMORY, LEAST = 230 << 20, 32 << 20


@contextlib.contextmanager
def bounded(memory: int = MEMORY) -> Iterator[None]:
    """Within, the process has no more than `memory` bytes of data; needing more is a ManifestError.

    A few bytes can decode to a great many. Nothing else should go on in the process meanwhile.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    limit = max(memory, used + LEAST)
    if soft != resource.RLIM_INFINITY:
        limit = min(limit, soft)
    collecting = gc.isenabled()
    # Many small objects in a row would make the collector look at all of them again and again.
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


def from_file(place: Path) -> bytes:
    """The canonical form of the manifest in a file, which has either form."""
    try:
        with open(place, "rb", buffering=0) as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise VerifyError("The manifest cannot be read", where=str(place), why=error.strerror or "") from None
    if len(data) > MAX_SIZE:
        raise ManifestError("The manifest is too large", where=str(place), why=f"the limit is {MAX_SIZE} bytes")
    if data.lstrip()[:1] != b"{":
        return data
    with bounded():
        return b"".join(json_form.parse(data, str(place)))


def reader(data: bytes, where: str) -> ManifestReader:
    """A reader of a manifest's canonical form."""
    with bounded():
        return ManifestReader(data, where)
