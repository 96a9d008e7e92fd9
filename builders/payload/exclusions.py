"""Define the reasons for which a path of a slice is excluded from its layer.

Every path of an image, except directories, is in exactly one layer.
"""

from __future__ import annotations

from fpack.light_typing import NamedTuple

SAME = "same"  # the package `by` has the same file
REPLACED = "replaced"  # the package `by` has another file, or a directory, and declares that it replaces this one
GENERATED = "generated"  # fpack generated an entry there, by the rule `by`
FILES = "files"  # the container's own files have an entry there
MODE = "mode"  # the container's own files give the path another mode or owner
CONFIGURED = "configured"  # a maintainer script of the package `by` changed the path
GRAFTED = "grafted"  # the store path `by` replaces the path
REMOVED = "removed"  # a maintainer script of the package `by` removed the path
BASE = "base"  # the base has the same entry, in its layer of the digest `by`
REASONS = (SAME, REPLACED, GENERATED, FILES, MODE, CONFIGURED, GRAFTED, REMOVED, BASE)


class Exclusion(NamedTuple):
    """A relative path of a package that is excluded from the layer of its slice."""

    package: str
    path: str
    reason: str
    by: str = ""
