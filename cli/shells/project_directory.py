"""What fpack keeps on this machine for a project: in the user's state directory, and never in the project itself.

A project may be anybody's. What is written into it could be led elsewhere by links that it was cloned with, and what is
read from it there would be its author's. So a project's own files are read, and what is kept lies here, in a directory
that is named after the project's path:

    project          the path
    roots/           links that keep the shell's packages from gc
    services/NAME/   data, log and locks of a service
    build/NAME/      the build of a package, phase by phase
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

from fpack.cli.paths import make_private_directory, state_directory
from fpack.store.errors import FpackError

_FOLDER = "projects"


class ProjectDirectory:
    """The directory of one project. place: where it is; it is made with the first directory in it."""

    def __init__(self, project: str) -> None:
        from blake3 import blake3

        self.project = os.path.realpath(project)
        self.place = f"{state_directory()}/{_FOLDER}/{blake3(os.fsencode(self.project)).hexdigest(16)}"

    def folder(self, *names: str) -> str:
        """A directory in it, made if need be. FpackError where there is no place that only the user can change."""
        path = self.path(*names)
        make_private_directory(self.place, "XDG_STATE_HOME", "what belongs to a project")
        with contextlib.suppress(FileExistsError):
            fd = os.open(f"{self.place}/project", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(os.fsencode(self.project))
        make_private_directory(path, "XDG_STATE_HOME", "what belongs to a project")
        return path

    def path(self, *names: str) -> str:
        """The path of a directory in it. FpackError for what is no name of one: records are made by hand, too."""
        for name in names:
            if name in ("", ".", "..") or "/" in name or "\0" in name:
                raise FpackError(f"{name!r} is no name", why="a directory is to be called so", hint="use letters")
        return "/".join((self.place, *names))


class Gone(NamedTuple):
    """A directory of a project that is gone, with something in it that cannot be made again."""

    place: str
    project: str


def forget_gone() -> Iterator[Gone]:
    """Forget projects that are gone: their links, and all else but what somebody may want, which is told."""
    from pathlib import Path

    from fpack.store.files.remove import remove_tree

    try:
        places = sorted(e.path for e in os.scandir(f"{state_directory()}/{_FOLDER}") if e.is_dir(follow_symlinks=False))
    except OSError:
        return
    for place in places:
        try:
            with open(f"{place}/project", "rb") as file:
                project = os.fsdecode(file.read())
        except OSError:
            continue
        try:
            os.lstat(project)
            continue
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError:
            continue
        remove_tree(Path(place, "roots"))
        if any(_has_files(f"{place}/{name}") for name in ("services", "build")):
            yield Gone(place, project)
        else:
            remove_tree(Path(place))


def _has_files(folder: str) -> bool:
    return any(names for _, _, names in os.walk(folder))
