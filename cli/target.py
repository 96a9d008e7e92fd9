"""What a user can name on the command line, and how it is told apart.

`fpack pack` with nothing names `image` of the project's `fpack.fp`; `FILE#attr.path` an attribute of a file;
`debian.RELEASE.NAME` a Debian package (the first two dots alone separate, names may hold more); and a bare name an
attribute of the project's file, else a curated package.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from fpack.store.errors import FpackError
from fpack.store.owners import find_above

PROJECT_FILE = "fpack.fp"


class UsageError(FpackError):
    """The command line names something that there is not."""

    exit_code = 2


class Target(NamedTuple):
    """text: as the user wrote it. project: the directory with the project's file, if there is one.

    file: the file that is named, or None. path: the attributes below it. package: (release, name) of Debian.
    """

    text: str
    project: Path | None
    file: Path | None = None
    path: tuple[str, ...] = ()
    package: tuple[str, str] | None = None


def find_project(start: Path) -> Path | None:
    """The nearest directory from `start` upwards that has a project file, if it is not a stranger's."""
    found = find_above(os.fspath(start), PROJECT_FILE)
    return None if found is None else Path(found)


def parse(text: str | None, cwd: Path, default: str = "image") -> Target:
    """The target that `text` names; UsageError says what can be named. Nothing is evaluated here."""
    project = find_project(cwd)
    if text is None:
        if project is None:
            raise UsageError(
                f"There is no {PROJECT_FILE} here",
                where=str(cwd),
                hint="name something to make, as in: fpack pack postgres, or: fpack pack debian.trixie.redis-server",
            )
        return Target(f"{PROJECT_FILE}#{default}", project, project / PROJECT_FILE, (default,))
    if "#" in text:
        name, _, attributes = text.partition("#")
        file = _file(cwd / name if name else (project or cwd) / PROJECT_FILE, text)
        return Target(text, find_project(file.parent), file, _path(attributes, text) if attributes else (default,))
    if text.startswith("debian."):
        release, dot, name = text.removeprefix("debian.").partition(".")
        if not dot or not release or not name:
            raise UsageError(
                f"{text!r} does not name a package", hint="a Debian package is named like debian.trixie.redis-server"
            )
        return Target(text, project, package=(release, name.strip('"')))
    if text.endswith(".fp") or "/" in text:
        file = _file(cwd / text, text)
        return Target(text, find_project(file.parent), file, (default,))
    return Target(text, project, None, _path(text, text))


def _file(place: Path, text: str) -> Path:
    place = place / PROJECT_FILE if place.is_dir() else place
    if not place.is_file():
        raise UsageError("There is no such file", where=str(place), why=f"it is named by {text!r}")
    return place.absolute()


def _path(attributes: str, text: str) -> tuple[str, ...]:
    parts = []
    rest = attributes
    while rest:
        if rest.startswith('"'):
            name, quote, rest = rest[1:].partition('"')
            if not quote or (rest and not rest.startswith(".")):
                raise UsageError(f"{text!r} cannot be read", why="a quoted name does not end")
            rest = rest[1:]
        else:
            name, dot, rest = rest.partition(".")
            if dot and not rest:
                name = ""
        if not name:
            raise UsageError(f"{text!r} cannot be read", why="a name between two dots is empty")
        parts.append(name)
    return tuple(parts)
