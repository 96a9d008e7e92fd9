"""Which projects a hook may enter: those that their user has entered by hand before.

A directory that one only looks into must not change what one's programs are.
"""

from __future__ import annotations

import os


def mark(project: str) -> str:
    """The file that says so."""
    from blake3 import blake3

    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return f"{state}/fpack/entered/{blake3(os.fsencode(os.path.realpath(project))).hexdigest(16)}"


def is_trusted(project: str) -> bool:
    """Whether this user has entered the project's shell."""
    try:
        with open(mark(project), "rb") as file:
            status = os.fstat(file.fileno())
            return status.st_uid == os.geteuid() and file.read() == os.fsencode(os.path.realpath(project))
    except OSError:
        return False


def trust(project: str) -> None:
    """Note that the user has entered the project's shell."""
    if is_trusted(project):
        return
    place = mark(project)
    try:
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        with open(place, "wb") as file:
            file.write(os.fsencode(os.path.realpath(project)))
    except OSError:
        pass  # then the hook asks again
