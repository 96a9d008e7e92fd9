"""Files of the language as the verbs that look at texts take them: found below directories, and read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fpack.cli.errors import UsageError
from fpack.lang.syntax.source import Source, normal, read_text


def find(places: Sequence[Path]) -> Iterator[Path]:
    """The files that are named, and those below the directories that are; hidden ones and links only if named."""
    seen: set[str] = set()
    for place in places:
        if place.is_dir():
            found = list(_below(place))
        elif place.exists():
            found = [place]
        else:
            raise UsageError("There is no such file or directory", where=os.fspath(place))
        for path in found:
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                yield path


def _below(folder: Path) -> Iterator[Path]:
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(at, name)
            if name.endswith(".fp") and not name.startswith(".") and not path.is_symlink() and path.is_file():
                yield path


def read(place: Path) -> str:
    """A file's text, as it is. Fault or EvalError for what is none."""
    return read_text(place, shown(place))


def source(text: str, name: str) -> Source:
    """A text as the evaluator takes it: without a byte order mark, its lines ending in a line feed."""
    return Source(name, normal(text))


def shown(place: Path) -> str:
    """A file's name for people: relative where it lies below the working directory."""
    here, name = os.getcwd() + "/", os.fspath(place)
    return name[len(here) :] if name.startswith(here) else name
