"""The file system of an image as a squashfs: to mount read-only, as `systemd-nspawn --image`, portable services,
Singularity and live systems take it.

mksquashfs writes it, from the tar of the file system, with every choice that it would make by itself made here: the
bytes depend on the image, the codec and the version of mksquashfs, and on nothing else of this machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from fpack.builders.streams.output_file import ExportError, errors, replacing, room, seekable, write
from fpack.builders.streams.tar_writer import MTIME
from fpack.store import processes
from fpack.store.canonical import Value

from .flattened import FileSystem, archive, whole

TOOL = "mksquashfs"
PACKAGE = "squashfs-tools"
_OPTIONS = (
    *("-tar", "-noappend", "-quiet", "-no-progress", "-no-recovery", "-reproducible", "-no-xattrs"),
    *("-all-time", str(MTIME), "-mkfs-time", str(MTIME), "-b", "131072"),
    # The result is the same for any number of processors; the memory is bounded.
    *("-processors", "2", "-mem", "96M"),
)
_SHOWN = 4  # lines of a complaint


def options(codec: Mapping[str, Value]) -> list[str]:
    """The options of mksquashfs for a codec."""
    name, level = codec["name"], str(codec["level"])
    if name == "none":
        return [*_OPTIONS, "-noI", "-noId", "-noD", "-noF", "-noX"]
    return [*_OPTIONS, "-comp", str(name), "-Xcompression-level", level]


def _root(files: FileSystem) -> list[str]:
    """The root directory, which mksquashfs does not take from a tar."""
    root = files.entries[b""].member
    return ["-root-mode", f"{root.mode:o}", "-root-uid", str(root.uid), "-root-gid", str(root.gid)]


def find() -> str:
    """The command; ExportError if it is not installed."""
    found = processes.find(TOOL)
    if found is None:
        raise ExportError(
            f"{TOOL} is not installed here",
            why="it makes the file system of --format squashfs",
            hint=f"install it: apt install {PACKAGE} (version 4.5 or newer)",
        )
    return found


def write_squashfs(image: Path, disk: Callable[[str], Path], codec: Mapping[str, Value], out: Path) -> None:
    """Write the file system of the image whose output lies at `image` to the file `out`."""
    command = find()
    with errors(out), replacing(out) as fd, FileSystem(image, disk, room(out)) as files:
        seekable(fd, out, "A squashfs")
        words = ["-", f"/proc/self/fd/{fd}", *options(codec), *_root(files)]

        def send(pipe: int) -> None:
            for piece in archive(files, whole(files)):
                write(pipe, piece)

        done = processes.feed(TOOL, words, send, program=command, pass_fds=[fd])
        if done.status:
            said = done.output.decode("utf-8", "replace").strip().splitlines()
            raise ExportError(
                f"{TOOL} failed", where=os.fspath(out), why="\n".join(said[-_SHOWN:]), hint=f"{PACKAGE} 4.5 or newer"
            )
