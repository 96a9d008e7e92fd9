"""The `layer` kind: store paths become one compressed tar, a layer of an image and an entry of a cache.

The tar is a pure function of the parts and the codec's record of those too, so that a layer is made once for all
images that hold it, on any machine. Everything is read, hashed, compressed and written in one pass, in bounded memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import NamedTuple

from fpack.builders import codec as codecs
from fpack.builders import meta
from fpack.builders.ahead import ahead
from fpack.builders.oci import tar
from fpack.builders.oci.contents import Attributes, Part, merge, of_table, of_tree
from fpack.builders.protocol import BuildError, Built, Task, whole
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation
from fpack.store.path import parse


class LayerInfo(NamedTuple):
    """The `layer` file of an output: what a manifest and a cache need to know of the blob beside it.

    digest, size: of the blob; diff_id: the digest of the tar within, and `tar` its size. unpacked: bytes of all
    files. files: how many entries are not directories.
    """

    media_type: str
    digest: str
    diff_id: str
    size: int
    tar: int
    unpacked: int
    files: int

    def encode(self) -> bytes:
        """The canonical encoding."""
        return canonical.encode(self._asdict())


def decode(data: bytes) -> LayerInfo:
    """The layer that `data` encodes."""
    return LayerInfo(**canonical.decode(data))


def members(task: Task) -> list[tar.Member]:
    """The members of the layer that `task.args` describes, in order."""
    parts = []
    for part in task.args["parts"]:
        path = parse(part["path"])
        place = task.disk(path)
        if part["prefix"]:
            prefix: str = part["prefix"]
            if not prefix.startswith("/") or prefix.endswith("/") or "//" in prefix or "/.." in prefix:
                raise BuildError(f"A part of a layer cannot be laid at {prefix!r}", where=str(path))
            parts.append(Part(path.base, of_tree(place, prefix)))
        else:
            entries, _ = meta.read(place)
            parts.append(Part(path.base, of_table(entries, f"{place}/data", part.get("exclude", ()))))
    directories = {
        path.lstrip("/").encode("utf-8", "surrogateescape"): Attributes(mode, uid, gid)
        for path, mode, uid, gid in task.args.get("directories", ())
    }
    return merge(parts, directories)


class Budget:
    """Memory that the layers in the making share: many small ones are made at once, and few large ones."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._freed = threading.Condition()

    @contextlib.contextmanager
    def take(self, amount: int, check: Callable[[], None]) -> Iterator[None]:
        """Wait until there is room for `amount` bytes, or nobody else holds any; `check` is called while waiting."""
        with self._freed:
            while self._used and self._used + amount > self._limit:
                check()
                self._freed.wait(0.1)
            self._used += amount
        try:
            yield
        finally:
            with self._freed:
                self._used -= amount
                self._freed.notify_all()


# The process is to stay below 300 MB, and takes up to 80 without any compressor.
_BUDGET = Budget(220 << 20)


class _Hasher:
    """SHA-256 in a thread of its own: hashlib lets go of the interpreter while it works."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._queue: queue.Queue[bytearray | None] = queue.Queue(maxsize=4)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.size = 0

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            self._sha256.update(data)

    def update(self, data: bytearray) -> None:
        self.size += len(data)
        self._queue.put(data)

    def finish(self) -> str:
        """The digest as `sha256:...`. May be called twice."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        return f"sha256:{self._sha256.hexdigest()}"


class Layer:
    """See the module."""

    kind = "layer"
    network = False

    def key(self, drv: Derivation) -> Value:
        """All of the derivation."""
        # 2: large streams have smaller jobs of the compressor.
        return whole(drv, 2)

    def build(self, task: Task) -> Built:
        """Output: `blob` and `layer`. No references: a layer stands for itself."""
        found = members(task)
        with _BUDGET.take(codecs.memory(task.args["codec"], tar.length(found)), task.check):
            return _make(task, found)


def _make(task: Task, found: list[tar.Member]) -> Built:
    record: dict[str, Value] = task.args["codec"]
    total = tar.length(found)
    compressor = codecs.compressor(record, total)
    plain = record["name"] == "none"
    writer = task.writer()
    inner, outer = _Hasher(), hashlib.sha256()
    size = 0

    def compressed() -> Generator[bytes, None, None]:
        for data in tar.stream(found, task.check):
            inner.update(data)
            yield compressor.compress(data)
            task.progress(inner.size, total)
        yield compressor.flush()

    # A disk that is slow for a moment must not keep the compressor waiting. A small layer is not worth a thread.
    source = ahead(compressed()) if total > tar.BUFFER else compressed()

    def counted() -> Iterator[bytes]:
        nonlocal size
        for piece in source:
            if piece:
                size += len(piece)
                if not plain:
                    outer.update(piece)
                yield piece

    try:
        writer.file("blob", counted())
    finally:
        source.close()
        diff_id = inner.finish()
    if inner.size != total:
        raise AssertionError(f"a tar of {total} bytes came out with {inner.size}")
    files = [m for m in found if m.kind != tar.DIRECTORY]
    layer = LayerInfo(
        media_type=codecs.media_type(record),
        digest=diff_id if plain else f"sha256:{outer.hexdigest()}",
        diff_id=diff_id,
        size=size,
        tar=total,
        unpacked=sum(m.size for m in files),
        files=len(files),
    )
    writer.file("layer", [layer.encode()])
    return Built(writer)


def read(directory: Path) -> LayerInfo:
    """What the layer at `directory` on disk says of itself."""
    return decode((directory / "layer").read_bytes())
