"""Build the `source` kind: a file or directory of the user's project, identified by its tree digest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders import arguments
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Task
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation
from fpack.store.files.source import SourceTree

if TYPE_CHECKING:
    from .table import Services

VERSION = 1


class SourceArgs(NamedTuple):
    """The arguments. tree: the digest of the tree, in hexadecimal."""

    tree: str


class SourceBuilder(BaseBuilder):
    """The builder of `source`.

    source_paths: the path of each source on this machine, by that digest.
    """

    version = VERSION

    def __init__(self, source_paths: Mapping[str, Path]) -> None:
        self._source_paths = source_paths

    def key(self, drv: Derivation) -> Value:
        """Return the digest and the name."""
        return [f"source {VERSION}", arguments.read(SourceArgs, drv.args).tree, drv.name]

    def build(self, task: Task) -> Built:
        """Copy the source into the store. Raise BuildError if its digest has changed."""
        digest = arguments.read(SourceArgs, task.args).tree
        path = self._source_paths.get(digest)
        if path is None:
            raise BuildError("A source is not on this machine", where=task.name, why=f"no source has digest {digest}")
        writer = task.writer()
        SourceTree().copy(path, writer)
        if writer.finish().hex() != digest:
            raise BuildError("A source changed while it was read", where=str(path), hint="run the command again")
        return Built(writer)


def make(services: Services) -> SourceBuilder:
    """Return the builder of this kind."""
    return SourceBuilder(services.source_paths)
