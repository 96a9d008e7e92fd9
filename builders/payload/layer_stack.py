"""Compute the files of an image from the members of its layers, one layer over another, as container engines do.

The layers may be hostile. Nothing here touches a disk: every path of the result has only directories of the result
above it, so it can be written without following a symlink. Paths on which engines differ are refused. Sources: layer.md
of the OCI image specification 1.1, "Applying Changesets".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from fpack.store.errors import FpackError

from .meta import DIRECTORY, FILE, SYMLINK, TreeEntry
from .whiteouts import PREFIX, is_whiteout

MAX_ENTRIES = 500_000  # of all layers together
MAX_PATH, MAX_NAME, MAX_DEPTH = 3000, 255, 128
MAX_TARGET = 4095
MAX_TEXT = 64 << 20  # bytes of all paths and targets
_OPAQUE, _RESERVED = b".wh..wh..opq", b".wh..wh."


class LayerError(FpackError):
    """A layer that cannot be unpacked."""


class StackedFile(NamedTuple):
    """A file, directory or symlink of an image. content: the number of a file's content, which hard links share."""

    entry: TreeEntry
    content: int = 0


class _StackNode:
    """An entry, and for a directory what is in it."""

    __slots__ = ("below", "file")

    def __init__(self, file: StackedFile) -> None:
        self.file = file
        self.below: dict[str, _StackNode] | None = {} if file.entry.kind == DIRECTORY else None


class LayerStack:
    """The files of the layers that were added so far.

    A layer is added member by member, and takes effect with `finish`, because its whiteouts hide only files of lower
    layers.
    """

    def __init__(self) -> None:
        self._root = _StackNode(StackedFile(TreeEntry("", DIRECTORY, 0o755)))
        self._count = self._text = 0
        self._added: dict[str, StackedFile] = {}
        self._hidden: dict[str, bool] = {}  # paths of whiteouts; True: only what is in the directory

    def add(self, path: bytes, entry: TreeEntry, content: int = 0) -> None:
        """Add a member. path: as the tar has it, which may begin with "./". entry: without its path."""
        raw, name = self._checked(path)
        if is_whiteout(raw):
            self._hide(raw)
            return
        if name in self._added:
            raise _refused(path, "it occurs twice in one layer")
        self._weigh(0, len(entry.target))
        if len(entry.target) > MAX_TARGET or (entry.kind == SYMLINK and not entry.target):
            raise _refused(path, "its target is empty or too long")
        if not name and entry.kind != DIRECTORY:
            raise _refused(path, "only a directory can be the root")
        self._added[name] = StackedFile(entry._replace(path=name), content)

    def link(self, path: bytes, target: bytes) -> None:
        """Add a hard link to a file of this layer or of a lower one."""
        _, to = self._checked(target)
        known = self._added.get(to)
        if known is None:
            node = self._find(to)
            known = node.file if node is not None else None
        if known is None or known.entry.kind != FILE:
            raise _refused(path, f"it is a hard link to {_shown(target)}, which is not a file of the image")
        self.add(path, known.entry, known.content)

    def finish(self) -> None:
        """End a layer: delete what its whiteouts name, then add its entries."""
        for path, only_content in self._hidden.items():
            node = self._find(path)
            if node is not None and only_content:
                node.below = {} if node.below is not None else None
            elif node is not None and path:
                above, _, name = path.rpartition("/")
                found = self._find(above)
                assert found is not None and found.below is not None
                del found.below[name]
        # A directory is written before what is in it.
        for path in sorted(self._added):
            self._put(path, self._added[path])
        self._added, self._hidden = {}, {}

    def files(self) -> Iterator[StackedFile]:
        """Yield everything but the root directory, directories before what is in them."""
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            for child in (node.below or {}).values():
                yield child.file
                if child.below:
                    waiting.append(child)

    def replace(self, path: str) -> None:
        """Put an empty directory in place of whatever is at a path below the root."""
        assert self._root.below is not None
        self._root.below[path] = _StackNode(StackedFile(TreeEntry(path, DIRECTORY, 0o755)))

    def _checked(self, path: bytes) -> tuple[bytes, str]:
        """Return a path without "./" at its start, as bytes and as text."""
        self._weigh(1, len(path))
        raw = path.removeprefix(b"./")
        if raw == b".":
            raw = b""
        parts = raw.split(b"/")
        if raw.startswith(b"/"):
            raise _refused(path, "its path is absolute")
        if b".." in parts:
            raise _refused(path, "its path leads out of a directory")
        if raw and ({b"", b"."}.intersection(parts) or b"\0" in raw):
            raise _refused(path, "its path is not in its shortest form")
        if len(raw) > MAX_PATH or len(parts) > MAX_DEPTH or max(map(len, parts)) > MAX_NAME:
            raise _refused(path, "its path is too long")
        return raw, os.fsdecode(raw)

    def _weigh(self, entries: int, text: int) -> None:
        self._count += entries
        self._text += text
        if self._count > MAX_ENTRIES or self._text > MAX_TEXT:
            why = f"the limits are {MAX_ENTRIES} entries and {MAX_TEXT} bytes of paths"
            raise LayerError("The image has too many entries, or their paths are too long", why=why)

    def _hide(self, path: bytes) -> None:
        above, _, name = path.rpartition(b"/")
        if is_whiteout(above) or name == PREFIX or (name.startswith(_RESERVED) and name != _OPAQUE):
            raise _refused(path, "engines differ on this whiteout")
        if name == _OPAQUE:
            self._hidden.setdefault(os.fsdecode(above), True)
        else:
            hidden = name.removeprefix(PREFIX)
            if hidden in (b".", b".."):
                raise _refused(path, "it is a whiteout that names no file")
            self._hidden[os.fsdecode(above + b"/" + hidden if above else hidden)] = False

    def _find(self, path: str) -> _StackNode | None:
        node = self._root
        for name in path.split("/") if path else ():
            found = node.below.get(name) if node.below is not None else None
            if found is None:
                return None
            node = found
        return node

    def _put(self, path: str, file: StackedFile) -> None:
        if not path:
            self._root.file = file
            return
        node, at = self._root, 0
        while (end := path.find("/", at)) >= 0:
            below = node.below
            assert below is not None
            known = below.get(path[at:end])
            if known is None:
                self._weigh(1, end)
                known = below[path[at:end]] = _StackNode(StackedFile(TreeEntry(path[:end], DIRECTORY, 0o755)))
            if known.below is None:
                noun = "a symlink" if known.file.entry.kind == SYMLINK else "a file"
                raise _refused(os.fsencode(path), f"it lies below /{path[:end]}, which is {noun}")
            node, at = known, end + 1
        assert node.below is not None
        known = node.below.get(path[at:])
        if known is not None and known.below is not None and file.entry.kind == DIRECTORY:
            known.file = file
        else:
            node.below[path[at:]] = _StackNode(file)


def _refused(path: bytes, why: str) -> LayerError:
    return LayerError("A layer of the image cannot be unpacked", where=_shown(path), why=why)


def _shown(path: bytes) -> str:
    return path[:300].decode("utf-8", "backslashreplace")
