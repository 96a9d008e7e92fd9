"""Find the packages that have a file, by its path, its name or a pattern, in a release's index of files."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from fpack.cli.errors import UsageError

if TYPE_CHECKING:
    from fpack.builders.debian.contents.index import ContentsIndex, FileEntry

MOST = 10_000  # files of one answer
KEPT = "headers, pkg-config files, CMake configurations, libraries, programs and Python's top modules"


def check(text: str) -> None:
    """Raise UsageError for a text that no file or every file matches."""
    if not text.strip("*?/. "):
        raise UsageError(
            f"--file {shlex.quote(text)} names no file",
            why="it matches every file" if text else "it is empty",
            hint="give a name, a path or a pattern, as in: fpack search --file 'libpq.so*'",
        )


def find_files(index: ContentsIndex, text: str) -> list[FileEntry]:
    """Return the files that `text` means: an absolute path, a directory, the end of a path, or a pattern."""
    from fpack.builders.debian.contents.index import FileEntry

    if "*" in text or "?" in text:
        return _matching(index, text)
    if not text.startswith("/"):
        return index.named(text, MOST)
    packages = index.at(text)
    if packages:
        return [FileEntry(text, packages)]
    return _matching(index, f"{text.rstrip('/')}/**") if text.strip("/") else []


def _matching(index: ContentsIndex, pattern: str) -> list[FileEntry]:
    from fpack.builders.payload.globs import Globs
    from fpack.builders.protocol import BuildError

    try:
        covers = Globs([pattern if pattern.startswith("/") else f"/**/{pattern}"]).covers
    except BuildError as error:
        raise UsageError(error.what, why=error.why) from None
    name = pattern.rpartition("/")[2]

    def matches(path: str) -> bool:
        # A pattern also covers what is below a directory that it matches, which is wanted only for `**`.
        return covers(path) and (name == "**" or not covers(path.rpartition("/")[0]))

    return index.matching(matches, re.split(r"[*?]", name)[0], MOST)
