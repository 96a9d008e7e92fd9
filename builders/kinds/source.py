"""Build the `source` kind: a file or directory of the user's project, identified by its tree digest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3
from fpack.builders import arguments
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Task
from fpack.store import canonical
from fpack.store import derivation as derivations
from fpack.store import path as store_path
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import StoreError, StoreFull
from fpack.store.files.disk_errors import explain, path_of
from fpack.store.files.source import SourceTree
from fpack.store.path import StorePath
from fpack.store.sources import SourceReader

if TYPE_CHECKING:
    from fpack.store.files.source import SourceSelection
    from fpack.store.store import Store

    from .table import Services

VERSION = 1
LOCAL = True  # sources come from the project
_NONE: Mapping[str, SourceSelection] = {}


class SourceArgs(NamedTuple):
    """The arguments. tree: the digest of the tree, in hexadecimal."""

    tree: str


class SourceBuilder(BaseBuilder):
    """The builder of `source`.

    source_paths: the path of each source on this machine, by that digest. selections: the selection of each source that
    has one, by the same digest.
    """

    version = VERSION

    def __init__(self, source_paths: Mapping[str, Path], selections: Mapping[str, SourceSelection] = _NONE) -> None:
        self._source_paths = source_paths
        self._selections = selections

    def key(self, drv: Derivation) -> Value:
        return [f"source {VERSION}", arguments.read(SourceArgs, drv.args).tree, drv.name]

    def build(self, task: Task) -> Built:
        """Copy the source into the store. Raise BuildError if its digest has changed."""
        digest = arguments.read(SourceArgs, task.args).tree
        path = self._source_paths.get(digest)
        if path is None:
            raise BuildError(
                f"The source {task.name} is not on this machine", where=task.name, why=f"its digest is {digest}",
                hint=f"find the file or directory that had this content: fpack store add FILE --name {task.name}",
            )  # fmt: skip
        writer = task.writer()
        SourceTree().copy(path, writer, self._selections.get(digest))
        if writer.finish().hex() != digest:
            raise BuildError("A source changed while it was read", where=str(path), hint="run the command again")
        return Built(writer)


def add_source(store: Store, source: Path, name: str, cache: Path | None = None) -> StorePath:
    """Add a source to the store, unless the store has it, and keep it from gc while this process lives.

    It becomes the output of the derivation that a project's use of the source has, so that a build finds it. cache: a
    directory in which the digests of its files are remembered.
    """
    try:
        reader = SourceReader(store, source, cache)
        tree = reader.digest()
        path = store_path.make(name, tree, []) if tree is not None else None
        if path is not None and store.info(path) is not None and store.keep([path]):
            reader.remember()
            return path
        writer = reader.write()
        tree = writer.finish()
    except OSError as error:
        where, why = path_of(error) or str(source), error.strerror or str(error)
        if isinstance(known := explain(error, disk=str(store.root)), StoreFull):
            raise known from None
        raise StoreError("A source cannot be added", where=where, why=why) from None
    reader.remember()
    drv = Derivation("source", name, SourceArgs(tree.hex())._asdict())
    body = drv.encode()
    output = Output(derivations.digest(body))
    store.plan({output.derivation: body})
    key = blake3(canonical.encode(SourceBuilder({}).key(drv))).digest(20)
    return store.register(name, writer, [], key, output)


def make(services: Services) -> SourceBuilder:
    return SourceBuilder(services.source_paths, services.source_selections)
