"""A manifest's reader whose entries a test gives: of an image with any number of files, without an image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fpack.builders.manifest.format import Blob, ManifestEntry, ManifestLayer

SLICE, BUILT, FILES = (f"/fpack/store/{letter * 32}-x" for letter in "abc")


class ManyFiles:
    """A manifest's reader, with as many files as wanted."""

    def __init__(self, layers: list[list[ManifestEntry]]) -> None:
        blob = Blob("application/x", "sha256:00", 10)
        parts = ((SLICE, ""), (BUILT, BUILT), (FILES, ""))
        self.layers = [ManifestLayer(blob, "sha256:11", 0, SLICE, "", parts, len(rows)) for rows in layers]
        self.rows = layers

    @property
    def head(self) -> Any:
        path = type("Path", (), {"path": SLICE, "package": "hello"})
        return type("Head", (), {"paths": [path], "layers": self.layers})

    def entries(self) -> Iterator[tuple[ManifestLayer, Iterator[ManifestEntry]]]:
        return ((layer, iter(rows)) for layer, rows in zip(self.layers, self.rows, strict=True))
