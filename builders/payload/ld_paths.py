"""Find the directories in which the dynamic loader searches libraries: its defaults, and those in ld.so.conf.d."""

from __future__ import annotations

from collections.abc import Iterator

from fpack.builders.machines import MACHINES

from .globs import merged

CONFIGURATION = "etc/ld.so.conf.d"
MAX_SIZE = 1 << 16  # of a configuration file
DEFAULTS = ("usr/lib", "usr/lib64")


def default_directories(arch: str) -> tuple[str, ...]:
    """Return the directories that the loader of a Debian architecture searches by default, relative, in order."""
    return (f"usr/lib/{MACHINES[arch].triplet}" if arch in MACHINES else "usr/lib", *DEFAULTS)


def is_configuration(path: str, size: int) -> bool:
    """Return whether a file of a package, by its relative path, names directories of the loader."""
    return path.startswith(f"{CONFIGURATION}/") and path.endswith(".conf") and 0 < size < MAX_SIZE


def configured_directories(content: bytes) -> Iterator[str]:
    """Yield the directories that the content of an ld.so.conf.d file lists, relative, with merged /usr."""
    for line in content[:MAX_SIZE].decode("utf-8", "replace").splitlines():
        directory = line.partition("#")[0].strip()
        if directory.startswith("/") and ".." not in directory.split("/"):
            yield merged(directory.strip("/"))
