"""Make the directories and files of fetched paths, and nothing else: the least that a fetch by Python can take.

usage: python bench/bare_fetch.py FOLDER [--paths N] [--directories N] [--files N] [--pool] [--view] [--sync]

FOLDER: made and deleted; it must not exist. Two processes write PATHS (1,000) trees of DIRECTORIES (1) directories,
one in the other, and FILES (11) files of two thousand bytes in the innermost, with the modes and times of the store,
and rename the trees to their places. --pool: with a second name for each file. --view: and a tree of hard links to all
files. --sync: with a sync of the file system after each step. Prints seconds.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from fpack.store.files.sync import FileSystemSync

PROCESSES = 2
_TIMES = (1, 1)


def write(top: Path, number: int, contents: list[bytes], directories: int, pool: bool) -> None:
    """Write the tree of one path, and rename it to its place."""
    base = f"{top}/tmp/{number}"
    made = [base + "/d" * depth for depth in range(directories)]
    for directory in made:
        os.mkdir(directory, 0o755)
    for n, content in enumerate(contents):
        name = f"{made[-1]}/f{n}"
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        os.write(fd, content)
        os.utime(fd, _TIMES)
        os.close(fd)
        if pool:
            os.link(name, f"{top}/files/{(number * len(contents) + n) % 256:02x}/{number}-{n}")
    for directory in reversed(made[1:]):
        os.chmod(directory, 0o555)
        os.utime(directory, _TIMES)
    os.rename(base, f"{top}/store/{number}")
    os.chmod(f"{top}/store/{number}", 0o555)
    os.utime(f"{top}/store/{number}", _TIMES)


def link(top: Path, number: int, files: int, directories: int) -> None:
    """Link the files of one path into the view."""
    os.mkdir(f"{top}/view/{number}")
    for n in range(files):
        os.link(f"{top}/store/{number}" + "/d" * (directories - 1) + f"/f{n}", f"{top}/view/{number}/f{n}")


def spread(count: int, work: Callable[[int], None]) -> None:
    """Do `work` for each number below `count`, in PROCESSES processes."""
    children = []
    for first in range(PROCESSES):
        child = os.fork()
        if child == 0:
            for number in range(first, count, PROCESSES):
                work(number)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    for name, default in (("paths", 1000), ("directories", 1), ("files", 11)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name in ("pool", "view", "sync"):
        parser.add_argument(f"--{name}", action="store_true")
    options = parser.parse_args()
    top: Path = options.folder
    top.mkdir(parents=True)  # fails if it exists: the folder is deleted in the end
    for directory in ("tmp", "store", "files", "view"):
        (top / directory).mkdir()
    contents = [os.urandom(1000).hex().encode() for _ in range(options.files)]
    disk = FileSystemSync(top)
    disk.sync()
    begun, waited = time.perf_counter(), 0.0

    def sync() -> float:
        start = time.perf_counter()
        if options.sync:
            disk.sync()
        return time.perf_counter() - start

    if options.pool:
        for number in range(256):
            (top / "files" / f"{number:02x}").mkdir()
    spread(options.paths, lambda number: write(top, number, contents, options.directories, options.pool))
    waited += sync()
    if options.view:
        spread(options.paths, lambda number: link(top, number, options.files, options.directories))
        waited += sync()
    wall = time.perf_counter() - begun
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in used)
    print(f"{wall:.3f} s wall, of which {waited:.3f} s in syncs; {cpu:.3f} s CPU, with the start of Python")
    disk.close()
    for path in top.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(top)


if __name__ == "__main__":
    main()
