"""The `source` kind: a file or directory of the user's project, known by its tree's digest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.builders.protocol import BuildError, Built, Task
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation
from fpack.store.files.source import SourceTree

if TYPE_CHECKING:
    from .table import Services


class Source:
    """args: tree, the digest in hexadecimal. places: where each source lies on this machine, by that digest."""

    kind = "source"
    network = False

    def __init__(self, places: Mapping[str, Path]) -> None:
        self._places = places

    def key(self, drv: Derivation) -> Value:
        """The content and the name."""
        return ["source 1", drv.args["tree"], drv.name]

    def build(self, task: Task) -> Built:
        """Copy the source; an error if it is not what was hashed any more."""
        digest = str(task.args["tree"])
        place = self._places.get(digest)
        if place is None:
            raise BuildError("A source is not on this machine", where=task.name, why=f"nothing has the digest {digest}")
        writer = task.writer()
        SourceTree().copy(place, writer)
        if writer.finish().hex() != digest:
            raise BuildError("A source changed while it was read", where=str(place), hint="run the command again")
        return Built(writer)


def make(services: Services) -> Source:
    """Return the builder of the kind."""
    return Source(services.source_paths)
