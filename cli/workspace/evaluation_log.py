"""Record what an evaluation reads, and tell whether any of it has changed since.

Files of the project are known by their content, directories by when they changed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from blake3 import blake3
from fpack.cli.paths import PROJECT_FILE
from fpack.cli.version import VERSION
from fpack.store.files.owners import find_above
from fpack.store.root import default_directory

DAY = 86400
# A file that changed again so soon after it was read may look the same.
_TICK = 100_000_000  # ns


Signature = tuple[int, ...]


class Read(NamedTuple):
    """What an evaluation read. files: (path, signature, digest); directories: (path, signature). expires: seconds."""

    files: tuple[tuple[str, Signature, bytes], ...]
    directories: tuple[tuple[str, Signature], ...]
    recorded: int
    expires: float = 0


def plain(value: Any) -> Any:
    """Tuples and dictionaries in place of their named kinds: marshal knows no others."""
    if isinstance(value, tuple):
        return tuple(plain(each) for each in value)
    if isinstance(value, Mapping):
        return dict(value)
    return value


def signature(place: str) -> Signature:
    """What changes when a file or a directory does: size, times, number. Empty if it is not there."""
    try:
        status = os.stat(place)
    except OSError:
        return ()
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_mode)


def digest_of(place: str) -> bytes:
    """The digest of a file's content; empty if it cannot be read."""
    try:
        hasher = blake3()
        with open(place, "rb", buffering=0) as file:
            while chunk := file.read(1 << 20):
                hasher.update(chunk)
        return hasher.digest()
    except OSError:
        return b""


def unchanged(read: Read, now: float) -> bool:
    """Whether all that an evaluation read is as it was. now: seconds."""
    if read.expires and not read.recorded / 1e9 <= now < read.expires:
        return False
    for path, before in read.directories:
        if signature(path) != before:
            return False
    for path, before, digest in read.files:
        found = signature(path)
        settled = bool(found) and found[2] < read.recorded - _TICK
        # Sources differ by their modes, too.
        if (found != before or not settled) and (found[4:] != before[4:] or digest_of(path) != digest):
            return False
    return True


class Recorder:
    """Notes which files and directories Python code opens while it is on, by the interpreter's own audit events."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._directories: set[str] = set()
        self._on = False
        self._begun = 0

    def __enter__(self) -> Recorder:
        self._on = True
        self._begun = time.time_ns()
        sys.addaudithook(self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Note nothing more."""
        self._on = False  # a hook cannot be taken away

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event == "open":
            self._note(self._files, args[0])
        elif event in ("os.scandir", "os.listdir"):
            self._note(self._directories, args[0])

    def _note(self, where: set[str], place: Any) -> None:
        if isinstance(place, (str, bytes, os.PathLike)):
            where.add(os.path.abspath(os.fsdecode(place)))

    def read(self, folders: Iterable[str], also: Iterable[str], expires: float = 0) -> Read:
        """What was read below `folders`, and the files `also`, which may not be there."""
        inside = tuple(f"{folder.rstrip('/')}/" for folder in folders)
        tops = tuple(folder.rstrip("/") for folder in folders)
        files = {p for p in self._files if p.startswith(inside) and os.path.isfile(p)}
        directories = {p for p in self._directories if p.startswith(inside) or p in tops}
        return Read(
            tuple((p, signature(p), digest_of(p)) for p in sorted(files | set(also))),
            tuple((p, signature(p)) for p in sorted(directories)),
            self._begun,
            expires,
        )


def question(form: str, what: Sequence[str], lock: str | None, *more: str) -> str:
    """Return a name for what is asked for: all from which its meaning comes, but the content of files.

    form: of the answer. what: targets, as the user wrote them. more: options that change the answer.
    """
    cwd = os.getcwd()
    # A file is named from the working directory, and an attribute by the project.
    is_file = any("#" in text or "/" in text or text.endswith(".fp") or text in (".", "..") for text in what)
    parts = (
        default_directory(),
        find_above(cwd, PROJECT_FILE) or "",
        cwd if is_file else "",
        os.path.abspath(lock) if lock else "",
        # A user's own lock is in the state directory.
        os.environ.get("XDG_STATE_HOME", ""),
        os.environ.get("HOME", ""),
        *more,
        *what,
    )
    digest = blake3(f"{form} {VERSION} {sys.hexversion:x}".encode())
    for part in parts:
        data = part.encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest(20)
