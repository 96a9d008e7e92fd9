"""Reduce the source of a Node program to the files that npm reads when it installs the packages of a lock."""

from __future__ import annotations

from .skeleton import Skeleton, SourceFiles

_FILES = (".npmrc", "npm-shrinkwrap.json", "package-lock.json", "package.json")


def node_skeleton(source: SourceFiles) -> Skeleton:
    """Keep the files at the top that npm reads. If one is a symlink, or empty, keep all: its target may be any file."""
    keep = [path for path in source.paths if path in _FILES]
    return Skeleton(keep if all(map(source.read, keep)) else source.paths, {})
