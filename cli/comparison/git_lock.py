"""Read the lock of a git commit. Nothing is checked out, and nothing of the repository runs."""

from __future__ import annotations

import os
from pathlib import Path

from fpack.builders.debian.lock.file import MAX_SIZE
from fpack.builders.debian.lock.records import Lock
from fpack.builders.debian.lock.text import parse_lock
from fpack.cli.errors import UsageError
from fpack.cli.workspace import git
from fpack.store.errors import FpackError, printable

LOCK_FILE = "fpack.lock"
_PREFIX = "git:"
_HINT = "write it as git:HEAD~1 or main:path/fpack.lock"


def is_commit(text: str) -> bool:
    """Return whether a text names a lock of a commit: `git:REV`, or `REV:PATH` where PATH ends with fpack.lock."""
    revision, colon, path = text.partition(":")
    return text.startswith(_PREFIX) or bool(colon and revision and path.rpartition("/")[2] == LOCK_FILE)


def read(text: str, directory: Path) -> Lock:
    """Return the lock that `text` names, in the repository of `directory`. In `git:REV` it is that of `directory`."""
    revision, colon, path = text.removeprefix(_PREFIX).partition(":")
    if not revision or "\0" in text or "\n" in text:
        raise UsageError(f"{text!r} names no commit", hint=_HINT)
    top = git.repository(directory)
    if top is None:
        raise UsageError(f"{text!r} has no lock", where=str(directory), why=git.NO_REPOSITORY)
    if not colon:
        path = os.path.relpath(Path(os.path.realpath(directory), LOCK_FILE), top)
    try:
        return parse_lock(_content(top, f"{revision}:{path}", text).decode().replace("\r\n", "\n"), text)
    except UnicodeDecodeError as error:
        raise FpackError("The lock of a commit cannot be read", where=text, why=str(error)) from None
    except FileNotFoundError:
        raise FpackError("git is not installed", why=f"it reads the lock of {text}", hint="install git") from None
    except OSError as error:
        raise FpackError("git cannot be run", where=text, why=error.strerror or str(error)) from None


def _content(top: Path, revision: str, text: str) -> bytes:
    """Return the content of a file of a commit, of at most MAX_SIZE bytes."""
    found = git.find_object(top, revision)
    if found is None:
        raise _unknown(text, top)
    size = git.run(top, "cat-file", "-s", found).output.strip()
    if not size.isdigit() or int(size) > MAX_SIZE:
        raise FpackError("The lock of a commit is too large", where=text, why=f"it has more than {MAX_SIZE} bytes")
    done = git.run(top, "cat-file", "blob", found)
    if done.status:
        raise _unknown(text, top, printable(done.errors.decode("utf-8", "replace")).strip()[:500])
    return done.output


def _unknown(text: str, top: Path, why: str = "") -> UsageError:
    return UsageError(
        f"{text!r} has no lock",
        where=str(top),
        why=why or f"there is no such commit, or no {LOCK_FILE} in it",
        hint=_HINT,
    )
