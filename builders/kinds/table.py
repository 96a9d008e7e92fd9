"""List the derivation kinds and create their builders.

A kind is one module of this directory, named as derivations name the kind. It has the kind's version (`VERSION`), the
typed arguments of its derivations (`KindArgs`) and its builder (`KindBuilder`). If the builder needs any of the
caller's `Services`, a function `make` takes them and returns the builder. Caches are not asked for the outputs of a
kind with `LOCAL = True`, which any machine makes itself. Adding a kind means adding a file and nothing else.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from fpack.light_typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fpack.builders.debian.contents.finder import NeedFinder
    from fpack.builders.distribution.protocol import Repository
    from fpack.builders.net.http import Http
    from fpack.builders.net.origins import Origins
    from fpack.builders.protocol import Builder
    from fpack.store.derivation import Derivation
    from fpack.store.files.source import SourceSelection
    from fpack.store.store import Store

_NOT_KINDS = ("__init__", "table")
_HEAD = 4096  # bytes of a source in which its constants stand
_VERSION = re.compile(rb"^VERSION = (\d+)$", re.MULTILINE)
_LOCAL = re.compile(rb"^LOCAL = True\b", re.MULTILINE)


class Services(Protocol):
    """The services that the caller provides to builders.

    origins: maps a URL of a derivation to the URLs to download from. source_paths: the path of each source on this
    machine, by its tree digest. source_selections: the selection of each source that has one, by the same digest.
    keep_failed: keep the directories of failed builds. keep_blobs: keep the layers of base images, needed here.
    """

    @property
    def store(self) -> Store: ...
    @property
    def origins(self) -> Origins: ...
    @property
    def source_paths(self) -> Mapping[str, Path]: ...
    @property
    def source_selections(self) -> Mapping[str, SourceSelection]: ...
    @property
    def keep_failed(self) -> bool: ...
    @property
    def keep_blobs(self) -> bool: ...

    def repository(self, address: str) -> Repository:
        """Return the repository at an address, such as `oci://registry.example/team/app`."""

    def http(self) -> Http:
        """Return a client for downloads, which knows the places that keep files."""

    def missing(self, url: str) -> str:
        """Return a hint for a file that no URL serves any more."""

    def files(self) -> NeedFinder | None:
        """Return the finder of Debian's packages, for hints of failed builds, or None if no index is available."""


def kinds() -> list[str]:
    """Return the names of all kinds, sorted."""
    return sorted(_files())


def versions() -> dict[str, int]:
    """Return the version of each kind. Read it from the sources, since importing all kinds takes 100 times as long."""
    return {kind: _version(kind, path) for kind, path in sorted(_files().items())}


def local_kinds() -> frozenset[str]:
    """Return the kinds whose outputs caches are not asked for. Read them from the sources, too."""
    return frozenset(kind for kind, path in _files().items() if _is_local(kind, path))


def is_of_archive(drv: Derivation) -> bool:
    """Return whether a derivation is the download of a package that each mirror of an archive has."""
    urls = [str(url) for url in drv.args.get("urls") or ()] if drv.kind == "fetch" else []
    return bool(urls) and all(url.startswith("mirror://") and url.endswith(".deb") for url in urls)


def generation() -> int:
    """Return a 31-bit number that changes with the versions, to invalidate cached data about derivations.

    A kind of version 1 does not count, so that a new kind invalidates nothing.
    """
    return zlib.crc32(repr([item for item in versions().items() if item[1] > 1]).encode()) >> 1


def _files() -> dict[str, str]:
    from fpack.builders import kinds as package

    files = {
        name.partition(".")[0]: f"{directory}/{name}"
        for directory in package.__path__
        for name in os.listdir(directory)
        if ".py" in name
    }
    return {kind: path for kind, path in files.items() if kind not in _NOT_KINDS}


def _version(kind: str, path: str) -> int:
    match = _VERSION.search(_head(path))
    # A file without a source has compiled code, which starts with other bytes.
    version: int = int(match[1]) if match else _module(kind).VERSION
    return version


def _is_local(kind: str, path: str) -> bool:
    head = _head(path)
    if _VERSION.search(head) is None:
        return bool(getattr(_module(kind), "LOCAL", False))
    return _LOCAL.search(head) is not None


def _head(path: str) -> bytes:
    with open(path, "rb", 0) as file:
        return file.read(_HEAD)


def _module(kind: str) -> Any:
    from importlib import import_module

    return import_module(f"fpack.builders.kinds.{kind}")


class Builders(Mapping[str, "Builder"]):
    """A mapping from each kind to its builder, which is imported and created on first use."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._kinds = kinds()
        self._builders: dict[str, Builder] = {}

    def __getitem__(self, kind: str) -> Builder:
        if kind not in self._kinds:
            raise KeyError(kind)
        if kind not in self._builders:
            module = _module(kind)
            make = getattr(module, "make", None)
            self._builders[kind] = make(self._services) if make else getattr(module, f"{kind.capitalize()}Builder")()
        return self._builders[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)
