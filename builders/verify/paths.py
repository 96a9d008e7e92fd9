"""The paths of an image over all its layers: whether what was compared is what a container sees.

A runtime lays layers over one another. So that no layer can hide or move what another one has, a path that is no
directory must stand in one layer alone, and nothing may lie below it. These rules hold for every image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from blake3 import blake3
from fpack.builders.manifest.format import DIRECTORY, SYMLINK, ManifestEntry, encode_entry

from .findings import OVERLAP, Report, show

# A directory's attributes: mode, uid, gid.
Attributes = tuple[int, int, int]


class Paths:
    """The paths of the layers that were added, in their order.

    lenient: the same file may stand in several layers, as in images of format 1: it hides nothing. Directories that are
    only implied by what is in them are not held: an entry can have a great many.
    """

    def __init__(self, lenient: bool) -> None:
        self._lenient = lenient
        self._layers = 0
        # By path: twice the number of its layer, and 1 more for a symlink.
        self._others: dict[bytes, int] = {}
        self._digests: dict[bytes, bytes] = {}
        # By path: attributes and layer, those of the last one that has it.
        self._folders: dict[bytes, tuple[Attributes, int]] = {}
        self._alike: dict[tuple[Attributes, int], tuple[Attributes, int]] = {}

    def add(self, entries: Sequence[ManifestEntry], report: Report, label: Callable[[int], str]) -> None:
        """Lay a layer over what is there. label: what a message calls a layer, by its number."""
        number = self._layers
        self._layers += 1
        others, folders, alike = self._others, self._folders, self._alike
        for entry in entries:
            path = entry.path
            if entry.kind == DIRECTORY:
                value = ((entry.mode, entry.uid, entry.gid), number)
                folders[path] = alike.setdefault(value, value)
                continue
            before = others.setdefault(path, number * 2 + (entry.kind == SYMLINK))
            if before // 2 != number and not self._is_same(entry):
                report.add(OVERLAP, show(path), f"it hides what {label(before // 2)} has there", label(number))
            elif self._lenient:
                self._digests[path] = _digest(entry)

    def _is_same(self, entry: ManifestEntry) -> bool:
        return self._lenient and self._digests.get(entry.path) == _digest(entry)

    def finish(self, report: Report, label: Callable[[int], str]) -> None:
        """Say where a layer has something below what is no directory, or no directory where another has one."""
        for path, number in self._overlaps():
            layer, symlink = divmod(self._others[path], 2)
            noun = "a symlink" if symlink else "a file"
            report.add(OVERLAP, show(path), f"it is {noun} in {label(layer)}, and a directory in {label(number)}")

    def _overlaps(self) -> Iterator[tuple[bytes, int]]:
        """List paths that are no directory where a layer needs one, with that layer's number."""
        for path in sorted(self._others.keys() & self._folders.keys()):
            yield path, self._folders[path][1]
        last = said = b""
        # In the order of a walk, what lies below a path follows it at once.
        for path in sorted([*self._others, *(self._folders.keys() - self._others.keys())], key=_walk):
            if last and path.startswith(last):
                if last != said:
                    yield last[:-1], self._others[path] // 2 if path in self._others else self._folders[path][1]
                said = last
            elif path in self._others:
                last = path + b"/"

    def folders(self) -> Iterator[tuple[bytes, Attributes]]:
        """List the final attributes of each directory that has an entry."""
        for path, (attributes, _) in self._folders.items():
            yield path, attributes

    def has(self, path: bytes) -> bool:
        """Tell whether an entry is at a path."""
        return path in self._others or path in self._folders


def _walk(path: bytes) -> bytes:
    return path.replace(b"/", b"\0")


def _digest(entry: ManifestEntry) -> bytes:
    """Hash an entry without its origin."""
    return blake3(encode_entry(entry._replace(part=0, origin=None))).digest(16)
