"""Read the control files of a payload: its maintainer scripts, triggers and lists of configuration files."""

from __future__ import annotations

import os

from blake3 import blake3
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.pool import FileNode
from fpack.store.files.presence import is_present
from fpack.store.files.regular_file import open_regular
from fpack.store.files.tree import Directory

from . import meta

DIRECTORY = "control"


def read(tree: CheckedTree) -> dict[str, bytes]:
    """Return the control files by name, compared with the payload's digest."""
    if not tree.proven:
        meta.load(tree)
    directory = tree.disk / DIRECTORY
    found: dict[str, bytes] = {}
    if not is_present(directory):
        return found
    node: Directory = {}
    for name in sorted(os.listdir(directory)):
        with open_regular(directory / name) as file:
            content = file.read()
            executable = bool(os.fstat(file.fileno()).st_mode & 0o100)
        found[name] = content
        node[os.fsencode(name)] = FileNode(blake3(content).digest(), len(content), executable)
    tree.compare(DIRECTORY, node)
    return found
