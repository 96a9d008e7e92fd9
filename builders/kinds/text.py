"""The `text` kind: a file whose content stands in the derivation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fpack.builders.protocol import Built, Task, whole
from fpack.store import path as store_path
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation

if TYPE_CHECKING:
    from .table import Services


class Text:
    """args: text, executable. Store paths that the text names are its references."""

    kind = "text"
    network = False

    def key(self, drv: Derivation) -> Value:
        """All of the derivation."""
        return whole(drv)

    def build(self, task: Task) -> Built:
        """Write the file."""
        text = str(task.args["text"])
        writer = task.writer()
        writer.file("", [text.encode("utf-8", "surrogateescape")], bool(task.args.get("executable", False)))
        found = {str(store_path.parse(f"{hash_}-{name}")) for hash_, name in store_path.find_references(text)}
        return Built(writer, tuple(store_path.parse(f) for f in sorted(found)))


def make(services: Services) -> Text:
    """Return the builder of the kind."""
    return Text()
