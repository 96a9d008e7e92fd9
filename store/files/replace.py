"""Replace files atomically, without following a symlink out of a directory.

A cloned or unpacked project may contain a symlink to any file of the user, under a name that fpack writes. A link is
followed only within the directory that holds it, or within a given directory. All steps below that directory use
descriptors and follow no link, so that swapping a directory meanwhile has no effect.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from fpack.store.errors import FpackError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LONGEST = 200  # characters of a name that are part of the new file's name


class OutsideError(FpackError):
    """A file to write, or one of its directories, is a symlink that leads out of the permitted directory."""

    def __init__(self, path: Path, real: str) -> None:
        super().__init__(f"{path} is a link to another directory", why=f"it leads to {real}")
        self.real = real


@contextlib.contextmanager
def target(path: Path, within: Path | None = None) -> Iterator[tuple[int, str]]:
    """Resolve the file to write for `path`: yield a descriptor of its directory, and its name, which is not a link.

    A symlink at `path`, or at a directory of it below `within`, may lead anywhere in `within` (by default the directory
    of `path`). Raise OutsideError if it leads out of that directory.
    """
    top = os.open(path.parent if within is None else within, _DIRECTORY)
    directory = top
    try:
        inside = os.readlink(f"/proc/self/fd/{top}")
        real = os.path.realpath(path)
        *directories, name = os.path.relpath(real, inside).split("/")
        if directories[:1] == [".."] or name in ("", ".", ".."):
            raise OutsideError(path, real)
        for entry in directories:
            below = os.open(entry, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            if directory != top:
                os.close(directory)
            directory = below
        yield directory, name
    finally:
        if directory != top:
            os.close(directory)
        os.close(top)


def at_once(step: Callable[[], None]) -> None:
    """Run the last step of `replacing_at` now."""
    step()


@contextlib.contextmanager
def replacing_at(
    directory: int,
    name: str,
    *,
    durable: bool = False,
    collect: bool = True,
    sync_name: bool = True,
    end: Callable[[Callable[[], None]], object] = at_once,
) -> Iterator[int]:
    """Yield a descriptor of a new file that replaces `name` in an open directory.

    An existing file or symlink is replaced at the end. On an error the new file is deleted. durable: sync the file and
    the directory, so that the file survives a crash of the machine. collect: first delete the new files that killed
    processes left beside `name`. sync_name: False if the caller syncs the directory after several durable files. end:
    runs the last step, now or later in a thread: it syncs, renames and closes the file.
    """
    if collect:
        _collect(directory, name)
    temporary, fd = _create(directory, name)

    def rename() -> None:
        with _deleting(directory, temporary, fd):
            if durable:
                os.fsync(fd)
            os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        os.close(fd)

    with _deleting(directory, temporary, fd):
        yield fd
    end(rename)
    if durable and sync_name:
        os.fsync(directory)


@contextlib.contextmanager
def _deleting(directory: int, temporary: str, fd: int) -> Iterator[None]:
    """Close and delete a new file on an error."""
    try:
        yield
    except BaseException:
        os.close(fd)
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise


def _create(directory: int, name: str) -> tuple[str, int]:
    """Create a new file beside `name`. Its lock tells other processes that its writer lives."""
    while True:
        temporary = f".{name[:_LONGEST]}.{os.urandom(6).hex()}"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=directory)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                os.close(fd)
                continue  # another process has locked the file to delete it
            return temporary, fd  # a file system without locks: no process can lock and delete the file
        try:
            os.stat(temporary, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            os.close(fd)
            continue
        except BaseException:
            os.close(fd)
            raise
        return temporary, fd


def _collect(directory: int, name: str) -> None:
    """Delete the new files that killed writers of `name` left. Ignore errors: the next writer tries again."""
    pattern = re.compile(re.escape(f".{name[:_LONGEST]}.") + "[0-9a-f]{12}")
    with contextlib.suppress(OSError):
        for entry in os.listdir(directory):
            if pattern.fullmatch(entry):
                with contextlib.suppress(OSError):
                    _delete_if_unlocked(directory, entry)


def _delete_if_unlocked(directory: int, name: str) -> None:
    """Delete a temporary file of this user. Raise BlockingIOError if a living process has locked it."""
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    try:
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name, dir_fd=directory)
    finally:
        os.close(fd)


def write(path: Path, data: bytes, within: Path | None = None, mode: int | None = None, durable: bool = False) -> None:
    """Write a file.

    mode: mode of the new file, by default that of the existing file. durable: sync the file and its directory, so that
    the file survives a crash of the machine.
    """
    with target(path, within) as (directory, name):
        if mode is None:
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                mode = stat.S_IMODE(status.st_mode) if stat.S_ISREG(status.st_mode) else None
        with replacing_at(directory, name, durable=durable) as fd:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if mode is not None:
                os.fchmod(fd, mode)
