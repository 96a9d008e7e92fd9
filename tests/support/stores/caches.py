"""Machines with stores of their own, which share a cache in a directory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fpack.builders import arguments
from fpack.builders.attest.keys import PrivateKey
from fpack.builders.caches.cache import Cache, CacheFiles
from fpack.builders.caches.image_layers import CODECS, PathInLayer
from fpack.builders.caches.push import CachePush, push, realisations_of
from fpack.builders.caches.substitution import CacheSubstituter
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import Repository
from fpack.builders.kinds.layer import LayerArgs, LayerBuilder, PartArgs
from fpack.builders.kinds.layer import read as read_layer
from fpack.builders.kinds.text import TextBuilder
from fpack.builders.protocol import BaseBuilder, Builder, Built, Task
from fpack.builders.rootfs.view import assemble
from fpack.builders.scheduler.scheduler import Scheduler
from fpack.builders.streams.codecs import codec
from fpack.store.derivation import Derivation, Output, digest, placeholder
from fpack.store.path import StorePath
from fpack.store.store import Store
from support.stores.recorder import Recorder

GENERATION = 7
KEY = PrivateKey(Ed25519PrivateKey.from_private_bytes(bytes(32)), "test")  # the same in each process


class TreeBuilder(BaseBuilder):
    """Build a tree with the text of the arguments, and references to the paths of the arguments."""

    version = 1

    def __init__(self) -> None:
        self.built: list[str] = []

    def build(self, task: Task) -> Built:
        self.built.append(task.name)
        writer = task.writer()
        uses = [str(text) for text in task.args["uses"]]
        writer.file("text", [str(task.args["text"]).encode(), *(f"\n{use}".encode() for use in uses)])
        writer.file("bin/run", [b"#!/bin/sh\n"], executable=True)
        writer.symlink("link", "text")
        writer.mkdir("empty")
        from fpack.store.path import parse

        return Built(writer, tuple(sorted(parse(use) for use in uses)))


class Graph:
    """Derivations of trees."""

    def __init__(self) -> None:
        self.bodies: dict[bytes, bytes] = {}

    def add(self, name: str, text: str = "", uses: Sequence[Output] = ()) -> Output:
        """Add a derivation that references the outputs of others."""
        from fpack.store.derivation import decode

        holes = [str(placeholder(o.derivation, decode(self.bodies[o.derivation]).name, o.name)) for o in uses]
        body = Derivation("tree", name, {"text": text or name, "uses": holes}, tuple(sorted(uses))).encode()
        self.bodies[digest(body)] = body
        return Output(digest(body))


class BuiltLayer(NamedTuple):
    """A layer, and the paths in it."""

    output: Output
    path: StorePath
    parts: Mapping[StorePath, PathInLayer]


class Machine:
    """A store, and the cache as this machine sees it."""

    def __init__(self, place: Path, repository: Repository, keys: Sequence[PrivateKey] = (KEY,)) -> None:
        self.store = Store(place / "store")
        self.place = place
        self.keys = [key.public for key in keys]
        self.warnings: list[str] = []
        self.builder = TreeBuilder()
        self.local_kinds: Collection[str] = ()
        self.recorder = Recorder()
        self.cache = self.open(repository)

    def open(self, repository: Repository, address: str = "test:cache") -> Cache:
        """Open a cache anew, as the next command does."""
        files = CacheFiles(self.place / "copies", self.place / "memory")
        self.cache = Cache(address, repository, self.keys, files, warn=self.warnings.append)
        return self.cache

    def build(
        self,
        graph: Graph,
        *outputs: Output,
        caches: Sequence[Cache] | None = None,
        threshold: int = 1,
        push_to: Cache | None = None,
        key: PrivateKey | None = KEY,
    ) -> list[StorePath]:
        """Build outputs, with the caches as first choice."""
        used = [self.cache] if caches is None else caches
        substituter = CacheSubstituter(
            self.store, used, GENERATION, threshold=threshold, warn=self.warnings.append, push_to=push_to, key=key
        )
        kinds: dict[str, Builder] = {"tree": self.builder, "text": TextBuilder(), "layer": LayerBuilder()}
        self.recorder = Recorder()
        try:
            return Scheduler(
                self.store, kinds, self.recorder, assemble=assemble, bodies=graph.bodies, jobs=2,
                substituter=substituter if used else None, local_kinds=self.local_kinds,
            ).realise(outputs)  # fmt: skip
        finally:
            substituter.close()

    def layer(self, graph: Graph, paths: Sequence[StorePath], compress: str = "zstd") -> BuiltLayer:
        """Build a layer of an image with paths at their places."""
        args = LayerArgs(tuple(PartArgs(path, str(path)) for path in paths), codec(compress))
        body = Derivation("layer", "layer-app", arguments.write(args)).encode()
        graph.bodies[digest(body)] = body
        output = Output(digest(body))
        (path,) = self.build(graph, output)
        about = read_layer(self.store.tree(path))
        blob = bytes.fromhex(about.digest.removeprefix("sha256:"))
        name = CODECS[about.media_type]
        parts = {one: PathInLayer(blob, about.size, about.tar, str(one).strip("/"), name) for one in paths}
        return BuiltLayer(output, path, parts)

    def push(
        self,
        paths: Sequence[StorePath],
        key: PrivateKey | None = KEY,
        cache: Cache | None = None,
        parts: Mapping[StorePath, PathInLayer] = {},
    ) -> CachePush:
        """Push the closures of paths with what this store knows of them."""
        closure = self.store.closure(paths)
        rows = realisations_of(self.store, closure, GENERATION)
        return push(self.store, cache or self.cache, paths, rows, key, parts=parts)


@contextmanager
def machine(
    place: Path, repository: Repository | None = None, keys: Sequence[PrivateKey] = (KEY,)
) -> Iterator[Machine]:
    """Yield a machine, whose store is closed at the end."""
    made = Machine(place, repository or DirectoryRepository(place.parent / "cache"), keys)
    try:
        yield made
    finally:
        made.store.close()
