"""Check that no layer of an image hides or moves files of another layer, so that a container sees all verified files.

A runtime unpacks layers one over another. Therefore a path other than a directory must be in one layer only, and no
entry may lie below it. These rules hold for every image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from blake3 import blake3
from fpack.builders.manifest.encoding import encode_entry
from fpack.builders.manifest.format import DIRECTORY, SYMLINK, ManifestEntry

from .findings import OVERLAP, Report, show

# A directory's attributes: mode, uid, gid.
Attributes = tuple[int, int, int]


class Paths:
    """The paths of all layers added so far.

    lenient: allow an identical file in several layers, as in images of format 1. Directories without an entry are not
    stored, because an entry can have very many parents.
    """

    def __init__(self, lenient: bool) -> None:
        self._lenient = lenient
        self._layers = 0
        # By path: twice the layer's number, plus 1 for a symlink.
        self._others: dict[bytes, int] = {}
        self._digests: dict[bytes, bytes] = {}
        # By path: attributes and number of the last layer that has the directory.
        self._directories: dict[bytes, tuple[Attributes, int]] = {}
        self._alike: dict[tuple[Attributes, int], tuple[Attributes, int]] = {}

    def add(self, entries: Sequence[ManifestEntry], report: Report, label: Callable[[int], str]) -> None:
        """Add the next layer. label: returns the name of a layer for messages."""
        number = self._layers
        self._layers += 1
        others, directories, alike = self._others, self._directories, self._alike
        for entry in entries:
            path = entry.path
            if entry.kind == DIRECTORY:
                value = ((entry.mode, entry.uid, entry.gid), number)
                directories[path] = alike.setdefault(value, value)
                continue
            before = others.setdefault(path, number * 2 + (entry.kind == SYMLINK))
            if before // 2 != number and not (self._lenient and self._digests.get(entry.path) == _digest(entry)):
                report.add(OVERLAP, show(path), f"it hides the entry of {label(before // 2)}", label(number))
            elif self._lenient:
                self._digests[path] = _digest(entry)

    def finish(self, report: Report, label: Callable[[int], str]) -> None:
        """Report the paths that are a directory in one layer and a file or symlink in another."""
        for path, number in self._overlaps():
            layer, symlink = divmod(self._others[path], 2)
            noun = "a symlink" if symlink else "a file"
            report.add(OVERLAP, show(path), f"it is {noun} in {label(layer)}, and a directory in {label(number)}")

    def _overlaps(self) -> Iterator[tuple[bytes, int]]:
        """Yield each path of a file or symlink that is a directory in another layer, with that layer's number."""
        for path in sorted(self._others.keys() & self._directories.keys()):
            yield path, self._directories[path][1]
        last = said = b""
        # In the order of a depth-first walk, the paths below a path follow it directly.
        for path in sorted([*self._others, *(self._directories.keys() - self._others.keys())], key=_walk):
            if last and path.startswith(last):
                if last != said:
                    yield last[:-1], self._others[path] // 2 if path in self._others else self._directories[path][1]
                said = last
            elif path in self._others:
                last = path + b"/"

    def directories(self) -> Iterator[tuple[bytes, Attributes]]:
        """Yield each directory that has an entry, with its final attributes."""
        for path, (attributes, _) in self._directories.items():
            yield path, attributes

    def has(self, path: bytes) -> bool:
        """Return whether the image has an entry at a path."""
        return path in self._others or path in self._directories


def _walk(path: bytes) -> bytes:
    return path.replace(b"/", b"\0")


def _digest(entry: ManifestEntry) -> bytes:
    """Hash an entry without its part and origin."""
    return blake3(encode_entry(entry._replace(part=0, origin=None))).digest(16)
