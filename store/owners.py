"""Whose files are believed: one's own and root's. Others' can lie in every directory that one works in or below."""

from __future__ import annotations

import os
import stat


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
