"""Define the packages of a Node project, as locks and resolutions give them, and check names and paths in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fpack.store.errors import FpackError

MAX_PACKAGES = 50_000
NODE_BINARIES = "node-linux-"  # the packages with Node itself, for the processor that follows
_NAME = re.compile(r"(?:@[A-Za-z0-9~-][\w.~-]*/)?[A-Za-z0-9~_-][\w.~-]*\Z")
_SEGMENT = re.compile(r"(?!\.{1,2}\Z)[\w.@+~()=^,!$ -]{1,255}\Z")
CPUS = {"amd64": "x64", "arm64": "arm64", "armhf": "arm", "i386": "ia32", "ppc64el": "ppc64"}


class NodeLockUnreadable(FpackError):
    """A lock of Node packages that cannot be used."""

    exit_code = 4


class NodePackage(NamedTuple):
    """A package. integrity: SHA-2 digests as npm writes them, or "". sha1: hexadecimal, or "". url: or ""."""

    name: str
    version: str
    url: str = ""
    integrity: str = ""
    sha1: str = ""


class NodePlacement(NamedTuple):
    """A package in a directory of the project. dev: only development needs it."""

    where: str
    package: NodePackage
    dev: bool = False


class ModuleLink(NamedTuple):
    """A symlink of the project. to: relative to the project's directory."""

    where: str
    to: str
    dev: bool = False


class ModuleLayout(NamedTuple):
    """The installed packages, by directory."""

    packages: Sequence[NodePlacement]
    links: Sequence[ModuleLink] = ()


class ModuleNode(NamedTuple):
    """A package with the keys of the packages that it uses, by the names that it uses for them."""

    package: NodePackage
    uses: Mapping[str, str]


class Importer(NamedTuple):
    """A package of the project itself. path: its directory, "" for the top. uses, dev: as of a ModuleNode.

    links: directories of other packages of the project, by name.
    """

    path: str
    uses: Mapping[str, str]
    dev: Mapping[str, str]
    links: Mapping[str, str] = {}


class Graph(NamedTuple):
    """All packages by key, and the project's own."""

    nodes: Mapping[str, ModuleNode]
    importers: Sequence[Importer]


class Platform(NamedTuple):
    """The target of a build. node: the version of Node. cpu: as Node calls it."""

    node: str
    cpu: str


def name_of(value: Any) -> str:
    """Return a valid name of a package; raise ValueError for any other value."""
    if not isinstance(value, str) or len(value) > 214 or not _NAME.match(value):
        raise ValueError(f"{str(value)[:60]!r} is not the name of a package")
    return value


def path_of(value: Any) -> str:
    """Return a path within the project; raise ValueError for any other value."""
    if not isinstance(value, str) or len(value) > 4000:
        raise ValueError(f"{str(value)[:80]!r} is not a path within the project")
    parts = [part for part in value.split("/") if part != "."]
    if value.startswith("/") or not all(_SEGMENT.match(part) for part in parts):
        raise ValueError(f"{value[:80]!r} is not a path within the project")
    return "/".join(parts)


def suits(entry: Mapping[str, Any], platform: Platform) -> bool:
    """Return whether an entry's `os`, `cpu` and `libc` allow the platform."""
    return all(
        _allows(entry.get(field), own) for field, own in (("os", "linux"), ("cpu", platform.cpu), ("libc", "glibc"))
    )


def _allows(listed: Any, own: str) -> bool:
    words = [listed] if isinstance(listed, str) else listed if isinstance(listed, list) else []
    words = [word for word in words if isinstance(word, str)]
    refused = {word[1:] for word in words if word.startswith("!")}
    wanted = {word for word in words if not word.startswith("!")}
    return own not in refused and (not wanted or own in wanted or "any" in wanted)


def table(value: Any) -> dict[str, Any]:
    """Return a value that is a table, or an empty one."""
    return value if isinstance(value, dict) else {}


def texts(value: Any) -> dict[str, str]:
    """Return the texts of a table by name."""
    return {k: v for k, v in table(value).items() if isinstance(v, str)}
