"""Another user of the machine, whose directories lie where this one looks; as root, and as a user without rights."""

from __future__ import annotations

import codecs
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Python remembers for ever that it could not import one, as from root's home by a user who may not read it.
for _encoding in ("ascii", "latin-1", "idna", "unicode_escape", "raw_unicode_escape"):
    codecs.lookup(_encoding)

USERS = ("root", "user")
STRANGER = 54321
_USER = 61234


@contextlib.contextmanager
def acting_as(user: str) -> Iterator[Path]:
    """Be root or a user without rights in this process; a directory of that user's, at a place that all can reach."""
    if os.geteuid() != 0:
        pytest.skip("only root can make the files of other users")
    uid = 0 if user == "root" else _USER
    place = Path(tempfile.mkdtemp(prefix="fpack-owners-"))
    try:
        os.chown(place, uid, uid)
        place.chmod(0o755)
        groups = os.getgroups()
        os.setgroups([])
        os.setegid(uid)
        os.seteuid(uid)
        try:
            yield place
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(groups)
    finally:
        shutil.rmtree(place)


@contextlib.contextmanager
def as_root() -> Iterator[None]:
    """Within `acting_as`: do what the stranger did before."""
    uid = os.geteuid()
    os.seteuid(0)
    try:
        yield
    finally:
        os.seteuid(uid)


def give(path: Path, uid: int = STRANGER, gid: int = STRANGER) -> None:
    """Make a file or directory the stranger's, or a group's."""
    with as_root():
        os.chown(path, uid, gid, follow_symlinks=False)
