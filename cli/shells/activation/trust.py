"""Record the directories that the hook may enter: those whose shell the user entered before, or named to `fpack trust`.

Merely changing to a directory must not change the user's programs. Trust applies to a directory, not to a path: another
directory at the same path is not trusted. Trust covers later changes by the directory's owner, as when an editor trusts
a folder: a shell is built from sources that no digest of its fpack.fp covers, and a change by itself runs nothing on
the host, because evaluation and builds are confined.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from fpack.cli.paths import make_private_directory, state_directory
from fpack.store.errors import FpackError
from fpack.store.files.owners import is_believed

PROJECT_FILE = "fpack.fp"
_FOLDER = "entered"
_STATX_BTIME, _FDCWD = 0x800, -100
_BTIME_AT = 80  # offset of stx_btime in struct statx (statx(2))


def mark(directory: str) -> str:
    """Return the file whose existence marks a directory as trusted."""
    return _mark(os.path.realpath(directory))


def refusal(directory: str) -> str:
    """Return why the hook may never enter a directory, whatever the user says, or an empty string."""
    try:
        status = os.stat(directory)
        file = f"{directory}/{PROJECT_FILE}"
        found, itself = os.stat(file), os.lstat(file)
    except OSError as error:
        return f"there is no {PROJECT_FILE} ({error.strerror})"
    if not stat.S_ISREG(found.st_mode):
        return f"its {PROJECT_FILE} is not a regular file"
    if not is_believed(status):
        return f"it belongs to the user {status.st_uid}"
    for file_status in (itself, found):
        if not is_believed(file_status):
            return f"its {PROJECT_FILE} belongs to the user {file_status.st_uid}"
    if status.st_mode & 0o002 or found.st_mode & 0o002:
        return "everyone may write to it"
    return ""


def is_trusted(directory: str) -> bool:
    """Return whether the user trusts this directory, and nobody else can change its fpack.fp."""
    return not refusal(directory) and _read(mark(directory)) == _identity(os.path.realpath(directory))


def trust(directory: str) -> None:
    """Trust a directory after the user has entered its shell, if that is permitted and possible."""
    if not refusal(directory):
        try:
            note(directory)
        except (FpackError, OSError):
            pass  # then the hook asks again


def note(directory: str) -> None:
    """Record that a directory is trusted. Raise FpackError if there is no safe directory for the record."""
    real = os.path.realpath(directory)
    identity = _identity(real)
    path = _mark(real)
    if _read(path) == identity:
        return
    folder = os.path.dirname(path)
    make_private_directory(folder, "XDG_STATE_HOME", "which directories are trusted")
    temporary = f"{folder}/.{os.urandom(6).hex()}"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(identity)
    os.replace(temporary, path)


def forget(directory: str) -> bool:
    """Remove the trust in a directory, even if it no longer exists. Return whether it was trusted."""
    try:
        os.unlink(mark(directory))
    except FileNotFoundError:
        return False
    return True


def all_trusted() -> Iterator[str]:
    """Yield the directories that are trusted now."""
    folder = f"{state_directory()}/{_FOLDER}"
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    for name in names:
        data = _read(f"{folder}/{name}")
        directory = os.fsdecode(data.partition(b"\n")[2]) if data else ""
        if directory and mark(directory) == f"{folder}/{name}" and is_trusted(directory):
            yield directory


def _mark(real: str) -> str:
    from blake3 import blake3

    return f"{state_directory()}/{_FOLDER}/{blake3(os.fsencode(real)).hexdigest(16)}"


def _identity(real: str) -> bytes:
    """Return what distinguishes a directory from all others, and from former ones at its path or with its inode."""
    status = os.stat(real)
    born = _born(real)
    return f"{status.st_dev} {status.st_ino} {status.st_uid} {born}\n".encode() + os.fsencode(real)


def _born(path: str) -> int:
    """Return the creation time of a directory in ns, or 0 if unknown. The time is needed because inodes are reused."""
    import ctypes

    buffer = ctypes.create_string_buffer(256)
    try:
        failed = ctypes.CDLL(None).statx(_FDCWD, os.fsencode(path), 0, _STATX_BTIME, buffer)
    except AttributeError:  # a C library without it
        return 0
    if failed or not int.from_bytes(buffer.raw[:4], "little") & _STATX_BTIME:
        return 0
    seconds = int.from_bytes(buffer.raw[_BTIME_AT : _BTIME_AT + 8], "little", signed=True)
    return seconds * 10**9 + int.from_bytes(buffer.raw[_BTIME_AT + 8 : _BTIME_AT + 12], "little")


def _read(path: str) -> bytes:
    """Return the content of a file that belongs to the user, or nothing."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            return file.read() if status.st_uid == os.geteuid() and not status.st_mode & 0o022 else b""
    except OSError:
        return b""
