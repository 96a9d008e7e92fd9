"""Put a file in the place of another, whole or not at all, and never where a link leads out of a directory.

What was cloned or unpacked may hold a link to any file of the user's, under a name that fpack writes. A link is
followed within the directory that holds it, or another that is given; every step below that is by descriptor and
through no link, so that nobody can swap a directory meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from fpack.store.errors import FpackError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Elsewhere(FpackError):
    """A file to write, or a directory of it, is a link that leads out of where it may lead."""

    def __init__(self, path: Path, real: str) -> None:
        super().__init__(f"{path} is a link to another directory", why=f"it leads to {real}")
        self.real = real


@contextlib.contextmanager
def target(path: Path, within: Path | None = None) -> Iterator[tuple[int, str]]:
    """The file to write for `path`: a descriptor of its directory, and its name there, which is no link.

    A link at `path`, and at directories of it below `within`, may lead to any place in `within`, by default the
    directory of `path`. Elsewhere if it leads out of that.
    """
    top = os.open(path.parent if within is None else within, _DIRECTORY)
    folder = top
    try:
        inside = os.readlink(f"/proc/self/fd/{top}")
        real = os.path.realpath(path)
        *folders, name = os.path.relpath(real, inside).split("/")
        if folders[:1] == [".."] or name in ("", ".", ".."):
            raise Elsewhere(path, real)
        for each in folders:
            below = os.open(each, _DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            if folder != top:
                os.close(folder)
            folder = below
        yield folder, name
    finally:
        if folder != top:
            os.close(folder)
        os.close(top)


@contextlib.contextmanager
def replacing_at(folder: int, name: str, mode: int = 0o666) -> Iterator[int]:
    """A descriptor of a new file, which takes the place of `name` in an open directory, or is deleted on an error.

    What is there is replaced, a link too.
    """
    temporary = f".{name[:200]}.{os.urandom(6).hex()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=folder)
    try:
        try:
            yield fd
        finally:
            os.close(fd)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(temporary, dir_fd=folder)
        raise


def write(path: Path, data: bytes, within: Path | None = None, mode: int | None = None, durable: bool = False) -> None:
    """Write a file. mode: the new file's; by default that of the one that is there, or the usual one.

    durable: it outlives a crash of the machine from here on.
    """
    with target(path, within) as (folder, name):
        if mode is None:
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                mode = stat.S_IMODE(status.st_mode) if stat.S_ISREG(status.st_mode) else None
        with replacing_at(folder, name) as fd:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if mode is not None:
                os.fchmod(fd, mode)
            if durable:
                os.fsync(fd)
        if durable:
            os.fsync(folder)
