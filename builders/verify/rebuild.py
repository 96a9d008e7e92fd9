"""Build an image again, from the derivations in its manifest alone, in an empty store, and compare."""

from __future__ import annotations

import hashlib
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from fpack.builders.manifest.format import Head
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.protocol import Builder, Built, BuiltAll, Steps, Task
from fpack.builders.scheduler.reporter import Reporter
from fpack.builders.scheduler.scheduler import Scheduler
from fpack.builders.scheduler.task import Assemble
from fpack.builders.verify.evidence.local import AtHand
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output
from fpack.store.files.tree import CHUNK
from fpack.store.store import Store

from .findings import REBUILD, Report

_Index = dict[tuple[str, str, bool], Path]


class FetchAtHand:
    """The `fetch` kind, with files that this machine has already in place of downloads. They are hashed all the same.

    places: where a file may be, by its SHA-256, name and executable bit.
    """

    kind = "fetch"
    network = True

    def __init__(self, inner: Builder, places: _Index) -> None:
        self._inner = inner
        self._places = places

    def key(self, drv: Derivation) -> Value:
        """As of a fetch."""
        return self._inner.key(drv)

    def build(self, task: Task) -> Built | BuiltAll | Steps:
        """Copy the file, or fetch it."""
        args = task.args
        executable = bool(args.get("executable", False))
        place = self._places.get((str(args.get("sha256")), task.name, executable))
        if place is not None and _sha256(place) == args["sha256"]:
            writer = task.writer()
            writer.file("", _chunks(place), executable)
            return Built(writer)
        return self._inner.build(task)


def rebuild(
    reader: ManifestReader,
    folder: Path,
    builders: Mapping[str, Builder],
    source: Callable[[Mapping[str, Path]], Builder],
    hand: AtHand,
    reporter: Reporter,
    assemble: Assemble,
    jobs: int = 0,
) -> Path:
    """Build the image of a manifest in a new store in `folder`; where its output lies.

    builders: what makes each kind. source: makes the builder of sources from where each lies, by its tree's digest.
    hand: files and sources that need not be fetched again. assemble: makes a root one directory.
    The caller hands these in: what verifies an image shares no code with what made it.
    """
    store = Store(folder)
    fetched: _Index = {}
    sources: dict[str, Path] = {}
    bodies: dict[bytes, bytes] = {}
    for digest, made in reader.derivations.items():
        bodies[bytes.fromhex(digest)] = made.encode()
        place = hand.built(digest) if made.kind in ("fetch", "source") else None
        if place is not None and made.kind == "fetch":
            fetched[str(made.args.get("sha256")), made.name, bool(made.args.get("executable", False))] = place
        elif place is not None:
            sources[str(made.args.get("tree"))] = place
    own: dict[str, Builder] = {"fetch": FetchAtHand(builders["fetch"], fetched), "source": source(sources)}
    try:
        scheduler = Scheduler(
            store, ChainMap(own, cast(Any, builders)), reporter, assemble=assemble, bodies=bodies, jobs=jobs
        )
        (path,) = scheduler.realise([Output(bytes.fromhex(reader.head.image.derivation))])
        return store.disk(path)
    finally:
        store.close()


def compare(head: Head, image: Path, report: Report) -> None:
    """Say in what a rebuilt image differs from the manifest: layer by layer, then the documents."""
    record = canonical.decode((image / "image").read_bytes())
    made = {layer["path"]: layer["digest"] for layer in record["layers"]}
    for number, (layer, found) in enumerate(zip(head.layers, record["layers"], strict=False)):
        if found["digest"] != layer.blob.digest:
            inner = "the same tar, compressed otherwise" if found["diff_id"] == layer.diff_id else "another tar"
            report.add(REBUILD, f"layer {number + 1}", f"it came out as {found['digest']}, {inner}")
    if len(made) != len(head.layers):
        report.add(REBUILD, "image", f"it came out with {len(made)} layers; the manifest has {len(head.layers)}")
    for name, blob in (("config", head.image.config), ("manifest", head.image.manifest)):
        digest = f"sha256:{_sha256(image / name)}"
        if digest != blob.digest:
            report.add(REBUILD, name, f"it came out as {digest}; the manifest has {blob.digest}")


def _sha256(place: Path) -> str:
    sha256 = hashlib.sha256()
    for chunk in _chunks(place):
        sha256.update(chunk)
    return sha256.hexdigest()


def _chunks(place: Path) -> Iterator[bytes]:
    with open(place, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            yield chunk
