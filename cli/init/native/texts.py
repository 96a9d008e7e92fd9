"""Read the files of a project that say what its build needs, with limits, and without following a symlink."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..project import shorten_blanks

MAX_FILE = 1 << 20  # bytes
MAX_TOTAL = 24 << 20  # bytes
MAX_ENTRIES = 30_000
MAX_DEPTH = 8
_BUILD = re.compile(
    r"CMakeLists\.txt|[^/]*\.cmake|meson\.build|meson_options\.txt|meson\.options|configure\.(?:ac|in)|"
    r"[^/]*\.am|Makefile(?:\.(?:in|common|inc|include|rules|defs))?|GNUmakefile|makefile|[^/]*\.(?:mk|m4|mak)"
)
_SOURCE = re.compile(r"[^/]*\.(?:c|cc|cpp|cxx|C|h|hh|hpp|hxx|y|l|yy|ll)")
# Directories that are no part of the build: other projects' sources, version control, what builds leave.
_OTHERS = re.compile(r"\.[^/]*|node_modules|target|subprojects|__pycache__|debian")


def read_texts(directory: Path, *, sources: bool = False) -> Mapping[str, str]:
    """Return the texts of a project's build files, by their paths; with `sources`, also those of C and C++ sources."""

    def is_wanted(path: str) -> bool:
        name = path.rpartition("/")[2]
        return bool(_BUILD.fullmatch(name) or (sources and _SOURCE.fullmatch(name)))

    return read_files(directory, filter(is_wanted, _files(directory)))


def read_files(directory: Path, paths: Iterable[str]) -> dict[str, str]:
    """Return the texts of files, by their paths: none above MAX_FILE bytes, and MAX_TOTAL bytes in all."""
    found: dict[str, str] = {}
    left = MAX_TOTAL
    for path in paths:
        try:
            with open(directory / path, "rb") as file:
                data = file.read(MAX_FILE + 1)
        except OSError:
            continue
        left -= len(data)
        if left < 0:
            break
        if len(data) <= MAX_FILE:
            found[path] = shorten_blanks(data.decode("utf-8", "replace"))
    return found


def list_files(directory: Path) -> frozenset[str]:
    """Return the paths of a project's files."""
    return frozenset(_files(directory))


def _files(directory: Path) -> Iterator[str]:
    """Yield the paths of the files, those of each directory before those below it, sorted."""
    level = [""]
    count = 0
    for _ in range(MAX_DEPTH):
        below: list[str] = []
        for prefix in level:
            try:
                entries = sorted(os.scandir(directory / prefix), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                count += 1
                if count > MAX_ENTRIES:
                    return
                if entry.is_symlink():
                    continue
                if entry.is_dir():
                    if not _OTHERS.fullmatch(entry.name):
                        below.append(f"{prefix}{entry.name}/")
                elif entry.is_file():
                    yield f"{prefix}{entry.name}"
        level = below
