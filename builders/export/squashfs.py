"""Write the file system of an image as a squashfs, for read-only mounts, `systemd-nspawn --image` and live systems.

mksquashfs converts a tar of the file system. The options fix every choice that it would otherwise make itself, so the
bytes depend only on the image, the codec and the version of mksquashfs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from fpack.builders.streams.output_file import ExportError, errors, replacing, room, seekable
from fpack.builders.streams.tar_writer import MTIME
from fpack.store import processes
from fpack.store.canonical import Value
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.writer import write_all

from .flattened import FileSystem, Trees, archive, whole

TOOL = "mksquashfs"
PACKAGE = "squashfs-tools"  # Debian's package of the tool
_OPTIONS = (
    *("-tar", "-noappend", "-quiet", "-no-progress", "-no-recovery", "-reproducible", "-no-xattrs"),
    *("-all-time", str(MTIME), "-mkfs-time", str(MTIME), "-b", "131072"),
    # Two processors bound the memory. The result does not depend on their number.
    *("-processors", "2", "-mem", "96M"),
)
_SHOWN = 4  # the last lines of mksquashfs that an error shows


def options(codec: Mapping[str, Value]) -> list[str]:
    """Return the options of mksquashfs for a codec.

    "none" leaves inodes, ids, data, fragments and attributes as they are.
    """
    name, level = codec["name"], str(codec["level"])
    if name == "none":
        return [*_OPTIONS, "-noI", "-noId", "-noD", "-noF", "-noX"]
    return [*_OPTIONS, "-comp", str(name), "-Xcompression-level", level]


def _root(files: FileSystem) -> list[str]:
    """Return the options for the root directory, which mksquashfs does not read from a tar."""
    root = files.entries[b""].member
    return ["-root-mode", f"{root.mode:o}", "-root-uid", str(root.uid), "-root-gid", str(root.gid)]


def find() -> str:
    """Return the path of mksquashfs. Raise ExportError if it is not installed."""
    found = processes.find(TOOL)
    if found is None:
        raise ExportError(
            f"{TOOL} is not installed",
            why="--format squashfs needs it",
            hint=f"run apt install {PACKAGE} (version 4.5 or newer)",
        )
    return found


def write_squashfs(image: CheckedTree, trees: Trees, codec: Mapping[str, Value], out: Path) -> None:
    """Write the file system of an image to the file `out`.

    image: the image's output. trees: opens a store path's tree.
    """
    command = find()
    with errors(out), replacing(out) as fd, FileSystem(image, trees, room(out)) as files:
        seekable(fd, out, "A squashfs")
        words = ["-", f"/proc/self/fd/{fd}", *options(codec), *_root(files)]

        def send(pipe: int) -> None:
            for piece in archive(files, whole(files)):
                write_all(pipe, piece)

        done = processes.feed(TOOL, words, send, program=command, pass_fds=[fd])
        if done.status:
            lines = done.output.decode("utf-8", "replace").strip().splitlines()
            raise ExportError(
                f"{TOOL} failed",
                where=os.fspath(out),
                why="\n".join(lines[-_SHOWN:]),
                hint=f"use {PACKAGE} 4.5 or newer",
            )
