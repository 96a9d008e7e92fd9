"""Say why a path of a slice is in no layer: a path that is no directory stands in one layer of an image alone."""

from __future__ import annotations

from typing import NamedTuple

SAME = "same"  # the package `by` has the same file
REPLACED = "replaced"  # the package `by` has another file, or a directory, and declares that it replaces this one
GENERATED = "generated"  # fpack made something there, by the rule `by`
FILES = "files"  # the container's own files have something there
MODE = "mode"  # the container's own files give it another mode or owner
CONFIGURED = "configured"  # a maintainer script of the package `by` changed it
GRAFTED = "grafted"  # the store path `by` takes its place
REMOVED = "removed"  # nothing is there; `by` is the package whose script removed it
REASONS = (SAME, REPLACED, GENERATED, FILES, MODE, CONFIGURED, GRAFTED, REMOVED)


class Exclusion(NamedTuple):
    """A path (relative) of a package that is left out of the layer of its slice."""

    package: str
    path: str
    reason: str
    by: str = ""
