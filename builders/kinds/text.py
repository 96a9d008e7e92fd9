"""Build the `text` kind: a file whose content is an argument of the derivation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fpack.builders.protocol import Built, Task, whole
from fpack.store import path as store_path
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation

if TYPE_CHECKING:
    from .table import Services


class TextBuilder:
    """The builder of `text`. args: text, executable. The file references the store paths that the text names."""

    kind = "text"
    network = False

    def key(self, drv: Derivation) -> Value:
        """Return the whole derivation."""
        return whole(drv)

    def build(self, task: Task) -> Built:
        """Write the file and collect its references."""
        text = str(task.args["text"])
        writer = task.writer()
        writer.file("", [text.encode("utf-8", "surrogateescape")], bool(task.args.get("executable", False)))
        found = {str(store_path.parse(f"{hash_}-{name}")) for hash_, name in store_path.find_references(text)}
        return Built(writer, tuple(store_path.parse(f) for f in sorted(found)))


def make(services: Services) -> TextBuilder:
    """Return the builder of this kind."""
    return TextBuilder()
