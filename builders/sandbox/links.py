"""Keep store paths that are symlinks from being mounted in a sandbox.

An output may be a symlink to anything. bubblewrap follows a symlink that it is told to mount, and would show what it
leads to on this machine. In a sandbox such a store path is a symlink as well, which leads to what the sandbox has.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

Pairs = list[tuple[str, str]]


def split_links(paths: Iterable[tuple[str, str]]) -> tuple[Pairs, Pairs]:
    """Split store paths into those to mount, with their places on disk, and symlinks, with their targets.

    paths: store paths and their places on disk.
    """
    mounted, links = [], []
    for path, disk in paths:
        if os.path.islink(disk):
            links.append((path, os.readlink(disk)))
        else:
            mounted.append((path, disk))
    return mounted, links
