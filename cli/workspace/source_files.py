"""Find and read files of the language, for the verbs that work on source text."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fpack.cli.errors import UsageError
from fpack.lang.syntax.source import Source, normal, read_text


def find(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the named files, and the .fp files below the named directories.

    Hidden files and symlinks are skipped unless they are named.
    """
    seen: set[str] = set()
    for path in paths:
        if path.is_dir():
            found = list(_below(path))
        elif path.exists():
            found = [path]
        else:
            raise UsageError("There is no such file or directory", where=os.fspath(path))
        for path in found:
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                yield path


def _below(directory: Path) -> Iterator[Path]:
    for at, directories, names in os.walk(directory):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in sorted(names):
            path = Path(at, name)
            if name.endswith(".fp") and not name.startswith(".") and not path.is_symlink() and path.is_file():
                yield path


def read(path: Path) -> str:
    """Read a file's text unchanged. Raise Fault or EvalError if it is not valid text."""
    return read_text(path, shown(path))


def source(text: str, name: str) -> Source:
    """Return a text as the evaluator reads it: without a byte order mark, with line feeds as line ends."""
    return Source(name, normal(text))


def shown(path: Path) -> str:
    """Return a file's name for messages: relative to the working directory if the file lies below it."""
    name = os.fspath(path)
    try:
        here = os.getcwd() + "/"
    except FileNotFoundError:  # it was deleted after the command had started
        return name
    return name[len(here) :] if name.startswith(here) else name
