"""Find the libraries that ready-made programs of a built package load, such as those in wheels, and that it lacks."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from fpack.builders.payload import elf

_MOST = 50_000  # files that are looked at
_LIBRARY = re.compile(r"\.so(?:\.|\Z)|\.node\Z")
# Plug-ins of Qt are chosen when a program starts. One that shows windows is needed, and the drivers of databases and
# the like are not: their libraries come with what they are for.
_OPTIONAL = re.compile(r"/plugins/(?!platforms/|xcbglintegrations/|egldeviceintegrations/)")


def lacking_sonames(built: Path, machine: int) -> Mapping[str, str]:
    """Return the sonames that libraries of a package load and that none of its files has, with a file that does.

    machine: the number of ELF; libraries for others are left out.
    """
    names: set[str] = set()
    needed: dict[str, str] = {}
    seen = 0
    for directory, folders, files in os.walk(built):
        folders.sort()
        seen += len(files)
        if seen > _MOST:
            break
        for name in sorted(files):
            if not _LIBRARY.search(name):
                continue
            names.add(name)
            path = os.path.join(directory, name)
            relative = os.path.relpath(path, built)
            if os.path.islink(path) or _OPTIONAL.search(f"/{relative}"):
                continue
            for soname in _needed(path, machine):
                needed.setdefault(soname, relative)
    return {soname: where for soname, where in sorted(needed.items()) if soname not in names}


def _needed(path: str, machine: int) -> tuple[str, ...]:
    """Return the sonames that a library of a machine loads."""
    try:
        with open(path, "rb") as file:
            head = file.read(elf.HEAD)
        facts = elf.facts(head, path) if head.startswith(elf.ELF_MAGIC) else None
    except OSError:
        return ()
    return facts.needed if facts is not None and facts.machine == machine else ()
