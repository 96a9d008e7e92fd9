"""The paths of an image over all its layers: whether what was compared is what a container sees.

A runtime lays layers over one another. So that no layer can hide or move what another one has, a path that is no
directory must stand in one layer alone, and nothing may lie below it. These rules hold for every image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from blake3 import blake3
from fpack.builders.manifest.format import DIRECTORY, SYMLINK, Entry, encode_entry

from .report import OVERLAP, Report, show

# A directory's attributes: mode, uid, gid.
Attributes = tuple[int, int, int]


class Paths:
    """The paths of the layers that were added, in their order.

    folders: the attributes that each directory has in the end, where an entry states them. lenient: the same file may
    stand in several layers, as in images of format 1: it hides nothing.
    """

    def __init__(self, lenient: bool) -> None:
        self.folders: dict[bytes, Attributes] = {}
        self._lenient = lenient
        # By path: twice the number of its layer, and 1 more for a symlink.
        self._others: dict[bytes, int] = {}
        self._digests: dict[bytes, bytes] = {}
        # Every directory, also those that are only implied, and a layer that needs it.
        self._needed: dict[bytes, int] = {}
        self._layers = 0

    def add(self, entries: Sequence[Entry], report: Report, label: Callable[[int], str]) -> None:
        """Lay a layer over what is there. label: what a message calls a layer, by its number."""
        number = self._layers
        self._layers += 1
        needed, others = self._needed, self._others
        for entry in entries:
            path = entry.path
            if entry.kind == DIRECTORY:
                self.folders[path] = (entry.mode, entry.uid, entry.gid)
                needed.setdefault(path, number)
            else:
                before = others.setdefault(path, number * 2 + (entry.kind == SYMLINK))
                if before // 2 != number and not self._is_same(entry):
                    what = f"it stands in {label(before // 2)}, too, where it is hidden"
                    report.add(OVERLAP, show(path), what, label(number))
                elif self._lenient:
                    self._digests[path] = _digest(entry)
            while path:
                path = path.rpartition(b"/")[0]
                if path in needed:
                    break
                needed[path] = number

    def _is_same(self, entry: Entry) -> bool:
        return self._lenient and self._digests.get(entry.path) == _digest(entry)

    def finish(self, report: Report, label: Callable[[int], str]) -> None:
        """Say where a layer has something below what is no directory, or no directory where another has one."""
        for path in sorted(self._others.keys() & self._needed.keys()):
            layer, symlink = divmod(self._others[path], 2)
            noun = "a symlink" if symlink else "a file"
            what = f"it is {noun} in {label(layer)}, and a directory in {label(self._needed[path])}"
            report.add(OVERLAP, show(path), what)

    def has(self, path: bytes) -> bool:
        """Whether anything is at a path."""
        return path in self._others or path in self._needed


def _digest(entry: Entry) -> bytes:
    """What an entry is, wherever it is from."""
    return blake3(encode_entry(entry._replace(part=0, origin=None))).digest(16)
