"""Register small trees in a real store."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from fpack.store.derivation import Output
from fpack.store.files.pool import MTIME
from fpack.store.path import StorePath
from fpack.store.store import Store


def add(store: Store, name: str, text: str, references: list[StorePath] | None = None) -> StorePath:
    """Register a directory with one file of this text, as the output of a derivation named by the text."""
    writer = store.writer()
    writer.file("file", [text.encode()])
    return store.register(name, writer, references or [], text.encode(), Output(text.encode().ljust(20)[:20]))


def overwrite(disk: Path, content: bytes) -> None:
    """Change a file's content and nothing that its status shows."""
    mode = stat.S_IMODE(disk.stat().st_mode)
    disk.chmod(0o644)
    disk.write_bytes(content)
    disk.chmod(mode)
    os.utime(disk, (MTIME, MTIME))
