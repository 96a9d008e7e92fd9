"""Define the content and the metadata of a distribution package of an image, for any package format.

    /opt/NAME/root      the image's file system
    /opt/NAME/bin/NAME  the launcher
    /usr/bin/NAME       a symlink to the launcher

All files belong to root, are readable by everyone and have no set-id bits, so the package cannot grant privileges on
the machine that it is installed on. The package is named fpack-NAME, to distinguish it from the distribution's own
package NAME. If both have /usr/bin/NAME, the package manager refuses to install the second one.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fpack.builders.streams.output_file import ExportError
from fpack.builders.streams.tar_writer import DIRECTORY, FILE, SYMLINK, TarEntry

from . import launcher
from .flattened import ArchiveItem, FileSystem, walk_order

SUMMARY = "{title}, with all that it needs at run time"
DESCRIPTION = "It runs in a file system of its own, below /opt/{name}, by bubblewrap."
MAINTAINER = "fpack <fpack@localhost>"
_OWN = re.compile(r"[^a-z0-9.+-]+")


class SystemPackage(NamedTuple):
    """The package of an image. name: of the image, without the registry and path.

    items: all entries but `/`, in the order of a depth-first walk. size: bytes of all files. foreign: directories that
    every system has.
    """

    name: str
    title: str
    version: str
    arch: str
    items: list[ArchiveItem]
    size: int
    foreign: frozenset[bytes] = frozenset((b"opt", b"usr", b"usr/bin"))

    @property
    def package_name(self) -> str:
        return f"fpack-{self.name}"


def own_name(image: str) -> str:
    """Return the name of an image's directory in /opt and of its command."""
    return _OWN.sub("-", image.rpartition("/")[2]).strip("-.+")


def package(files: FileSystem) -> SystemPackage:
    """Return the package of an image. Raise ExportError if the image has no command."""
    name = own_name(str(files.record["name"]))
    if not files.config.get("Entrypoint") and not files.config.get("Cmd"):
        raise ExportError(
            f"{name} cannot be a package",
            why="the image has neither an entrypoint nor a command to install",
            hint="set entrypoint = [...]",
        )
    start = launcher.launcher(files, name)
    base = f"opt/{name}".encode()
    program = base + b"/bin/" + name.encode()
    items = [
        *(ArchiveItem(TarEntry(path, DIRECTORY, 0o755)) for path in (b"opt", base, base + b"/bin", b"usr", b"usr/bin")),
        ArchiveItem(TarEntry(program, FILE, 0o755, size=len(start.script)), data=start.script),
        ArchiveItem(TarEntry(b"usr/bin/" + name.encode(), SYMLINK, 0o777, target=b"../../" + program)),
        *(ArchiveItem(_plain(member, base + b"/root")) for member in start.missing),
        *(ArchiveItem(_plain(member, base + b"/root"), member) for member in files.members()),
    ]
    items.sort(key=lambda item: walk_order(item.member.path))
    return SystemPackage(
        name,
        f"{files.record['name']}:{files.record['tag']}",
        str(files.record["tag"]),
        str(files.record["arch"]),
        items,
        sum(item.member.size for item in items),
    )


def _plain(member: TarEntry, base: bytes) -> TarEntry:
    path = base + b"/" + member.path if member.path else base
    if member.kind == SYMLINK:
        return TarEntry(path, SYMLINK, 0o777, target=member.target)
    mode = 0o755 if member.kind == DIRECTORY or member.mode & 0o111 else 0o644
    return TarEntry(path, member.kind, mode, size=member.size)
