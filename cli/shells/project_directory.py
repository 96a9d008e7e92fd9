"""The data that fpack keeps for a project: in the user's state directory, never in the project itself.

A project may be hostile. Its symlinks could redirect files that fpack writes into it, and its author could supply files
that fpack reads from it. So fpack only reads a project's own files, and keeps its data here, in a directory named after
the project's path:

    project          the path
    roots/           links that protect the shell's packages from gc
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
    """The data directory of one project. directory: its path; it is created with its first subdirectory."""

    def __init__(self, project: str) -> None:
        from blake3 import blake3

        self.project = os.path.realpath(project)
        self.directory = f"{state_directory()}/{_FOLDER}/{blake3(os.fsencode(self.project)).hexdigest(16)}"

    def create(self, *names: str) -> str:
        """Create a subdirectory, and return its path. Raise FpackError if there is no safe directory for it."""
        path = self.path(*names)
        make_private_directory(self.directory, "XDG_STATE_HOME", "the data of a project")
        with contextlib.suppress(FileExistsError):
            fd = os.open(f"{self.directory}/project", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(os.fsencode(self.project))
        make_private_directory(path, "XDG_STATE_HOME", "the data of a project")
        return path

    def path(self, *names: str) -> str:
        """Return the path of a subdirectory. Raise FpackError if a name is not valid: names come from users' files."""
        for name in names:
            if name in ("", ".", "..") or "/" in name or "\0" in name:
                raise FpackError(
                    f"{name!r} is not a valid name", why="fpack makes a directory of this name", hint="use letters"
                )
        return "/".join((self.directory, *names))


class AbandonedData(NamedTuple):
    """The data of a deleted project that cannot be recreated."""

    directory: str
    project: str


def forget_deleted() -> Iterator[AbandonedData]:
    """Delete the links of deleted projects, and their data unless it may still be wanted; yield the rest."""
    from pathlib import Path

    from fpack.store.files.remove import remove_tree

    try:
        paths = sorted(e.path for e in os.scandir(f"{state_directory()}/{_FOLDER}") if e.is_dir(follow_symlinks=False))
    except OSError:
        return
    for path in paths:
        try:
            with open(f"{path}/project", "rb") as file:
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
        remove_tree(Path(path, "roots"))
        if any(_has_files(f"{path}/{name}") for name in ("services", "build")):
            yield AbandonedData(path, project)
        else:
            remove_tree(Path(path))


def _has_files(directory: str) -> bool:
    return any(names for _, _, names in os.walk(directory))
