"""The file system of an image as a squashfs: to mount read-only, as `systemd-nspawn --image`, portable services,
Singularity and live systems take it.

mksquashfs writes it, from the tar of the file system, with every choice that it would make by itself made here: the
bytes depend on the image, the codec and the version of mksquashfs, and on nothing else of this machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from fpack.builders.oci.tar import MTIME
from fpack.builders.output import ExportError, errors, replacing, room, seekable, write
from fpack.store.canonical import Value

from .filesystem import FileSystem, archive, whole

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
    found = shutil.which(TOOL)
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
        target = f"/proc/self/fd/{fd}"
        # mksquashfs takes SOURCE_DATE_EPOCH and options of its own from the environment.
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        process = subprocess.Popen(
            [command, "-", target, *options(codec), *_root(files)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[fd],
            env=environment,
        )
        said: list[bytes] = []
        assert process.stdin is not None and process.stdout is not None
        output, pipe = process.stdout, process.stdin
        reader = threading.Thread(target=lambda: said.append(output.read()), daemon=True)
        reader.start()
        try:
            # A tool that ends early says why.
            with contextlib.suppress(BrokenPipeError):
                for piece in archive(files, whole(files)):
                    write(pipe.fileno(), piece)
            pipe.close()
            status = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        reader.join()
        if status:
            words = b"".join(said).decode("utf-8", "replace").strip().splitlines()
            raise ExportError(
                f"{TOOL} failed", where=os.fspath(out), why="\n".join(words[-_SHOWN:]), hint=f"{PACKAGE} 4.5 or newer"
            )
