"""Write the file system of an image as one tar: for `podman import`, machinectl, lxc, chroots and virtual machines.

Modes, owners and times are those of the image. The bytes depend only on the image and the codec.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fpack.builders.streams.compressed import compress
from fpack.builders.streams.output_file import errors, replacing, room
from fpack.store.canonical import Value
from fpack.store.files.checked_tree import CheckedTree

from .flattened import FileSystem, Trees, archive, archive_length, whole


def write_rootfs(image: CheckedTree, trees: Trees, codec: Mapping[str, Value], out: Path) -> None:
    """Write the file system of the image output at `image` to `out`, which may be a file, a device or a pipe."""
    with errors(out), replacing(out) as fd, FileSystem(image, trees, room(out)) as files:
        items = whole(files)
        compress(archive(files, items), codec, archive_length(items), fd)
