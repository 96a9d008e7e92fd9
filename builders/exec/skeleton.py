"""Define the skeleton of a project's source: the part of it on which only its dependencies depend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class SourceFiles(NamedTuple):
    """A directory of sources. paths: of all files and symlinks, sorted. read: returns the content of a file."""

    paths: Sequence[str]
    read: Callable[[str], bytes]


class Skeleton(NamedTuple):
    """A selection. keep: the paths that stay as they are. texts: other files, with their content."""

    keep: Sequence[str]
    texts: Mapping[str, str]
