"""Copy or hash files with two processes and few system calls, as a lower limit for the times of bench/store.py.

usage: python bench/bare_files.py copy SOURCE TARGET
       python bench/bare_files.py hash FOLDER

SOURCE and FOLDER hold directories of files.
"""

from __future__ import annotations

import os
import sys

from blake3 import blake3


def copy_files(source: str, target: str) -> None:
    """Read, hash, write and link each file, with two processes."""
    directories = sorted(os.listdir(source))
    names = [(directory, name) for directory in directories for name in os.listdir(f"{source}/{directory}")]
    for directory in directories:
        os.makedirs(f"{target}/tree/{directory}")
    for number in range(256):
        os.makedirs(f"{target}/pool/{number:02x}")
    read, write = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, os.O_WRONLY | os.O_CREAT | os.O_EXCL
    child = os.fork()
    begin, end = (0, len(names) // 2) if child else (len(names) // 2, len(names))
    at: tuple[str, int, int] = ("", -1, -1)
    for directory, base in names[begin:end]:
        if directory != at[0]:
            at = directory, *(os.open(f"{top}/{directory}", os.O_RDONLY) for top in (source, f"{target}/tree"))
        fd = os.open(base, read, dir_fd=at[1])
        size = min(os.fstat(fd).st_size + 1, 1 << 18)
        out = os.open(base, write, 0o444, dir_fd=at[2])
        hasher = blake3()
        left = size  # the last read had as many bytes as were asked for, so more may follow
        while left == size:
            piece = os.read(fd, size)
            hasher.update(piece)
            os.write(out, piece)
            left = len(piece)
        os.utime(out, (1, 1))
        os.close(out)
        os.close(fd)
        digest = hasher.hexdigest()
        os.link(base, f"{target}/pool/{digest[:2]}/{digest[2:]}", src_dir_fd=at[2])
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def hash_files(folder: str) -> None:
    """Hash every file with BLAKE3, with two processes."""
    directories = sorted(os.scandir(folder), key=lambda entry: entry.name)
    child = os.fork()
    for directory in directories[child != 0 :: 2]:
        for entry in os.scandir(directory.path):
            hasher = blake3()
            fd = os.open(entry.path, os.O_RDONLY)
            while piece := os.read(fd, 1 << 20):
                hasher.update(piece)
            os.close(fd)
            hasher.digest()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


if __name__ == "__main__":
    {"copy": copy_files, "hash": hash_files}[sys.argv[1]](*sys.argv[2:])
