"""Mount the temporary directories of a command, which together are limited in size and counted as memory."""

from __future__ import annotations

import os

from fpack.builders.sandbox import linux

PATH = "/scratch"
# Path below the tree and below PATH: mode.
DIRECTORIES = {"run": 0o755, "tmp": 0o1777, "dev/shm": 0o1777}


def mount(size: int) -> None:
    """Mount empty directories that hold at most `size` bytes."""
    linux.mount_tmpfs(PATH, f"mode=0755,size={size},nr_inodes=100k")
    for path, mode in {**DIRECTORIES, "run/lock": 0o1777}.items():
        os.makedirs(f"{PATH}/{path}")
        os.chmod(f"{PATH}/{path}", mode)


def used() -> int:
    """Return the bytes of all files in the directories."""
    status = os.statvfs(PATH)
    return (status.f_blocks - status.f_bfree) * status.f_frsize
