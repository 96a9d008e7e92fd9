"""What a distribution's package of an image holds, and what it says of itself, whatever the distribution.

    /opt/NAME/root      the image's file system
    /opt/NAME/bin/NAME  the launcher
    /usr/bin/NAME       a link to it

Everything is root's, readable by all and without set-id bits: the machine that it is installed on has users of its
own, and gets no new way to become one. The package is called fpack-NAME, so that it never passes for the
distribution's own of that name; where the distribution has /usr/bin/NAME too, its installer says so and refuses one.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fpack.builders.streams.output_file import ExportError
from fpack.builders.streams.tar_writer import DIRECTORY, FILE, SYMLINK, TarEntry

from . import launcher
from .flattened import FileSystem, Item, walk_order

SUMMARY = "{title}, with all that it needs at run time"
DESCRIPTION = "It runs in a file system of its own, below /opt/{name}, by bubblewrap."
MAINTAINER = "fpack <fpack@localhost>"
_OWN = re.compile(r"[^a-z0-9.+-]+")


class Package(NamedTuple):
    """name: of the image, without a registry's path. items: by path in the order of a walk, without `/` itself.

    size: bytes of all files. foreign: directories that belong to every system.
    """

    name: str
    title: str
    version: str
    arch: str
    items: list[Item]
    size: int
    foreign: frozenset[bytes] = frozenset((b"opt", b"usr", b"usr/bin"))

    @property
    def package_name(self) -> str:
        """What the package is called."""
        return f"fpack-{self.name}"


def own_name(image: str) -> str:
    """The name of an image's folder and command, from the image's name."""
    return _OWN.sub("-", image.rpartition("/")[2]).strip("-.+")


def package(files: FileSystem) -> Package:
    """The package of an image."""
    name = own_name(str(files.record["name"]))
    if not files.config.get("Entrypoint") and not files.config.get("Cmd"):
        raise ExportError(
            f"{name} cannot be a package",
            why="the image has neither an entrypoint nor a command, so there is nothing to install as a command",
            hint="give it one: entrypoint = [...]",
        )
    made = launcher.launcher(files, name)
    base = f"opt/{name}".encode()
    program = base + b"/bin/" + name.encode()
    items = [
        *(Item(TarEntry(path, DIRECTORY, 0o755)) for path in (b"opt", base, base + b"/bin", b"usr", b"usr/bin")),
        Item(TarEntry(program, FILE, 0o755, size=len(made.script)), data=made.script),
        Item(TarEntry(b"usr/bin/" + name.encode(), SYMLINK, 0o777, target=b"../../" + program)),
        *(Item(_plain(member, base + b"/root")) for member in made.missing),
        *(Item(_plain(member, base + b"/root"), member) for member in files.members()),
    ]
    items.sort(key=lambda item: walk_order(item.member.path))
    return Package(
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
