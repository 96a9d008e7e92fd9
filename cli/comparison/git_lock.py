"""Read the lock of a git commit by git's plumbing. Nothing is checked out, and nothing of the repository runs."""

from __future__ import annotations

from pathlib import Path

from fpack.builders.debian.lock.file import MAX_SIZE
from fpack.builders.debian.lock.records import Lock
from fpack.builders.debian.lock.text import parse_lock
from fpack.cli.errors import UsageError
from fpack.store import processes
from fpack.store.errors import FpackError, printable

LOCK_FILE = "fpack.lock"
_PREFIX = "git:"
_SECONDS = 60.0
_OBJECT = frozenset("0123456789abcdef")


def is_commit(text: str) -> bool:
    """Return whether a text names a lock of a commit: `git:REV`, or `REV:PATH` where PATH ends with fpack.lock."""
    revision, colon, path = text.partition(":")
    return text.startswith(_PREFIX) or bool(colon and revision and path.rpartition("/")[2] == LOCK_FILE)


def read(text: str, directory: Path) -> Lock:
    """Return the lock that `text` names, in the repository of `directory`. In `git:REV` it is that of `directory`."""
    spec = text.removeprefix(_PREFIX)
    revision, colon, path = spec.partition(":")
    if not revision or "\0" in spec or "\n" in spec:
        raise UsageError(f"{text!r} names no commit", hint="write it as git:HEAD~1 or main:path/fpack.lock")
    spec = f"{revision}:{path}" if colon else f"{revision}:./{LOCK_FILE}"
    top = str(directory.absolute())
    found = (
        _git(top, text, "rev-parse", "--verify", "--quiet", "--end-of-options", spec).strip().decode("ascii", "replace")
    )
    if len(found) not in (40, 64) or not _OBJECT.issuperset(found):
        raise _unknown(text, top, "git names no object for it")
    size = _git(top, text, "cat-file", "-s", found).strip()
    if not size.isdigit() or int(size) > MAX_SIZE:
        raise FpackError("The lock of a commit is too large", where=text, why=f"it has more than {MAX_SIZE} bytes")
    data = _git(top, text, "cat-file", "blob", found)
    try:
        return parse_lock(data.decode().replace("\r\n", "\n"), text)
    except UnicodeDecodeError as error:
        raise FpackError("The lock of a commit cannot be read", where=text, why=str(error)) from None


def _git(top: str, text: str, *words: str) -> bytes:
    try:
        done = processes.run("git", ["-C", top, *words], seconds=_SECONDS)
    except FileNotFoundError:
        raise FpackError("git is not installed", why=f"it reads the lock of {text}", hint="install git") from None
    except OSError as error:
        raise FpackError("git cannot be run", where=text, why=error.strerror or str(error)) from None
    if done.status:
        raise _unknown(text, top, printable(done.errors.decode("utf-8", "replace")).strip()[:500])
    return done.output


def _unknown(text: str, top: str, why: str) -> UsageError:
    return UsageError(
        f"{text!r} has no lock",
        where=top,
        why=why or f"there is no such commit, or no {LOCK_FILE} in it",
        hint="write it as git:HEAD~1 or main:path/fpack.lock",
    )
