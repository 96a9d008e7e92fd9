"""Whose files are believed: one's own and root's. Others' can lie in every directory that one works in or below."""

from __future__ import annotations

import os
import stat

_OVERFLOW = 65534


def is_believed(status: os.stat_result, *also: int) -> bool:
    """Whether a file is this user's, root's or that of one of the users `also`."""
    return status.st_uid in (os.geteuid(), 0, *also)


def find_above(directory: str, name: str) -> str | None:
    """The nearest directory at or above `directory` that has a file `name` whose owner is believed.

    The owner of `directory`, where this user chose to work, is too. What others put into a directory above it, /tmp for
    example, is passed over.
    """
    at = directory
    try:
        owner = os.stat(directory).st_uid
    except OSError:
        owner = -1
    while True:
        place = f"{at.rstrip('/')}/{name}"
        try:
            found = os.stat(place)
            if stat.S_ISREG(found.st_mode) and all(is_believed(s, owner) for s in (found, os.lstat(place))):
                return at
        except (OSError, ValueError):
            pass
        above = os.path.dirname(at)
        if above == at:
            return None
        at = above


def danger(directory: str) -> str:
    """Why a directory is not for files that this user executes, reads settings from or connects to; empty if it is.

    It must be the user's own, writable by nobody else, and so placed that only the user and root can put another in
    its place. FileNotFoundError if it is not there.
    """
    status = os.lstat(directory)
    if not stat.S_ISDIR(status.st_mode):
        return "it is no directory, or a link to one"
    if status.st_uid != os.geteuid():
        return f"it belongs to the user {status.st_uid}"
    if status.st_mode & 0o022:
        return "others may write to it"
    at = os.path.abspath(directory)
    linked = False
    while (above := os.path.dirname(at)) != at:
        at = above
        status = os.lstat(at)
        if not is_believed(status) and not _is_unknown(status.st_uid):
            return f"{at} belongs to the user {status.st_uid}"
        if stat.S_ISLNK(status.st_mode):
            linked = True
        elif status.st_mode & 0o002 and not status.st_mode & stat.S_ISVTX:
            return f"everyone may write to {at}"
    return danger(os.path.realpath(directory)) if linked else ""


def _is_unknown(uid: int) -> bool:
    """Whether this number stands for users who have none here: in a user namespace, the host's root is one of them."""
    if uid != _OVERFLOW:
        return False
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return file.read().split() != ["0", "0", "4294967295"]
