"""Register small trees in a real store."""

from __future__ import annotations

from fpack.store.derivation import Output
from fpack.store.path import StorePath
from fpack.store.store import Store


def add(store: Store, name: str, text: str, references: list[StorePath] | None = None) -> StorePath:
    """Register a directory with one file of this text, as the output of a derivation named by the text."""
    writer = store.writer()
    writer.file("file", [text.encode()])
    return store.register(name, writer, references or [], text.encode(), Output(text.encode().ljust(20)[:20]))
