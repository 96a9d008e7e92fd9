"""File systems in files, mounted for a test, whose power can be cut."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from pathlib import Path

# _IOR('X', 125, __u32), of ext4, xfs and f2fs. 2: do not write the log, so that all unsynced changes are lost.
_SHUTDOWN = (2 << 30) | (4 << 16) | (ord("X") << 8) | 125
_NO_LOG_FLUSH = 2


class CannotMount(Exception):
    """File systems cannot be made or mounted here."""


class Disk:
    """A file system of one type, in a file in `directory`, mounted at `at`. Use it as a context manager.

    options: of mkfs; of the mount for tmpfs, which is in memory.
    """

    def __init__(self, kind: str, directory: Path, megabytes: int, options: tuple[str, ...] = ()) -> None:
        self._kind = kind
        self._image = directory / f"{kind}.img"
        self.at = directory / f"{kind}-mounted"
        if os.geteuid() != 0:
            raise CannotMount("it needs root")
        if kind == "tmpfs":
            self.at.mkdir()
            self._run("mount", "-t", "tmpfs", "-o", ",".join((f"size={megabytes}m", *options)), "tmpfs", str(self.at))
            return
        if shutil.which(f"mkfs.{kind}") is None:
            raise CannotMount(f"mkfs.{kind} is not there")
        with open(self._image, "wb") as file:
            file.truncate(megabytes << 20)
        self._run(f"mkfs.{kind}", *options, *(("-q", "-F") if kind == "ext4" else ("-q",)), str(self._image))
        self.at.mkdir()
        self._mount()

    def __enter__(self) -> Disk:
        return self

    def __exit__(self, *_: object) -> None:
        self._unmount()
        self._image.unlink(missing_ok=True)

    def change(self, options: str) -> None:
        """Change the mount's options."""
        self._run("mount", "-o", f"remount,{options}", str(self.at))

    def cut(self) -> None:
        """Lose the power: what was not synced is lost, and every later call fails."""
        fd = os.open(self.at, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def restart(self) -> None:
        """Mount it again: the file system recovers from its log."""
        self._unmount()
        # A copy: a mount namespace of another process may still hold the dead file system, and its device.
        copy = self._image.with_name(f"{self._image.name}.copy")
        self._run("cp", "--sparse=always", str(self._image), str(copy))
        os.replace(copy, self._image)
        self._mount()

    def _mount(self) -> None:
        options = "loop,nouuid" if self._kind == "xfs" else "loop"
        self._run("mount", "-o", options, str(self._image), str(self.at))

    def _unmount(self) -> None:
        self._run("umount", str(self.at))

    def _run(self, *words: str) -> None:
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            raise CannotMount(f"{' '.join(words)}: {done.stderr.strip()}")
