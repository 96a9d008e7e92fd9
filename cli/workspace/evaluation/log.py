"""Record the files that an evaluation reads, and check whether any of them has changed since.

Files of the project are identified by content, directories by their timestamps.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterable, Mapping, Sequence

from blake3 import blake3
from fpack.cli.paths import PROJECT_FILE
from fpack.cli.version import VERSION
from fpack.light_typing import Any, NamedTuple
from fpack.store.files.owners import find_above
from fpack.store.root import default_directory

# A file that is written twice within this time may keep its timestamp.
_TICK = 100_000_000  # ns


Signature = tuple[int, ...]


class EvaluationInputs(NamedTuple):
    """The files that an evaluation read.

    files: (path, signature, digest). directories: (path, signature). recorded: time of the recording in ns. expires:
    time in seconds after which the evaluation is repeated, or 0.
    """

    files: tuple[tuple[str, Signature, bytes], ...]
    directories: tuple[tuple[str, Signature], ...]
    recorded: int
    expires: float = 0


def plain(value: Any) -> Any:
    """Convert named tuples and mappings to plain ones, the only ones that marshal supports."""
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, Mapping):
        return dict(value)
    return value


def signature(path: str) -> Signature:
    """Return size, timestamps, inode and mode of a file or directory; empty if it does not exist."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_mode)


def digest_of(path: str) -> bytes:
    """Return the digest of a regular file's content; empty if it is none or cannot be read."""
    try:
        hasher = blake3()
        # A pipe in the place of the file must not make this wait.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return b""
            while chunk := file.read(1 << 20):
                hasher.update(chunk)
        return hasher.digest()
    except OSError:
        return b""


def unchanged(read: EvaluationInputs, now: float) -> bool:
    """Return whether everything that an evaluation read is unchanged. now: seconds."""
    if read.expires and not read.recorded / 1e9 <= now < read.expires:
        return False
    for path, before in read.directories:
        if signature(path) != before:
            return False
    for path, before, digest in read.files:
        found = signature(path)
        settled = bool(found) and found[2] < read.recorded - _TICK
        # The mode of a file is part of a source.
        if (found != before or not settled) and (found[4:] != before[4:] or digest_of(path) != digest):
            return False
    return True


class Recorder:
    """A recorder of the files and directories that Python code opens, by the interpreter's audit events."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._directories: set[str] = set()
        self._on = False
        self._begun = 0

    def __enter__(self) -> Recorder:
        self._on = True
        self._begun = time.time_ns()
        sys.addaudithook(self._on_event)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._on = False  # an audit hook cannot be removed

    def _on_event(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event == "open":
            self._note(self._files, args[0])
        elif event in ("os.scandir", "os.listdir"):
            self._note(self._directories, args[0])

    def _note(self, where: set[str], path: Any) -> None:
        if isinstance(path, (str, bytes, os.PathLike)):
            where.add(os.path.abspath(os.fsdecode(path)))

    def read(self, directories: Iterable[str], also: Iterable[str], expires: float = 0) -> EvaluationInputs:
        """Return what was read below `directories`, and the files `also`, which may not exist."""
        inside = tuple(f"{directory.rstrip('/')}/" for directory in directories)
        tops = tuple(directory.rstrip("/") for directory in directories)
        files = {p for p in self._files if p.startswith(inside) and os.path.isfile(p)}
        directories = {p for p in self._directories if p.startswith(inside) or p in tops}
        return EvaluationInputs(
            tuple((p, signature(p), digest_of(p)) for p in sorted(files | set(also))),
            tuple((p, signature(p)) for p in sorted(directories)),
            self._begun,
            expires,
        )


def question(form: str, what: Sequence[str], lock: str | None, *more: str) -> str:
    """Return a name for a request: a digest of everything that determines its answer, except the content of files.

    form: version of the answer's format. what: targets, as the user wrote them. more: options that change the answer.
    """
    cwd = os.getcwd()
    # A file name is relative to the working directory; a bare name refers to the project.
    is_file = any("#" in text or "/" in text or text.endswith(".fp") or text in (".", "..") for text in what)
    parts = (
        default_directory(),
        find_above(cwd, PROJECT_FILE) or "",
        cwd if is_file else "",
        os.path.abspath(lock) if lock else "",
        # The user's lock is in the state directory.
        os.environ.get("XDG_STATE_HOME", ""),
        os.environ.get("HOME", ""),
        # A home, and the caches in it, can be shared by machines of several architectures.
        os.uname().machine,
        *more,
        *what,
    )
    digest = blake3(f"{form} {VERSION} {sys.hexversion:x}".encode())
    for part in parts:
        data = part.encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest(20)


def installation() -> list[str]:
    """Return files that change with the installed fpack or codec.

    The list is empty if the sources are used in place.
    """
    from glob import glob
    from importlib.util import find_spec

    found = []
    for name in ("fpack.cli", "zstandard"):
        spec = find_spec(name)
        packages = (
            os.path.realpath(spec.origin).rpartition(f"/{name.replace('.', '/')}/")[0] if spec and spec.origin else ""
        )
        records = glob(f"{packages}/{name.partition('.')[0]}-*.dist-info/RECORD") if packages else []
        if not records:
            return []
        found += records
    return found
