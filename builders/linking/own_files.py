"""Turn the files that a container adds itself into a table, so that the linker finds what its scripts call."""

from __future__ import annotations

import os

from fpack.builders.payload import elf, meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import Task
from fpack.store.path import StorePath

from .imports import MAX_TEXT
from .languages import language_of


def scripts_of(task: Task, path: StorePath) -> SliceTable:
    """Return a table with the scripts and the code among the files at `path`, an output of the kind `files`.

    Compiled programs are left out: the container brings what these load. So are other files: where one stands in the
    place of a package's, the manifest says so.
    """
    tree = task.tree(path)
    found: dict[str, TreeEntry] = {}
    for entry in meta.load(tree)[0]:
        if entry.kind != meta.FILE or entry.size > MAX_TEXT:
            continue
        task.check()
        disk = tree.disk / "data" / entry.path
        head = meta.read_file(disk, entry.blake3, elf.HEAD)
        if head.startswith(elf.ELF_MAGIC):
            continue
        read = entry._replace(facts=elf.facts(head, os.fspath(disk)))
        if (read.facts is not None and read.facts.interp) or language_of(read) is not None:
            found[entry.path] = read
    return SliceTable(str(path), "", "", str(path), found)
