"""Separate store paths that are symlinks from those to mount in a sandbox.

An output may be a symlink to anything. bubblewrap follows a symlink in a mount's source, and would mount its target on
this machine. Therefore such a store path becomes a symlink in the sandbox too, and leads to a path in the sandbox.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

Pairs = list[tuple[str, str]]


def split_links(paths: Iterable[tuple[str, str]]) -> tuple[Pairs, Pairs]:
    """Split store paths into those to mount, with their paths on disk, and symlinks, with their targets.

    paths: store paths and their paths on disk.
    """
    mounted, links = [], []
    for path, disk in paths:
        if os.path.islink(disk):
            links.append((path, os.readlink(disk)))
        else:
            mounted.append((path, disk))
    return mounted, links
