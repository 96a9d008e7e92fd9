"""The program as root runs it and as a user without rights runs it, each with a home of its own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fpack.cli
from support.archives.archive import Archive
from support.paths import TESTS
from support.processes import unprivileged
from support.processes.people import public_directory
from support.processes.program import Fpack

CALLERS = ("root", "user")


@contextmanager
def caller(who: str, archive: Archive) -> Iterator[Fpack]:
    """Yield an Fpack with packages from `archive`; "user" is somebody without rights.

    What is in its home is deleted.
    """
    with public_directory("caller") as place:
        prefix: tuple[str, ...] = ()
        if who == "user" and os.geteuid() == 0:
            shutil.copytree(archive.folder, place / "archive")
            shown = [
                sys.base_prefix,
                sys.prefix,
                str(Path(fpack.cli.__file__).parents[1]),
                str(TESTS),
            ]
            prefix = tuple(unprivileged.prefix([Path(each) for each in shown]))
        made = Fpack(place / "home", archive, prefix)
        if prefix:
            give(made, made.home)
            made.env["FPACK_KEYRING"] = str(place / "archive" / "keyring.pgp")
            made.env["FPACK_MIRROR"] = archive.mirror_at((place / "archive").as_uri())
        yield made


def give(fpack: Fpack, folder: Path) -> Path:
    """Hand a folder over to whoever runs the program."""
    if fpack.prefix:
        for each in [folder, *folder.rglob("*")]:
            os.chown(each, unprivileged.UID, unprivileged.UID, follow_symlinks=False)
    return folder
